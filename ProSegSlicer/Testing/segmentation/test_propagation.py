"""A reader's slices reach the others: what is given stays whatever it is, the others stay a gland."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from proseg.errors import InputError
from proseg.labels import CG, PZ
from proseg.model.follower import Follower
from proseg.segmentation.cleanup import clean_up, pieces
from proseg.segmentation.propagation import Seen, follow

SHAPE = (9, 24, 26)
SPACING = (3.0, 1.0, 1.1)
BOX = (slice(1, 8), slice(3, 22), slice(2, 25))


def made() -> Seen:
    """A round gland in slices 2 to 6, PZ behind."""
    j, i = np.ogrid[: SHAPE[1], : SHAPE[2]]
    zones = np.where(np.hypot(j - 12, i - 13) < 7, np.where(j > 14, PZ, CG), 0)
    whole = np.zeros(SHAPE, np.uint8)
    whole[2:7] = zones
    inside = whole[BOX]
    probabilities = np.stack([0.85 * (inside == label) + 0.05 for label in range(3)]).astype(np.float32)
    labels = np.zeros(SHAPE, np.uint8)
    labels[BOX] = clean_up(probabilities, SPACING)
    rng = np.random.default_rng(0)
    return Seen(rng.normal(100, 10, SHAPE) + 30 * (whole == PZ), probabilities, BOX, labels, SPACING)


def talkative(seed: int) -> Follower:
    """One that has learned nothing and says much."""
    torch.manual_seed(seed)
    follower = Follower()
    torch.nn.init.normal_(follower.head.weight, std=2.0)
    return follower.eval()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 99), slices=st.lists(st.integers(0, SHAPE[0] - 1), min_size=1, max_size=12))
def test_whatever_is_given_stays_voxel_for_voxel_whatever_the_follower_says(seed: int, slices: list[int]) -> None:
    drawn = np.random.default_rng(seed).integers(0, 3, SHAPE).astype(np.uint8)  # in no way a prostate
    drawn[seed % SHAPE[0]] = 0
    before = drawn.copy()
    labels = follow(made(), drawn, slices, talkative(seed))
    assert np.array_equal(labels[slices], drawn[slices])
    assert np.array_equal(drawn, before)
    assert labels.dtype == np.uint8
    assert labels.max() <= CG


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), first=st.integers(0, 4), last=st.integers(4, 8), k=st.integers(0, 8))
def test_with_ends_there_is_gland_between_them_none_beyond_and_the_given_slice_stays(
    seed: int, first: int, last: int, k: int
) -> None:
    seen = made()
    drawn = seen.labels.copy()
    drawn[k] = seen.labels[4] if first <= k <= last else 0
    labels = follow(seen, drawn, [k], Follower().eval(), first, last)
    filled = np.flatnonzero(labels.any(axis=(1, 2)))
    assert (filled[0], filled[-1]) == (first, last)
    assert np.array_equal(labels[k], drawn[k])


def test_a_follower_that_has_learned_nothing_leaves_the_other_slices_as_they_are() -> None:
    seen = made()
    labels = follow(seen, seen.labels, [4], Follower().eval())
    assert np.array_equal(labels, seen.labels)


def test_order_and_repetition_of_slices_do_not_matter() -> None:
    seen, follower = made(), talkative(3)
    assert np.array_equal(
        follow(seen, seen.labels, [5, 2, 5], follower), follow(seen, seen.labels, np.array([2, 5]), follower)
    )


@pytest.mark.parametrize(("k", "left"), [(3, [4, 5, 6]), (5, [2, 3, 4])])
def test_beyond_a_slice_given_without_gland_there_is_none(k: int, left: list[int]) -> None:
    seen = made()
    labels = follow(seen, np.zeros(SHAPE, np.uint8), [k], Follower().eval())
    assert np.flatnonzero(labels.any(axis=(1, 2))).tolist() == left


def test_a_slice_without_gland_between_given_ones_that_have_some_ends_nothing() -> None:
    seen = made()
    drawn = seen.labels.copy()
    drawn[3] = 0
    labels = follow(seen, drawn, [2, 3, 6], Follower().eval())
    assert np.flatnonzero(labels.any(axis=(1, 2))).tolist() == [2, 4, 5, 6]


def test_what_is_drawn_again_is_one_piece_however_far_off_the_readers_gland_is() -> None:
    seen = made()
    drawn = np.roll(seen.labels, 8, axis=2)
    labels = follow(seen, drawn, [4], talkative(1))
    assert np.array_equal(labels[4], drawn[4])
    for part in (labels[:4], labels[5:]):
        assert pieces(part > 0).max() <= 1 or pieces(labels > 0).max() <= 2


def test_where_every_slice_is_given_nothing_else_counts() -> None:
    seen = made()
    drawn = np.roll(seen.labels, 2, axis=1)
    assert np.array_equal(follow(seen, drawn, range(SHAPE[0]), talkative(2)), drawn)
    assert not follow(seen, np.zeros_like(drawn), range(SHAPE[0]), talkative(2)).any()


def test_a_slice_the_image_lacks_is_refused() -> None:
    seen = made()
    with pytest.raises(InputError, match="There is no slice 9"):
        follow(seen, seen.labels, [4, 9], Follower())
