"""The central gland grown or shrunk inside its patient: the peripheral zone becomes a rim, or wide.

A companion of :mod:`training.augment`, switched on by ``training.train --hyperplasia``. Benign prostatic hyperplasia
makes the central gland grow and presses the peripheral zone against the capsule; few of the patients to learn from show
it in earnest. Arrays are [k, j, i], LPS-oriented.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from proseg.labels import CG

CHANCE = 0.4  # of a crop that shows a central gland
CHANGE = (-0.2, 0.45)  # how much nearer to the centre is what is shown in its place; below 0 it shrinks
REACH = (1.0, 1.4)  # radii of the central gland, as it is seen, after which the change fades
STEEPNESS = 6  # of its fading; order is kept as long as the change stays above -0.5
LEAST_VOXELS = 200  # of a central gland that can be said to have a shape


def hyperplasia(image: np.ndarray, labels: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Image and labels with the chance ``CHANCE`` of another size of the central gland, the same slice for slice.

    In each slice a point at the distance r from the axis of the central gland, in radii of its ellipse, shows what was
    at r (1 - c exp(-(r / reach)^STEEPNESS)); the change c fades towards the gland's ends with the area of its sections.

    Args:
        image: float32.
        labels: of its voxels; without enough CG among them nothing happens.
        random: what decides.

    Returns:
        Image and labels, of the same shapes and types.
    """
    where = np.argwhere(labels == CG)
    if random.random() >= CHANCE or len(where) < LEAST_VOXELS:
        return image, labels
    change, reach = random.uniform(*CHANGE), random.uniform(*REACH)
    centre, radii = where[:, 1:].mean(axis=0), 2 * where[:, 1:].std(axis=0)  # of an ellipse, by its moments
    area = ndimage.gaussian_filter1d((labels == CG).sum(axis=(1, 2)).astype(np.float32), 1.0)
    j, i = (np.arange(count, dtype=np.float32) for count in image.shape[1:])
    away = np.hypot((j[:, None] - centre[0]) / radii[0], (i[None] - centre[1]) / radii[1])
    nearer = change * np.exp(-((away / reach) ** STEEPNESS)) * (area / area.max())[:, None, None]
    source = [
        (at - middle) * (1 - nearer) + middle
        for at, middle in ((i[None, None], centre[1]), (j[None, :, None], centre[0]))
    ]
    grid = np.stack(
        [2 * along / (count - 1) - 1 for along, count in zip(source, image.shape[:0:-1], strict=True)], axis=-1
    )
    return sampled(image, grid, "bilinear"), sampled(labels, grid, "nearest")


def sampled(array: np.ndarray, grid: np.ndarray, mode: str) -> np.ndarray:
    """Each slice of an array at the places ``grid`` (k, j, i, 2): along i and along j, -1 to 1 from edge to edge."""
    slices = torch.from_numpy(np.ascontiguousarray(array, np.float32))[:, None]
    places = torch.from_numpy(grid.astype(np.float32))
    found = functional.grid_sample(slices, places, mode, padding_mode="border", align_corners=True)
    return found[:, 0].numpy().astype(array.dtype)
