"""What treatment leaves in and around a prostate, painted into images of patients who have had none.

A companion of :mod:`training.data.augment`, switched on by ``training.fit.train --treated``: a hydrogel spacer, gold
markers, a defect after TURP (transurethral resection), a catheter, the void beside a hip prosthesis. Labels stay as
they are: none of these is prostate, and what they displace within it the expert's contour takes in. Painted treatments
vary in place, shape and signal so that a network learns what they have in common; real ones look less tidy.

Arrays are [k, j, i], LPS-oriented (j grows to posterior), intensities about 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

SPACER_CHANCE, OTHER_CHANCE = 0.2, 0.06  # of a spacer, and of each other treatment, in a patch
Spacing = tuple[float, float, float]


def treated(image: np.ndarray, labels: np.ndarray, spacing_kji: Spacing, random: np.random.Generator) -> np.ndarray:
    """The image with none, one or several treatments.

    Args:
        image: float32 (K, J, I).
        labels: of its voxels, 0 where there is no gland; the treatments need not know what the other values mean.
        spacing_kji: voxel size, mm.
        random: what decides.

    Returns:
        The image, float32 of the same shape; the given one where there is no gland or chance has it so.
    """
    if not labels.any():
        return image
    for treat, chance in TREATMENTS.items():
        if random.random() < chance:
            image = treat(image, labels > 0, spacing_kji, random).astype(np.float32, copy=False)
    return image


def with_spacer(image: np.ndarray, gland: np.ndarray, spacing_kji: Spacing, random: np.random.Generator) -> np.ndarray:
    """Gel between gland and rectum: 5 to 16 mm thick in the middle, thinner to the sides, as bright as fluid.

    It lies close behind the gland, from apex to base or behind a part of it. What lay there is hidden, not displaced.
    """
    depth, rows, columns = image.shape
    filled = np.flatnonzero(gland.any(axis=(1, 2)))
    length = len(filled) if random.random() < 0.6 else int(random.integers((len(filled) + 1) // 2, len(filled) + 1))
    first = filled[0] + int(random.integers(len(filled) - length + 1))
    last = first + length - 1
    k, i = np.arange(depth)[:, None], np.arange(columns)[None]
    behind = rows - 1 - np.argmax(gland[:, ::-1], axis=1)  # (K, I): the gland's last row in a column, if any
    has = gland.any(axis=1)
    middle = np.argwhere(gland)[:, 2].mean() + random.normal(0, 3) / spacing_kji[2]
    half_width = random.uniform(10, 22) / spacing_kji[2]
    across = np.clip(1 - ((i - middle) / half_width) ** 2, 0, None)
    along = np.clip(1 - ((k - (first + last) / 2) / (length / 2 + 0.5)) ** 2, 0, None)
    blunt = random.uniform(0.1, 0.6)  # small: as thick at the sides as in the middle
    thick = random.uniform(5, 16) / spacing_kji[1] * (across * along) ** blunt
    start = behind + random.uniform(0, 2) / spacing_kji[1]
    j = np.arange(rows)[None, :, None]
    gel = has[:, None] & (j > start[:, None]) & (j <= (start + thick)[:, None]) & ~gland
    gel = ndimage.binary_closing(gel, np.ones((1, 3, 3))) & ~gland
    return _painted(image, gel, _fluid(image, random), random)


def with_markers(image: np.ndarray, gland: np.ndarray, spacing_kji: Spacing, random: np.random.Generator) -> np.ndarray:
    """Three or four gold markers, or scores of seeds: voids of about 1 mm that run from slice to slice."""
    inside = np.argwhere(gland)
    count = int(random.integers(40, 90)) if random.random() < 0.3 else int(random.integers(3, 5))
    void = np.zeros_like(gland)
    for place in inside[random.choice(len(inside), min(count, len(inside)), replace=False)]:
        radii = random.uniform((1.5, 0.7, 0.7), (3, 1.4, 1.4)) / np.array(spacing_kji)
        low = np.maximum(0, np.floor(place - radii).astype(int))
        box = tuple(slice(a, b) for a, b in zip(low, np.ceil(place + radii).astype(int) + 1, strict=True))
        offsets = np.indices(void[box].shape) + (low - place).reshape(3, 1, 1, 1)
        void[box] |= (offsets**2 / (radii**2).reshape(3, 1, 1, 1)).sum(axis=0) <= 1
    return _painted(image, void, _void(image, random), random)


def with_turp(image: np.ndarray, gland: np.ndarray, spacing_kji: Spacing, random: np.random.Generator) -> np.ndarray:
    """A funnel of fluid where the middle of the gland was resected, widest at the base, narrow at mid-gland."""
    filled = np.flatnonzero(gland.any(axis=(1, 2)))
    base, tip = filled[-1], filled[0] + random.uniform(0.3, 0.6) * np.ptp(filled)
    k, j, i = np.indices(image.shape)
    share = np.clip((k - tip) / max(1, base - tip), 0, 1) * (k <= base)
    centre = np.argwhere(gland).mean(axis=0)
    width = random.uniform(4, 10, 2)
    front = centre[1] - random.uniform(0, 5) / spacing_kji[1]
    distance = ((j - front) * spacing_kji[1] / width[0]) ** 2 + ((i - centre[2]) * spacing_kji[2] / width[1]) ** 2
    return _painted(image, (distance < share) & gland, _fluid(image, random), random)


def with_catheter(
    image: np.ndarray, gland: np.ndarray, spacing_kji: Spacing, random: np.random.Generator
) -> np.ndarray:
    """A dark tube of 4 to 7 mm with a bright channel along the urethra, from the apex upwards through all slices."""
    filled = np.flatnonzero(gland.any(axis=(1, 2)))
    centre = np.argwhere(gland).mean(axis=0)
    k, j, i = np.indices(image.shape)
    front = centre[1] - random.uniform(0, 4) / spacing_kji[1] - random.uniform(-0.3, 0.6) * (k - centre[0])
    radius = random.uniform(2, 3.5)
    distance = np.hypot((j - front) * spacing_kji[1], (i - centre[2]) * spacing_kji[2])
    tube = (distance < radius) & (k >= filled[0])
    image = _painted(image, tube, _void(image, random), random)
    return _painted(image, tube & (distance < radius * random.uniform(0.3, 0.6)), _fluid(image, random), random)


def with_hip_void(
    image: np.ndarray, gland: np.ndarray, spacing_kji: Spacing, random: np.random.Generator
) -> np.ndarray:
    """No signal beside a hip prosthesis at one or both edges of the view, with a bright rim where signal piled up."""
    centre = np.argwhere(gland).mean(axis=0)
    _, j, i = np.indices(image.shape)
    edges = (0, image.shape[2] - 1)
    room = min(abs(edge - np.argwhere(gland)[:, 2]).min() for edge in edges) * spacing_kji[2]
    for edge in edges if random.random() < 0.4 else (random.choice(edges),):
        distance = np.hypot((j - centre[1]) * spacing_kji[1] + random.normal(0, 8), (i - edge) * spacing_kji[2])
        radius = random.uniform(0.5, 1.0) * max(room, 5.0)  # it comes close to the gland, and leaves it visible
        rim = random.uniform(1, 4)
        image = _painted(image, (distance >= radius) & (distance < radius + rim) & ~gland, 1.5, random)
        image = _painted(image, distance < radius, _void(image, random), random)
    return image


TREATMENTS: dict[Callable[..., np.ndarray], float] = {
    with_spacer: SPACER_CHANCE,
    with_markers: OTHER_CHANCE,
    with_turp: OTHER_CHANCE,
    with_catheter: OTHER_CHANCE,
    with_hip_void: OTHER_CHANCE,
}


def _fluid(image: np.ndarray, random: np.random.Generator) -> float:
    """The signal of gel or urine: bright, on some protocols no brighter than the peripheral zone."""
    return float(np.percentile(image, random.uniform(93, 99.7)))


def _void(image: np.ndarray, random: np.random.Generator) -> float:
    return float(np.percentile(image, random.uniform(0.5, 5)))


def _painted(image: np.ndarray, where: np.ndarray, value: float, random: np.random.Generator) -> np.ndarray:
    """The image with a value put where a mask says so, a little uneven and without a sharp edge."""
    uneven = value * (1 + random.uniform(0.01, 0.06) * random.standard_normal(image.shape))
    soft = ndimage.gaussian_filter(where.astype(np.float32), (0, *[random.uniform(0.3, 0.8)] * 2))
    return image + soft * (uneven - image)
