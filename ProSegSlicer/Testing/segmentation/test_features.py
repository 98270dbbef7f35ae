"""What the follower is shown: how given slices differ from what the networks had, and where each slice lies."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from proseg.labels import CG, PZ
from proseg.model.follower import CHANNELS
from proseg.segmentation.features import PIXEL_MM, Drawn, Given, areas, features, reduced

SHAPE, SPACING = (8, 30, 34), (3.0, 1.0, 1.0)
KS = range(SHAPE[0])


def gland(radius: float = 8.0) -> np.ndarray:
    """A round gland in slices 2 to 6, PZ behind."""
    j, i = np.ogrid[: SHAPE[1], : SHAPE[2]]
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:7] = np.where(np.hypot(j - 15, i - 17) < radius, np.where(j > 17, PZ, CG), 0)
    return labels


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    labels = gland()
    probabilities = np.stack([0.85 * (labels == label) + 0.05 for label in range(3)]).astype(np.float32)
    return Drawn.of(np.random.default_rng(0).normal(100, 10, SHAPE), probabilities, labels, SPACING)


def test_areas_are_counted_slice_by_slice() -> None:
    whole, pz = areas(gland())
    assert (whole[:2].any(), whole[7]) == (False, 0)
    assert len(set(whole[2:7])) == len(set(pz[2:7])) == 1
    assert 0 < pz[3] < whole[3]


def test_maps_have_pixels_of_2_mm_and_keep_the_mean() -> None:
    array = np.random.default_rng(1).normal(size=(2, 40, 60))
    made = reduced(array, (20, 30))
    assert made.shape == (2, 20, 30)
    assert made.mean() == pytest.approx(array.mean(), abs=0.02)


def test_every_slice_has_all_its_maps_on_the_grid_of_2_mm(drawn: Drawn) -> None:
    made = features(drawn, Given.of(gland(), [3], SPACING), KS)
    assert made.shape == (SHAPE[0], CHANNELS, round(SHAPE[1] / PIXEL_MM), round(SHAPE[2] / PIXEL_MM))
    assert made.isfinite().all()


def test_a_slice_that_is_given_as_it_was_tells_of_no_difference(drawn: Drawn) -> None:
    made = features(drawn, Given.of(gland(), [3, 5], SPACING), KS)
    assert not made[:, [13, 14, 16, 17]].any()


@pytest.mark.parametrize(("radius", "sign"), [(10.0, 1), (6.0, -1)])
def test_a_larger_gland_is_told_as_larger_and_to_the_nearest_slices_most(
    drawn: Drawn, radius: float, sign: int
) -> None:
    made = features(drawn, Given.of(gland(radius), [3], SPACING), KS)
    assert (sign * made[3:7, 16, 0, 0] > 0).all()
    assert (np.diff((sign * made[3:7, 16, 0, 0]).numpy()) < 0).all()
    assert (sign * made[3, 13] > 0).float().mean() > 0.9


def test_the_nearest_given_slices_are_told_on_their_own_side(drawn: Drawn) -> None:
    made = features(drawn, Given.of(gland(), [2, 6], SPACING), KS)
    below, above = made[:, CHANNELS - 20, 0, 0], made[:, CHANNELS - 10, 0, 0]
    assert (below > 0).tolist() == [False] * 3 + [True] * 5
    assert (above > 0).tolist() == [True] * 6 + [False] * 2
    assert (np.diff(below[3:7].numpy()) < 0).all()
    assert below[7] == below[3]  # each is next to a given one
    next_to = made[:, [CHANNELS - 11, CHANNELS - 1], 0, 0] > 0
    assert next_to.nonzero().tolist() == [[1, 1], [3, 0], [5, 1], [7, 0]]


def test_an_empty_slice_is_told_as_empty(drawn: Drawn) -> None:
    empty = gland()
    empty[5] = 0
    made = features(drawn, Given.of(empty, [5], SPACING), KS)
    assert made[4, CHANNELS - 10 + 2, 0, 0] > 0
    assert made[6, CHANNELS - 20 + 2, 0, 0] > 0
    assert not made[:, 14].any()  # it says nothing of zones


def test_where_a_slice_lies_is_told_from_both_ends(drawn: Drawn) -> None:
    made = features(drawn, Given.of(gland(), [3], SPACING), KS)
    assert made[2, 11, 0, 0] == made[6, 12, 0, 0] == 0
    assert (np.diff(made[:, 11, 0, 0].numpy()) > 0).all()
    assert torch.equal(made[:, 12], made[:, 11].flip(0)) is (SHAPE[0] - 1 == 2 + 6)


def test_a_part_of_the_given_slices_is_what_these_alone_would_be() -> None:
    whole, alone = Given.of(gland(), [2, 4, 6], SPACING), Given.of(gland(), [4], SPACING)
    part = whole.part([1])
    assert part.ks.tolist() == [4]
    assert torch.equal(part.border, alone.border)
    assert part.area.tolist() == alone.area.tolist()
