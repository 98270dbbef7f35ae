"""From an array in the canonical frame to zone probabilities: located from afar, segmented closely, then refined.

Arrays and torch only. The locator sees the whole image at 4 mm pixels and says where the gland is; the segmenter sees
a box around it at 0.7 mm pixels, a very large gland once more at larger ones, and then what it has found in the mirror,
at finer ones (the refinement pass): the mean of both passes errs less than either. Where it finds a thin peripheral
zone, the thin-PZ model, which has learned most from such patients, takes its place in both passes. So the gland may lie
anywhere in a field of view of any size, and the time it takes depends on the gland and not on the field of view.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from proseg.images.grids import Grid, inside, resample
from proseg.labels import BACKGROUND, CG, PZ
from proseg.model.devices import Device, cpu_after
from proseg.model.network import ProSeg
from proseg.model.preprocessing import FINER, LOCATOR_PIXEL_MM, PIXEL_MM, THIN_PZ_SHARE, normalise, pixel_mm, slice_axis
from proseg.model.weights import Model
from proseg.segmentation.views import (
    CLOSE_MM,
    back,
    box_around,
    covering,
    cut_off,
    extents,
    main_piece,
    trimmed,
    volume_ml,
)

Progress = Callable[[str, float], None]
"""Called with the stage in words and the fraction of the whole work done, 0..1."""

LEAST_LOCATED_ML = 2.0  # less gland than this from afar is not a place to go by


@dataclass(frozen=True)
class Prediction:
    """Zone probabilities inside a box of an image.

    Attributes:
        probabilities: float32 (3, k, j, i), summing to 1, on the image's own grid, inside ``box``.
        box: where they lie in the image: slices along k, j, i; outside it background is certain.
        located: whether the locator found the gland; if not, the box is the middle of the image.
    """

    probabilities: np.ndarray
    box: tuple[slice, slice, slice]
    located: bool


class Pipeline:
    """The networks of a model on a device."""

    def __init__(self, model: Model, device: Device) -> None:
        self.model = model
        self.use(device)

    def use(self, device: Device) -> None:
        """Compute on this device from now on; the model itself stays on the CPU, out of reach of a failing GPU."""
        self.device = device
        self.segmenter, self.locator, self.thin_pz = (
            network if device.name == "cpu" or network is None else deepcopy(network).to(device.name)
            for network in (self.model.segmenter, self.model.locator, self.model.thin_pz)
        )

    def predict(self, array: np.ndarray, grid: Grid, progress: Progress = lambda stage, done: None) -> Prediction:
        """Probabilities of the zones in a T2W image.

        Args:
            array: (K, J, I), LPS-oriented, any intensity scale.
            grid: its grid, mm.
            progress: told what happens.
        """
        progress("Locating the prostate", 0.1)
        gland = self.locate(array, grid)
        progress("Segmenting", 0.3)
        probabilities, box = self.segment_around(array, grid, gland)
        # False finds elsewhere, or where the box sticks out of the image, make no gland large.
        found = main_piece((1 - probabilities[BACKGROUND]) * inside(grid, box))
        if found.any():
            place, pixel = extents(found, box), pixel_mm(volume_ml(found, box))
            thin = self.thin_pz is not None and pz_share(probabilities, found) < THIN_PZ_SHARE
            by = "thin_pz" if thin else "segmenter"
            if thin or pixel > PIXEL_MM:
                probabilities, box = self.segment_around(array, grid, place, pixel, by)
            progress("Refining", 0.5)
            closer = box_around(grid, place, pixel * FINER, CLOSE_MM)
            again = self.segment(array, grid, closer, by, mirrored=True)
            probabilities, box = mean_of_passes(resample(probabilities[1:], box, closer), again[1:]), closer
        progress("Back to the image's grid", 0.75)
        return Prediction(*back(*trimmed(probabilities, box), grid), gland is not None)

    def locate(self, array: np.ndarray, grid: Grid) -> Grid | None:
        """The box around the gland, found at low resolution, or None."""
        view = (slice_axis(grid[0]), *(covering(axis, LOCATOR_PIXEL_MM) for axis in grid[1:]))
        gland = 1 - self.run("locator", array, grid, view)[BACKGROUND]
        return extents(gland, view) if volume_ml(gland, view) >= LEAST_LOCATED_ML else None

    def segment_around(
        self, array: np.ndarray, grid: Grid, gland: Grid | None, pixel: float = PIXEL_MM, by: str = "segmenter"
    ) -> tuple[np.ndarray, Grid]:
        """Probabilities around the gland and the grid they lie on, wide enough for it."""
        box = box_around(grid, gland, pixel)
        probabilities = self.segment(array, grid, box, by)
        if cut_off(probabilities[BACKGROUND], grid, box):  # too little was in view: once more, wider
            box = box_around(grid, extents(1 - probabilities[BACKGROUND], box), pixel)
            probabilities = self.segment(array, grid, box, by)
        return probabilities, box

    def segment(
        self, array: np.ndarray, grid: Grid, box: Grid, by: str = "segmenter", mirrored: bool = False
    ) -> np.ndarray:
        """Probabilities (3, k, j, i) on the grid ``box``, of the patient or of the patient's mirror image.

        ``by``: the network that does, ``segmenter`` or ``thin_pz``.
        """
        return smoothed(self.run(by, array, grid, box, mirrored))

    def run(self, name: str, array: np.ndarray, grid: Grid, view: Grid, mirrored: bool = False) -> np.ndarray:
        """Probabilities (3, k, j, i) that ``segmenter``, ``thin_pz`` or ``locator`` gives on the grid ``view``.

        ``mirrored``: it is shown left and right exchanged, and what it gives is put back in place.
        """
        pixels = normalise(resample(array, grid, view), inside(grid, view))
        if mirrored:
            pixels = left_right(pixels)
        try:
            probabilities = self._forward(getattr(self, name), pixels, view[0].spacing)
        except RuntimeError as error:
            if self.device.name == "cpu":
                raise
            self.use(cpu_after(error))
            probabilities = self._forward(getattr(self, name), pixels, view[0].spacing)
        return left_right(probabilities) if mirrored else probabilities

    def _forward(self, network: ProSeg, pixels: np.ndarray, slice_mm: float) -> np.ndarray:
        volume = torch.from_numpy(pixels)[None, None].to(self.device.name)
        # Rounding must not move the box: all that is seen would change with it, and finding it costs next to nothing.
        whole = self.device.dtype is torch.float32 or network is self.locator
        precision = nullcontext() if whole else torch.autocast(self.device.name, self.device.dtype)
        with torch.inference_mode(), precision:
            return network(volume, slice_mm).softmax(dim=1)[0].cpu().numpy()


def pz_share(probabilities: np.ndarray, gland: np.ndarray) -> float:
    """How much of a gland is PZ: of the samples where ``gland`` (k, j, i) is above one half."""
    inside_gland = gland > 0.5
    return float(np.mean(probabilities[PZ][inside_gland] > probabilities[CG][inside_gland]))


def left_right(array: np.ndarray) -> np.ndarray:
    """An LPS-oriented array (..., i) with left and right exchanged."""
    return np.ascontiguousarray(array[..., ::-1])


def mean_of_passes(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Probabilities (3, k, j, i), the mean of two passes' probabilities of the zones (2, k, j, i)."""
    zones = (first + second) / 2
    return np.concatenate([1 - zones.sum(axis=0, keepdims=True), zones])


def smoothed(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities (3, k, j, i), each averaged with its neighbours by (1, 2, 1) / 4 along rows and columns.

    The head of the network makes four pixels of one, each with filters of its own, and where it is torn between two
    classes every second row or column may fall to the other one: contours like combs. These weights leave nothing of
    what alternates from pixel to pixel (checkerboard artefacts: Odena et al., Distill 2016, doi
    10.23915/distill.00003). At the edges the outermost pixels are repeated.
    """
    mean = functional.pad(torch.from_numpy(probabilities), (1, 1, 1, 1), mode="replicate")
    for axis in (2, 2, 3, 3):  # of two neighbours, twice: torch's pooling does the same ten times as slowly
        pairs = mean.shape[axis] - 1
        mean = torch.lerp(mean.narrow(axis, 0, pairs), mean.narrow(axis, 1, pairs), 0.5)
    return mean.numpy()
