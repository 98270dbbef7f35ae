"""Resampling between grids along an image's axes."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_grids import made_grid

from proseg.images.grids import Axis, inside, interpolation_matrix, resample

SOURCE = Axis(count=12, spacing=2.0, start=5.0)  # reaches from 4 to 28 mm
TARGETS = {
    "same": SOURCE,
    "finer": Axis(61, 0.5, 0.25),
    "shifted": Axis(20, 2.0, 0.7),
    "coarser": Axis(11, 3.5, -1.0),
    "twice as coarse": Axis(9, 4.0, 1.0),
}


def test_an_axis_around_a_point_is_centred_there() -> None:
    axis = Axis.around(7.5, 6, 0.7)
    assert axis.centre == pytest.approx(7.5)
    assert axis.end - axis.start == pytest.approx(5 * 0.7)
    assert axis.extent == pytest.approx(6 * 0.7)
    assert axis.positions.mean() == pytest.approx(7.5)
    assert axis.positions[-1] == pytest.approx(axis.end)


def test_samples_lie_one_spacing_apart_from_the_start_on() -> None:
    np.testing.assert_allclose(Axis(4, 1.5, -2.0).positions, [-2.0, -0.5, 1.0, 2.5])


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_weights_sum_to_one_inside_the_source_and_to_zero_outside(target: Axis) -> None:
    weights = interpolation_matrix(SOURCE, target)
    covered = (target.positions >= 4) & (target.positions <= 28)
    assert weights.shape == (target.count, SOURCE.count)
    assert weights.dtype == np.float32
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), covered, atol=1e-6)


def test_samples_at_the_same_places_are_taken_as_they_are() -> None:
    np.testing.assert_array_equal(interpolation_matrix(SOURCE, SOURCE), np.eye(SOURCE.count, dtype=np.float32))
    part = Axis(4, 2.0, 9.0)
    np.testing.assert_array_equal(interpolation_matrix(SOURCE, part), np.eye(12, dtype=np.float32)[2:6])


@pytest.mark.parametrize(
    ("spacing", "start"), [(0.5, 5.0), (0.31, 5.2), (2.0, 6.3), (4.0, 7.0), (4.0, 8.3), (6.0, 10.0), (6.0, 9.4)]
)
def test_a_linear_ramp_stays_the_same_ramp(spacing: float, start: float) -> None:
    """Finer, or coarser by a whole factor; where the widened tent does not stick out at the ends."""
    widened = max(2.0, spacing)
    target = Axis(int((27.0 - widened + 2.0 - start) / spacing) + 1, spacing, start)
    assert target.count >= 3
    ramp = 3 * SOURCE.positions - 11
    np.testing.assert_allclose(interpolation_matrix(SOURCE, target) @ ramp, 3 * target.positions - 11, atol=1e-4)


def test_half_a_sample_beyond_the_ends_the_end_value_holds() -> None:
    target = Axis(4, 0.3, 4.05)  # 4.05, 4.35, 4.65, 4.95: before the first sample at 5
    values = interpolation_matrix(SOURCE, target) @ np.arange(7, 19)
    np.testing.assert_allclose(values, 7, atol=1e-5)


@pytest.mark.parametrize(("factor", "left"), [(2.0, 1e-6), (2.5, 0.1), (3.0, 0.12), (4.7, 0.05)])
def test_a_checkerboard_vanishes_when_coarsened(factor: float, left: float) -> None:
    """Picking single samples would keep it at full contrast, as something that is not there."""
    size = 40
    board = (-1.0) ** np.add.outer(np.arange(size), np.arange(size))[None]
    source = made_grid((1, size, size), (3.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    count = int(24 / factor)
    for start in (8.0, 8.4):
        target = (source[0], Axis(count, factor, start), Axis(count, factor, 8.0))
        assert np.abs(resample(board, source, target)).max() <= left


@pytest.mark.parametrize(
    ("size", "spacing", "start"),
    [
        ((9, 20, 22), (1.1, 0.6, 0.7), (0.3, 0.2, 0.1)),
        ((5, 10, 11), (3.0, 0.9, 1.2), (0.0, 2.0, 3.3)),
        ((7, 24, 30), (2.0, 0.8, 0.9), (-4.0, -3.0, -5.0)),
        ((6, 30, 9), (2.9, 0.5, 1.1), (-2.0, 9.0, -3.0)),
    ],
    ids=["finer", "within", "around", "across an edge"],
)
def test_resampling_agrees_with_simpleitk(
    size: tuple[int, int, int], spacing: tuple[float, float, float], start: tuple[float, ...]
) -> None:
    """Not coarser, since ITK does not guard against aliasing."""
    array = np.random.default_rng(0).normal(size=(6, 14, 16)).astype(np.float32)
    source = made_grid((6, 14, 16), (3.0, 0.9, 1.2), (0.0, 0.0, 0.0))
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.2, 0.9, 3.0))
    expected = sitk.Resample(
        image, size[::-1], sitk.Transform(), sitk.sitkLinear, start[::-1], spacing[::-1], image.GetDirection(), 0.0
    )
    found = resample(array, source, made_grid(size, spacing, start))
    np.testing.assert_allclose(found, sitk.GetArrayFromImage(expected), atol=1e-4)


def test_a_volume_is_resampled_along_each_axis_by_that_axis_weights() -> None:
    rng = np.random.default_rng(1)
    array = rng.normal(size=(2, 8, 20, 18)).astype(np.float32)
    source = made_grid((8, 20, 18), (3.0, 0.5, 0.8), (0.0, 1.0, -2.0))
    target = made_grid((5, 9, 31), (4.0, 1.3, 0.4), (-3.0, 2.0, -1.0))
    weights = [interpolation_matrix(s, t) for s, t in zip(source, target, strict=True)]
    expected = np.einsum("ckji,ak,bj,di->cabd", array, *weights)
    found = resample(array, source, target)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(resample(array[1], source, target), expected[1], atol=1e-5)


def test_whole_numbers_come_out_as_contiguous_float32_and_stay_untouched() -> None:
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    kept = array.copy()
    source = made_grid((3, 4, 5), (3.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    for target in (source, (source[0], source[1], Axis(9, 0.5, 0.0)), (Axis(2, 3.0, 1.5), *source[1:])):
        found = resample(array, source, target)
        assert found.dtype == np.float32
        assert found.flags.c_contiguous
        assert found.shape == tuple(axis.count for axis in target)
    np.testing.assert_array_equal(resample(array, source, source), kept)
    np.testing.assert_array_equal(array, kept)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_target_beside_the_source_is_all_zero(axis: int) -> None:
    source = made_grid((3, 4, 5), (3.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    target = list(made_grid((2, 6, 7), (2.0, 0.5, 0.5), (0.0, 0.0, 0.0)))
    target[axis] = Axis(target[axis].count, target[axis].spacing, 100.0)
    found = resample(np.ones((2, 3, 4, 5), np.uint8), source, tuple(target))
    assert found.shape == (2, 2, 6, 7)
    assert found.dtype == np.float32
    assert not found.any()


@pytest.mark.parametrize("spacing", [(1.0, 0.4, 0.4), (3.0, 1.0, 1.0), (6.0, 2.5, 4.0)])
def test_inside_is_where_the_source_reaches(spacing: tuple[float, float, float]) -> None:
    source = made_grid((4, 10, 12), (3.0, 1.0, 1.1), (0.0, 0.0, 0.0))
    target = made_grid((9, 16, 18), spacing, (-7.3, -3.1, 1.2))
    found = inside(source, target)
    within = [
        (t.positions >= s.start - s.spacing / 2) & (t.positions <= s.end + s.spacing / 2)
        for s, t in zip(source, target, strict=True)
    ]
    assert found.dtype == bool
    np.testing.assert_array_equal(found, within[0][:, None, None] & within[1][:, None] & within[2])
    assert found.any()
    assert not found.all()
    ones = resample(np.ones((4, 10, 12)), source, target)
    np.testing.assert_allclose(ones, found, atol=1e-6)
