"""DICOM series to test with: any image as single frames or as one enhanced multi-frame file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

MR, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"
STUDY, FRAME_OF_REFERENCE = generate_uid(entropy_srcs=["study"]), generate_uid(entropy_srcs=["frame of reference"])


def write_series(image: sitk.Image, folder: Path, **tags: Any) -> list[Path]:
    """Write an image, one file a slice along its third axis; tags of value None are left out. Returns them in order."""
    folder.mkdir(parents=True, exist_ok=True)
    series = generate_uid(entropy_srcs=[str(folder)])
    files = []
    for k, pixels in enumerate(_pixels(image)):
        header = _header(MR, f"{series[:58]}.{k + 1}", series, image)
        header.ImagePositionPatient = _decimals(image.TransformIndexToPhysicalPoint((0, 0, k)))
        header.ImageOrientationPatient, header.PixelSpacing = _cosines(image), _decimals(image.GetSpacing()[1::-1])
        header.SliceThickness, header.InstanceNumber = f"{image.GetSpacing()[2]:.10g}", k + 1
        header.ImageType, header.ScanningSequence = ["ORIGINAL", "PRIMARY", "M"], "SE"
        header.EchoTime, header.RepetitionTime = 104, 5000
        files.append(_save(header, pixels, folder / f"{k:03}.dcm", tags))
    return files


def write_enhanced(image: sitk.Image, file: Path, **tags: Any) -> Path:
    """Write an image as one Enhanced MR file, a frame a slice along its third axis."""
    header = _header(ENHANCED_MR, generate_uid(entropy_srcs=[str(file)]), generate_uid(), image)
    header.NumberOfFrames, header.InstanceNumber = image.GetSize()[2], 1
    header.ImageType = ["ORIGINAL", "PRIMARY", "M", "NONE"]
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = _decimals(image.GetSpacing()[1::-1])
    measures.SliceThickness = measures.SpacingBetweenSlices = f"{image.GetSpacing()[2]:.10g}"
    orientation.ImageOrientationPatient = _cosines(image)
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    header.SharedFunctionalGroupsSequence = [shared]
    header.PerFrameFunctionalGroupsSequence = []
    for k in range(image.GetSize()[2]):
        own, content, position = Dataset(), Dataset(), Dataset()
        content.StackID, content.InStackPositionNumber, content.DimensionIndexValues = "1", k + 1, [1, k + 1]
        position.ImagePositionPatient = _decimals(image.TransformIndexToPhysicalPoint((0, 0, k)))
        own.FrameContentSequence, own.PlanePositionSequence = [content], [position]
        header.PerFrameFunctionalGroupsSequence.append(own)
    return _save(header, _pixels(image), file, tags)


def _header(sop_class: str, instance: str, series: str, image: sitk.Image) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    header.SOPClassUID, header.SOPInstanceUID = sop_class, instance
    header.PatientName, header.PatientID, header.PatientBirthDate, header.PatientSex = (
        "Doe^John",
        "4711",
        "19500102",
        "M",
    )
    header.StudyInstanceUID, header.SeriesInstanceUID, header.FrameOfReferenceUID = STUDY, series, FRAME_OF_REFERENCE
    header.StudyDate, header.StudyTime, header.StudyID, header.AccessionNumber = "20240506", "101112", "77", "A1"
    header.ReferringPhysicianName, header.Manufacturer = "Who^Doctor", "Maker"
    header.Modality, header.SeriesNumber, header.SeriesDescription = "MR", 4, "t2_tse_tra"
    header.Columns, header.Rows = image.GetSize()[:2]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
    return header


def _save(header: FileDataset, pixels: np.ndarray, file: Path, tags: dict[str, Any]) -> Path:
    header.PixelData = np.ascontiguousarray(pixels).tobytes()
    for name, value in tags.items():
        delattr(header, name) if value is None else setattr(header, name, value)
    file.parent.mkdir(parents=True, exist_ok=True)
    header.save_as(file, enforce_file_format=True)
    return file


def _pixels(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayViewFromImage(sitk.Cast(image, sitk.sitkUInt16))


def _cosines(image: sitk.Image) -> list[str]:
    direction = image.GetDirection()
    return _decimals((*direction[0::3], *direction[1::3]))


def _decimals(numbers: tuple[float, ...]) -> list[str]:
    """Numbers as DICOM's DS holds them: 16 characters at most."""
    return [f"{number:.10g}"[:16] for number in numbers]
