"""From an array in the canonical frame to zone probabilities: look from afar, then closely.

Arrays and torch only. The locator sees the whole image at 4 mm pixels and says where the gland is; the segmenter sees
a box around it at 0.7 mm pixels, and a very large gland once more at larger ones. So the gland may lie anywhere in a
field of view of any size, and the time it takes depends on the gland and not on the field of view.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch

from proseg.cleanup import pieces
from proseg.devices import Device, cpu_after
from proseg.grids import Axis, Grid, inside, resample
from proseg.labels import BACKGROUND
from proseg.network import IN_PLANE_MULTIPLE, ProSeg
from proseg.preprocessing import LARGE_GLAND_ML, LOCATOR_PIXEL_MM, PIXEL_MM, normalise, pixel_mm, slice_axis
from proseg.weights import Model

Progress = Callable[[str, float], None]
"""Called with the stage in words and the fraction of the whole work done, 0..1."""

CONTEXT_MM = 25.0  # seen on every side of the gland
LEAST_PIXELS = 144  # side of the smallest in-plane box: 101 mm
NEGLIGIBLE = 0.01  # a gland less probable than this is not worth the way back to the image's grid
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
    """Both networks on a device."""

    def __init__(self, model: Model, device: Device) -> None:
        self.model = model
        self.use(device)

    def use(self, device: Device) -> None:
        """Compute on this device from now on; the model itself stays on the CPU, out of reach of a failing GPU."""
        self.device = device
        self.segmenter, self.locator = (
            network if device.name == "cpu" else deepcopy(network).to(device.name)
            for network in (self.model.segmenter, self.model.locator)
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
        probabilities, box = self.look(array, grid, gland)
        found = 1 - probabilities[BACKGROUND]
        if volume_ml(found, box) > LARGE_GLAND_ML:
            found = np.where(pieces(found > 0.5) == 1, found, 0)  # false finds elsewhere make no gland large
        pixel = pixel_mm(volume_ml(found, box))
        if pixel > PIXEL_MM:
            probabilities, box = self.look(array, grid, extents(found, box), pixel)
        progress("Back to the image's grid", 0.7)
        return Prediction(*back(*trimmed(probabilities, box), grid), gland is not None)

    def locate(self, array: np.ndarray, grid: Grid) -> Grid | None:
        """The box around the gland, found at low resolution, or None."""
        view = (slice_axis(grid[0]), *(covering(axis, LOCATOR_PIXEL_MM) for axis in grid[1:]))
        gland = 1 - self.run("locator", array, grid, view)[BACKGROUND]
        return extents(gland, view) if volume_ml(gland, view) >= LEAST_LOCATED_ML else None

    def look(
        self, array: np.ndarray, grid: Grid, gland: Grid | None, pixel: float = PIXEL_MM
    ) -> tuple[np.ndarray, Grid]:
        """Probabilities around the gland and the grid they lie on, wide enough for it."""
        box = closer_look(grid, gland, pixel)
        probabilities = self.segment(array, grid, box)
        if cut_off(probabilities[BACKGROUND], grid, box):  # too little was in view: look again, wider
            box = closer_look(grid, extents(1 - probabilities[BACKGROUND], box), pixel)
            probabilities = self.segment(array, grid, box)
        return probabilities, box

    def segment(self, array: np.ndarray, grid: Grid, box: Grid) -> np.ndarray:
        """Probabilities (3, k, j, i) on the grid ``box``."""
        return self.run("segmenter", array, grid, box)

    def run(self, name: str, array: np.ndarray, grid: Grid, view: Grid) -> np.ndarray:
        """Probabilities (3, k, j, i) that ``segmenter`` or ``locator`` gives on the grid ``view`` of the image."""
        pixels = normalise(resample(array, grid, view), inside(grid, view))
        try:
            return self._forward(getattr(self, name), pixels, view[0].spacing)
        except RuntimeError as error:
            if self.device.name == "cpu":
                raise
            self.use(cpu_after(error))
            return self._forward(getattr(self, name), pixels, view[0].spacing)

    def _forward(self, network: ProSeg, pixels: np.ndarray, slice_mm: float) -> np.ndarray:
        volume = torch.from_numpy(pixels)[None, None].to(self.device.name)
        # Rounding must not move the box: all that is seen would change with it, and finding it costs next to nothing.
        whole = self.device.dtype is torch.float32 or network is self.locator
        precision = nullcontext() if whole else torch.autocast(self.device.name, self.device.dtype)
        with torch.inference_mode(), precision:
            return network(volume, slice_mm).softmax(dim=1)[0].cpu().numpy()


def covering(axis: Axis, spacing: float, least: int = 2 * IN_PLANE_MULTIPLE) -> Axis:
    """The smallest axis the networks take that covers ``axis``, centred on it."""
    count = math.ceil(axis.extent / spacing / IN_PLANE_MULTIPLE) * IN_PLANE_MULTIPLE
    return Axis.around(axis.centre, max(least, count), spacing)


def extents(gland: np.ndarray, view: Grid) -> Grid:
    """Where the gland lies along each axis: all but the outer 1 % of its summed probability at either end."""
    gland = np.where(gland > 0.5, gland, 0)
    found = []
    for axis, along in enumerate(view):
        share = np.cumsum(gland.sum(axis=tuple(a for a in range(3) if a != axis)))
        first, last = np.searchsorted(share, [0.01 * share[-1], 0.99 * share[-1]])
        found.append(Axis(int(last - first) + 1, along.spacing, along.start + float(first) * along.spacing))
    return tuple(found)


def volume_ml(gland: np.ndarray, view: Grid) -> float:
    """The volume of a gland from its probability, mL."""
    return float(gland[gland > 0.5].sum()) * math.prod(axis.spacing for axis in view) / 1000


def cut_off(background: np.ndarray, grid: Grid, box: Grid) -> bool:
    """Whether the gland reaches an edge of the box that is not an edge of the image."""
    gland = background < 0.5
    for axis, (whole, seen) in enumerate(zip(grid, box, strict=True)):
        reach = seen.spacing / 2
        edges = ((0, whole.start < seen.start - reach), (-1, whole.end > seen.end + reach))
        if any(more and gland.take(place, axis).any() for place, more in edges):
            return True
    return False


def trimmed(probabilities: np.ndarray, box: Grid) -> tuple[np.ndarray, Grid]:
    """Without the outer rows and columns in which gland is next to impossible; all of them if it is so everywhere.

    Slices stay: how sure the network is that a slice beside the gland has none is worth knowing.
    """
    possible = probabilities[BACKGROUND] < 1 - NEGLIGIBLE
    if not possible.any():
        return probabilities, box
    grid = list(box)
    for axis in (1, 2):
        filled = np.flatnonzero(possible.any(axis=tuple({0, 1, 2} - {axis})))
        first, last = max(0, filled[0] - 1), min(box[axis].count - 1, filled[-1] + 1)  # interpolation needs neighbours
        probabilities = probabilities.take(range(first, last + 1), axis + 1)
        grid[axis] = Axis(int(last - first) + 1, box[axis].spacing, box[axis].start + float(first) * box[axis].spacing)
    return probabilities, tuple(grid)


def back(probabilities: np.ndarray, box: Grid, grid: Grid) -> tuple[np.ndarray, tuple[slice, slice, slice]]:
    """Probabilities on the grid ``box`` brought to the image's own samples inside it, and which samples these are."""
    where, axes = [], []
    for whole, seen in zip(grid, box, strict=True):
        position = whole.start + whole.spacing * np.arange(whole.count)
        reach = seen.spacing / 2
        inner = np.flatnonzero((position >= seen.start - reach) & (position <= seen.end + reach))
        where.append(slice(int(inner[0]), int(inner[-1]) + 1))
        axes.append(Axis(len(inner), whole.spacing, float(position[inner[0]])))
    zones = resample(probabilities[1:], box, tuple(axes))
    return np.concatenate([1 - zones.sum(axis=0, keepdims=True), zones]), tuple(where)


def closer_look(grid: Grid, gland: Grid | None, pixel: float = PIXEL_MM) -> Grid:
    """The segmenter's grid: around the gland, or over the middle of the image if it was not found; pixels in mm."""
    slices = slice_axis(grid[0])
    if gland is None:
        return (slices, *(Axis.around(axis.centre, LEAST_PIXELS, pixel) for axis in grid[1:]))
    near = np.flatnonzero(
        np.abs(slices.start + slices.spacing * np.arange(slices.count) - gland[0].centre)
        <= gland[0].extent / 2 + CONTEXT_MM
    )
    k = Axis(len(near), slices.spacing, slices.start + slices.spacing * float(near[0]))
    wanted = [math.ceil((axis.extent + 2 * CONTEXT_MM) / pixel / IN_PLANE_MULTIPLE) for axis in gland[1:]]
    j, i = (
        Axis.around(axis.centre, max(LEAST_PIXELS, count * IN_PLANE_MULTIPLE), pixel)
        for axis, count in zip(gland[1:], wanted, strict=True)
    )
    return k, j, i
