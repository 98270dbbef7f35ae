"""Images as rarer or worse examinations show them: endorectal coils, movement, faded and foreign contrast.

A companion of :mod:`training.data.augment`, switched on by ``training.fit.train --harsh``. Arrays are [k, j, i],
LPS-oriented, intensities about 0 to 1.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

CHANCE = 0.2  # of each kind, in a patch


def harsh(image: np.ndarray, labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The image with none, one or several of the harms below, each with the chance ``CHANCE``.

    Args:
        image: float32.
        labels: of its voxels, 0 where there is no gland; the harms need not know what the other values mean.
        random: what decides.

    Returns:
        The image, float32 of the same shape.
    """
    if random.random() < CHANCE:
        image = foreign_contrast(image, labels, random)
    if random.random() < CHANCE:
        image = near_coil(image, labels, random)
    if random.random() < CHANCE:
        image = faded(image, random)
    if random.random() < CHANCE:
        image = moved(image, random)
    return image.astype(np.float32, copy=False)


def foreign_contrast(image: np.ndarray, labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Each labelled tissue brighter or darker than it was, without a sharp edge: synthetic contrast."""
    for value in np.unique(labels):
        soft = ndimage.gaussian_filter((labels == value).astype(np.float32), (0.3, 1.5, 1.5))
        image = image + soft * np.float32(random.normal(0, 0.1))
    return np.clip(image, 0, None)


def near_coil(image: np.ndarray, labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Brightness that falls with the distance from a coil in the rectum, as 1 / (1 + (distance / reach)²)."""
    gland = np.argwhere(labels)
    if not len(gland):
        return image
    back, middle = gland[:, 1].max() + random.uniform(2, 12), gland[:, 2].mean() + random.normal(0, 5)
    j, i = np.ogrid[: image.shape[1], : image.shape[2]]
    reach = random.uniform(0.5, 1.2) * (np.ptp(gland[:, 1]) + 1)
    gain = 1 / (1 + ((j - back) ** 2 + (i - middle) ** 2) / reach**2)
    # The scanner's own correction takes a part of it back.
    gain = gain ** random.uniform(0.3, 1.0)
    return image * (gain / gain[int(gland[:, 1].mean()), int(middle) % image.shape[2]]).astype(np.float32)


def faded(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Low contrast: differences from the surroundings shrink by up to two thirds, and noise does not."""
    surroundings = ndimage.gaussian_filter(image, (0, 12, 12))
    image = surroundings + (image - surroundings) * random.uniform(0.33, 0.8)
    return image + random.normal(0, 0.02, image.shape)


def moved(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Movement to and fro while k-space is filled: ghosts along the rows or the columns.

    A shift by d multiplies a line of k-space at spatial frequency f by exp(-2πi f d). The lines are taken from one edge
    of k-space to the other or centre first; the movement has any period, phase and an amplitude of up to 3 pixels.
    """
    axis = int(random.integers(1, 3))
    lines = np.fft.fftfreq(image.shape[axis])
    order = np.argsort(np.argsort(lines if random.random() < 0.5 else np.abs(lines)))
    shift = random.uniform(0.3, 3) * np.sin(2 * np.pi * (order / random.uniform(3, 20) + random.random()))
    turned = np.exp(-2j * np.pi * lines * shift)
    spectrum = np.fft.fft(image, axis=axis) * (turned[None, :, None] if axis == 1 else turned[None, None, :])
    return np.abs(np.fft.ifft(spectrum, axis=axis))
