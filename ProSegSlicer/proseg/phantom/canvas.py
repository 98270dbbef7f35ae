"""What the phantom is painted on: sample points in patient space and soft-edged shapes.

Axes are [k, s, j, i]: slice, sub-sample through the slice, row, column of an LPS-oriented grid. Sub-samples are
averaged at the end, which gives the partial volume effect of thick slices. Coordinates are mm along L, P and S from the
centre of the gland. A grid that is only tilted about the L axis has x on the columns alone and y, z on the rows and
slices alone, so all three stay small and broadcast.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Canvas:
    """Sample points and the signal painted so far; `crop` gives a window that paints into the same memory.

    Attributes:
        x: (1, 1, 1, I) mm towards the patient's left.
        y: (K, s, J, 1) mm towards posterior.
        z: (K, s, J, 1) mm towards superior.
        fine: (K, 1, J, I) tissue texture with details of 1.5-3 mm; zero mean, unit deviation.
        coarse: (K, 1, J, I) the same with details of 6-12 mm.
        signal: (K, s, J, I) relative T2W signal; 1 is urine.
        edge: width in mm over which one tissue passes into the next.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    fine: np.ndarray
    coarse: np.ndarray
    signal: np.ndarray
    edge: float

    def crop(self, low: ArrayLike, high: ArrayLike) -> Canvas:
        """The smallest window holding every sample between the corners `low` and `high` (L, P, S mm)."""
        inside = (self.y >= low[1]) & (self.y <= high[1]) & (self.z >= low[2]) & (self.z <= high[2])
        k = _span(inside.any(axis=(1, 2, 3)))
        j = _span(inside.any(axis=(0, 1, 3)))
        i = _span(((self.x >= low[0]) & (self.x <= high[0])).ravel())
        return replace(
            self,
            x=self.x[..., i],
            y=self.y[k, :, j],
            z=self.z[k, :, j],
            fine=self.fine[k, :, j, i],
            coarse=self.coarse[k, :, j, i],
            signal=self.signal[k, :, j, i],
        )

    def paint(self, distance: np.ndarray, signal: np.ndarray | float, opacity: np.ndarray | float = 1.0) -> None:
        """Paint `signal` where `distance` (mm, positive inside) is positive, with a soft edge."""
        cover = np.clip(distance * np.float32(1 / self.edge) + np.float32(0.5), 0, 1)
        self.signal[...] += opacity * cover * (signal - self.signal)


def ellipsoid(canvas: Canvas, centre: ArrayLike, radii: ArrayLike) -> np.ndarray:
    """Approximate signed distance (mm, positive inside) to an ellipsoid's surface."""
    c, r = np.float32(centre), np.float32(radii)
    q = np.square((canvas.y - c[1]) / r[1]) + np.square((canvas.z - c[2]) / r[2])
    return (1 - np.sqrt(q + np.square((canvas.x - c[0]) / r[0]))) * r.min()


def rod(canvas: Canvas, start: ArrayLike, end: ArrayLike, radius: float) -> np.ndarray:
    """Signed distance (mm, positive inside) to a round-ended rod from `start` to `end`."""
    a, axis = np.float32(start), np.float32(end) - np.float32(start)
    dx, dy, dz = canvas.x - a[0], canvas.y - a[1], canvas.z - a[2]
    along = np.clip((dx * axis[0] + (dy * axis[1] + dz * axis[2])) / (axis @ axis), 0, 1)
    gap = np.square(dx - along * axis[0]) + np.square(dy - along * axis[1]) + np.square(dz - along * axis[2])
    return np.float32(radius) - np.sqrt(gap)


def around(centre: ArrayLike, reach: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Corners (L, P, S mm) of the box reaching `reach` mm either way from `centre`, for `Canvas.crop`."""
    return np.subtract(centre, reach), np.add(centre, reach)


def between(start: ArrayLike, end: ArrayLike, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners (L, P, S mm) of the box reaching `reach` mm beyond the line from `start` to `end`."""
    return np.minimum(start, end) - reach, np.maximum(start, end) + reach


def ramp(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between (cubic)."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)


def piecewise(value: np.ndarray, *knots: tuple[float, float]) -> np.ndarray:
    """Linear interpolation through (position, value) knots, held constant beyond the ends."""
    positions, values = zip(*knots, strict=True)
    return np.interp(value, positions, values).astype(np.float32)


def _span(mask: np.ndarray) -> slice:
    hits = np.flatnonzero(mask)
    return slice(int(hits[0]), int(hits[-1]) + 1) if hits.size else slice(0, 0)
