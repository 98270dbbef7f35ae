"""DICOM files grouped into series by their headers, and series taken apart into the volumes that they hold."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from proseg.dicom.headers import Header, read_header
from proseg.dicom.meta import head_of, is_dicom, is_mr_image, is_of_series, packing
from proseg.dicom.multiframe import frames_of, is_multi_frame
from proseg.dicom.text import without_names
from proseg.images.files import quiet
from proseg.system.folders import walk

PLANES = ("sagittal", "coronal", "axial")  # by the patient axis (L, P, S) nearest to the slice normal
SAME_PLACE_MM = 0.01  # slices nearer than this are at the same position
MIN_PART = 3  # fewer images are no volume, and no reason to take a series apart

# What tells the volumes in one series apart, in the order in which it is tried.
PARTS: tuple[tuple[str, Callable[[Header], Hashable]], ...] = (
    ("image type", lambda header: "/".join(header.image_type)),
    ("echo time", lambda header: header.echo_time),
    ("b-value", lambda header: header.b_value),
    ("time", lambda header: header.time),
    ("acquisition", lambda header: header.acquisition),
)


@dataclass
class Series:
    """The images of one DICOM series, or of one volume in it, without copies.

    Attributes:
        headers: in the order of their positions where these are known.
        damaged: how many more files belong to it that cannot be read.
        part: which volume of the series this is, for people; empty where it is all of it.
    """

    headers: list[Header]
    damaged: int = 0
    part: str = ""

    @property
    def first(self) -> Header:
        """The header that speaks for the series."""
        return self.headers[0]

    @property
    def title(self) -> str:
        """Number and description, as on the scanner's list; for people to read."""
        description = without_names(self.first.description, self.first.patient, self.first.birth_date)
        words = (self.first.number, f"“{description}”" if description else "")
        return " ".join(filter(None, words)) or "without number"

    @property
    def name(self) -> str:
        """The title and, where the series holds several volumes, which of them this is."""
        return f"{self.title} ({self.part})" if self.part else self.title

    @property
    def is_multi_frame(self) -> bool:
        """Whether the images are frames of files that hold several."""
        return any(header.frame for header in self.headers)

    @property
    def slice_count(self) -> int:
        """Number of images."""
        return sum(header.frame_count for header in self.headers)

    @property
    def pixel_mm(self) -> float:
        """The coarser in-plane pixel size, mm; infinite where unknown."""
        return max(self.first.spacing) if self.first.spacing else math.inf

    @property
    def field_mm(self) -> float:
        """The larger side of the in-plane field of view, mm; infinite where unknown."""
        return self.pixel_mm * max(self.first.size[:2])

    @cached_property
    def normal(self) -> np.ndarray | None:
        """Unit slice normal (LPS) of the first slice: row cosines × column cosines (DICOM PS3.3 C.7.6.2.1.1)."""
        if self.first.orientation is None:
            return None
        normal = np.cross(self.first.orientation[:3], self.first.orientation[3:])
        length = np.linalg.norm(normal)
        return normal / length if abs(length - 1) < 0.01 else None

    @property
    def plane(self) -> str | None:
        """``axial``, ``coronal`` or ``sagittal``, whichever is nearest; None where unknown."""
        return None if self.normal is None else PLANES[int(np.abs(self.normal).argmax())]

    @property
    def is_mixed(self) -> bool:
        """Whether the slices are not all parallel (1e-3 of the cosines, some 0.06 degrees)."""
        orientations = [header.orientation for header in self.headers]
        return None not in orientations and bool(np.ptp(np.array(orientations), axis=0).max() > 1e-3)

    def sort(self) -> None:
        """Order the images along the slice normal, where all have a position."""
        if self.normal is not None and all(header.position for header in self.headers):
            self.headers.sort(key=lambda header: float(np.dot(header.position, self.normal)))

    def places(self) -> list[int] | None:
        """Where the images lie along the normal, in steps of ``SAME_PLACE_MM``; None where not all have their place."""
        if self.normal is None or self.is_mixed or not all(header.position for header in self.headers):
            return None
        return [round(float(np.dot(header.position, self.normal)) / SAME_PLACE_MM) for header in self.headers]


