"""A hydrogel spacer, as patients have it behind the prostate for radiotherapy, that the networks take for PZ.

They have seen none. What tells its layer from PZ: it is even, and as bright as urine.
Where it is also a thick layer with nothing of the gland behind it, it is left out and a flag says so; where only
brightness speaks for it, a flag asks the reader. ``training.judge.spacers`` measures how often that is right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import SimpleITK as sitk

from proseg.flags import QualityFlag, Severity
from proseg.labels import CG, PZ
from proseg.segmentation.measurements import MM3_PER_ML
from proseg.segmentation.quality import Superior, name_slices

# Of the image's 99th percentile, over 3 x 3 pixels: a PZ is seldom as bright, and where it is it is not even.
BRIGHT, UNEVEN = 0.9, 0.085
SPACER_ML, SLICE_MM2 = 2.0, 20.0  # as much of it makes a flag; as much of it in a slice has the slice named

# A spacer parts gland and rectum, so next to nothing of the gland is drawn behind it, and it is thick; a bright PZ has
# its own border behind it and is thin. Medians over columns of the image, in mm: of 82 painted spacers nine in ten are
# at least 5.5 thick with at most 0.8 behind; the three brightest real PZs are 2.5 to 4.9, with 2.4 to 7 behind.
LEAST_THICK_MM, MOST_BEHIND_MM = 5.0, 1.5
RIM_MM = 1.5  # around even gel lies a rim that is half gel


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


def spacer(bright: np.ndarray, labels: np.ndarray, spacing_kji: tuple[float, float, float]) -> np.ndarray:
    """Where a spacer surely lies, with its rim and what is behind it: a mask (K, J, I), without CG.

    Args:
        bright: where PZ looks like ``gel`` (K, J, I).
        labels: the labels there.
        spacing_kji: voxel size in mm.
    """
    if np.count_nonzero(bright) * math.prod(spacing_kji) < SPACER_ML * MM3_PER_ML:
        return np.zeros_like(bright)
    image = sitk.GetImageFromArray(bright.astype(np.uint8))
    core = sitk.GetArrayFromImage(sitk.BinaryMorphologicalOpening(image, (1, 1, 0), sitk.sitkBox)) > 0
    columns = core.any(axis=1)
    if not columns.any():
        return core
    behind = (_last(labels > 0) - _last(core))[columns] * spacing_kji[1]
    thick = core.sum(axis=1)[columns] * spacing_kji[1]
    if np.median(behind) > MOST_BEHIND_MM or np.median(thick) < LEAST_THICK_MM:
        return np.zeros_like(bright)
    rim = tuple(max(1, round(RIM_MM / size)) for size in spacing_kji[:0:-1])
    image = sitk.GetImageFromArray(core.astype(np.uint8))
    grown = sitk.GetArrayFromImage(sitk.BinaryDilate(image, (*rim, 0), sitk.sitkBall)) > 0
    return (grown | np.maximum.accumulate(core, axis=1)) & (labels != CG)


def _last(mask: np.ndarray) -> np.ndarray:
    """The last row j, the most posterior one, of each column of a mask (K, J, I), where it has one."""
    return mask.shape[1] - 1 - np.argmax(mask[:, ::-1], axis=1)


def spacer_flags(
    bright: np.ndarray,
    left_out: np.ndarray,
    first: int,
    spacing_kji: tuple[float, float, float],
    to_input_slices: Callable[[Iterable[int]], tuple[int, ...]],
    superior: Superior | None = None,
) -> tuple[QualityFlag, ...]:
    """A flag where a spacer was left out, or was likely drawn.

    Args:
        bright: where PZ looks like ``gel`` (K, J, I).
        left_out: what was taken out of the gland there as a ``spacer``.
        first: the slice of the image that the masks begin with.
        spacing_kji: voxel size in mm.
        to_input_slices: from the image's slices to the input's.
        superior: where the input's slices lie, mm to the patient's superior.
    """
    areas = np.count_nonzero(left_out if left_out.any() else bright, axis=(1, 2))
    volume = float(areas.sum()) * math.prod(spacing_kji) / MM3_PER_ML
    if volume < SPACER_ML and not left_out.any():
        return ()
    named = np.flatnonzero(areas * spacing_kji[1] * spacing_kji[2] >= min(SLICE_MM2, areas.max()))
    slices = to_input_slices(first + int(k) for k in named)
    where = f"are as bright and even as fluid, in {name_slices(slices, superior)}:"
    if left_out.any():
        sentence = (
            f"{volume:.1f} mL behind the gland {where} they were taken for a hydrogel spacer (radiotherapy) and "
            "left out. If the patient has none, draw the peripheral zone there."
        )
        return (QualityFlag("spacer_left_out", Severity.WARNING, sentence, slices),)
    sentence = (
        f"{volume:.1f} mL of the peripheral zone {where} if the patient has a hydrogel spacer behind the prostate "
        "(radiotherapy), it was likely drawn. Check the posterior contour."
    )
    return (QualityFlag("spacer_drawn", Severity.WARNING, sentence, slices),)
