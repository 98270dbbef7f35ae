"""A network is told by its changes to another one, in 8 bits a weight, and hardly differs from what it was."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from proseg.model.changes import STEPS, changed, changes, rounded

State = dict[str, Tensor]


@pytest.fixture
def before() -> State:
    made = torch.Generator().manual_seed(0)
    shapes = {"filters": (6, 4, 3, 3), "matrix": (5, 7), "bias": (6,)}
    state = {name: torch.randn(shape, generator=made).half() for name, shape in shapes.items()}
    return state | {"num_batches_tracked": torch.tensor(3)}


@pytest.fixture
def after(before: State) -> State:
    made = torch.Generator().manual_seed(1)
    state = {
        name: value.float() + 0.1 * torch.randn(value.shape, generator=made)
        for name, value in before.items()
        if value.is_floating_point()
    }
    return state | {"num_batches_tracked": torch.tensor(8)}


def test_the_weights_return_to_half_a_step_of_their_filter(before: State, after: State) -> None:
    again = changed(before, changes(after, before))
    assert again.keys() == after.keys()
    assert int(again["num_batches_tracked"]) == 8
    for name in ("filters", "matrix", "bias"):
        change = after[name] - before[name].float()
        largest = change.abs().flatten(1).amax(1) if change.ndim > 1 else change.abs().max()
        error = (again[name] - after[name]).abs()
        error = error.flatten(1).amax(1) if change.ndim > 1 else error.max()
        assert (error <= 0.51 * largest / STEPS).all()
        assert (error > 0).any()
        assert again[name].dtype == torch.float32


def test_a_weight_takes_one_byte(before: State, after: State) -> None:
    told = changes(after, before)
    assert {value["steps"].dtype for value in told.values() if "steps" in value} == {torch.int8}
    assert told["filters"]["step"].shape == (6,)
    assert told["bias"]["step"].shape == (1,)


def test_a_filter_that_changes_little_is_told_as_finely_as_one_that_changes_much(before: State, after: State) -> None:
    after["matrix"][0] = before["matrix"][0].float() + 1e-4 * torch.arange(7)
    again = changed(before, changes(after, before))
    torch.testing.assert_close(again["matrix"][0], after["matrix"][0], atol=3e-6, rtol=0)


def test_a_whole_network_is_told_to_half_a_step_of_its_filters_and_the_rest_in_half_precision(after: State) -> None:
    told = rounded(after)
    assert {name for name, value in told.items() if "steps" in value} == {"filters", "matrix"}
    again = changed(None, told)
    for name in ("filters", "matrix"):
        error, largest = ((again[name] - after[name]).abs(), after[name].abs())
        assert (error.flatten(1).amax(1) <= 0.51 * largest.flatten(1).amax(1) / STEPS).all()
    assert torch.equal(again["bias"], after["bias"].half())
    assert int(again["num_batches_tracked"]) == 8


def test_what_did_not_change_stays_exactly(before: State) -> None:
    again = changed(before, changes({name: value.clone() for name, value in before.items()}, before))
    assert all(torch.equal(again[name], value.float()) for name, value in before.items() if value.is_floating_point())


def test_changes_of_another_network_do_not_fit(before: State, after: State) -> None:
    told = changes(after, before)
    with pytest.raises(KeyError):
        changed({"filters": before["filters"]}, told)
    with pytest.raises(RuntimeError):
        changed(before | {"matrix": torch.zeros(5, 9)}, told)
