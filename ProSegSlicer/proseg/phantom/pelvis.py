"""The phantom's surroundings: a male pelvis in fat, muscle and bone, with bladder, rectum and seminal vesicles.

Coordinates are mm from the centre of the prostate along L, P and S; signals are relative to urine (1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from proseg.phantom.canvas import Canvas, around, between, ellipsoid, piecewise, ramp, rod

# Start, end (mm) and radius of the rods that make up the left half of the bones.
BONES = (
    ((64, 4, 44), (62, 20, 6), 14),  # acetabulum, inner wall
    ((60, -16, 6), (59, 24, -4), 10),  # acetabulum, floor
    ((62, 20, 6), (60, 26, -18), 13),  # ischium
    ((60, 26, -18), (52, 28, -48), 12),  # ischial tuberosity
    ((11, -46, 2), (10, -39, -26), 8.5),  # pubic body
    ((10, -44, -14), (27, -36, -10), 8.5),  # pubic body, outer part
    ((12, -48, 0), (62, -26, 20), 9),  # superior ramus
    ((62, -26, 20), (66, -6, 36), 11),  # acetabulum, front
    ((9, -38, -26), (50, 18, -54), 6.5),  # inferior ramus
    ((90, -4, 18), (92, -4, 20), 24),  # femoral head
    ((0, 72, 40), (0, 60, 6), 6),  # coccyx
)
FAT, MUSCLE, MARROW, CORTEX, WALL, URINE, GAS = 0.68, 0.13, 0.36, 0.05, 0.2, 0.95, 0.03


@dataclass(frozen=True)
class Pelvis:
    """What differs from one pelvis to the next.

    Attributes:
        room: size of the prostate's bed relative to that of a 45 mL gland.
        rectum_mm: outer radius of the rectum behind the gland.
        gas: whether gas, not stool, fills the rectum.
        bladder_mm: half-width of the bladder.
        fat_mm: thickness of the subcutaneous fat at the front.
    """

    room: float
    rectum_mm: float
    gas: bool
    bladder_mm: float
    fat_mm: float

    @staticmethod
    def random(room: float, rng: np.random.Generator) -> Pelvis:
        """A pelvis whose prostate bed is `room` times that of a 45 mL gland."""
        return Pelvis(
            room=room,
            rectum_mm=float(rng.uniform(11.5, 16)),
            gas=bool(rng.random() < 0.5),
            bladder_mm=float(rng.uniform(32, 42)),
            fat_mm=float(rng.uniform(18, 34)),
        )

    def rectum_axis(self, z: np.ndarray) -> np.ndarray:
        """How far behind the gland's centre the rectum's centre runs at the levels `z` (mm)."""
        bend = piecewise(z / self.room, (-45, 8), (-24, 5), (-8, 17), (10, 22.5), (30, 23), (60, 27))
        return bend * np.float32(self.room) + np.float32(self.rectum_mm)


def paint_pelvis(canvas: Canvas, pelvis: Pelvis) -> None:
    """Paint everything around the prostate, from the skin inwards."""
    _paint_body(canvas, pelvis)
    _paint_bones(canvas)
    _paint_cavity(canvas, pelvis)
    _paint_levator(canvas, pelvis)
    _paint_rectum(canvas, pelvis)
    _paint_bladder(canvas, pelvis)


def _paint_body(canvas: Canvas, pelvis: Pelvis) -> None:
    """Skin, subcutaneous fat and the mass of hip, thigh and buttock muscles with their fatty planes."""
    x, y = np.abs(canvas.x), canvas.y
    outline = 1 - np.sqrt(np.sqrt((x / 185) ** 4 + np.where(y < 0, (y + 2) / 104, (y + 2) / 108) ** 4))
    cleft = np.hypot(canvas.x, np.maximum(112 - y, 0) * 0.28) - 5 - 10 * ramp(canvas.z, 0, 30)
    canvas.paint(np.minimum(outline * 104, cleft), FAT + 0.03 * canvas.coarse)
    front = 104 - pelvis.fat_mm
    depth = 1 - np.sqrt(np.sqrt((x / 160) ** 4 + np.where(y < 0, (y + 2) / front, (y + 2) / 88) ** 4))
    muscle = np.minimum(depth * 80, np.where(y > 50, x - 5, 99)) + 0.8 * canvas.coarse
    # Fatty planes run between the muscles, from the pubis backwards and outwards, with patches where they widen.
    phase = 0.036 * y - 0.02 * x + 0.07 * canvas.coarse + 0.01 * canvas.z + 0.25 * np.sin(x / 23 + canvas.z / 19)
    sheets = np.clip(0.9 - 30 * np.abs(phase - np.round(phase)) + 0.6 * canvas.fine, 0, 1)
    canvas.paint(muscle, MUSCLE + 0.015 * canvas.fine + 0.32 * sheets + 0.2 * ramp(canvas.coarse, 1.3, 2.3))


def _paint_bones(canvas: Canvas) -> None:
    """Femoral heads, acetabula, ischia, pubic bodies and rami, coccyx; marrow in a dark cortex."""
    for cortex in (1.3, 0.0):  # all cortices first, so that neighbouring parts share one marrow
        for side in (-1.0, 1.0):
            for start, end, radius in BONES:
                a, b = np.multiply(start, (side, 1, 1)), np.multiply(end, (side, 1, 1))
                window = canvas.crop(*between(a, b, radius + 4))
                marrow = MARROW + 0.035 * window.fine + 0.03 * window.coarse
                window.paint(rod(window, a, b, radius) + 0.8 * window.coarse + cortex, CORTEX if cortex else marrow)


def _paint_cavity(canvas: Canvas, pelvis: Pelvis) -> None:
    """The pelvic cavity's fat, bounded by the obturator internus, and below it the ischioanal fossae."""
    room = max(pelvis.room, 0.95)
    window = canvas.crop((-60, -75, -90), (60, 75, 90))
    y, z = window.y, window.z
    high = ramp(z, -24, 2)
    fossa = np.clip(4 + (y + 8) * 0.85, 3, 46)
    front = piecewise(z, (-30, -24), (-5, -31), (8, -36), (30, -66))
    back = piecewise(z, (-40, 56), (0, 60), (30, 66))
    end = np.minimum(y - front, back - y)
    along = np.clip(2 * (y - front) / (back - front) - 1, -1, 1)
    oval = np.minimum(33.5 * room + 0.4 * np.maximum(z, 0), 56) * np.sqrt(1 - np.abs(along) ** 3)
    wall = fossa * np.sqrt(np.clip(end / 14, 0, 1)) * (1 - high) + oval * high
    distance = np.minimum(wall - np.abs(window.x), end) + 0.7 * window.coarse
    side = ramp(np.abs(window.x), 22, 34) * ramp(z, -8, 6)  # vessels gather along the side walls
    vessels = 0.5 * ramp(window.fine + 0.9 * side, 1.7, 3.0)
    septa = 0.14 * np.exp(-np.square((window.coarse + 0.2 * window.fine) / 0.08))
    window.paint(distance, FAT + 0.035 * window.coarse + 0.03 * window.fine - vessels - septa)


