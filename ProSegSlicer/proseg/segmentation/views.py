"""Where the networks look: boxes around the gland, and the way from a box back to the image's own samples.

Arrays and grids only.
"""

from __future__ import annotations

import math

import numpy as np

from proseg.images.grids import Axis, Grid, resample
from proseg.labels import BACKGROUND
from proseg.model.network import IN_PLANE_MULTIPLE
from proseg.model.preprocessing import PIXEL_MM, slice_axis
from proseg.segmentation.cleanup import pieces

CONTEXT_MM = 25.0  # seen on every side of the gland
CLOSE_MM = 15.0  # the same where the segmenter itself has found it
LEAST_PIXELS = 144  # side of the smallest in-plane box: 101 mm at 0.7 mm
NEGLIGIBLE = 0.01  # a gland less probable than this is not worth the way back to the image's grid


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


def main_piece(gland: np.ndarray) -> np.ndarray:
    """The probability of gland in the largest connected piece that is more probable than not, 0 elsewhere."""
    return np.where(pieces(gland > 0.5) == 1, gland, 0)


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
        position = whole.positions
        reach = seen.spacing / 2
        inner = np.flatnonzero((position >= seen.start - reach) & (position <= seen.end + reach))
        where.append(slice(int(inner[0]), int(inner[-1]) + 1))
        axes.append(Axis(len(inner), whole.spacing, float(position[inner[0]])))
    zones = resample(probabilities[1:], box, tuple(axes))
    return np.concatenate([1 - zones.sum(axis=0, keepdims=True), zones]), tuple(where)


def box_around(grid: Grid, gland: Grid | None, pixel: float = PIXEL_MM, context: float = CONTEXT_MM) -> Grid:
    """The segmenter's grid: around the gland, or over the middle of the image if it was not found.

    Args:
        grid: the image's.
        gland: where it lies along each axis, if that is known.
        pixel: in-plane size of a pixel, mm.
        context: how much is seen around the gland, mm.
    """
    slices = slice_axis(grid[0])
    if gland is None:
        return (slices, *(Axis.around(axis.centre, LEAST_PIXELS, pixel) for axis in grid[1:]))
    near = np.flatnonzero(np.abs(slices.positions - gland[0].centre) <= gland[0].extent / 2 + context)
    k = Axis(len(near), slices.spacing, slices.start + slices.spacing * float(near[0]))
    wanted = [math.ceil((axis.extent + 2 * context) / pixel / IN_PLANE_MULTIPLE) for axis in gland[1:]]
    j, i = (
        Axis.around(axis.centre, max(LEAST_PIXELS, count * IN_PLANE_MULTIPLE), pixel)
        for axis, count in zip(gland[1:], wanted, strict=True)
    )
    return k, j, i
