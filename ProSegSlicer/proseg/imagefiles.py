"""Reading one image file through SimpleITK, with its errors in plain words and its chatter off stderr."""

from __future__ import annotations

import gzip
import math
import os
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import SimpleITK as sitk

from proseg.errors import InputError

FORMATS = {"NiftiImageIO": "NIfTI", "NrrdImageIO": "NRRD", "MetaImageIO": "MetaImage", "GDCMImageIO": "DICOM"}
ACCEPTED = "Give a NIfTI, NRRD or MetaImage file, or the folder of a DICOM series."
EXPORT_AGAIN = "Export or copy the image again and retry."

_lock = threading.Lock()
_hushed = 0
_stderr: int | None = None
_warned = True


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what ITK and its libraries print off stderr; may be nested and used from several threads.

    NIfTI, MetaImage and VNL write to file descriptor 2 themselves, so turning ITK's warnings off is not enough.
    """
    global _hushed, _stderr, _warned
    with _lock:
        if _hushed == 0:
            _warned = sitk.ProcessObject.GetGlobalWarningDisplay()
            sitk.ProcessObject.SetGlobalWarningDisplay(False)
            _stderr = _redirect_stderr()
        _hushed += 1
    try:
        yield
    finally:
        with _lock:
            _hushed -= 1
            if _hushed == 0:
                sitk.ProcessObject.SetGlobalWarningDisplay(_warned)
                if _stderr is not None:
                    os.dup2(_stderr, 2)
                    os.close(_stderr)


def _redirect_stderr() -> int | None:
    """Point descriptor 2 at nothing; returns a copy of the old one, or None where a process has no stderr."""
    try:
        kept = os.dup(2)
    except OSError:
        return None
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    return kept


def image_format(path: Path) -> str | None:
    """The format of a file by its content: one of ``FORMATS``' names, another ImageIO's name, or None: no image."""
    with quiet():
        io = sitk.ImageFileReader.GetImageIOFromFileName(str(path))
    return FORMATS.get(io, io) or None


def read_image_file(path: Path) -> sitk.Image:
    """Read one NIfTI, NRRD or MetaImage file as it is stored.

    Raises:
        InputError: the file is no image, of another format, damaged, or its geometry is impossible.
    """
    kind = image_format(path)
    if kind is None:
        raise InputError(f"{path} is not an image, or is damaged.", ACCEPTED)
    if kind not in FORMATS.values():
        raise InputError(f"{path} is not in a medical image format that keeps its size in mm.", ACCEPTED)
    if kind == "NIfTI":
        _check_nifti(path)
    return load([path], str(path))


def load(files: Sequence[Path], name: str) -> sitk.Image:
    """Read one file, or a sorted series of files, as it is stored; ``name`` is what an error calls it.

    Raises:
        InputError: SimpleITK cannot read it.
    """
    names = [str(file) for file in files]
    try:
        with quiet():
            return sitk.ReadImage(names if len(names) > 1 else names[0])
    except RuntimeError as error:
        text = str(error).lower()
        if "spacing" in text:
            raise InputError(f"{name} has a voxel spacing of zero or less.", EXPORT_AGAIN) from None
        if "direction" in text:
            raise InputError(
                f"{name} has axes that are not perpendicular to each other.", "Resample it onto a regular grid."
            ) from None
        raise InputError(f"{name} is damaged or incomplete and cannot be read.", EXPORT_AGAIN) from None


def _check_nifti(path: Path) -> None:
    """Refuse what ITK lets pass: a file cut short (read as zeros) and a zero spacing (read as 1 mm).

    Header fields: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h, and nifti2.h for the 540-byte header.
    """
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if zipped else path.open("rb") as file:
            header = file.read(540)
            order = next((o for o in "<>" if struct.unpack_from(f"{o}i", header)[0] in (348, 540)), None)
            if order is None:  # a form of Analyze only ITK knows
                return
            if struct.unpack_from(f"{order}i", header)[0] == 348:
                rank, *size = struct.unpack_from(f"{order}8h", header, 40)
                spacing = struct.unpack_from(f"{order}7f", header, 80)
                (bits,), (offset,) = (struct.unpack_from(order + f, header, at) for f, at in (("h", 72), ("f", 108)))
                separate = header[344:347] == b"ni1"
            else:
                rank, *size = struct.unpack_from(f"{order}8q", header, 16)
                spacing = struct.unpack_from(f"{order}7d", header, 112)
                (bits,), (offset,) = (struct.unpack_from(order + f, header, at) for f, at in (("h", 14), ("q", 168)))
                separate = header[4:7] == b"ni2"
            length = len(header)
            if zipped:  # to the end, so that the checksum is compared as well
                while chunk := file.read(1 << 20):
                    length += len(chunk)
            else:
                length = path.stat().st_size
    except (EOFError, OSError, zlib.error, struct.error):
        raise InputError(f"{path} is damaged or incomplete and cannot be read.", EXPORT_AGAIN) from None
    expected = 0 if separate else int(offset) + math.prod(size[:rank]) * bits // 8
    if length < expected:
        raise InputError(f"{path} is incomplete: it holds {length} of {expected} bytes.", EXPORT_AGAIN)
    if not all(math.isfinite(mm) and mm != 0 for mm in spacing[: min(rank, 3)]):
        raise InputError(f"{path} has a voxel spacing of zero.", EXPORT_AGAIN)
