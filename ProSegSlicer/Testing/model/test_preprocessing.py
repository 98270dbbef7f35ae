"""What the networks are shown: slices and intensities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proseg.images.grids import Axis
from proseg.model.preprocessing import (
    COARSEST_PIXEL_MM,
    LARGE_GLAND_ML,
    PIXEL_MM,
    SLICE_MM,
    THINNEST_SLICE_MM,
    USUAL_GLAND_ML,
    normalise,
    pixel_mm,
    slice_axis,
)


@pytest.fixture(scope="module")
def volume() -> np.ndarray:
    """Whole numbers between 0 and 255, skewed as T2W intensities are."""
    values = np.random.default_rng(0).gamma(4, 18, size=(6, 40, 44))
    return np.clip(values.round(), 0, 255)


@pytest.fixture(scope="module")
def covered() -> np.ndarray:
    inside = np.zeros((6, 40, 44), bool)
    inside[1:5, 3:, :40] = True
    return inside


def test_pixels_grow_with_a_very_large_gland_so_that_it_looks_like_a_usual_one() -> None:
    for usual in (0.0, 16.0, 60.0, LARGE_GLAND_ML):
        assert pixel_mm(usual) == PIXEL_MM
    for large in (140.0, 176.0, 284.0):
        assert large / pixel_mm(large) ** 3 == pytest.approx(USUAL_GLAND_ML / PIXEL_MM**3)
    assert pixel_mm(1000.0) == COARSEST_PIXEL_MM


@pytest.mark.parametrize("spacing", [THINNEST_SLICE_MM, 2.2, 3.0, 3.6, 5.0])
def test_thick_slices_are_used_as_they_are(spacing: float) -> None:
    native = Axis(19, spacing, 4.0)
    assert slice_axis(native) == native


@pytest.mark.parametrize("spacing", [0.4, 0.7, 1.0, 1.5, 1.99])
@pytest.mark.parametrize("count", [12, 61, 160])
def test_thin_slices_are_gathered_about_the_same_centre(spacing: float, count: int) -> None:
    native = Axis(count, spacing, -12.5)
    seen = slice_axis(native)
    assert seen.spacing == SLICE_MM
    assert seen.centre == pytest.approx(native.centre)
    assert seen.count >= 3
    assert seen.extent >= native.extent - SLICE_MM / 2 - 1e-9  # at most a quarter slice uncovered at each end
    assert seen.count == 3 or seen.extent <= native.extent + SLICE_MM / 2 + 1e-9


def test_even_a_very_thin_slab_has_three_slices() -> None:
    seen = slice_axis(Axis(3, 0.5, 0.0))
    assert seen.count == 3
    assert seen.centre == pytest.approx(0.5)


def test_intensities_get_zero_mean_and_unit_variance_inside_and_zero_outside(
    volume: np.ndarray, covered: np.ndarray
) -> None:
    found = normalise(volume, covered)
    assert found.dtype == np.float32
    assert found[covered].mean() == pytest.approx(0, abs=1e-5)
    assert found[covered].std() == pytest.approx(1, abs=1e-5)
    assert not found[~covered].any()
    order = np.argsort(volume[covered])
    assert (np.diff(found[covered][order]) >= 0).all()


def test_what_lies_outside_has_no_say(volume: np.ndarray, covered: np.ndarray) -> None:
    other = np.where(covered, volume, 1e6)
    np.testing.assert_array_equal(normalise(other, covered), normalise(volume, covered))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(gain=st.floats(1e-4, 1e4), offset=st.floats(-20, 20))
def test_gain_and_offset_of_the_scanner_cancel(gain: float, offset: float) -> None:
    """The offset in units of the brightest voxel."""
    values = np.random.default_rng(1).gamma(4, 18, size=(4, 20, 20))
    inside = np.ones(values.shape, bool)
    changed = gain * (values + offset * values.max())
    np.testing.assert_allclose(normalise(changed, inside), normalise(values, inside), atol=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32])
def test_the_type_of_the_numbers_does_not_matter(volume: np.ndarray, covered: np.ndarray, dtype: type) -> None:
    found = normalise(volume.astype(dtype), covered)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, normalise(volume, covered), atol=1e-4)


def test_a_few_extreme_voxels_do_not_squeeze_the_rest(volume: np.ndarray, covered: np.ndarray) -> None:
    spiked = volume.copy()
    spiked[2, 20, 20:24] = (1e9, -1e9, 1e12, 1e7)
    found, plain = normalise(spiked, covered), normalise(volume, covered)
    assert np.abs(found).max() < 5
    kept = spiked == volume
    np.testing.assert_allclose(found[kept], plain[kept], atol=0.05)


@pytest.mark.parametrize("value", [0.0, 1000.1, -3e4, 1e-12])
def test_an_image_without_contrast_is_all_zero(value: float) -> None:
    found = normalise(np.full((5, 30, 30), value, np.float32), np.ones((5, 30, 30), bool))
    np.testing.assert_allclose(found, 0, atol=1e-3)


def test_a_view_beside_the_image_is_all_zero(volume: np.ndarray) -> None:
    found = normalise(volume, np.zeros(volume.shape, bool))
    assert found.shape == volume.shape
    assert found.dtype == np.float32
    assert not found.any()


def test_a_large_volume_of_which_only_a_sample_is_ranked_is_scaled_alike() -> None:
    values = np.random.default_rng(2).gamma(4, 18, size=(8, 200, 200)).astype(np.float32)
    inside = np.ones(values.shape, bool)
    found = normalise(values, inside)
    low, high = np.percentile(values, [1, 99])
    clipped = np.clip(values, low, high)
    np.testing.assert_allclose(found, (clipped - clipped.mean()) / clipped.std(), atol=0.05)
