"""The phantom's prostate: the shape of its zones and how they look on a T2W image.

The shape is a pair of implicit functions in mm from the centre of the gland, so that the truth is exact on any grid.
Extents, zone fractions per level and signal relations follow zonally annotated T2W examinations: at the base the gland
is mostly central gland with the peripheral zone thin behind it; at the apex the peripheral zone surrounds the urethra.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from proseg.labels import CG, PZ
from proseg.phantom.canvas import Canvas, around, ellipsoid, ramp

HALF_WIDTH, HALF_DEPTH, HALF_LENGTH = 26.0, 22.0, 25.0  # mm (L, P, S) at scale 1: about 45 mL


@dataclass(frozen=True)
class Gland:
    """Shape of one prostate.

    Attributes:
        scale: size relative to the 45 mL gland.
        central: size of the central gland relative to that.
        warp: amplitudes (mm) and phases of the gentle left-right and front-back waves that make it irregular.
        skew: left-right asymmetry of the central gland, mm.
    """

    scale: float = 1.0
    central: float = 1.0
    skew: float = 0.0
    warp: tuple[float, ...] = (0.0,) * 6

    @staticmethod
    def of_volume(gland_ml: float, rng: np.random.Generator) -> Gland:
        """A random gland of `gland_ml` mL, a third of it peripheral zone at 45 mL and less where larger.

        Hyperplasia enlarges the transition zone and leaves the peripheral zone about as it was, hence the square root.
        """
        warp = (*rng.uniform(0.5, 1.3, 2), *rng.uniform(0, 2 * np.pi, 4))
        gland = Gland(skew=float(rng.uniform(-1.5, 1.5)), warp=tuple(map(float, warp)))
        pz_ml = 15.0 * float(np.sqrt(gland_ml / 45.0)) * rng.uniform(0.9, 1.1)
        scale = _solve(lambda s: sum(_volumes(replace(gland, scale=s))), gland_ml, 0.3, 3.0)
        gland = replace(gland, scale=scale)
        central = _solve(lambda c: _volumes(replace(gland, central=c))[1], gland_ml - pz_ml, 0.5, 1.3)
        return replace(gland, central=central)

    def distances(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Approximate signed distances (mm, positive inside) to the gland's and to the central gland's surface.

        Args:
            x: mm towards the patient's left from the gland's centre.
            y: mm towards posterior.
            z: mm towards superior. The three broadcast against each other.
        """
        s = np.float32(self.scale)
        ax, ay, p0, p1, p2, p3 = map(np.float32, self.warp)
        x, y, z = x / s, y / s, z / s
        x, y = x + ax * np.sin(y / 9 + z / 14 + p0) + 0.4 * ax * np.sin(z / 6 - y / 5 + p2), y + ay * np.sin(x / 8 + p1)
        y = y + 0.5 * ay * np.sin(z / 7 + p3)

        level = z / HALF_LENGTH  # -1 apex, 1 base
        taper = np.sqrt(np.clip(1 - np.abs(level) ** 2.4, 0, None)) * (1 + 0.34 * np.minimum(level, 0))
        y = y - 2.5 * level  # the apex lies further forward
        back = np.maximum(y, 0)
        v = np.abs(y + 0.11 * back * np.exp(-np.square(x / 8))) / HALF_DEPTH  # shallow groove behind
        u = np.abs(x) / (HALF_WIDTH * (1 + 0.1 * np.clip(y / HALF_DEPTH, -1, 1)))  # broader behind than in front
        round_ = np.sqrt(u * u + v * v)
        boxy = np.sqrt(np.sqrt(u**4 + v**4))
        outer = (taper - np.where(y > 0, 0.45 * round_ + 0.55 * boxy, 0.8 * round_ + 0.2 * boxy)) * HALF_DEPTH

        c = np.float32(self.central)
        along = (z - 6.5) / (20.5 * c)
        girth = np.sqrt(np.clip(1 - np.abs(along) ** 2.2, 0, None))
        across = np.sqrt(np.square((x - self.skew * girth) / 19.5) + np.square((y + 4.8) / 17.0))
        transition = (girth * c - across) * 15.0
        stroma = -11.0 * c - y - 0.06 * np.square(x)  # anterior fibromuscular stroma, from base to apex
        urethra = np.where(level < 0, 4.2 - np.sqrt(x * x + np.square(y + 2.0)), -9.0)
        base = 0.8 * (z - 17.0 - 0.45 * y - 0.07 * np.abs(x))  # no peripheral zone reaches the bladder neck
        inner = np.maximum(np.maximum(transition, stroma), np.maximum(urethra, base))
        return outer * s, inner * s

    def labels(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Zone label (uint8: 0, PZ, CG) of each point; arguments as for `distances`."""
        outer, inner = self.distances(x, y, z)
        return np.where(outer <= 0, 0, np.where(inner < 0, PZ, CG)).astype(np.uint8)


def paint_gland(canvas: Canvas, gland: Gland, rng: np.random.Generator) -> None:
    """Paint a prostate of this shape: capsule, peripheral zone, stroma, nodules, urethra and ejaculatory ducts."""
    s = gland.scale
    window = canvas.crop(*around((0, 0, 0), (s * 33, s * 27, s * 28)))
    outer, inner = gland.distances(window.x, window.y, window.z)
    behind = ramp(window.y, -12 * s, -2 * s)  # capsule and pseudo-capsule are seen at the back and the sides

    peripheral = 0.57 + 0.07 * window.fine + 0.06 * window.coarse
    peripheral = peripheral - 0.12 * np.exp(-np.square(window.x / (1.8 * s))) - 0.1 * ramp(window.z, 4 * s, 18 * s)
    window.paint(outer + 0.4, peripheral)
    window.paint(0.75 - np.abs(outer), 0.2, opacity=0.75)

    central = replace(window, signal=window.signal.copy())
    central.paint(outer + 0.4, 0.38 + 0.06 * window.fine + 0.04 * window.coarse)
    _paint_nodules(central, s * gland.central, rng)
    stroma = np.minimum(5.0 * s - outer, -6 * s - window.y - 0.02 * np.square(window.x) / s) + 0.6 * window.coarse
    central.paint(stroma, 0.19 + 0.025 * window.fine, opacity=0.8 * ramp(stroma, -0.5, 2.5))
    _paint_ducts(central, s)
    window.paint(np.minimum(inner, outer), central.signal)
    window.paint(np.minimum(0.7 - np.abs(inner), outer), 0.19, opacity=0.7 * behind)


def _paint_nodules(canvas: Canvas, size: float, rng: np.random.Generator) -> None:
    """Hyperplastic nodules: two lobes of round glandular (bright) and stromal (dark) balls in dark rims."""
    for number in range(18):
        side = 1 if number % 2 else -1
        radius = float(rng.uniform(3.0, 9.5)) * size * (0.75 if number > 7 else 1.0)
        centre = (side * rng.uniform(3.5, 14.5) * size, rng.uniform(-12, 5.5) * size, rng.uniform(-9, 20) * size)
        radii = radius * rng.uniform(0.75, 1.2, 3)
        window = canvas.crop(*around(centre, (radius * 1.4,) * 3))
        ball = ellipsoid(window, centre, radii) + 0.35 * window.coarse + 0.2 * window.fine
        body = rng.choice([0.24, 0.33, 0.42, 0.5, 0.62], p=[0.12, 0.25, 0.28, 0.23, 0.12])
        window.paint(ball, 0.21, opacity=0.8)
        window.paint(ball - 0.9, body + 0.22 * body * window.fine + 0.1 * body * window.coarse)


def _paint_ducts(canvas: Canvas, s: float) -> None:
    """The urethra with its verumontanum, and the dark central zone around the ejaculatory ducts."""
    zone = ellipsoid(canvas, (0, 9 * s, 19 * s), (16 * s, 7 * s, 9 * s))
    canvas.paint(zone, 0.24 + 0.03 * canvas.fine)
    across = np.sqrt(np.square(canvas.x) + np.square(canvas.y + 2.0 * s))
    low = canvas.z < -2 * s
    canvas.paint(np.where(low, 4.0 * s - across, -9), 0.22)
    canvas.paint(np.where(low, 2.2 * s - across, -9), 0.4)
    canvas.paint(ellipsoid(canvas, (0, -0.5 * s, -3 * s), (2.2 * s, 3.0 * s, 5 * s)), 0.62)
    canvas.paint(0.8 * s - np.abs(canvas.x) + 0.3 * canvas.coarse, 0.24, opacity=0.5)


def _volumes(gland: Gland, step: float = 2.0) -> tuple[float, float]:
    """Volumes (mL) of the peripheral zone and the central gland, from a lattice `step` times the scale apart."""
    step *= gland.scale
    z, y, x = np.meshgrid(*(np.arange(-17, 18, dtype=np.float32) * np.float32(step),) * 3, indexing="ij", sparse=True)
    counts = np.bincount(gland.labels(x, y, z).ravel(), minlength=3) * step**3 / 1000
    return float(counts[PZ]), float(counts[CG])


def _solve(volume: Callable[[float], float], target: float, low: float, high: float) -> float:
    """The argument between `low` and `high` at which the rising function `volume` reaches `target`."""
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if volume(middle) < target else (low, middle)
    return (low + high) / 2
