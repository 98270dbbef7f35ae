"""Where the networks look, and how a box comes back to the image's own samples."""

from __future__ import annotations

import numpy as np
import pytest
from Testing.made_grids import made_grid

from proseg.images.grids import Axis, Grid
from proseg.model.network import IN_PLANE_MULTIPLE
from proseg.model.preprocessing import LOCATOR_PIXEL_MM, PIXEL_MM, SLICE_MM, slice_axis
from proseg.segmentation.views import (
    CLOSE_MM,
    CONTEXT_MM,
    LEAST_PIXELS,
    back,
    box_around,
    covering,
    cut_off,
    extents,
    main_piece,
)


def reach(axis: Axis) -> tuple[float, float]:
    """Outer edges, mm."""
    return axis.start - axis.spacing / 2, axis.end + axis.spacing / 2


# Which axes the networks take


@pytest.mark.parametrize("count", [1, 20, 128, 129, 256, 512])
@pytest.mark.parametrize("spacing", [0.3, 0.7, 1.3])
def test_the_overview_covers_the_image_with_as_few_pixels_as_the_network_takes(count: int, spacing: float) -> None:
    axis = Axis(count, spacing, 3.0)
    seen = covering(axis, LOCATOR_PIXEL_MM)
    assert seen.centre == pytest.approx(axis.centre)
    assert seen.spacing == LOCATOR_PIXEL_MM
    assert seen.count % IN_PLANE_MULTIPLE == 0
    assert seen.extent >= axis.extent - 1e-9
    assert seen.count == 32 or seen.extent - IN_PLANE_MULTIPLE * LOCATOR_PIXEL_MM < axis.extent


def test_the_least_size_of_the_overview_can_be_given() -> None:
    assert covering(Axis(10, 1.0, 0.0), 4.0, least=96).count == 96


def test_the_gland_is_boxed_to_the_sample() -> None:
    view = (Axis(10, 3.0, 1.5), Axis(32, 4.0, -20.0), Axis(48, 4.0, -6.0))
    gland = np.zeros((10, 32, 48), np.float32)
    gland[2:7, 11:20, 30:40] = 0.9
    k, j, i = extents(gland, view)
    assert (k.count, j.count, i.count) == (5, 9, 10)
    assert (k.spacing, j.spacing, i.spacing) == (3.0, 4.0, 4.0)
    assert (k.start, j.start, i.start) == pytest.approx((7.5, 24.0, 114.0))


def test_specks_and_doubtful_places_do_not_widen_the_gland() -> None:
    view = made_grid((10, 32, 48), (3.0, 4.0, 4.0))
    gland = np.zeros((10, 32, 48), np.float32)
    gland[2:7, 11:20, 30:40] = 0.9
    expected = extents(gland, view)
    gland[0, 0, 0] = gland[9, 31, 47] = 1.0
    gland[:, :8] = np.maximum(gland[:, :8], 0.45)
    assert extents(gland, view) == expected


def test_only_the_largest_piece_of_gland_is_the_gland() -> None:
    gland = np.full((10, 32, 48), 0.2, np.float32)
    gland[2:7, 11:20, 30:40] = 0.9
    gland[2:7, 11:20, 2:10] = 0.95
    found = main_piece(gland)
    np.testing.assert_array_equal(found[2:7, 11:20, 30:40], gland[2:7, 11:20, 30:40])
    assert found.sum() == pytest.approx(0.9 * 5 * 9 * 10)
    assert not main_piece(np.full((4, 5, 6), 0.5, np.float32)).any()


GLANDS = {
    "middle": (Axis(14, 3.0, 12.0), Axis(11, 4.0, 80.0), Axis(13, 4.0, 80.0)),
    "corner": (Axis(5, 3.0, 0.0), Axis(10, 4.0, 2.0), Axis(9, 4.0, 1.0)),
    "large": (Axis(19, 3.0, 3.0), Axis(25, 4.0, 30.0), Axis(32, 4.0, 20.0)),
    "small": (Axis(2, 3.0, 30.0), Axis(3, 4.0, 60.0), Axis(4, 4.0, 110.0)),
}


@pytest.mark.parametrize("gland", GLANDS.values(), ids=GLANDS)
@pytest.mark.parametrize(("count", "slice_mm"), [(22, 3.0), (17, 4.0), (80, 0.8)])
@pytest.mark.parametrize(("pixel", "context"), [(PIXEL_MM, CONTEXT_MM), (0.6, CLOSE_MM)])
def test_a_box_around_the_gland_takes_in_the_gland_and_what_surrounds_it(
    gland: Grid, count: int, slice_mm: float, pixel: float, context: float
) -> None:
    grid = made_grid((count, 320, 300), (slice_mm, 0.6, 0.65))
    k, *in_plane = box_around(grid, gland, pixel, context)
    for seen, wanted in zip(in_plane, gland[1:], strict=True):
        assert seen.spacing == pixel
        assert seen.count % IN_PLANE_MULTIPLE == 0
        assert seen.count >= LEAST_PIXELS
        assert seen.centre == pytest.approx(wanted.centre)
        assert seen.extent >= wanted.extent + 2 * context - 1e-9
        assert seen.count == LEAST_PIXELS or seen.extent - 16 * pixel < wanted.extent + 2 * context
    slices = slice_axis(grid[0]).positions
    taken = k.positions
    assert np.abs(slices[:, None] - taken).min(axis=0).max() < 1e-9  # slices of the volume, none between them
    low, high = reach(gland[0])
    near = slices[(slices >= low - context) & (slices <= high + context)]
    np.testing.assert_allclose(taken, near)


