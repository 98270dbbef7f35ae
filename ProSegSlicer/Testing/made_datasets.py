"""Small data sets in the layouts that training knows."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

SHAPE = (4, 6, 8)  # k, j, i


def write(path: Path, array: np.ndarray, origin: Sequence[float] = (-10.0, 5.0, 30.0)) -> Path:
    image = sitk.GetImageFromArray(array, isVector=False)
    image.SetSpacing((0.5, 0.5, 3.0, 1.0)[: array.ndim])
    image.SetOrigin((*origin, 0.0)[: array.ndim])
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def picture(value: int = 7) -> np.ndarray:
    return np.full(SHAPE, value, np.int16)


def labels(*values: int) -> np.ndarray:
    """One row of voxels with each of the values, the rest background."""
    array = np.zeros(SHAPE, np.uint8)
    array[1, 2, : len(values)] = values
    return array


def row(image: sitk.Image) -> list[int]:
    return sitk.GetArrayFromImage(image)[1, 2].tolist()


def write_manifest(root: Path, cases: dict[str, str]) -> None:
    for case, group in cases.items():
        write(root / group / case / "t2.nii.gz", picture())
        write(root / group / case / ("gland.nii.gz" if group == "gland" else "zones.nii.gz"), labels(1, 1))
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("case", "group"), *cases.items()])
