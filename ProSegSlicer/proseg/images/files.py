"""Reading one image file through SimpleITK, with its errors in plain words and its chatter off stderr."""

from __future__ import annotations

import math
import os
import re
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.flags import QualityFlag
from proseg.images.foreign import CONVERT, refuse
from proseg.images.headers import EXPORT_AGAIN, check_header, check_size, missing_fields, voxels_of
from proseg.images.nifti import NiftiHeader, header_file, open_any, read_header, skew, straight
from proseg.system.temporary import no_room_for, private_folder

FORMATS = {"NiftiImageIO": "NIfTI", "NrrdImageIO": "NRRD", "MetaImageIO": "MetaImage", "GDCMImageIO": "DICOM"}
ACCEPTED = "Give a NIfTI, NRRD or MetaImage file, or the folder or ZIP of a DICOM study."
MAX_SKEW = 0.01  # cosine between axes, half a degree; the images of `checks` are held to it as well

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


@contextmanager
def nameable(files: Sequence[Path]) -> Iterator[list[str]]:
    """The files' names as SimpleITK takes them. One that is not Unicode would crash it: a link stands in for that.

    Raises:
        InputError: the link cannot be made.
    """
    if all(map(_is_unicode, map(str, files))):
        yield [str(file) for file in files]
        return
    with private_folder(ascii(str(files[0]))) as folder:
        with no_room_for(ascii(str(files[0]))):
            names = [_stand_in(file, folder / str(number)) for number, file in enumerate(files)]
        yield names


def _stand_in(file: Path, link: Path) -> str:
    """Make a link to a file's folder, so that a second file with the voxels is there as well, or to the file itself."""
    if _is_unicode(file.name):
        link.symlink_to(file.parent.absolute(), target_is_directory=True)
        return str(link / file.name)
    link = link.with_suffix("".join(filter(_is_unicode, file.suffixes[-2:])))
    link.symlink_to(file.absolute())
    return str(link)


def _is_unicode(name: str) -> bool:
    return name == name.encode(errors="replace").decode()


def image_format(path: Path) -> str | None:
    """The format of a file by its content: one of ``FORMATS``' names, another ImageIO's name, or None: no image."""
    with quiet(), nameable([path]) as (name,):
        io = sitk.ImageFileReader.GetImageIOFromFileName(name)
    return FORMATS.get(io, io) or None


def read_image_file(path: Path, name: str = "") -> sitk.Image:
    """Read one NIfTI, NRRD or MetaImage file as it is stored; ``name`` is what errors call it, if not by its path.

    Raises:
        InputError: the file is no image, of another format, damaged, or its geometry is impossible.
    """
    name = name or str(path)
    kind = image_format(path)
    header = nifti_header(path) if kind in ("NIfTI", None) else None
    if header is not None and (kind or header.has_magic):
        check_header(path, "NIfTI", name)
        if kind is None or header.needs_own_geometry():
            return _load_rewritten(path, header, name)
    elif kind is None:
        refuse(path, name)
        raise InputError(f"{name} is not an image, or is damaged.", ACCEPTED)
    if kind in ("MINCImageIO", "HDF5ImageIO", "GiplImageIO", "StimulateImageIO", "VTKImageIO", "MRCImageIO"):
        raise InputError(f"{name} is in the format {kind.removesuffix('ImageIO')}, which is not read here.", CONVERT)
    if kind not in (None, *FORMATS.values()):
        raise InputError(f"{name} is not in a medical image format that keeps its size in mm.", ACCEPTED)
    check_header(path, kind, name)
    return load([path], name)


def nifti_header(path: Path) -> NiftiHeader | None:
    """The header of a NIfTI or Analyze file; None where it is none, or cannot be read."""
    try:
        return read_header(path)
    except (EOFError, OSError, zlib.error, struct.error):
        return None


def placing(path: Path) -> tuple[NiftiHeader | None, tuple[QualityFlag, ...]]:
    """What a file that ``read_image_file`` can read says of the place of its image.

    Returns:
        Its header if it is NIfTI or Analyze; ``placing_contradicts``, ``orientation_assumed`` and ``spacing_doubtful``
        where the header contradicts itself, gives no orientation, or no spacing.
    """
    kind = image_format(path)
    if kind in ("NIfTI", None) and (header := nifti_header(path)):
        return header, header.placing_flags()
    return None, missing_fields(path, kind or "")


