"""DICOM studies to test with: series of any kind and number, slices with known values at known places."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

MR, SECONDARY = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.7"
AXIAL, SAGITTAL, CORONAL = [1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1]
PATIENT = "Doe^Jane"


@dataclass
class Made:
    """A DICOM series to write, of 96 × 96 pixels."""

    number: int = 4
    description: str = "t2_tse_tra"
    orientation: list = field(default_factory=lambda: AXIAL)
    count: int = 12
    step: float = 3.0
    pixel: float = 1.0
    study: str = "1.2.3"
    patient: str = PATIENT
    tags: dict = field(default_factory=dict)

    def write(self, folder: Path) -> list[Path]:
        """Write one file a slice, in an order of names unlike that of positions; returns them by position."""
        folder.mkdir(parents=True, exist_ok=True)
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        uid = generate_uid(entropy_srcs=[str(folder), str(self)])[:60]
        return [self._write_slice(folder / f"{(k * 7) % self.count:03}.dcm", k, normal, uid) for k in range(self.count)]

    def _write_slice(self, file: Path, k: int, normal: np.ndarray, uid: str) -> Path:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = self.tags.get("SOPClassUID", MR)
        meta.MediaStorageSOPInstanceUID = f"{uid}.{k + 1}"
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = FileDataset(str(file), {}, file_meta=meta, preamble=bytes(128))
        data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        data.PatientName, data.PatientID, data.StudyInstanceUID = self.patient, "4711", self.study
        data.SeriesInstanceUID, data.SeriesNumber, data.SeriesDescription = uid, self.number, self.description
        data.Modality, data.ImageType = "MR", ["ORIGINAL", "PRIMARY", "M"]
        data.ScanningSequence, data.EchoTime, data.RepetitionTime = "SE", 104, 5000
        data.ImageOrientationPatient = [round(float(cosine), 6) for cosine in self.orientation]
        data.ImagePositionPatient = [round(float(mm), 4) for mm in normal * self.step * k - 30]
        data.PixelSpacing, data.SliceThickness, data.InstanceNumber = [self.pixel] * 2, 3, k + 1
        data.Rows = data.Columns = 96
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
        values = np.random.default_rng(k).integers(10, 900, (96, 96), dtype=np.uint16)
        values[0, 0] = 1000 + k
        data.PixelData = values.tobytes()
        for name, value in self.tags.items():
            delattr(data, name) if value is None else setattr(data, name, value)
        data.save_as(file, enforce_file_format=True)
        return file


def edit(file: Path, **tags: Any) -> None:
    """Set elements of a file by their keywords."""
    data = pydicom.dcmread(file)
    for name, value in tags.items():
        setattr(data, name, value)
    data.save_as(file)


def first_pixels(image: sitk.Image) -> list[float]:
    """The value of the first pixel of each slice."""
    return sitk.GetArrayFromImage(image)[:, 0, 0].tolist()
