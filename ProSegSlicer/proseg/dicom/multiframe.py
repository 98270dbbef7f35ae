"""Multi-frame (enhanced) MR: one file with many frames, each with its own place, timing and scale.

SimpleITK's GDCM reads such a file as one stack: where frames are out of order, of several echoes or unevenly spaced it
takes 1 mm for their distance, and the first frame's rescale slope serves for all. So headers are read frame by frame
(functional groups: DICOM PS3.3 C.7.6.16, C.8.13), and the frames of one volume are handed to GDCM as files of one frame
each, which it unpacks and scales as it does any other series. pydicom reads the groups; it is imported only here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proseg.dicom.headers import Header
from proseg.dicom.slices import discreet
from proseg.errors import InputError
from proseg.images.headers import EXPORT_AGAIN
from proseg.system.packages import PYDICOM, is_there
from proseg.system.temporary import no_room_for

if TYPE_CHECKING:
    from pydicom import Dataset

ENHANCED = {f"1.2.840.10008.5.1.4.1.1.4.{end}" for end in ("1", "4")}  # Enhanced and Legacy Converted Enhanced MR
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
_SEQUENCES = {"SPIN": ("SE",), "GRADIENT": ("GR",), "BOTH": ("SE", "GR")}
_COPIED = (
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
)

_PLACE_AND_SCALE = (
    ("PlanePositionSequence", ("ImagePositionPatient",)),
    ("PlaneOrientationSequence", ("ImageOrientationPatient",)),
    ("PixelMeasuresSequence", ("PixelSpacing",)),
    ("PixelValueTransformationSequence", ("RescaleIntercept", "RescaleSlope")),
)


def is_multi_frame(header: Header) -> bool:
    """Whether a file tells place and scale frame by frame."""
    return header.sop_class in ENHANCED


def without_places(header: Header) -> str | None:
    """Why the frames of a multi-frame file have no place of their own, for people; None where they have."""
    if header.frame or not (is_multi_frame(header) or header.frame_count > 1):
        return None
    if is_multi_frame(header) and not is_there(*PYDICOM):
        needed = " ".join(PYDICOM)
        return f"multi-frame, which takes the package {needed} or newer to read (Slicer 5.12 has it)"
    return "multi-frame without a place for each frame"


def frames_of(header: Header) -> list[Header]:
    """A header for each frame of a multi-frame file, in stored order; empty where the groups do not fit the frames.

    Raises:
        ImportError: pydicom is not installed, or too old to take frames apart.
    """
    if not is_there(*PYDICOM):
        raise ImportError("pydicom")
    import pydicom

    try:
        with discreet():
            data = pydicom.dcmread(header.file, stop_before_pixels=True)
            return _frames(header, data)
    except Exception:  # a damaged file can bring anything; pydicom has no common class for it
        return []


def _frames(header: Header, data: Dataset) -> list[Header]:
    frames = data.get("PerFrameFunctionalGroupsSequence") or []
    shared = _first(data, "SharedFunctionalGroupsSequence")
    if len(frames) != header.frame_count:
        return []
    common = replace(
        header,
        size=header.size[:2],
        image_type=(*header.image_type, *_words(data, "AcquisitionContrast")),
        sequence=(*header.sequence, *_pulse(data)),
    )
    return [_frame(common, number, own, shared) for number, own in enumerate(frames, 1)]


def _frame(common: Header, number: int, own: Dataset, shared: Dataset) -> Header:
    def group(name: str) -> Dataset:
        return _group(name, own, shared)

    content, kind = group("FrameContentSequence"), group("MRImageFrameTypeSequence")
    suppressed = "FAT" in str(group("MRModifierSequence").get("SpectrallySelectedSuppression", ""))
    return replace(
        common,
        frame=number,
        position=_numbers(group("PlanePositionSequence"), "ImagePositionPatient", 3),
        orientation=_numbers(group("PlaneOrientationSequence"), "ImageOrientationPatient", 6),
        spacing=_numbers(group("PixelMeasuresSequence"), "PixelSpacing", 2),
        echo_time=_number(group("MREchoSequence"), "EffectiveEchoTime", common.echo_time),
        repetition_time=_number(
            group("MRTimingAndRelatedParametersSequence"), "RepetitionTime", common.repetition_time
        ),
        b_value=_number(group("MRDiffusionSequence"), "DiffusionBValue", common.b_value),
        image_type=tuple(
            dict.fromkeys((*common.image_type, *_words(kind, "FrameType"), *_words(kind, "AcquisitionContrast")))
        ),
        scan_options=(*common.scan_options, *(("FS",) if suppressed else ())),
        stack=str(content.get("StackID") or ""),
        time=str(content.get("TemporalPositionIndex") or ""),
        acquisition=str(content.get("FrameAcquisitionNumber") or ""),
    )


def write_frames(file: Path, frames: Sequence[int], folder: Path, name: str) -> list[Path]:
    """Write frames of a multi-frame file as files of one frame each, packed as they were; returns them in that order.

    Args:
        file: the multi-frame file.
        frames: which, counted from 1.
        folder: where to; it is made.
        name: what an error calls the image.

    Raises:
        InputError: the file is damaged, its pixels are not all there, or the folder cannot be written to.
    """
    import pydicom

    try:
        with discreet():
            data = pydicom.dcmread(file)
            packed = _pixels(data, frames)
            singles = [_single(data, number) for number in frames]
    except (OSError, MemoryError, ImportError):
        raise
    except Exception:  # as above
        raise InputError(f"{name} is damaged and cannot be read.", EXPORT_AGAIN) from None
    with discreet(), no_room_for(name):
        folder.mkdir()
        written = [folder / f"{number}.dcm" for number in frames]
        for file, single, pixels in zip(written, singles, packed, strict=True):
            single.PixelData = pixels
            compressed = single.file_meta.TransferSyntaxUID.is_encapsulated
            single["PixelData"].VR = "OB" if compressed else "OW"
            single["PixelData"].is_undefined_length = compressed
            pydicom.dcmwrite(file, single, enforce_file_format=True)
    return written


def _single(data: Dataset, number: int) -> Dataset:
    """What GDCM needs of one frame: the shape of its pixels, its place and its scale."""
    import pydicom
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

    one = pydicom.Dataset()
    one.SOPClassUID, one.SOPInstanceUID, one.Modality = MR_IMAGE, pydicom.uid.generate_uid(), "MR"
    one.file_meta = pydicom.dataset.FileMetaDataset()
    syntax = data.file_meta.TransferSyntaxUID
    inflated = syntax == DeflatedExplicitVRLittleEndian
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if inflated else syntax
    one.file_meta.MediaStorageSOPClassUID, one.file_meta.MediaStorageSOPInstanceUID = MR_IMAGE, one.SOPInstanceUID
    for name in _COPIED:
        setattr(one, name, data[name].value)
    own, shared = data.PerFrameFunctionalGroupsSequence[number - 1], _first(data, "SharedFunctionalGroupsSequence")
    for sequence, names in _PLACE_AND_SCALE:
        group = _group(sequence, own, shared)
        for name in names:
            if name in group:
                setattr(one, name, group[name].value)
    return one


def _pixels(data: Dataset, frames: Sequence[int]) -> list[bytes]:
    """The pixels of frames, each ready to be the pixel data of a file."""
    from pydicom.encaps import encapsulate, generate_frames

    count, wanted = int(data.NumberOfFrames), set(frames)
    if data.file_meta.TransferSyntaxUID.is_encapsulated:
        packed = {
            number: encapsulate([frame])
            for number, frame in enumerate(generate_frames(data.PixelData, number_of_frames=count), 1)
            if number in wanted
        }
    else:
        length = data.Rows * data.Columns * data.SamplesPerPixel * data.BitsAllocated // 8
        packed = {number: data.PixelData[(number - 1) * length : number * length] for number in wanted}
        packed = {number: frame for number, frame in packed.items() if len(frame) == length}
    return [packed[number] for number in frames]  # KeyError where one is missing


def _pulse(data: Dataset) -> tuple[str, ...]:
    """Scanning Sequence as single-frame MR would say it."""
    planar = ("EP",) if data.get("EchoPlanarPulseSequence") == "YES" else ()
    return (*_SEQUENCES.get(str(data.get("EchoPulseSequence", "")), ()), *planar)


def _first(data: Dataset, sequence: str) -> Dataset:
    from pydicom import Dataset

    items = data.get(sequence)
    return items[0] if items else Dataset()


def _group(sequence: str, own: Dataset, shared: Dataset) -> Dataset:
    """A functional group: the frame's own or, where it has none, the one shared by all; may be empty."""
    found = _first(own, sequence)
    return found if len(found) else _first(shared, sequence)


def _words(data: Dataset, name: str) -> tuple[str, ...]:
    value = data.get(name) or ()
    return tuple(str(word).strip().upper() for word in ([value] if isinstance(value, str) else value))


def _numbers(data: Dataset, name: str, count: int) -> tuple[float, ...] | None:
    values: Any = data.get(name)
    numbers = tuple(map(float, values)) if values is not None and len(values) == count else ()
    return numbers if numbers and all(map(math.isfinite, numbers)) else None


def _number(data: Dataset, name: str, otherwise: float | None) -> float | None:
    value = data.get(name)
    return otherwise if value is None else float(value)
