"""The recurrence inside Mamba's selective scan, in plain PyTorch and fast enough for a CPU.

h[t] = a[t] h[t-1] + b[t] is sequential, but it splits: cut time into about √L pieces of √L steps, run all pieces side
by side from zero, then pass what each piece ends with on to the next one (as parallel scans do; Blelloch 1990). That
is 2√L small vectorised steps instead of L, and no compiled kernel.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


class LinearRecurrence(torch.autograd.Function):
    """h[t] = a[t] h[t-1] + b[t] along the first axis, h before the start 0; a and b (L, ...), float32."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        """All of h, (L, ...)."""
        h = _recur(a, b)
        ctx.save_for_backward(a, h)
        return h

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient runs the same recurrence backwards: g[t] = grad[t] + a[t+1] g[t+1]."""
        a, h = ctx.saved_tensors
        later = torch.cat([a[1:], torch.zeros_like(a[:1])])
        g = _recur(later.flip(0), grad.flip(0)).flip(0)
        before = torch.cat([torch.zeros_like(h[:1]), h[:-1]])
        return g * before, g


def _recur(a: Tensor, b: Tensor) -> Tensor:
    length, shape = a.shape[0], a.shape[1:]
    steps = max(1, math.isqrt(length))
    pieces = -(-length // steps)
    spare = pieces * steps - length

    def cut(x: Tensor) -> Tensor:
        """A copy (steps, pieces, channels): time within a piece comes first, so that a step is one block of memory."""
        x = x.reshape(length, -1)
        x = torch.cat([x, x.new_zeros(spare, x.shape[1])]) if spare else x
        return x.reshape(pieces, steps, -1).transpose(0, 1).clone(memory_format=torch.contiguous_format)

    a, h = cut(a), cut(b)
    for step in range(1, steps):
        h[step].addcmul_(a[step], h[step - 1])
        a[step].mul_(a[step - 1])  # from here on a is the decay since the piece began
    carry = torch.zeros_like(h)[0]
    for piece in range(1, pieces):
        torch.addcmul(h[-1, piece - 1], a[-1, piece - 1], carry[piece - 1], out=carry[piece])
    h.addcmul_(a, carry)
    return h.transpose(0, 1).reshape(pieces * steps, -1)[:length].reshape(length, *shape)


def selective_scan(u: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Mamba's state space model (Gu & Dao, arXiv 2312.00752, algorithm 2), whose matrices depend on the input.

    Args:
        u: (B, L, E) the tokens.
        delta: (B, L, E) step sizes, positive.
        a: (E, N) the decay rates, negative.
        b: (B, L, N) how a token enters the state.
        c: (B, L, N) how the state is read.
        d: (E) how a token passes by the state.

    Returns:
        (B, L, E).
    """
    u, delta, b, c = (x.float().transpose(0, 1) for x in (u, delta, b, c))  # time first
    decay = torch.exp(delta[..., None] * a.float())
    enter = (delta * u)[..., None] * b[:, :, None]
    h = LinearRecurrence.apply(decay, enter)
    y = torch.einsum("lben,lbn->lbe", h, c) + u * d.float()
    return y.transpose(0, 1)