@pytest.mark.parametrize(("slice_mm", "expected"), [(3.6, 3.6), (1.0, SLICE_MM)])
def test_without_a_gland_the_middle_of_every_slice_is_searched(slice_mm: float, expected: float) -> None:
    grid = made_grid((30, 200, 300), (slice_mm, 1.0, 0.8))
    k, j, i = box_around(grid, None)
    assert k == slice_axis(grid[0])
    assert k.spacing == expected
    assert (j.count, i.count) == (LEAST_PIXELS, LEAST_PIXELS)
    assert (j.centre, i.centre) == pytest.approx((grid[1].centre, grid[2].centre))


# Whether the gland was cut off

WHOLE = made_grid((20, 200, 220), (3.0, 0.7, 0.7))
WITHIN = (Axis(10, 3.0, 15.0), Axis(96, 0.7, 30.0), Axis(96, 0.7, 40.0))
EDGES = [(axis, place) for axis in range(3) for place in (0, -1)]


def background(*places: tuple[int, int]) -> np.ndarray:
    """Gland in the middle of ``WITHIN``, and a bit of it at the edges named by axis and place."""
    shape = [axis.count for axis in WITHIN]
    values = np.ones(shape, np.float32)
    values[4:6, 40:60, 40:60] = 0.1
    for axis, place in places:
        index = [count // 2 for count in shape]
        index[axis] = place
        values[tuple(index)] = 0.3
    return values


def test_a_gland_within_the_box_is_not_cut_off() -> None:
    assert cut_off(background(), WHOLE, WITHIN) is False


@pytest.mark.parametrize("edge", EDGES)
def test_a_gland_at_an_edge_of_the_box_is_cut_off(edge: tuple[int, int]) -> None:
    assert cut_off(background(edge), WHOLE, WITHIN) is True


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("beyond_mm", [0.0, 5.0])
def test_where_the_image_ends_there_is_no_more_gland_to_see(edge: tuple[int, int], beyond_mm: float) -> None:
    axis, place = edge
    box, seen = list(WITHIN), WITHIN[axis]
    if place == 0:
        box[axis] = Axis(seen.count, seen.spacing, -beyond_mm)
    else:
        box[axis] = Axis(seen.count, seen.spacing, WHOLE[axis].end + beyond_mm - (seen.count - 1) * seen.spacing)
    assert cut_off(background(edge), WHOLE, tuple(box)) is False
    assert cut_off(background((axis, -1 - place)), WHOLE, tuple(box)) is True  # the other edge lies in the image


# Back to the image's own samples

BOX = (Axis(8, 3.0, 9.0), Axis(48, 0.7, 20.0), Axis(64, 0.7, 15.0))
IMAGES = {
    "fine": made_grid((60, 250, 330), (0.8, 0.3, 0.25)),
    "like the box": made_grid((16, 120, 130), (3.0, 0.7, 0.7)),
    "coarse": made_grid((10, 40, 45), (5.0, 1.4, 1.9)),
    "smaller than the box": (Axis(4, 3.0, 12.0), Axis(30, 0.6, 25.0), Axis(20, 0.9, 30.0)),
}


@pytest.mark.parametrize("grid", IMAGES.values(), ids=IMAGES)
def test_probabilities_come_back_to_the_samples_inside_the_box(grid: Grid) -> None:
    """Zones that rise steadily through the patient keep their height at each place."""
    k, j, i = (axis.positions for axis in BOX)

    def rising(k: np.ndarray, j: np.ndarray, i: np.ndarray) -> np.ndarray:
        return 0.1 + 0.004 * k[:, None, None] + 0.003 * j[:, None] + 0.002 * i

    pz = rising(k, j, i)
    cg = np.broadcast_to(0.2, pz.shape)
    probabilities, where = back(np.stack([1 - pz - cg, pz, cg]).astype(np.float32), BOX, grid)
    for axis, seen, part in zip(grid, BOX, where, strict=True):
        low, high = reach(seen)
        within = np.flatnonzero((axis.positions >= low) & (axis.positions <= high))
        assert part == slice(within[0], within[-1] + 1)
        assert isinstance(part.start, int)
    assert probabilities.shape == (3, *(part.stop - part.start for part in where))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(probabilities[2], 0.2, atol=1e-5)
    places = [axis.positions[part] for axis, part in zip(grid, where, strict=True)]
    margins = [max(axis.spacing, seen.spacing) for axis, seen in zip(grid, BOX, strict=True)]
    inner = [
        (place >= seen.start + margin) & (place <= seen.end - margin)
        for place, seen, margin in zip(places, BOX, margins, strict=True)
    ]
    found = probabilities[1][np.ix_(*inner)]
    expected = rising(*(place[chosen] for place, chosen in zip(places, inner, strict=True)))
    assert found.size > 0
    np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize("grid", IMAGES.values(), ids=IMAGES)
def test_certain_probabilities_stay_between_zero_and_one(grid: Grid) -> None:
    labels = np.random.default_rng(0).integers(0, 3, [axis.count for axis in BOX])
    probabilities, _ = back(np.stack([labels == label for label in range(3)]).astype(np.float32), BOX, grid)
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-6)
    assert probabilities.min() >= -1e-6
    assert probabilities.max() <= 1 + 1e-6


def test_an_image_on_the_grid_of_the_box_gets_the_very_values() -> None:
    grid = made_grid((5, 32, 48), (3.0, 0.7, 0.7))
    shares = np.random.default_rng(1).dirichlet((1, 1, 1), size=(5, 32, 48))
    given = shares.transpose(3, 0, 1, 2).astype(np.float32)
    found, where = back(given, grid, grid)
    assert where == (slice(0, 5), slice(0, 32), slice(0, 48))
    np.testing.assert_array_equal(found[1:], given[1:])
    np.testing.assert_allclose(found[0], given[0], atol=1e-6)
