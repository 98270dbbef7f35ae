"""The phantom's canvas: distances to shapes, windows that paint into the same memory, soft edges."""

from __future__ import annotations

import numpy as np
import pytest

from proseg.phantom.canvas import Canvas, around, between, ellipsoid, piecewise, ramp, rod


@pytest.fixture
def canvas() -> Canvas:
    """Samples 1 mm apart, 21 along each axis about the centre."""
    mm = np.arange(-10, 11, dtype=np.float32)
    x, y, z = mm[None, None, None], mm[None, None, :, None], mm[:, None, None, None]
    y, z = np.broadcast_to(y, (21, 1, 21, 1)), np.broadcast_to(z, (21, 1, 21, 1))
    texture = np.zeros((21, 1, 21, 21), np.float32)
    return Canvas(x, y, z, texture, texture.copy(), np.zeros((21, 1, 21, 21), np.float32), edge=1.0)


def test_a_ball_is_as_far_away_as_its_radius_says(canvas: Canvas) -> None:
    distance = ellipsoid(canvas, (0, 0, 0), (5, 5, 5))[:, 0]
    assert distance[10, 10, 10] == pytest.approx(5)
    assert distance[10, 10, 15] == distance[15, 10, 10] == pytest.approx(0, abs=1e-5)
    assert distance[10, 17, 10] == pytest.approx(-2, abs=1e-5)


def test_a_rod_has_round_ends(canvas: Canvas) -> None:
    distance = rod(canvas, (-4, 0, 0), (4, 0, 0), 2)[:, 0]
    assert distance[10, 10, 10] == pytest.approx(2)
    assert distance[10, 12, 10] == pytest.approx(0, abs=1e-5)
    assert distance[10, 10, 16] == pytest.approx(0, abs=1e-5)  # 2 mm beyond its end


def test_a_window_paints_into_the_whole_and_only_inside_itself(canvas: Canvas) -> None:
    window = canvas.crop(*around((2, 0, -3), (2, 1, 1)))
    assert window.signal.shape == (3, 1, 3, 5)
    window.paint(np.ones(window.signal.shape, np.float32), 0.5)
    assert np.count_nonzero(canvas.signal) == 45
    assert canvas.signal[7, 0, 10, 12] == 0.5


def test_a_window_beyond_the_canvas_is_empty(canvas: Canvas) -> None:
    assert canvas.crop((50, 50, 50), (60, 60, 60)).signal.size == 0


def test_an_edge_is_half_covered_at_the_surface_and_opacity_mixes(canvas: Canvas) -> None:
    canvas.signal[...] = 1.0
    canvas.paint(canvas.x + 0 * canvas.signal, 0.0, opacity=0.5)
    assert canvas.signal[0, 0, 0, [9, 10, 11]] == pytest.approx([1.0, 0.75, 0.5])


def test_corners_reach_as_far_as_asked_either_way() -> None:
    low, high = between((1, 5, 0), (3, 2, 0), 1.0)
    assert (low.tolist(), high.tolist()) == ([0, 1, -1], [4, 6, 1])


def test_curves_run_from_knot_to_knot_and_stay_there() -> None:
    values = np.array([-1.0, 0.0, 0.5, 1.0, 2.0], np.float32)
    assert ramp(values, 0, 1) == pytest.approx([0, 0, 0.5, 1, 1])
    assert piecewise(values, (0, 10), (1, 20)) == pytest.approx([10, 10, 15, 20, 20])
