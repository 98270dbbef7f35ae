"""A labelmap that a reader gives with an image: brought onto the image's grid, or refused in a sentence."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.labels import CG, PZ

TOLERANCE_MM = 0.01


def labels_on_grid(
    labelmap: sitk.Image, image: sitk.Image, name: str = "the labelmap", may_be_empty: bool = False
) -> sitk.Image:
    """The labelmap on the exact grid of the image. One cropped to its segments, as Slicer saves them, is put in place.

    Args:
        labelmap: 0 background, 1 PZ, 2 CG; on the image's grid, or on a part of it.
        image: the T2W image.
        name: what errors call the labelmap.
        may_be_empty: whether labels without any gland say something, as where slices are given that have none.

    Raises:
        InputError: it lies on another grid, holds other values, or is empty and may not be.
    """
    complex_values = labelmap.GetPixelID() in (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64)
    if labelmap.GetDimension() != 3 or labelmap.GetNumberOfComponentsPerPixel() != 1 or complex_values:
        raise InputError(f"{name} is not one volume of labels.", "Save it as one labelmap: 0 background, 1 PZ, 2 CG.")
    corners = [
        image.TransformPhysicalPointToContinuousIndex(labelmap.TransformIndexToPhysicalPoint(corner))
        for corner in ((0, 0, 0), tuple(size - 1 for size in labelmap.GetSize()))
    ]
    start = np.rint(corners[0])
    expected = np.stack([start, start + np.array(labelmap.GetSize()) - 1])
    off_mm = np.abs(np.array(corners) - expected) * image.GetSpacing()
    turned = np.abs(np.subtract(labelmap.GetDirection(), image.GetDirection())).max()
    if not (off_mm.max() <= TOLERANCE_MM and turned <= 1e-3):  # nor what is no number
        raise InputError(
            f"{name} does not lie on the image's grid.", "Give labels drawn on this image, exported with its geometry."
        )
    start = start.astype(int)
    whole = np.zeros(image.GetSize()[::-1], np.uint8)
    values = sitk.GetArrayFromImage(labelmap)
    if found := sorted(set(np.unique(values).tolist()) - {0, PZ, CG}):
        raise InputError(f"{name} holds the value {found[0]:g}.", "Its values must be 0 background, 1 PZ, 2 CG.")
    if not (may_be_empty or values.any()):
        raise InputError(f"{name} is empty.", "Give labels that have some of the gland.")
    stop = start + np.array(labelmap.GetSize())
    if (start < 0).any() or (stop > np.array(image.GetSize())).any():
        raise InputError(f"{name} reaches beyond the image.", "Give labels drawn on this image.")
    whole[tuple(slice(a, b) for a, b in zip(start[::-1], stop[::-1], strict=True))] = values
    placed = sitk.GetImageFromArray(whole)
    placed.CopyInformation(image)
    return placed