@dataclass
class Folder:
    """The DICOM series found in a folder.

    Attributes:
        series: by number; one that holds several volumes is there once for each.
        copies: how many files were copies of others.
        damaged: how many MR images cannot be read and belong to none of the series.
        packed: MR images that cannot be opened for the way they are compressed, by its name.
        closed: folders that may not be listed.
    """

    series: list[Series] = field(default_factory=list)
    copies: int = 0
    damaged: int = 0
    packed: Counter[str] = field(default_factory=Counter)
    closed: list[Path] = field(default_factory=list)


def scan(folder: Path, deep: bool = True) -> Folder:
    """Find the DICOM image series in a folder, and with ``deep`` in the folders within it.

    Files that are not DICOM, and DICOM objects without pixels, are passed over; a damaged image is counted with its
    series when enough of its header is left to tell.
    """
    groups: dict[tuple[str, str], dict[tuple, Header]] = {}
    damaged: list[bytes] = []
    found = Folder()
    with quiet():
        for file in _dicom_files(folder, deep, found.closed):
            header = read_header(file)
            if header is None:
                head = head_of(file)
                if (name := packing(head)) and is_mr_image(head):
                    found.packed[name] += 1
                elif is_mr_image(head):
                    damaged.append(head)
                continue
            # A file without a series UID belongs with its neighbours.
            group = groups.setdefault((header.study, header.series or str(file.parent)), {})
            key = (header.instance or str(file), header.position)
            found.copies += key in group
            group.setdefault(key, header)
    found.damaged = len(damaged)
    for group in groups.values():
        uid = next(iter(group.values())).series
        lost = sum(bool(uid) and is_of_series(head, uid) for head in damaged)
        found.damaged -= lost
        found.series += (Series(part.headers, lost, part.part) for part in _volumes(list(_each_frame(group.values()))))
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


def _each_frame(headers: Iterator[Header]) -> Iterator[Header]:
    """Headers with those of multi-frame files replaced by their frames' own, where they have such."""
    for header in headers:
        try:
            frames = frames_of(header) if is_multi_frame(header) else []
        except ImportError:
            frames = []
        yield from frames or [header]


def _volumes(headers: list[Header]) -> Iterator[Series]:
    """The volumes in the images of one series, each sorted."""
    stacks: dict[Hashable, list[Header]] = defaultdict(list)
    for header in headers:  # only frames say which stack they belong to
        turned = tuple(round(cosine, 2) for cosine in header.orientation or ()) if header.frame else ()
        stacks[header.stack, turned].append(header)
    if min(map(len, stacks.values())) < MIN_PART:
        stacks = {("", ()): headers}
    for (stack, _), members in stacks.items():
        yield from _parts(members, f"stack {stack}" if len(stacks) > 1 else "")


def _parts(headers: list[Header], name: str) -> Iterator[Series]:
    """Take images apart by the first attribute that tells those at the same place from each other.

    One of the parts must fill all places: else slices of one volume, told from each other by chance, would be torn out.
    """
    series = Series(headers, part=name)
    places = series.places()
    for words, attribute in PARTS if places and len(set(places)) < len(places) else ():
        groups: dict[Hashable, list[Header]] = defaultdict(list)
        for header in headers:
            groups[attribute(header)].append(header)
        whole = any(len(set(Series(group).places() or ())) == len(set(places)) for group in groups.values())
        if len(groups) > 1 and whole and min(map(len, groups.values())) >= MIN_PART:
            for value, group in groups.items():
                shown = f"{value:g}" if isinstance(value, float) else value or "not told"
                yield from _parts(group, ", ".join(filter(None, (name, f"{words} {shown}"))))
            return
    series.sort()
    yield series


def _whole(text: str) -> int:
    return int(text) if text.lstrip("-").isdigit() else 0
