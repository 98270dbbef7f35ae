"""Grids to test with."""

from __future__ import annotations

from proseg.images.grids import Axis, Grid


def made_grid(
    size: tuple[int, int, int], spacing: tuple[float, float, float], start: tuple[float, float, float] = (0, 0, 0)
) -> Grid:
    """Axes k, j, i, mm."""
    k, j, i = (Axis(*values) for values in zip(size, spacing, start, strict=True))
    return k, j, i
