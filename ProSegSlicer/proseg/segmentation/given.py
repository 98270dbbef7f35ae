"""A labelmap that a reader gives with an image: brought onto the image's grid, or refused in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.images.files import read_image_file
from proseg.labels import CG, PZ, ZONES, Zone

TOLERANCE_MM = 0.01
EXPORT = "Save it as one labelmap: 0 background, 1 PZ, 2 CG."


@dataclass(frozen=True)
class _Segment:
    """What the header of a Slicer segmentation says of a segment: where its voxels are, and what it is."""

    id: str
    name: str
    tags: str
    layer: int
    value: int


def read_labels(path: Path) -> sitk.Image:
    """The zones in a file: a labelmap as it is stored, or what a Slicer segmentation (``.seg.nrrd``) has of them.

    Slicer numbers segments as they stand in its list, so 1 need not be PZ there: its header says. What it holds besides
    the zones, such as a lesion, is left out.

    Returns:
        Of a segmentation UInt8: 0 background, 1 PZ, 2 CG.

    Raises:
        InputError: it cannot be read, or is a segmentation in which the zones are not to be told, or overlap.
    """
    stored = read_image_file(path)
    if not (segments := list(_segments(stored, path))):
        return stored
    values = sitk.GetArrayFromImage(stored)
    layers = values[..., None] if stored.GetNumberOfComponentsPerPixel() == 1 else values
    labels = np.zeros(layers.shape[:-1], np.uint8)
    found = [(zone, segment) for zone in ZONES if (segment := _of_zone(segments, zone, path))]
    if not found:
        names = " and ".join(f"“{zone.name}”" for zone in ZONES)
        raise InputError(
            f"None of the segments of {path} is called {names}.", "Name its segments so, and save it again."
        )
    for zone, segment in found:
        if not 0 <= segment.layer < layers.shape[-1]:
            raise InputError(f"{path} is damaged: a segment lies where there is nothing.", EXPORT)
        inside = layers[..., segment.layer] == segment.value
        if (both := np.count_nonzero(labels[inside])) > 0:
            raise InputError(f"PZ and CG of {path} overlap, in {both} voxels.", "Take one of them out of the other.")
        labels[inside] = zone.label
    made = sitk.GetImageFromArray(labels)
    made.CopyInformation(stored)
    return made


def _segments(stored: sitk.Image, path: Path) -> Iterator[_Segment]:
    """The segments that a header names; none of a file that is no segmentation."""
    number = 0
    while stored.HasMetaDataKey(f"Segment{number}_ID"):
        field = {
            key: stored.GetMetaData(f"Segment{number}_{key}") if stored.HasMetaDataKey(f"Segment{number}_{key}") else ""
            for key in ("ID", "Name", "Tags", "Layer", "LabelValue")
        }
        try:
            layer, value = int(field["Layer"] or 0), int(field["LabelValue"] or 1)
        except ValueError:
            raise InputError(f"{path} is damaged: its header numbers no label.", EXPORT) from None
        yield _Segment(field["ID"], field["Name"], field["Tags"], layer, value)
        number += 1


def _of_zone(segments: list[_Segment], zone: Zone, path: Path) -> _Segment | None:
    """The segment that is the zone: by its identifier, else by its name, else by its code; None if there is none.

    A code comes last, since Slicer gives a new segment, such as a lesion, that of its neighbour.
    """
    names = (zone.short.lower(), zone.name.lower())
    code = f"~{zone.type.scheme}^{zone.type.value}^"
    for fits in (
        lambda one: one.id == zone.short,
        lambda one: one.name.strip().lower() in names,
        lambda one: code in one.tags,
    ):
        if len(found := [one for one in segments if fits(one)]) > 1:
            raise InputError(
                f"{path} has {len(found)} segments that are the {zone.name.lower()}.", "Leave one of them."
            )
        if found:
            return found[0]
    return None


def labels_on_grid(
    labelmap: sitk.Image, image: sitk.Image, name: str = "the labelmap", may_be_empty: bool = False
) -> sitk.Image:
    """The labelmap on the exact grid of the image.

    One cropped to its segments, as Slicer saves them, is put in place; one whose axes run the other way is turned.

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
        raise InputError(f"{name} is not one volume of labels.", EXPORT)
    # Many programs store what they write with axes of their own choice; the voxels are the same.
    axes = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    labelmap = sitk.DICOMOrient(labelmap, axes)
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
