"""Traits of raw scans: each does what it is named for, and leaves the anatomy where it is."""

from __future__ import annotations

import numpy as np

from training.data.raw_scans import noisy, raw_scan, shaded, wrapped

SHAPE = (4, 64, 64)
IMAGE = (0.4 + 0.02 * np.random.default_rng(0).standard_normal(SHAPE)).astype(np.float32)


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_surface_coils_brighten_what_lies_near_them_alike_in_all_slices() -> None:
    for seed in range(10):
        gain = shaded(IMAGE, chance(seed)) / IMAGE
        assert np.ptp(gain, axis=0).max() < 1e-4
        rows = gain[0].mean(axis=1)
        assert max(rows[0], rows[-1]) > 1.1 > rows.min()
        assert 0.8 < rows.mean() < 1.2


def test_rician_noise_lifts_the_dark_and_is_as_strong_in_the_bright() -> None:
    dark = np.zeros(SHAPE, np.float32)
    for seed in range(5):
        lifted, noise = noisy(dark, chance(seed)), noisy(dark + 5, chance(seed)) - 5
        assert lifted.min() >= 0
        assert lifted.mean() > 0.005
        assert abs(lifted.mean() / noise.std() - np.sqrt(np.pi / 2)) < 0.1  # Rayleigh


def test_what_wraps_around_lies_at_one_edge_and_nowhere_else() -> None:
    for seed in range(10):
        added = wrapped(IMAGE, chance(seed)) - IMAGE
        where = np.argwhere(np.abs(added) > 1e-6)[:, 1:]
        assert added.min() >= 0
        assert where.max(axis=0).min() < 0.2 * 64
        assert where.max(axis=0).max() == 63


def test_some_patches_have_such_traits_some_none_and_the_given_image_stays() -> None:
    before = IMAGE.copy()
    found = [raw_scan(IMAGE, chance(seed)) for seed in range(30)]
    assert 4 < sum(one is IMAGE for one in found) < 24
    assert all(one.dtype == np.float32 and one.shape == SHAPE for one in found)
    assert (before == IMAGE).all()
