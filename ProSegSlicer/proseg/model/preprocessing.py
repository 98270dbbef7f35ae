"""What the networks are shown: the grid they work on and intensities without a scale."""

from __future__ import annotations

import numpy as np

from proseg.images.grids import Axis

PIXEL_MM = 0.7  # in-plane sample spacing of the segmenting network
LOCATOR_PIXEL_MM = 4.0  # in-plane sample spacing of the locating network
SLICE_MM = 3.0  # slice spacing given to volumes with thinner slices
USUAL_GLAND_ML, LARGE_GLAND_ML = 60.0, 130.0  # one found larger is shown as if it were usual
COARSEST_PIXEL_MM = 1.2  # of a large gland, however large
FINER = 6 / 7  # pixels of the refinement pass to those of the first: 0.6 mm
THIN_PZ_SHARE = 0.25  # of the gland as the segmenter finds it; below, the segmenter for thin PZs errs less
THINNEST_SLICE_MM = 2.0  # slices at least this far apart are used as they are: interpolating them would only blur


def slice_axis(native: Axis) -> Axis:
    """The slices the networks see of a volume whose own slice axis is ``native``."""
    if native.spacing >= THINNEST_SLICE_MM:
        return native
    return Axis.around(native.centre, max(3, round(native.extent / SLICE_MM)), SLICE_MM)


def pixel_mm(gland_ml: float) -> float:
    """The in-plane size of a pixel that the segmenter should see a gland of this volume at, mm.

    The network has learned from few very large glands and takes their middle for other tissue. On larger pixels such a
    gland looks like a usual one: 60 mL at 0.7 mm.
    """
    if gland_ml <= LARGE_GLAND_ML:
        return PIXEL_MM
    return min(COARSEST_PIXEL_MM, PIXEL_MM * (gland_ml / USUAL_GLAND_ML) ** (1 / 3))


def normalise(array: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Intensities of zero mean and unit variance, clipped to the 1-99 percentile; zero outside the image.

    Any gain and offset of the scanner cancels.

    Args:
        array: (K, J, I), any scale.
        inside: bool of the same shape: samples that lie in the image.

    Returns:
        float32 (K, J, I).
    """
    values = array[inside]
    if not values.size:
        return np.zeros(array.shape, np.float32)
    low, high = np.percentile(values[:: max(1, values.size // 100_000)], [1, 99])  # a sample of it will do
    clipped = np.clip(array, low, high)
    values = clipped[inside]
    scaled = (clipped - values.mean()) / max(float(values.std()), 1e-6 * max(abs(high), abs(low)), 1e-30)
    return np.where(inside, scaled, 0).astype(np.float32)
