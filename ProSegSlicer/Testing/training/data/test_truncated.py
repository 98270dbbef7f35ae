"""A truncated outline gets the half pixel back that it lost, on every grid."""

from __future__ import annotations

import numpy as np
import pytest

from proseg.images.grids import Axis, resample
from training.data.truncated import GROWN, depth

ROWS, COLUMNS = np.ogrid[:60, :60]


def disc(radius: float) -> np.ndarray:
    gland = np.zeros((3, 60, 60), bool)
    gland[1] = np.hypot(ROWS - 29.5, COLUMNS - 29.5) < radius
    return gland


@pytest.mark.parametrize("step", [0.5, 0.9, 1.3])
def test_a_gland_grows_by_half_a_pixel_whatever_the_pixels_it_is_brought_to(step: float) -> None:
    source = (Axis(3, 3.0, 0.0), Axis(60, 1.0, 0.0), Axis(60, 1.0, 0.0))
    inner = Axis.around(29.5, round(60 / step), step)
    grown = resample(depth(disc(20.0)), source, (source[0], inner, inner)) > GROWN
    assert not grown[[0, 2]].any()
    assert np.sqrt(grown.sum() * step**2 / np.pi) == pytest.approx(20.5, abs=0.15)


def test_depth_tells_inside_from_outside_and_nothing_of_what_is_far() -> None:
    found = depth(disc(20.0))
    assert (found[1, 29, 29], found[1, 0, 0]) == (3.0, 0.0)
    assert (found[0] == 0).all()
    assert found[disc(20.0)].min() > 1.5 > found[~disc(20.0)].max()
