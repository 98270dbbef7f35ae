"""One training of several side by side: what a step does to the weights, on a CPU, where nothing is recorded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from Testing.made_runs import TINY
from torch import Tensor

from proseg.model.network import ProSeg
from training.fit.recorded import RecordedTraining

CPU = torch.device("cpu")


def make_patch(slices: int = 3, seed: int = 0) -> tuple[Tensor, Tensor, float]:
    """Noise, whose right half is PZ."""
    image = torch.randn(1, slices, 32, 32, generator=torch.Generator().manual_seed(seed))
    labels = torch.ones(1, slices, 32, 32, dtype=torch.long)
    labels[..., :16] = 0
    return image, labels, 3.0


def weights(training: RecordedTraining) -> list[Tensor]:
    return [weight.detach().clone() for weight in training.kept]


def same(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


def test_weights_move_after_as_many_patches_as_a_step_has() -> None:
    training = RecordedTraining(ProSeg(TINY), CPU, budget=8, patches=3, half=False)
    start = weights(training)
    for number in range(2):
        training.learn(*make_patch(seed=number))
    assert same(weights(training), start)
    training.learn(*make_patch(seed=2))
    assert not same(weights(training), start)
    assert not any(copy.grad.any() for copy in training.copies)  # the next step begins anew


def test_a_step_learns_from_the_mean_of_its_patches() -> None:
    """Two patches that are the same teach what one of them does."""
    ends = []
    for patches in (1, 2):
        torch.manual_seed(1)
        training = RecordedTraining(ProSeg(TINY), CPU, budget=patches, patches=patches, half=False)
        for _ in range(patches):
            training.learn(*make_patch())
        ends.append(weights(training))
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one, other)


def test_the_rate_warms_up_and_falls_to_a_hundredth() -> None:
    training = RecordedTraining(ProSeg(TINY), CPU, budget=200, rate=1.0, patches=2, half=False)
    training._learn = training._update = lambda *_: None
    rates = []
    for _ in range(200):
        training.learn(*make_patch(1))
        rates.append(float(training.rate))
    assert rates[2] < 0.01
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert rates.index(max(rates)) < 10
    assert rates[-1] == pytest.approx(0.01, abs=0.005)


def test_the_average_begins_with_the_first_step_and_lags_behind() -> None:
    torch.manual_seed(0)
    training = RecordedTraining(ProSeg(TINY), CPU, budget=4, patches=1, half=False)
    training.learn(*make_patch())
    assert same(training.average, weights(training))
    first = weights(training)
    training.learn(*make_patch(seed=1))
    names = training.averaged()
    assert list(names) == [name for name, _ in ProSeg(TINY).named_parameters()]
    for old, now, average in zip(first, training.kept, names.values(), strict=True):
        torch.testing.assert_close(average, old + (now.detach() - old) * (1 - 2 / 11))


def test_patches_of_every_shape_are_learned_from_and_a_shape_is_set_up_once() -> None:
    training = RecordedTraining(ProSeg(TINY), CPU, budget=6, half=False)
    training.record([(2, 32, 32)])  # nothing to record without a GPU
    assert training.steps == {}
    for slices in (2, 3, 2, 3):
        training.learn(*make_patch(slices))
    assert set(training.steps) == {(2, 32, 32), (3, 32, 32)}
    assert all(step.recording is None for step in training.steps.values())
    assert training.learned == 4


def test_with_half_precision_the_network_computes_with_rounded_copies_of_what_is_learned() -> None:
    training = RecordedTraining(ProSeg(TINY), CPU, budget=6, rate=1e-5)
    before = [weight.detach().clone() for weight in training.kept]
    for _ in range(6):
        training.learn(*make_patch())
    copies = {name: weight.dtype for name, weight in training.computing.items()}
    assert copies["stem.weight"] == copies["head.bias"] == torch.bfloat16
    assert copies["stem_norm.weight"] == copies["refine_norm.bias"] == torch.float32
    for weight, copy, old in zip(training.kept, training.copies, before, strict=True):
        assert weight.dtype == torch.float32
        assert torch.equal(weight.to(copy.dtype), copy)
        assert not torch.equal(weight, old)  # steps too small for bfloat16 are kept
    assert np.isnan(training.loss)
    training.settle()
    first = training.loss
    assert 0 < first < 10
    training.settle()  # nothing new
    assert training.loss == first
