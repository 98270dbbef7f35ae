"""Images as scanners give them: surface-coil brightness, noise of the receiver, wrap-around of what lies outside.

A companion of :mod:`training.data.augment`, switched on by ``training.fit.train --raw-scans``.
Arrays are [k, j, i], LPS-oriented, intensities about 0 to 1.
"""

from __future__ import annotations

import numpy as np

CHANCE = 0.25  # of each kind, in a patch


def raw_scan(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The image (K, J, I), float32, with none, one or several of the traits below, each with the chance ``CHANCE``."""
    for trait in (shaded, noisy, wrapped):
        if random.random() < CHANCE:
            image = trait(image, random)
    return image.astype(np.float32, copy=False)


def shaded(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Brightness of surface coils in front, behind or on both sides: it falls exponentially with depth."""
    j, i = (np.linspace(-1, 1, n) for n in image.shape[1:])
    front, back = random.uniform(0, 1, 2)
    decay = random.uniform(0.5, 1.8)
    gain = front * np.exp(-decay * (1 + j)) + back * np.exp(-decay * (1 - j))
    tilt = 1 + random.normal(0, 0.1) * i
    gain = (gain / gain.mean())[:, None] * tilt[None]
    return image * gain.astype(np.float32)


def noisy(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Rician noise: the magnitude of a signal with Gaussian noise in both channels of the receiver.

    Gudbjartsson & Patz, Magn Reson Med 34, 910 (1995). Its deviation, 0.01 to 0.06, does not follow the signal.
    """
    deviation = random.uniform(0.01, 0.06)
    real, imaginary = deviation * random.standard_normal((2, *image.shape))
    return np.hypot(image + real, imaginary)


def wrapped(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Signal from beyond one edge appears, faintly, at the other: aliasing along rows or columns."""
    axis = int(random.integers(1, 3))
    length = image.shape[axis]
    width = int(random.uniform(0.05, 0.2) * length)
    ramp = random.uniform(0.2, 0.7) * np.linspace(1, 0, width, dtype=np.float32)
    shape = [1, 1, 1]
    shape[axis] = width
    ramp = ramp.reshape(shape)
    strip = np.flip(np.take(image, range(length - width, length), axis), axis)  # stands for what lies beyond
    image = image.copy()
    edge = [slice(None)] * 3
    edge[axis] = slice(0, width)
    image[tuple(edge)] += ramp * strip
    return image
