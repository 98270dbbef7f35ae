"""Good inputs to damage: one small generated examination in every format that is read.

Small (80 × 80 × 6 voxels), so that what is still read after the damage passes the networks in half a second.
"""

from __future__ import annotations

import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from proseg.phantom import make_phantom

SIZE, SPACING_MM = (80, 80, 6), (1.5, 1.5, 5.0)
KINDS = ("nii", "nii.gz", "hdr", "nrrd", "raw.nrrd", "nhdr", "mha", "zip.mha", "mhd", "dicom", "zip")
DICOM = "dicom"  # a folder of single-frame files; the other kinds are files, two of some
ARCHIVE = "zip"  # the DICOM folder in an archive
UID = "1.2.826.0.1.3680043.10.1"


@lru_cache(maxsize=1)
def examination() -> sitk.Image:
    """The generated examination, int16."""
    return sitk.Cast(make_phantom(1, size=SIZE, spacing=SPACING_MM).image, sitk.sitkInt16)


def write(kind: str, folder: Path) -> Path:
    """Write the examination as one of ``KINDS`` into an empty folder; returns what to hand to proseg."""
    if kind == DICOM:
        _write_dicom(folder / "study")
        return folder / "study"
    if kind == ARCHIVE:
        _write_dicom(folder / "study")
        path = folder / "study.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted((folder / "study").iterdir()):
                entry = zipfile.ZipInfo(f"study/{file.name}")  # of a fixed date, so that the bytes are always the same
                archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
                file.unlink()
        (folder / "study").rmdir()
        return path
    path = folder / f"t2.{kind}"
    packed = not kind.startswith("raw.") and kind != "mha"
    sitk.WriteImage(examination(), str(path), useCompression=packed)
    return path


def main_file(path: Path) -> Path:
    """The file that byte-level damage goes to: the file itself, or a slice from the middle of a DICOM folder."""
    if path.is_dir():
        files = sorted(path.iterdir())
        return files[len(files) // 2]
    return path


def _write_dicom(folder: Path) -> None:
    """Write a single-frame MR series, explicit VR little endian."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    folder.mkdir()
    image = examination()
    voxels = sitk.GetArrayViewFromImage(image)
    for k, plane in enumerate(voxels):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        meta.MediaStorageSOPInstanceUID = f"{UID}.3.{k + 1}"
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
        data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        data.StudyInstanceUID, data.SeriesInstanceUID = f"{UID}.1", f"{UID}.2"
        data.PatientName, data.PatientID, data.StudyDate = "Made^Up", "0", "20200101"
        data.Modality, data.ImageType, data.SeriesNumber = "MR", ["ORIGINAL", "PRIMARY", "M"], 3
        data.SeriesDescription, data.ScanningSequence = "t2_tse_tra", "SE"
        data.EchoTime, data.RepetitionTime, data.SliceThickness = 100, 5000, SPACING_MM[2]
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.ImagePositionPatient = [round(mm, 4) for mm in image.TransformIndexToPhysicalPoint((0, 0, k))]
        data.PixelSpacing, data.InstanceNumber = [SPACING_MM[1], SPACING_MM[0]], k + 1
        data.Rows, data.Columns = plane.shape
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
        data.PixelData = np.ascontiguousarray(plane).astype("<i2").tobytes()
        data.save_as(folder / f"{k + 1:03}.dcm", enforce_file_format=True)
