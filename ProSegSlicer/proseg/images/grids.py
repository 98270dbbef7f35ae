"""Regular grids along the axes of an LPS-oriented image, and resampling between them.

The networks' grids share the image's axes and differ only in spacing, size and origin, so resampling is separable: one
small matrix an axis. No SimpleITK here: training on bare arrays needs this module too.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Axis:
    """Sample positions along one axis: ``count`` samples ``spacing`` mm apart, the first at ``start`` mm."""

    count: int
    spacing: float
    start: float

    @property
    def centre(self) -> float:
        """Middle of the samples, mm."""
        return self.start + self.spacing * (self.count - 1) / 2

    @property
    def end(self) -> float:
        """Position of the last sample, mm."""
        return self.start + self.spacing * (self.count - 1)

    @property
    def positions(self) -> np.ndarray:
        """Where the samples lie, mm: float64 (count,)."""
        return self.start + self.spacing * np.arange(self.count)

    @property
    def extent(self) -> float:
        """Length covered by the samples, their own width included, mm."""
        return self.spacing * self.count

    @staticmethod
    def around(centre: float, count: int, spacing: float) -> Axis:
        """An axis whose middle is at ``centre`` mm."""
        return Axis(count, spacing, centre - spacing * (count - 1) / 2)


Grid = tuple[Axis, Axis, Axis]
"""Axes in array order k, j, i. Positions are mm from the first voxel of the LPS-oriented image, along its axes."""


def interpolation_matrix(source: Axis, target: Axis) -> np.ndarray:
    """Weights, float32 (target.count, source.count), of linear interpolation from ``source`` to ``target`` samples.

    When the target is coarser the tent widens to the target's spacing, so that nothing is aliased. A target sample
    outside the source's extent gets a row of zeros.
    """
    position = (target.positions - source.start) / source.spacing
    reach = max(1.0, target.spacing / source.spacing)
    inside = (position >= -0.5) & (position <= source.count - 0.5)
    distance = np.abs(np.clip(position, 0, source.count - 1)[:, None] - np.arange(source.count)[None, :])
    weights = np.clip(1 - distance / reach, 0, None) * inside[:, None]
    total = weights.sum(axis=1, keepdims=True)
    return (weights / np.where(total > 0, total, 1)).astype(np.float32)


def resample(array: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """Resample ``array`` (..., k, j, i) from one grid to another; zero outside the source.

    Only the part of the source that the target needs is touched. torch multiplies, with the threads that the networks
    use: numpy would wake threads of its own, which then keep turning beside them.
    """
    for axis in range(3):
        if source[axis] == target[axis]:
            continue
        weights = interpolation_matrix(source[axis], target[axis])
        used = np.flatnonzero(weights.any(axis=0))
        if not len(used):
            return np.zeros([*array.shape[:-3], *(along.count for along in target)], np.float32)
        part = slice(used[0], used[-1] + 1)
        along = _tensor(np.ascontiguousarray(weights[:, part]))
        if axis == 0:
            flat = _tensor(array[..., part, :, :]).flatten(-2)
            array = (along @ flat).unflatten(-1, array.shape[-2:]).numpy()
        elif axis == 1:
            array = (along @ _tensor(array[..., part, :])).numpy()
        else:
            array = (_tensor(array[..., part]) @ along.T).numpy()
    return np.ascontiguousarray(array, np.float32)


def _tensor(array: np.ndarray) -> Tensor:
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # it is only read
        return torch.from_numpy(array).float()


def inside(source: Grid, target: Grid) -> np.ndarray:
    """Which target samples lie inside the source's extent: bool (k, j, i)."""
    k, j, i = (interpolation_matrix(s, t).any(axis=1) for s, t in zip(source, target, strict=True))
    return k[:, None, None] & j[:, None] & i
