"""A network told by what it changes in another one it was trained from, or in none: 8 bits a weight instead of 16.

A step is a 127th of the largest change of its filter: what changes little is told as finely as what changes much.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

STEPS = 127  # to either side of no change


def changes(state: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> dict[str, Any]:
    """What leads from one network's weights to another's, rounded to ``STEPS`` steps a filter.

    Args:
        state: the weights to tell.
        before: those of the network it was trained from, of the same names and shapes, as they are stored.

    Returns:
        By name, of floating weights ``steps``, int8 of their shape, and ``step``, float32, one a filter (one in all of
        a weight that is no filter); of others ``value``.
    """
    told: dict[str, Any] = {}
    for key, value in state.items():
        if not value.is_floating_point():
            told[key] = {"value": value}
            continue
        change = value.float() - before[key].float()
        largest = change.abs().flatten(1).amax(1) if change.ndim > 1 else change.abs().amax().reshape(1)
        step = _beside((largest / STEPS).clamp_min(torch.finfo(torch.float32).tiny), change)
        told[key] = {"steps": (change / step).round().to(torch.int8), "step": step.flatten()}
    return told


def rounded(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """A whole network: filters as changes of zeros, what is no filter in half precision, as it is little and matters.

    Args:
        state: the weights to tell.

    Returns:
        As ``changes``, for ``changed(None, …)``.
    """
    filters = {key: value for key, value in state.items() if value.is_floating_point() and value.ndim > 1}
    told = changes(filters, {key: torch.zeros_like(value) for key, value in filters.items()})
    for key, value in state.items():
        if key not in filters:
            told[key] = {"value": value.half() if value.is_floating_point() else value}
    return told


def changed(before: Mapping[str, Tensor] | None, told: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights that ``changes`` tells of.

    Args:
        before: the weights of the network they change, as they are stored; None where ``rounded`` told them.
        told: what ``changes`` or ``rounded`` returned.

    Raises:
        KeyError, RuntimeError, ValueError: it was told of another network.
    """
    return {
        key: (0.0 if before is None else before[key].float())
        + change["steps"] * _beside(change["step"], change["steps"])
        if "steps" in change
        else change["value"]
        for key, change in told.items()
    }


def _beside(step: Tensor, weight: Tensor) -> Tensor:
    """A value a filter, shaped to multiply a weight (filters first)."""
    return step.reshape(-1, *[1] * (weight.ndim - 1))