def _paint_levator(canvas: Canvas, pelvis: Pelvis) -> None:
    """The levator sling around gland and rectum, and the pelvic floor it becomes below the apex."""
    s = pelvis.room
    window = canvas.crop((-45, -45, -80), (45, 80, 26 * s))
    x, y, z = window.x, window.y, window.z
    half = piecewise(z / s, (-45, 13), (-26, 15.5), (-12, 25), (0, 30.5), (24, 38)) * np.float32(s)
    front = np.float32(-26 * s) - 4
    back = pelvis.rectum_axis(z) + pelvis.rectum_mm + 2.5
    middle, reach = (front + back) / 2, (back - front) / 2
    u, v = x / half, (y - middle) / reach
    u = u / (1 + 0.22 * np.clip(v, -1, 1))  # narrower in front
    sling = (1 - (np.abs(u) ** 2.6 + np.abs(v) ** 2.6) ** 0.385) * half + 0.6 * window.coarse
    floor = ramp(-z, 20 * s, 27 * s)
    bed = FAT - 0.06 + 0.08 * window.fine
    inside = bed + floor * (0.24 + 0.04 * window.fine + 0.04 * window.coarse - bed)
    thick = piecewise(z / s, (-24, 3.5), (-10, 1.9), (20, 1.2))
    fade = 1 - ramp(z, 6 * s, 20 * s)
    window.paint(sling, inside, opacity=fade)
    gap = ramp(z, -12, 0) * ramp(v, 0.0, 0.5)  # only at the pelvic floor does it close behind the rectum
    window.paint(np.minimum(sling, thick - sling), MUSCLE + 0.02, opacity=fade * (1 - gap))


