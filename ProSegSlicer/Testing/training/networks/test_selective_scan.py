"""The selective scan: that of the formula, step by step, whatever the stretches it is cut into."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training.networks import selective_scan as module
from training.networks.selective_scan import recur, selective_scan


def sequential(decay: Tensor, enter: Tensor, start: Tensor) -> Tensor:
    h, states = start, []
    for a, b in zip(decay, enter, strict=True):
        h = a * h + b
        states.append(h)
    return torch.stack(states)


def made(length: int, *, grad: bool = False) -> list[Tensor]:
    """u, delta, a, b, c, d of two volumes with 3 channels of 2 states."""
    torch.manual_seed(length)
    u, b, c = (torch.randn(2, length, size) for size in (3, 2, 2))
    delta, a, d = torch.rand(2, length, 3), -3 * torch.rand(3, 2), torch.randn(3)
    return [x.double().requires_grad_(grad) for x in (u, delta, a, b, c, d)]


@pytest.mark.parametrize("length", [1, 2, 7, 16, 50])
@pytest.mark.parametrize("backwards", [False, True])
def test_the_recurrence_in_pieces_is_that_step_by_step(length: int, backwards: bool) -> None:
    torch.manual_seed(length)
    decay, enter = torch.rand(length, 3, 2, dtype=torch.float64), torch.randn(length, 3, 2, dtype=torch.float64)
    start = torch.randn(3, 2, dtype=torch.float64)
    turned = [x.flip(0) if backwards else x for x in (decay, enter)]
    expected = sequential(*turned, start)
    expected = expected.flip(0) if backwards else expected
    torch.testing.assert_close(recur(decay, enter, start, backwards=backwards), expected)


@pytest.mark.parametrize("states_at_a_time", [12, 60, 10_000])
def test_its_gradients_are_those_of_the_formula(states_at_a_time: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHED", states_at_a_time)
    assert torch.autograd.gradcheck(selective_scan, made(11, grad=True))


def test_stretches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = selective_scan(*made(29))
    for states_at_a_time in (1, 12, 100):  # one token, one token of both volumes, eight
        monkeypatch.setattr(module, "CACHED", states_at_a_time)
        torch.testing.assert_close(selective_scan(*made(29)), whole)


def test_half_precision_is_scanned_in_single() -> None:
    tokens = [x.to(torch.bfloat16) for x in made(9)]
    assert selective_scan(*tokens).dtype == torch.float32
    torch.testing.assert_close(selective_scan(*tokens), selective_scan(*(x.float() for x in tokens)))


def test_the_scan_of_one_state_is_the_formula_written_out() -> None:
    u, delta = torch.tensor([[[1.0], [2.0]]]), torch.tensor([[[0.5], [0.25]]])
    b, c = torch.tensor([[[3.0], [1.0]]]), torch.tensor([[[2.0], [4.0]]])
    y = selective_scan(u, delta, torch.tensor([[-1.0]]), b, c, torch.tensor([10.0]))
    h0 = 0.5 * 3.0 * 1.0
    h1 = torch.exp(torch.tensor(-0.25)) * h0 + 0.25 * 1.0 * 2.0
    torch.testing.assert_close(y.flatten(), torch.stack([torch.tensor(2 * h0 + 10), 4 * h1 + 20]))


def test_mixed_precision_around_it_rounds_nothing() -> None:
    tokens = [x.float() for x in made(9)]
    with torch.autocast("cpu", torch.bfloat16):
        found = selective_scan(*tokens)
    torch.testing.assert_close(found, selective_scan(*tokens))
