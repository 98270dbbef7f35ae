"""The files in which a worker hands over what it found."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import SimpleITK as sitk

    from proseg.segmentation.result import SegmentationResult


def write(result: SegmentationResult, folder: Path, keep_image: bool) -> dict[str, str | None]:
    """Write what a run found as NRRD files, uncompressed since they are read once and deleted; all appear or none.

    Args:
        result: the segmentation.
        folder: where to; it exists.
        keep_image: whether the image goes with them, as it was read (float32).

    Returns:
        The files: ``labelmap`` (UInt8 0, 1, 2), ``uncertainty`` (UInt8, percent) and ``image`` (or None), all on the
        input's exact grid.

    Raises:
        OutputError: the disk is full, or the folder cannot be written to.
    """
    import SimpleITK as sitk

    from proseg.system.atomic import OutputSet

    images = {
        "labelmap": result.labelmap,
        "uncertainty": sitk.Cast(sitk.Round(result.uncertainty_image() * 100), sitk.sitkUInt8),
    } | ({"image": result.image} if keep_image else {})
    files = {name: folder / f"{name}.nrrd" for name in images}
    with OutputSet() as outputs:
        for name, path in files.items():
            with outputs.file(path) as temporary:
                _write(images[name], temporary)
    return {"image": None} | {name: str(path) for name, path in files.items()}


def _write(image: sitk.Image, path: Path) -> None:
    import SimpleITK as sitk

    size = image.GetNumberOfPixels() * image.GetSizeOfPixelComponent()
    with suppress(RuntimeError):
        sitk.WriteImage(image, str(path), useCompression=False)
        if path.stat().st_size > size:
            return
    reason = errno.ENOSPC if shutil.disk_usage(path.parent).free < size else errno.EIO
    raise OSError(reason, os.strerror(reason))
