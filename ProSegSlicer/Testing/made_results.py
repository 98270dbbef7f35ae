"""A small segmentation result to test with: an ellipsoid gland in an oblique image, no network involved."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import SimpleITK as sitk

from proseg.flags import QualityFlag
from proseg.images.geometry import input_slice_indices, to_lps
from proseg.labels import CG, PZ
from proseg.segmentation.measurements import measure
from proseg.segmentation.result import Findings, Provenance, SegmentationResult

SIZE_KJI = (12, 40, 44)
BOX = (slice(1, 11), slice(8, 34), slice(6, 38))
PROVENANCE = Provenance(
    "ProSeg|small", "1.2", "ab" * 32, "cpu", "No GPU.", "float32", {"network": 0.12345}, {"numpy": "2"}
)


def oblique_direction() -> tuple[float, ...]:
    """Axes tilted about two patient axes, still nearest to left, posterior, superior."""
    a, b = 0.3, 0.2
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return tuple((about_x @ about_z).ravel())


def make_result(
    orientation: str = "LPS", flags: tuple[QualityFlag, ...] = (), empty: bool = False, psa: float | None = None
) -> SegmentationResult:
    """A result whose input has the given orientation: CG an ellipsoid, PZ a shell behind it."""
    k, j, i = np.indices(SIZE_KJI, np.float32)
    radius = np.hypot(np.hypot((k - 6) / 3.2, (j - 20) / 8), (i - 22) / 9)
    labels = np.where(radius < 1, CG, np.where((radius < 1.35) & (j > 18), PZ, 0)).astype(np.uint8)
    if empty:
        labels[:] = 0
    grey = 300 + 200 * (labels == PZ) - 100 * (labels == CG) + 40 * np.sin(j / 2) + i
    image, labelmap = (on_grid(array, orientation) for array in (grey.astype(np.int16), labels))
    truth = np.stack([labels == label for label in range(3)]).astype(np.float32)[(slice(None), *BOX)]
    ks = np.flatnonzero(labels.any(axis=(1, 2)))
    return SegmentationResult(
        image=image,
        labelmap=labelmap,
        probabilities=0.7 * truth + 0.1,
        box=BOX,
        slice_confidence={index: 0.9 for index in input_slice_indices(image, ks)},
        measurements=measure(labelmap, psa),
        flags=flags,
        notes=("Read from the only series.",),
        provenance=PROVENANCE,
    )


def make_findings(result: SegmentationResult, **changes: Any) -> Findings:
    """What stays known of a result once its contours are edited; `changes` are of fields of `Findings`."""
    return Findings(**{field.name: getattr(result, field.name) for field in fields(Findings)} | changes)


def relabelled(labelmap: sitk.Image, changes: dict[tuple[int, int, int], int]) -> sitk.Image:
    """A copy in which the voxels at the given (i, j, k) have other labels."""
    changed = sitk.Image(labelmap)
    for place, label in changes.items():
        changed[place] = label
    return changed


def on_grid(array: np.ndarray, orientation: str) -> sitk.Image:
    """An LPS array on the test's oblique grid, stored with axes of the given orientation."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.25, 1.5, 3.6))
    image.SetOrigin((-31.5, 17.25, -80.125))
    image.SetDirection(oblique_direction())
    return sitk.DICOMOrient(to_lps(image), orientation)
