"""Draw the extension's icon, the two zones of a prostate on an axial slice, and the thumbnail of its sample data.

Run `python docs/draw_icon.py` from the repository root; it writes ProSegSlicer.png, the copy among the resources, and
the thumbnail beside that.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

THUMBNAIL = (260, 280)  # pixels, as Slicer's Sample Data module wants them
SIZE, OVERSAMPLING = 128, 8
PZ, CG = (180, 140, 190), (120, 190, 160)
ROOT = Path(__file__).resolve().parent.parent


def draw() -> Image.Image:
    """Return the icon, RGBA, SIZE × SIZE pixels."""
    n = SIZE * OVERSAMPLING
    y, x = (np.mgrid[0:n, 0:n] + 0.5) / n * 2 - 1  # -1..1, y towards posterior

    def edge(distance: np.ndarray) -> np.ndarray:
        """Coverage 0..1 of a shape whose signed distance is negative inside."""
        return np.clip(0.5 - distance * n / 2, 0, 1)

    def superellipse(cx: float, cy: float, rx: float, ry: float, power: float = 2.0) -> np.ndarray:
        """Approximate signed distance to |x/rx|^p + |y/ry|^p = 1."""
        r = (np.abs((x - cx) / rx) ** power + np.abs((y - cy) / ry) ** power) ** (1 / power)
        return (r - 1) * min(rx, ry)

    canvas = np.zeros((n, n, 3))

    def paint(colour: np.ndarray | tuple[float, ...], coverage: np.ndarray) -> None:
        canvas[:] = canvas + (np.asarray(colour) - canvas) * coverage[..., None]

    # The tile: dark tissue, brighter around the gland, with a grain like an acquired slice's.
    glow = np.exp(-((x / 0.8) ** 2 + ((y - 0.05) / 0.75) ** 2))
    grain = np.kron(np.random.default_rng(5).normal(size=(SIZE // 2, SIZE // 2)), np.ones((n * 2 // SIZE,) * 2))
    canvas[:] = np.array([20, 22, 31]) + glow[..., None] * (np.array([46, 49, 64]) + 13 * grain[..., None])

    # The gland in a faint ring of fascia.
    gland = superellipse(0, 0.06, 0.78, 0.62, 2.25)
    paint((132, 136, 156), 0.45 * np.exp(-(((gland - 0.085) / 0.02) ** 2)))

    # Peripheral zone: the back of the gland, its horns fading into the stroma in front; brightest behind, as on T2.
    shade = 1.02 + 0.14 * np.clip(y / 0.6, -1, 1)
    paint(np.array(PZ) * shade[..., None], edge(gland) * np.clip((y + 0.62) / 0.25, 0, 1))

    # Central gland within its dark capsule: two lobes, the urethra a bright slit where they meet.
    left, right = (superellipse(side * 0.21, -0.15, 0.345, 0.40) for side in (-1, 1))
    blend = np.clip(0.5 + (right - left) / 0.24, 0, 1)
    centre = right + (left - right) * blend - 0.12 * blend * (1 - blend)
    paint((22, 23, 32), edge(centre - 0.05))
    tone = 1.16 - 0.55 * np.hypot(np.abs(x) - 0.24, y + 0.24)
    paint(np.array(CG) * tone[..., None], edge(centre))
    paint((232, 247, 240), edge(superellipse(0, -0.02, 0.035, 0.13)))

    alpha = edge(superellipse(0, 0, 0.98, 0.98, 5.0))
    rgba = np.dstack([np.clip(canvas, 0, 255), alpha * 255]).round().astype(np.uint8)
    return Image.fromarray(rgba, "RGBA").resize((SIZE, SIZE), Image.Resampling.BOX)


def thumbnail() -> Image.Image:
    """Return the middle slice of the generated examination, grey, THUMBNAIL pixels."""
    sys.path.insert(0, str(ROOT / "ProSegSlicer"))
    import SimpleITK as sitk

    from proseg.phantom import make_phantom

    voxels = sitk.GetArrayFromImage(make_phantom().image).astype(float)
    middle = voxels[len(voxels) // 2]
    low, high = np.percentile(middle, (1, 99.5))
    picture = Image.fromarray((np.clip((middle - low) / (high - low), 0, 1) * 255).astype(np.uint8))
    width, height = THUMBNAIL
    share = max(width / picture.width, height / picture.height)
    picture = picture.resize([round(share * side) for side in picture.size], Image.Resampling.LANCZOS)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height)).quantize(32)


if __name__ == "__main__":
    icon = draw()
    for path in (ROOT / "ProSegSlicer.png", ROOT / "ProSegSlicer/Resources/Icons/ProSegSlicer.png"):
        icon.save(path, optimize=True)
    thumbnail().save(ROOT / "ProSegSlicer/Resources/Icons/GeneratedProstateT2W.png", optimize=True)
