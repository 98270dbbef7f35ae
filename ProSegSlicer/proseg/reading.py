"""One way in: a file, a DICOM series or a DICOM study becomes an image fit for segmentation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from proseg.checks import T2WImage, check_t2w
from proseg.dicom_series import read_dicom
from proseg.errors import InputError
from proseg.imagefiles import image_format, read_image_file

__all__ = ["T2WImage", "check_t2w", "read_t2w"]


def read_t2w(path: str | Path) -> T2WImage:
    """Read an axial T2W image.

    Args:
        path: a NIfTI, NRRD or MetaImage file; one file of a DICOM series (its folder's other slices are read too); the
            folder of a DICOM series; or the folder of a DICOM study, in which the axial T2W series is looked for.

    Returns:
        The image, 3D float32 on its native grid (LPS, mm), with notes on how it was chosen and flags.

    Raises:
        InputError: there is no such path, or nothing there that can be segmented.
    """
    path = Path(path).expanduser()
    try:
        if path.is_file():
            path.open("rb").close()  # a file that may not be read is not "no image"
        if path.is_dir() or (path.is_file() and image_format(path) == "DICOM"):
            return read_dicom(path)
        if path.is_file():
            return replace(check_t2w(read_image_file(path), str(path)), source=path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", "Check that you may read it.") from None
    raise InputError(f"{path} does not exist.", "Check the path.")
