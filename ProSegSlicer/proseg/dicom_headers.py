"""DICOM files grouped into series by their headers, each file's header read once."""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from proseg.imagefiles import quiet

MR_IMAGE = b"1.2.840.10008.5.1.4.1.1.4"  # SOP class MR Image Storage; Enhanced MR adds ".1"
PLANES = ("sagittal", "coronal", "axial")  # by the patient axis (L, P, S) nearest to the slice normal


@dataclass(frozen=True)
class Header:
    """What one DICOM file says of itself; None or empty where it does not. Lengths in mm (LPS), times in ms."""

    file: Path
    series: str
    study: str
    patient: str
    instance: str
    number: str
    description: str
    modality: str
    sop_class: str
    image_type: tuple[str, ...]
    sequence: tuple[str, ...]
    echo_time: float | None
    repetition_time: float | None
    b_value: float | None
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    size: tuple[int, ...]
    components: int


@dataclass
class Series:
    """The image files of one DICOM series, without copies, in the order of their positions where these are known."""

    headers: list[Header]
    damaged: int = 0

    @property
    def first(self) -> Header:
        """The header that speaks for the series."""
        return self.headers[0]

    @property
    def name(self) -> str:
        """Number and description, as on the scanner's list; for people to read."""
        description = _without_names(self.first.description, self.first.patient)
        words = (self.first.number, f"“{description}”" if description else "")
        return " ".join(filter(None, words)) or "without number"

    @property
    def is_multi_frame(self) -> bool:
        """Whether one file holds all slices."""
        return len(self.headers) == 1 and len(self.first.size) > 2 and self.first.size[2] > 1

    @property
    def slice_count(self) -> int:
        """Number of slices."""
        return self.first.size[2] if self.is_multi_frame else len(self.headers)

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

    def sort(self) -> None:
        """Order the files along the slice normal, where every file has a position."""
        if self.normal is not None and all(header.position for header in self.headers):
            self.headers.sort(key=lambda header: float(np.dot(header.position, self.normal)))


@dataclass
class Folder:
    """The DICOM series found in a folder."""

    series: list[Series] = field(default_factory=list)
    copies: int = 0


def scan(folder: Path, deep: bool = True) -> Folder:
    """Find the DICOM image series in a folder, and with ``deep`` in the folders within it.

    Files that are not DICOM, and DICOM objects without pixels, are passed over; a damaged image is counted with its
    series when enough of its header is left to tell.
    """
    groups: dict[tuple[str, str], dict[tuple, Header]] = {}
    damaged: list[bytes] = []
    copies = 0
    with quiet():
        for file in _dicom_files(folder, deep):
            header = read_header(file)
            if header is None:
                damaged.append(_head(file, 16384))
                continue
            # A file without a series UID belongs with its neighbours.
            group = groups.setdefault((header.study, header.series or str(file.parent)), {})
            key = (header.instance or str(file), header.position)
            copies += key in group
            group.setdefault(key, header)
    found = Folder(copies=copies)
    for group in groups.values():
        series = Series(list(group.values()))
        series.sort()
        uid = series.first.series.encode()
        series.damaged = sum(bool(uid) and MR_IMAGE in head and _holds(head, uid) for head in damaged)
        found.series.append(series)
    found.series.sort(key=lambda series: (_whole(series.first.number), series.first.series))
    return found


def read_header(file: Path) -> Header | None:
    """The header of a DICOM image file; None if it holds no image that can be read."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.LoadPrivateTagsOff()
    reader.SetFileName(str(file))
    try:
        with quiet():
            reader.ReadImageInformation()
    except RuntimeError:
        return None

    def text(tag: str) -> str:
        # GDCM hands over bytes of any character set; what is not UTF-8 arrives with surrogates
        value = reader.GetMetaData(tag) if reader.HasMetaDataKey(tag) else ""
        return value.encode("utf-8", "replace").decode().strip(" \0")

    def words(tag: str) -> tuple[str, ...]:
        return tuple(word.strip().upper() for word in text(tag).split("\\") if word.strip())

    def numbers(tag: str, count: int) -> tuple[float, ...] | None:
        try:
            values = tuple(float(value) for value in text(tag).split("\\"))
        except ValueError:
            return None
        return values if len(values) == count and all(map(math.isfinite, values)) else None

    def number(tag: str) -> float | None:
        return (numbers(tag, 1) or (None,))[0]

    multi_frame = len(reader.GetSize()) > 2 and reader.GetSize()[2] > 1
    direction = reader.GetDirection()
    return Header(
        file=file,
        series=text("0020|000e"),
        study=text("0020|000d"),
        patient="^".join((text("0010|0010"), text("0010|0020"))),
        instance=text("0008|0018"),
        number=text("0020|0011"),
        description=text("0008|103e") or text("0018|1030"),
        modality=text("0008|0060").upper(),
        sop_class=text("0008|0016"),
        image_type=words("0008|0008"),
        sequence=words("0018|0020"),
        echo_time=number("0018|0081"),
        repetition_time=number("0018|0080"),
        b_value=number("0018|9087"),
        # A multi-frame file keeps these per frame, where only GDCM finds them.
        position=reader.GetOrigin()[:3] if multi_frame else numbers("0020|0032", 3),
        orientation=(*direction[0::3], *direction[1::3]) if multi_frame else numbers("0020|0037", 6),
        spacing=reader.GetSpacing()[:2] if multi_frame else numbers("0028|0030", 2),
        size=tuple(reader.GetSize()),
        components=reader.GetNumberOfComponents(),
    )


def frame_positions(file: Path) -> list[tuple[float, ...]]:
    """Image Position (Patient) of the frames of a multi-frame file, in stored order, mm (LPS).

    SimpleITK shows no sequences, so the elements (0020,0032) are looked for in the little-endian bytes, with explicit
    VR or without (DICOM PS3.5 section 7.1). Frames in a row at one position count once.
    """
    number = rb"[-+.0-9eE ]+"
    element = rb"\x20\x00\x32\x00(?:DS..|..\x00\x00)(" + rb"\\".join([number] * 3) + rb")"
    found = re.findall(element, file.read_bytes(), re.DOTALL)
    positions = [tuple(float(mm) for mm in value.split(b"\\")) for value in found]
    return [position for position, _ in itertools.groupby(positions)]


def is_dicom(file: Path) -> bool:
    """Whether a file starts as DICOM does: ``DICM`` after the preamble or, in old files, straight with group 8."""
    head = _head(file, 132)
    return head[128:132] == b"DICM" or (head[:2] == b"\x08\x00" and head[3:4] == b"\x00")


def _dicom_files(folder: Path, deep: bool) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if deep else []
        for name in sorted(files):
            file = Path(root, name)
            if not name.startswith(".") and name.upper() != "DICOMDIR" and file.is_file() and is_dicom(file):
                yield file


def _head(file: Path, count: int) -> bytes:
    with file.open("rb") as stream:
        return stream.read(count)


def _holds(head: bytes, uid: bytes) -> bool:
    """Whether a UID stands in a header as a whole, not only as the beginning of a longer one."""
    return re.search(re.escape(uid) + rb"(?![.0-9])", head) is not None


def _without_names(description: str, patient: str) -> str:
    """The description, or nothing if the patient's name or ID was typed into it."""
    names = (part for part in patient.split("^") if len(part) > 2)
    return "" if any(part.lower() in description.lower() for part in names) else description


def _whole(text: str) -> int:
    return int(text) if text.lstrip("-").isdigit() else 0
