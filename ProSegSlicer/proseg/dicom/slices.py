"""The slices of a DICOM series as its files store them, and labels laid onto them: for what is written as DICOM.

What is written for a series must lie on the series' own slices, in whatever order these come and however the labels'
axes are stored. So slices are found by their place in the patient, never by their number.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from proseg.errors import InputError, OutputError, ProSegError
from proseg.system.packages import HIGHDICOM, PYDICOM, is_there, version_of

if TYPE_CHECKING:
    from pydicom import Dataset

OFF_GRID_VOXELS = 0.05  # how far from voxel centres a slice's pixels may lie in-plane: rounding in headers
OFF_SLICE = 0.5  # and across slices, where the reader has taken uneven steps for even ones
MAX_PIXELS = 2**24  # of a slice; a header that says more is wrong
PARALLEL = 1e-3  # how far direction cosines of parallel slices may differ
OTHER_FORMAT = "Write a .seg.nrrd or .nii.gz file instead."
EXPORT_AGAIN = "Export the series again, or write a .seg.nrrd or .nii.gz file."
NEEDED = (HIGHDICOM, PYDICOM)  # to write DICOM

_NAMED = {  # what nothing can be referred to without, and what to call it
    "SOPInstanceUID": "unique identifiers",
    "SOPClassUID": "unique identifiers",
    "SeriesInstanceUID": "unique identifiers",
    "StudyInstanceUID": "unique identifiers",
    "FrameOfReferenceUID": "frame of reference",
}
_TYPE_2 = (  # what a study's header must have, if only without a value (DICOM PS3.3 C.7.1.1, C.7.2.1)
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)


@dataclass(frozen=True)
class SourceSlice:
    """One slice as the series stores it. Lengths in mm, LPS.

    Attributes:
        position: centre of its first pixel.
        along_row: unit vector from one column to the next.
        along_column: unit vector from one row to the next.
        spacing: distance of rows, distance of columns.
        size: rows, columns.
    """

    position: np.ndarray
    along_row: np.ndarray
    along_column: np.ndarray
    spacing: tuple[float, float]
    size: tuple[int, int]


def check_source(files: Sequence[Path]) -> None:
    """Find out, before any work is done, whether DICOM can be written for what was read from these files.

    Raises:
        InputError: they are none: the image did not come from DICOM.
        OutputError: a package is missing.
    """
    if not files:
        raise InputError(
            "A DICOM file can only be written for a DICOM series, whose patient, study and slices it names.",
            "Give the folder of the DICOM series as the input, or write a .seg.nrrd or .nii.gz file.",
        )
    missing = [need for need in NEEDED if not is_there(*need)]
    if missing:
        found = [f"{package} {version_of(package) or 'is not'}" for package, _ in missing]
        raise OutputError(
            f"Writing DICOM needs {' and '.join(f'{package} {least} or newer' for package, least in missing)}; "
            f"{' and '.join(found)} installed.",
            "Install it: pip install " + " ".join(f'"{package}>={least}"' for package, least in missing),
        )


@contextmanager
def discreet() -> Iterator[None]:
    """Keep what pydicom and highdicom log and warn off stderr: they quote values, such as the patient's name."""
    loggers = [logging.getLogger(name) for name, _ in NEEDED]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def refusing(sentence: str) -> Iterator[None]:
    """Say a sentence where a header is not as the standard has it: pydicom and highdicom have many words for that.

    Raises:
        InputError: with the sentence, whatever was raised but faults told already and those of the machine.
    """
    try:
        yield
    except (ProSegError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(sentence, EXPORT_AGAIN) from error


def read_headers(files: Sequence[Path]) -> list[Dataset]:
    """The headers of a series' files, without pixels; texts decoded, and to be written as UTF-8.

    Of the values that are to be repeated, those that are missing or not what the standard allows become empty.

    Raises:
        InputError: a file is gone or damaged, or lacks what a reference to it needs.
    """
    return [_read_header(file) for file in files]


def _read_header(file: Path) -> Dataset:
    import pydicom

    try:
        with refusing("A DICOM file of the series is damaged."):
            header = pydicom.dcmread(file, stop_before_pixels=True)
            header.decode()
    except OSError as error:
        raise InputError(
            f"A DICOM file of the series cannot be read any more: {error.strerror}.",
            "Put the series back where it was read from.",
        ) from None
    for keyword, what in _NAMED.items():
        if not header.get(keyword):
            raise InputError(f"The DICOM series lacks its {what}, so nothing can refer to it.", EXPORT_AGAIN)
    header.SpecificCharacterSet = "ISO_IR 192"
    for keyword in _TYPE_2:
        setattr(header, keyword, _allowed(keyword, header.get(keyword)))
    return header


def _allowed(keyword: str, value: str | None) -> str:
    from pydicom.valuerep import DA, TM

    if keyword == "PatientSex" and value not in ("M", "F", "O"):
        return ""
    try:
        for ending, kind in (("Date", DA), ("Time", TM)):
            if keyword.endswith(ending) and value:
                kind(value)
    except (ValueError, TypeError):
        return ""
    return "" if value is None else value


def as_one_series(headers: Sequence[Dataset]) -> dict[str, str]:
    """Let headers that were read name one series; files stay as they are.

    Canon gives each slice a series of its own, which highdicom takes for a mistake.

    Returns:
        The series that each instance truly is of, by its UID: what ``refer_truly`` puts back.

    Raises:
        InputError: they are of several studies.
    """
    if len({header.StudyInstanceUID for header in headers}) > 1:
        raise InputError(
            "Each slice of the DICOM series names a study of its own, so there is none for a DICOM file to join.",
            OTHER_FORMAT,
        )
    true = {header.SOPInstanceUID: header.SeriesInstanceUID for header in headers}
    for header in headers:
        header.SeriesInstanceUID = headers[0].SeriesInstanceUID
    return true


def refer_truly(made: Dataset, true: dict[str, str]) -> None:
    """Have a file name the series that the instances are of, where these are several (PS3.3 C.12.2, by series)."""
    if len(set(true.values())) == 1:
        return
    from pydicom import Dataset

    named: dict[str, list[Dataset]] = {}
    for one in made.ReferencedSeriesSequence:
        for instance in one.ReferencedInstanceSequence:
            named.setdefault(true[instance.ReferencedSOPInstanceUID], []).append(instance)
    made.ReferencedSeriesSequence = [Dataset() for _ in named]
    for one, (series, instances) in zip(made.ReferencedSeriesSequence, named.items(), strict=True):
        one.SeriesInstanceUID, one.ReferencedInstanceSequence = series, instances


def slices_of(headers: Sequence[Dataset]) -> list[SourceSlice]:
    """The slices of a series: the frames of its one multi-frame file in stored order, or one of each file.

    Raises:
        InputError: a slice does not say where it lies.
    """
    multi_frame = ["PerFrameFunctionalGroupsSequence" in header for header in headers]
    if any(multi_frame) and len(headers) > 1:
        raise InputError(
            "The DICOM series is spread over several multi-frame files, which one segmentation cannot refer to.",
            OTHER_FORMAT,
        )
    with refusing("The DICOM series does not say where its slices lie."):
        if not any(multi_frame):
            return [_slice(header, header, header, header) for header in headers]
        header = headers[0]
        shared = header.SharedFunctionalGroupsSequence[0]
        slices = []
        for own in header.PerFrameFunctionalGroupsSequence:
            groups = [
                (own.get(name) or shared.get(name))[0]
                for name in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
            ]
            slices.append(_slice(header, *groups))
        return slices


def _slice(header: Dataset, position: Dataset, orientation: Dataset, measures: Dataset) -> SourceSlice:
    cosines = _numbers(orientation.ImageOrientationPatient, 6)
    return SourceSlice(
        position=_numbers(position.ImagePositionPatient, 3),
        along_row=cosines[:3] / np.linalg.norm(cosines[:3]),
        along_column=cosines[3:] / np.linalg.norm(cosines[3:]),
        spacing=tuple(_numbers(measures.PixelSpacing, 2).tolist()),
        size=(int(header.Rows), int(header.Columns)),
    )


def _numbers(values: Sequence[str], count: int) -> np.ndarray:
    numbers = np.array([float(value) for value in values])
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise ValueError(f"{numbers} are not {count} numbers")
    return numbers


def unify(headers: Sequence[Dataset], slices: Sequence[SourceSlice], step_mm: float) -> None:
    """Let headers that were read say in one place, and alike, how all slices lie; files stay as they are.

    Scanners round orientations slice by slice, keep them with each frame of a multi-frame file, and mean different
    things by the spacing between slices.

    Args:
        headers: of the series.
        slices: what ``slices_of`` found in them.
        step_mm: distance of the slices.

    Raises:
        InputError: slices are not parallel, or of different sizes.
    """
    first = slices[0]
    if len({one.size for one in slices}) > 1:
        raise InputError("The slices of the DICOM series are of different sizes.", EXPORT_AGAIN)
    for one in slices:
        if np.abs([one.along_row - first.along_row, one.along_column - first.along_column]).max() > PARALLEL:
            raise InputError("The slices of the DICOM series are not parallel.", EXPORT_AGAIN)
    measures = headers
    if "SharedFunctionalGroupsSequence" in headers[0]:
        shared, own = headers[0].SharedFunctionalGroupsSequence[0], headers[0].PerFrameFunctionalGroupsSequence[0]
        for name in ("PlaneOrientationSequence", "PixelMeasuresSequence"):
            if name not in shared:
                setattr(shared, name, own[name].value)
        measures = [shared.PixelMeasuresSequence[0]]
    else:
        for header in headers:
            header.ImageOrientationPatient = headers[0].ImageOrientationPatient
    for one in measures:
        one.SpacingBetweenSlices = f"{step_mm:.10g}"
        if not one.get("SliceThickness"):
            one.SliceThickness = one.SpacingBetweenSlices


def labels_on_slices(labelmap: sitk.Image, slices: Sequence[SourceSlice]) -> dict[int, np.ndarray]:
    """The labels of each slice's pixels, in the order of the slices.

    Nothing is interpolated: axes may be stored in any order and direction, but pixels must be voxels.

    Returns:
        By the slice's number from 0: UInt8 (rows, columns), 0 where the labelmap does not reach. Of several slices at
        one place, such as the echoes in a multi-frame file, only the first is there.

    Raises:
        InputError: slices and labelmap are not of one grid, or labels lie where there is no slice.
    """
    voxels = sitk.GetArrayViewFromImage(labelmap).transpose()  # i, j, k
    found: dict[int, np.ndarray] = {}
    places: set[int] = set()
    for number, one in enumerate(slices):
        across = slice_axis(labelmap, one)
        start, row_step, column_step = _in_voxels(labelmap, one, across)
        if start[across] in places:
            continue
        places.add(start[across])
        rows, columns = np.ogrid[: one.size[0], : one.size[1]]
        indices = [  # each follows rows or columns alone, so that little arrays will do
            start[axis] + (rows * column_step[axis] if column_step[axis] else columns * row_step[axis])
            for axis in range(3)
        ]
        inside = np.ones(one.size, bool)
        for index, count in zip(indices, voxels.shape, strict=True):
            inside &= (index >= 0) & (index < count)
        clipped = tuple(np.clip(index, 0, count - 1) for index, count in zip(indices, voxels.shape, strict=True))
        found[number] = np.where(inside, voxels[clipped], 0).astype(np.uint8)
    if sum(np.count_nonzero(labels) for labels in found.values()) != np.count_nonzero(voxels):
        raise InputError("Some of the contours lie outside the DICOM series.", OTHER_FORMAT)
    return found


def slice_axis(labelmap: sitk.Image, one: SourceSlice) -> int:
    """Which of the labelmap's axes leads from slice to slice."""
    normal = np.cross(one.along_row, one.along_column)
    return int(np.abs(np.reshape(labelmap.GetDirection(), (3, 3)).T @ normal).argmax())


def _in_voxels(labelmap: sitk.Image, one: SourceSlice, across: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where a slice begins, and where its rows and columns lead, in the labelmap's indices (i, j, k).

    Args:
        labelmap: what to look up.
        one: what to place.
        across: the labelmap's slice axis.
    """
    to_index = np.linalg.inv(np.reshape(labelmap.GetDirection(), (3, 3)) * labelmap.GetSpacing())
    exact = (
        to_index @ (one.position - labelmap.GetOrigin()),
        to_index @ one.along_row * one.spacing[1],
        to_index @ one.along_column * one.spacing[0],
    )
    start, row_step, column_step = (np.rint(vector).astype(int) for vector in exact)
    rows, columns = one.size
    corners = np.array([[0, 0], [0, columns - 1], [rows - 1, 0], [rows - 1, columns - 1]])
    off = (exact[0] - start) + corners[:, :1] * (exact[2] - column_step) + corners[:, 1:] * (exact[1] - row_step)
    allowed = np.full(3, OFF_GRID_VOXELS)
    allowed[across] = OFF_SLICE
    one_apart = np.abs(row_step).sum() == np.abs(column_step).sum() == 1 and not (row_step * column_step).any()
    if not one_apart or not (np.abs(off) <= allowed).all() or rows * columns > MAX_PIXELS:
        raise InputError("The contours do not lie on the slices of the DICOM series.", OTHER_FORMAT)
    return start, row_step, column_step