def _paint_rectum(canvas: Canvas, pelvis: Pelvis) -> None:
    """Rectum with its muscular wall and content, narrowing into the anal canal."""
    r = pelvis.rectum_mm
    window = canvas.crop((-28, -5, -90), (28, 90, 90))
    axis = pelvis.rectum_axis(window.z)
    outer = piecewise(window.z / pelvis.room, (-40, 11), (-20, 11.5), (-5, r), (30, r), (50, r * 0.9))
    thick = piecewise(window.z / pelvis.room, (-40, 9.5), (-22, 8.5), (-8, 3.2), (40, 3))
    across = np.sqrt(np.square((window.x - 2 * np.sin(window.z / 16)) / 1.12) + np.square(window.y - axis))
    tube = outer - across + 0.7 * window.coarse
    window.paint(tube, WALL + 0.03 * window.fine)
    window.paint(1.2 - np.abs(tube - thick * 0.55), 0.34, opacity=0.6)  # submucosa
    content = GAS + 0.004 * window.fine if pelvis.gas else 0.2 + 0.07 * window.fine + 0.07 * window.coarse
    window.paint(tube - thick, np.clip(content, 0.01, None))


def _paint_bladder(canvas: Canvas, pelvis: Pelvis) -> None:
    """Bladder above and in front of the base: dark wall, bright urine."""
    s, half = pelvis.room, pelvis.bladder_mm
    centre = (1.5, -19.0 * s, 24 * s + 18)
    window = canvas.crop(*around(centre, (half + 8, 40, 40)))
    distance = ellipsoid(window, centre, (half, half * 0.74, 31)) + 0.8 * window.coarse
    window.paint(distance + 3.0, WALL)
    window.paint(distance, URINE)


def paint_vesicles(canvas: Canvas, pelvis: Pelvis) -> None:
    """Seminal vesicles: a bow tie of bright convoluted tubules behind the bladder, above the base."""
    s = pelvis.room
    for side in (-1.0, 1.0):
        start, end = (side * 4 * s, 13 * s, 24 * s), (side * 31 * s, 19 * s, 34 * s)
        window = canvas.crop(*between(start, end, 12))
        body = rod(window, start, end, 8.0) + 1.0 * window.coarse
        across = np.sin((window.x + 0.5 * window.y) / 2.4 + 1.5 * window.coarse)
        lobes = across * np.sin((window.y + 0.6 * window.z - 0.45 * window.x) / 2.2 - 1.1 * window.coarse)
        window.paint(body, 0.24 + 0.55 * ramp(np.abs(lobes), 0.0, 0.5))


def paint_bowel(canvas: Canvas, rng: np.random.Generator) -> None:
    """Loops of bowel in fat where a prostate would be."""
    for _ in range(7):
        start, end = rng.uniform((-22, -18, -18), (22, 14, 24), (2, 3))
        radius = float(rng.uniform(5, 8))
        window = canvas.crop(*between(start, end, radius + 2))
        loop = rod(window, start, end, radius) + 0.6 * window.coarse
        window.paint(loop, 0.25)
        window.paint(loop - 2.0, float(rng.choice([GAS, 0.35, 0.75])) + 0.02 * window.fine)