def _load_rewritten(path: Path, header: NiftiHeader, name: str) -> sitk.Image:
    """Read NIfTI that ITK would refuse or misplace, from a copy with a plain header, and place it here."""
    _, affine = header.followed()
    if affine is not None and skew(affine) > MAX_SKEW:
        raise InputError(
            f"{name} has axes that are not perpendicular to each other.", "Resample it onto a regular grid."
        )
    here = header_file(path)
    voxels = next((file for file in voxels_of(here) if file.is_file()), here) if header.separate else here
    try:
        with private_folder(name) as folder, no_room_for(name), (folder / "plain.nii").open("wb") as copy:
            copy.write(header.plain())
            with open_any(voxels) as file:
                file.read(int(header.offset))
                left = math.prod(header.size) * header.bits // 8
                while left > 0 and (chunk := file.read(min(left, 1 << 20))):
                    left -= copy.write(chunk)
            copy.flush()
            image = load([folder / "plain.nii"], name)
    except (EOFError, zlib.error, struct.error):
        raise InputError(f"{name} is damaged or incomplete and cannot be read.", EXPORT_AGAIN) from None
    if affine is not None and image.GetDimension() >= 3:
        turned = np.eye(image.GetDimension())
        turned[:3, :3], spacing, origin = straight(affine)
        image.SetDirection(turned.ravel().tolist())
        image.SetSpacing([*spacing.tolist(), *image.GetSpacing()[3:]])
        image.SetOrigin([*origin.tolist(), *image.GetOrigin()[3:]])
    return image


def is_whole(path: Path) -> bool:
    """Whether a MetaImage or NRRD file holds its voxels itself; true of a file of another format.

    One whose header does not end within 64 KiB does not pass: what it names could not be seen.
    """
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if head.startswith(b"NRRD"):
        header, *rest = re.split(rb"\r?\n\r?\n", head, maxsplit=1)
        return bool(rest) and not re.search(rb"^\s*data ?file\s*:", header, re.MULTILINE | re.IGNORECASE)
    if path.suffix.lower() not in (".mha", ".mhd"):
        return True
    named = re.findall(rb"^\s*ElementDataFile\s*[=:]\s*([^\r\n]*)", head, re.MULTILINE | re.IGNORECASE)
    return bool(named) and all(name.strip().upper() == b"LOCAL" for name in named)


def load(files: Sequence[Path], name: str, kind: int = sitk.sitkUnknown) -> sitk.Image:
    """Read one file, or a sorted series of files, as it is stored; ``name`` is what an error calls it.

    Args:
        files: in the order of the slices.
        name: what an error calls the image.
        kind: SimpleITK's pixel type to read into. By default that of the first file, which need not be able to hold
            the values of the others: DICOM may scale each slice on its own.

    Raises:
        InputError: SimpleITK cannot read it, or it names more voxels than any examination has.
        MemoryError: there is not enough.
    """
    try:
        with quiet(), nameable(files) as names:
            reader = sitk.ImageFileReader()
            reader.SetFileName(names[0])
            reader.ReadImageInformation()
            check_size(
                (*reader.GetSize(), *([len(names)] if len(names) > 1 else [])), reader.GetNumberOfComponents(), name
            )
            return sitk.ReadImage(names if len(names) > 1 else names[0], kind)
    except RuntimeError as error:
        text = str(error).lower()
        if "allocate memory" in text or "bad_alloc" in text:
            raise MemoryError from None
        if "spacing" in text:
            raise InputError(f"{name} has a voxel spacing of zero or less.", EXPORT_AGAIN) from None
        if "direction" in text:
            raise InputError(
                f"{name} has axes that are not perpendicular to each other.", "Resample it onto a regular grid."
            ) from None
        raise InputError(f"{name} is damaged or incomplete and cannot be read.", EXPORT_AGAIN) from None
