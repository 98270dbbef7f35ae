"""The loss: what it asks for where zones are known, and what it leaves open where only the gland is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from training.data.labels import GLAND_UNKNOWN_ZONE
from training.fit.losses import LITTLE_GLAND, ZonalLoss, ends_loss, merge_zones

LOGITS = arrays(np.float32, (2, 3, 2, 2, 2), elements=st.floats(-80, 80, width=32))


def some_labels() -> Tensor:
    """(1, 1, 3, 8, 8): a gland with CG in front of PZ."""
    labels = torch.zeros(1, 1, 3, 8, 8, dtype=torch.long)
    labels[..., 2:4, 2:6], labels[..., 4:6, 2:6] = 2, 1
    return labels


def logits_for(labels: Tensor) -> Tensor:
    """As sure as can be: 15 of the right class, -15 of the others."""
    return 30 * torch.nn.functional.one_hot(labels[:, 0], 3).movedim(-1, 1).float() - 15


def random_logits() -> Tensor:
    return torch.randn(1, 3, 3, 8, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()


def gland_only() -> Tensor:
    return (some_labels() > 0).long() * GLAND_UNKNOWN_ZONE


@settings(max_examples=50, deadline=None)
@given(LOGITS)
def test_merging_zones_adds_their_probabilities(values: np.ndarray) -> None:
    logits = torch.from_numpy(values).double()
    apart, merged = logits.softmax(1), merge_zones(logits).softmax(1)
    torch.testing.assert_close(merged, torch.stack([apart[:, 0], apart[:, 1] + apart[:, 2]], 1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("labels", [some_labels(), gland_only()])
def test_the_right_answer_costs_next_to_nothing_and_a_wrong_one_much(labels: Tensor) -> None:
    loss, right = ZonalLoss(), logits_for(some_labels())
    assert 0 <= loss(right, labels) < 1e-3
    assert loss(right.roll(4, dims=-1), labels) > 0.5  # half the gland missed, as much invented
    assert loss(right.flip(1), labels) > 0.5  # background and CG swapped


def test_swapped_zones_cost_much_where_they_are_known_and_nothing_where_they_are_not() -> None:
    loss, swapped = ZonalLoss(), logits_for(some_labels())[:, [0, 2, 1]]
    assert loss(swapped, some_labels()) > 0.5
    assert loss(swapped, gland_only()) < 1e-3


def test_of_a_gland_only_case_the_loss_is_blind_to_where_the_zones_meet() -> None:
    logits = random_logits()
    loss = ZonalLoss()(logits, gland_only())
    background, pz, cg = torch.autograd.grad(loss, logits)[0].unbind(1)
    share = logits.detach()[:, 1:].softmax(1)
    # Moving probability from CG to PZ leaves p(PZ) + p(CG): this direction of the logits does just that.
    moving = pz * share[:, 1] - cg * share[:, 0]
    assert moving.abs().max() < 1e-6 * background.abs().max()
    assert background.abs().min() > 0


def test_of_a_zonal_case_the_loss_sees_where_the_zones_meet() -> None:
    logits = random_logits()
    _, pz, cg = torch.autograd.grad(ZonalLoss()(logits, some_labels()), logits)[0].unbind(1)
    share = logits.detach()[:, 1:].softmax(1)
    assert (pz * share[:, 1] - cg * share[:, 0]).abs().max() > 1e-4


def test_a_gland_only_case_pulls_both_zones_up_inside_and_down_outside() -> None:
    logits = torch.zeros(1, 3, 3, 8, 8, requires_grad=True)
    zones = torch.autograd.grad(ZonalLoss()(logits, gland_only()), logits)[0][:, 1:]
    inside = (gland_only() > 0).expand_as(zones)
    assert zones[inside].max() < 0 < zones[~inside].min()
    torch.testing.assert_close(zones[:, 0], zones[:, 1])


@pytest.mark.parametrize("labels", [some_labels(), gland_only()])
def test_only_probabilities_count(labels: Tensor) -> None:
    logits = random_logits()
    torch.testing.assert_close(ZonalLoss()(logits + 5, labels), ZonalLoss()(logits, labels))


def test_the_focal_term_counts_with_its_weight() -> None:
    logits = random_logits()
    for labels in (some_labels(), gland_only()):
        dice, once, twice = (ZonalLoss(focal=focal)(logits, labels) for focal in (0, 1, 2))
        assert once > dice > 0
        torch.testing.assert_close(twice - once, once - dice)


def test_a_gland_only_case_weighs_as_much_as_a_zonal_one_would() -> None:
    logits = random_logits()
    zones = ZonalLoss(gland_weight=0)(logits, some_labels())
    gland = ZonalLoss(gland_weight=0)(logits, gland_only())
    torch.testing.assert_close(ZonalLoss(gland_weight=0.5)(logits, some_labels()), zones + 0.5 * gland)
    torch.testing.assert_close(ZonalLoss(gland_weight=0.5)(logits, gland_only()), 1.5 * gland)


def test_a_view_without_a_prostate_teaches_background() -> None:
    labels, logits = torch.zeros_like(some_labels()), torch.zeros(1, 3, 3, 8, 8, requires_grad=True)
    background, pz, cg = torch.autograd.grad(ZonalLoss()(logits, labels), logits)[0].unbind(1)
    assert background.max() < 0
    assert min(pz.min(), cg.min()) > 0
    assert ZonalLoss()(logits_for(labels), labels) < ZonalLoss()(logits, labels)


def gland_in(slices: slice) -> Tensor:
    """(1, 1, 12, 24, 24): a gland of 16 x 16 pixels in some slices."""
    labels = torch.zeros(1, 1, 12, 24, 24, dtype=torch.long)
    labels[:, :, slices, 4:20, 4:20] = 2
    return labels


def test_the_right_ends_cost_nothing_and_a_slice_more_or_less_costs_alike() -> None:
    truth = gland_in(slice(4, 9))
    right, longer, shorter = (
        float(ends_loss(logits_for(gland_in(s)), truth)) for s in (slice(4, 9), slice(3, 9), slice(5, 9))
    )
    assert right < 1e-3
    missed = 1 - LITTLE_GLAND / (16 * 16 + LITTLE_GLAND)
    assert longer == pytest.approx(missed / 8, abs=1e-3)  # eight slices lie within two of an end
    assert shorter == pytest.approx(longer, abs=1e-3)


def test_far_from_the_ends_nothing_is_asked_by_their_term() -> None:
    truth = gland_in(slice(2, 12))
    elsewhere = logits_for(truth)
    elsewhere[:, :, 5:] = elsewhere[:, :, 5:].flip(1)
    assert ends_loss(elsewhere, truth) == pytest.approx(float(ends_loss(logits_for(truth), truth)), abs=1e-6)


@pytest.mark.parametrize("slices", [slice(0, 0), slice(0, 12)])
def test_a_view_without_an_end_costs_nothing_and_has_gradients(slices: slice) -> None:
    logits = torch.zeros(1, 3, 12, 24, 24, requires_grad=True)
    loss = ends_loss(logits, gland_in(slices))
    loss.backward()
    assert loss == 0
    assert (logits.grad == 0).all()


def test_ends_count_with_their_weight_also_where_zones_are_unknown() -> None:
    logits = random_logits()
    labels = some_labels()
    labels[:, :, 0] = 0
    for truth in (labels, (labels > 0).long() * GLAND_UNKNOWN_ZONE):
        without, once = ZonalLoss()(logits, truth), ZonalLoss(ends=1)(logits, truth)
        torch.testing.assert_close(once - without, ends_loss(logits, truth))
        assert once > without
