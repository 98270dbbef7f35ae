"""Painted treatments: each lies where it lies in patients, and the image elsewhere stays as it was."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from training.data.augment import Patches
from training.data.preprocess import Arrays
from training.data.treated import (
    TREATMENTS,
    treated,
    with_catheter,
    with_hip_void,
    with_markers,
    with_spacer,
    with_turp,
)

SHAPE, SPACING = (10, 80, 80), (3.0, 0.7, 0.7)
k, j, i = np.indices(SHAPE)
LABELS = np.where(((k - 5) / 3.5) ** 2 + ((j - 35) / 15) ** 2 + ((i - 40) / 20) ** 2 < 1, 2, 0).astype(np.uint8)
GLAND = LABELS > 0
IMAGE = (0.3 + 0.02 * np.random.default_rng(0).standard_normal(SHAPE) + 0.7 * (j > 75)).astype(np.float32)
FAR = 0.1  # a change of this is a painted thing's, not its blurred edge's


def painted(treat: Callable[..., np.ndarray], seed: int) -> np.ndarray:
    """By how much a treatment changes the image."""
    return treat(IMAGE, GLAND, SPACING, np.random.default_rng(seed)) - IMAGE


@pytest.mark.parametrize("seed", range(8))
def test_a_spacer_is_a_bright_layer_close_behind_the_gland(seed: int) -> None:
    change = painted(with_spacer, seed)
    gel = change > change.max() / 2
    assert 0.3 < gel.sum() * np.prod(SPACING) / 1000 < 10  # mL, behind a gland of 30 mm
    assert not gel[:2].any()  # below the gland's apex
    assert (gel & GLAND).sum() < 0.1 * gel.sum()  # its blurred edge
    for slice_number, row in np.argwhere(gel.any(axis=2)):
        assert row > 35  # the gland's middle
        last = np.flatnonzero(GLAND[slice_number].any(axis=1))[-1]
        assert (row - last) * SPACING[1] < 18


def test_spacers_differ_in_thickness_width_and_signal() -> None:
    gels = [painted(with_spacer, seed) for seed in range(12)]
    assert np.ptp([gel.max() for gel in gels]) > 0.1
    assert np.ptp([np.ptp(np.argwhere(gel > FAR)[:, 1]) for gel in gels]) >= 5
    assert np.ptp([np.ptp(np.argwhere(gel > FAR)[:, 2]) for gel in gels]) >= 5


def test_markers_are_small_voids_within_the_gland() -> None:
    for seed in range(8):
        change = painted(with_markers, seed)
        assert change.min() < -0.02
        assert np.mean(np.abs(change) > 0.02) < 0.05
        outside = np.abs(change[~GLAND]) > FAR
        assert np.mean(outside) < 0.002  # no more than the voids' halves at the gland's border


def test_a_resection_leaves_fluid_inside_the_gland_widest_at_its_base() -> None:
    for seed in range(8):
        fluid = painted(with_turp, seed) > FAR
        areas = fluid.sum(axis=(1, 2))
        assert areas.argmax() == np.flatnonzero(GLAND.any(axis=(1, 2)))[-1] or areas[:5].sum() == 0
        assert not fluid[~GLAND].sum() > 0.25 * fluid.sum()
        assert areas[2:4].sum() == 0


def test_a_catheter_runs_through_the_gland_and_on_above_it() -> None:
    for seed in range(8):
        changed = np.abs(painted(with_catheter, seed)) > FAR
        assert changed[2:].any(axis=(1, 2)).all()
        assert not changed[:2].any()
        assert np.ptp(np.argwhere(changed)[:, 2]) * SPACING[2] < 9


def test_a_hip_void_comes_from_the_side_and_leaves_most_of_the_gland_visible() -> None:
    for seed in range(8):
        change = painted(with_hip_void, seed)
        edges = np.abs(change[:, :, [0, -1]]).max(axis=(0, 1))
        assert edges.max() > FAR
        assert np.mean(np.abs(change[GLAND]) > FAR) < 0.2


@pytest.mark.parametrize("treat", TREATMENTS)
def test_a_gland_at_the_edge_of_the_view_or_of_one_slice_can_be_treated(treat: Callable[..., np.ndarray]) -> None:
    for cut in (np.s_[5:6], np.s_[4:7, 40:, :35]):
        for seed in range(4):
            made = treat(IMAGE[cut], GLAND[cut], SPACING, np.random.default_rng(seed))
            assert made.shape == IMAGE[cut].shape
            assert np.isfinite(made).all()


def test_without_a_gland_nothing_is_treated() -> None:
    assert treated(IMAGE, np.zeros_like(LABELS), SPACING, np.random.default_rng(0)) is IMAGE


def test_some_patches_are_treated_and_their_labels_and_the_given_image_stay() -> None:
    before = IMAGE.copy()
    same = sum(treated(IMAGE, LABELS, SPACING, np.random.default_rng(seed)) is IMAGE for seed in range(40))
    assert 10 < same < 36
    assert (before == IMAGE).all()
    wider = ((2, 2), (40, 40), (40, 40))
    case = Arrays("a", "A", "p", np.pad(IMAGE, wider).astype(np.float16), np.pad(LABELS, wider)[None], 3.0)
    plain, after = (Patches([case], steps=6, seed=3, treated=on) for on in (False, True))
    pairs = [(plain[step], after[step]) for step in range(6)]
    assert all(one[1].equal(other[1]) for one, other in pairs)
    assert any(not one[0].equal(other[0]) for one, other in pairs)
