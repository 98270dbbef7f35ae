"""The DICOM series that a folder holds, by the headers of its files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from proseg.dicom.gather import put_together, take_apart
from proseg.dicom.headers import Header, read_header
from proseg.dicom.lengths import lengths_fit
from proseg.dicom.meta import head_of, is_dicom, is_mr_image, is_of_series, packing
from proseg.dicom.multiframe import frames_of, is_multi_frame
from proseg.dicom.volumes import Series
from proseg.images.files import quiet
from proseg.system.folders import walk


@dataclass
class Folder:
    """The DICOM series found in a folder.

    Attributes:
        series: by number; one that holds several volumes is there once for each.
        copies: how many files were copies of others.
        damaged: how many MR images cannot be read and belong to none of the series.
        odd: how many more cannot, although they are whole, for what their headers hold.
        packed: MR images that cannot be opened for the way they are compressed, by its name.
        closed: folders that may not be listed.
    """

    series: list[Series] = field(default_factory=list)
    copies: int = 0
    damaged: int = 0
    odd: int = 0
    packed: Counter[str] = field(default_factory=Counter)
    closed: list[Path] = field(default_factory=list)


def scan(folder: Path, deep: bool = True) -> Folder:
    """Find the DICOM image series in a folder, and with ``deep`` in the folders within it.

    Files that are not DICOM, and DICOM objects without pixels, are passed over; a damaged image is counted with its
    series when enough of its header is left to tell.
    """
    groups: dict[tuple[str, str], dict[Header, Header]] = {}
    damaged: list[tuple[bytes, bool]] = []  # how it starts, and whether it is whole
    found = Folder()
    with quiet():
        for file in _dicom_files(folder, deep, found.closed):
            header = read_header(file)
            if header is None:
                head = head_of(file)
                if (name := packing(head)) and is_mr_image(head):
                    found.packed[name] += 1
                elif is_mr_image(head):
                    damaged.append((head, lengths_fit(file)))
                continue
            # A file without a series UID belongs with its neighbours.
            group = groups.setdefault((header.study, header.series or str(file.parent)), {})
            # one UID for all is an anonymiser's: copies are alike in all else as well
            key = replace(header, file=Path() if header.instance else file)
            found.copies += key in group
            group.setdefault(key, header)
    for headers, remark in put_together(list(group.values()) for group in groups.values()):
        uid = headers[0].series
        others = [(head, whole) for head, whole in damaged if not (uid and is_of_series(head, uid))]
        lost, damaged = len(damaged) - len(others), others
        for part in take_apart(list(_each_frame(headers))):
            found.series.append(replace(part, damaged=lost, remark=remark))
    found.odd = sum(whole for _, whole in damaged)
    found.damaged = len(damaged) - found.odd
    found.series.sort(key=lambda series: (_whole(series.first.number), series.first.series))
    return found


def _dicom_files(folder: Path, deep: bool, closed: list[Path]) -> Iterator[Path]:
    for place, names in walk(folder, closed=closed):
        for name in names:
            file = place / name
            if name.upper() != "DICOMDIR" and file.is_file() and is_dicom(file):
                yield file
        if not deep:
            return


def _each_frame(headers: Iterable[Header]) -> Iterator[Header]:
    """Headers with those of multi-frame files replaced by their frames' own, where they have such."""
    for header in headers:
        try:
            frames = frames_of(header) if is_multi_frame(header) else []
        except ImportError:
            frames = []
        yield from frames or [header]


def _whole(text: str) -> int:
    return int(text) if re.fullmatch(r"-?[0-9]{1,12}", text) else 0
