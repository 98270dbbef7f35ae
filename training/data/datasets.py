"""Find the cases of a data set on disk and read them: T2W image, zones or gland, source and patient."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from proseg.errors import InputError
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.data.layouts import LAYOUTS, Case


def find_cases(root: Path, layout: str = "auto") -> list[Case]:
    """List the annotated cases under a folder, sorted by id.

    Args:
        root: the data set's folder, or one above it.
        layout: a layout described in :mod:`training.data.layouts`, or ``auto`` to try each.

    Raises:
        InputError: no such folder or layout, nothing of that layout in it, or a listed file is missing.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder.", "Give the folder the data set was unpacked to.")
    if layout != "auto" and layout not in LAYOUTS:
        raise InputError(f"There is no layout '{layout}'.", f"Use auto or one of {', '.join(LAYOUTS)}.")
    for name in LAYOUTS if layout == "auto" else (layout,):
        if cases := LAYOUTS[name](root):
            return sorted(cases, key=lambda case: case.id)
    expected = "any known data set" if layout == "auto" else f"the {layout} layout"
    raise InputError(f"{root} holds no cases of {expected}.", "See training/layouts.py for the expected files.")


def pooled_cases(roots: Iterable[Path]) -> list[Case]:
    """The cases of several folders, sorted by id; of one that lies in two of them, that of the later folder.

    So ``../shared/data ../shared/native`` are all cases, each at the best quality there is.

    Raises:
        InputError: as :func:`find_cases`.
    """
    cases = {case.id: case for root in roots for case in find_cases(root)}
    return [cases[case_id] for case_id in sorted(cases)]


def load_image(case: Case) -> sitk.Image:
    """Read a case's T2W image: 3D float32 on its native grid, channel 0 of a 4D file.

    Raises:
        InputError: it cannot be read.
    """
    image = _read(case.image)
    return image[:, :, :, 0] if image.GetDimension() == 4 else image


def load_labels(case: Case, reader: int = 1) -> sitk.Image:
    """Read a case's labels on its image's grid: UInt8.

    Args:
        case: the case.
        reader: 1, or 2 for the second reader's zones.

    Returns:
        0 = background, 1 = PZ, 2 = CG; of a case without zones 0 and GLAND_UNKNOWN_ZONE.

    Raises:
        InputError: no such reading, a file cannot be read or is not on the image's grid, or it has an unknown value.
    """
    if reader == 2 and case.zones_reader2 is None:
        raise InputError(f"{case.id} has no second reader.", "Use reader 1.")
    zones = case.zones_reader2 if reader == 2 else case.zones
    grid = _grid(case.image)
    labels = np.zeros(grid.GetSize()[::-1], np.uint8)
    if zones is not None:
        values = _label_values(zones, grid)
        if unknown := sorted(set(np.unique(values).tolist()) - {0, *case.zone_map}):
            raise InputError(f"{zones} has unknown label values: {unknown}.", "Check that the layout is right.")
        for value, zone in case.zone_map.items():
            labels[values == value] = zone
    elif case.masks:
        for zone in sorted(case.masks, reverse=True):  # CG first: PZ wins where both are marked
            labels[_label_values(case.masks[zone], grid) != 0] = zone
    elif case.gland is not None:
        labels[_label_values(case.gland, grid) != 0] = GLAND_UNKNOWN_ZONE
    else:
        raise InputError(f"{case.id} has no labels.", "Use it for prediction only.")
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(grid)
    return image


def _header(path: Path) -> sitk.ImageFileReader:
    """A reader that knows the image's header, not yet its voxels."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetOutputPixelType(sitk.sitkFloat32)
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read as an image.", "Copy or unpack the data set again.") from error
    if reader.GetNumberOfComponents() != 1:
        raise InputError(f"{path} has several values per voxel.", "Use a scalar image.")
    return reader


def _read(path: Path) -> sitk.Image:
    reader = _header(path)
    try:
        return reader.Execute()
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read to its end.", "Copy or unpack the data set again.") from error


def _grid(path: Path) -> sitk.Image:
    """The 3D grid of an image file, from its header alone, as an image of zeros."""
    reader = _header(path)
    grid = sitk.Image(reader.GetSize()[:3], sitk.sitkUInt8)
    grid.SetSpacing(reader.GetSpacing()[:3])
    grid.SetOrigin(reader.GetOrigin()[:3])
    dimension = reader.GetDimension()
    grid.SetDirection(np.reshape(reader.GetDirection(), (dimension, dimension))[:3, :3].ravel().tolist())
    return grid


def _label_values(path: Path, grid: sitk.Image) -> np.ndarray:
    """Whole-number label values [k, j, i] of a file that must lie on the grid, to a tenth of a voxel at each corner."""
    image = _read(path)
    fits = image.GetSize() == grid.GetSize()
    if fits:
        corners = [[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]
        indices = [[c * (n - 1) for c, n in zip(corner, grid.GetSize(), strict=True)] for corner in corners]
        there = [grid.TransformPhysicalPointToContinuousIndex(image.TransformIndexToPhysicalPoint(i)) for i in indices]
        fits = bool(np.abs(np.subtract(there, indices)).max() < 0.1)
    if not fits:
        raise InputError(f"{path} does not lie on its image's grid.", "Check that image and labels belong together.")
    return np.rint(sitk.GetArrayFromImage(image)).astype(np.int64)
