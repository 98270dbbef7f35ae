"""A hydrogel spacer, as patients have it behind the prostate for radiotherapy, that was drawn as peripheral zone.

The networks have seen none and take its bright layer for PZ. What tells it from PZ: it is even, and as bright as urine.
``training.judge.spacers`` measures how often that is right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import SimpleITK as sitk

from proseg.flags import QualityFlag, Severity
from proseg.labels import PZ
from proseg.segmentation.measurements import MM3_PER_ML
from proseg.segmentation.quality import Superior, name_slices

# Of the image's 99th percentile, over 3 x 3 pixels: a PZ is seldom as bright, and where it is it is not even.
BRIGHT, UNEVEN = 0.9, 0.085
SPACER_ML, SLICE_MM2 = 2.0, 20.0  # as much of it makes a flag; as much of it in a slice has the slice named


def gel(voxels: np.ndarray, labels: np.ndarray, box: tuple[slice, slice, slice]) -> np.ndarray:
    """Where PZ looks like gel: a mask (K, J, I) of ``box``.

    Args:
        voxels: the LPS-oriented image (k, j, i).
        labels: the labels inside ``box``.
        box: where they lie in the image.
    """
    here = sitk.GetImageFromArray(voxels[box].astype(np.float32))
    mean, sigma = (sitk.GetArrayFromImage(of(here, (1, 1, 0))) for of in (sitk.BoxMean, sitk.BoxSigma))
    bright = np.percentile(voxels[:, ::2, ::2], 99)
    return (labels == PZ) & (mean > BRIGHT * bright) & (sigma < UNEVEN * mean)


def spacer_flags(
    voxels: np.ndarray,
    labels: np.ndarray,
    box: tuple[slice, slice, slice],
    spacing_kji: tuple[float, float, float],
    to_input_slices: Callable[[Iterable[int]], tuple[int, ...]],
    superior: Superior | None = None,
) -> tuple[QualityFlag, ...]:
    """A flag where a spacer was likely drawn; the arguments are those of ``gel`` and ``quality.assess``."""
    if not labels.any():
        return ()
    areas = np.count_nonzero(gel(voxels, labels, box), axis=(1, 2))
    volume = float(areas.sum()) * math.prod(spacing_kji) / MM3_PER_ML
    if volume < SPACER_ML:
        return ()
    named = np.flatnonzero(areas * spacing_kji[1] * spacing_kji[2] >= min(SLICE_MM2, areas.max()))
    slices = to_input_slices(box[0].start + int(k) for k in named)
    sentence = (
        f"{volume:.1f} mL of the peripheral zone are as bright and even as fluid, in {name_slices(slices, superior)}: "
        "if the patient has a hydrogel spacer behind the prostate (radiotherapy), it was likely drawn. "
        "Check the posterior contour."
    )
    return (QualityFlag("spacer_drawn", Severity.WARNING, sentence, slices),)
