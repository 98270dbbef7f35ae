"""Mamba's selective scan in plain PyTorch, fast enough to train with on a CPU.

h[t] = a[t] h[t-1] + b[t] is sequential, and all of h, a state for every token and channel, is far larger than what
comes in and goes out. So, as the authors' CUDA kernel does, time is taken in stretches whose states fit the
processor's cache, only the state between stretches is kept, and the gradient computes the others again. Within a
stretch of T tokens about √T pieces of √T steps run side by side from zero, and what each ends with is passed on to
the next (as parallel scans do; Blelloch 1990): 2√T small vectorised steps instead of T, and no compiled kernel.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

CACHED = 2**18  # numbers in the states of a stretch: 1 MiB, half of the cache a processor of today has to itself


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
        (B, L, E), float32 unless it came in double precision.
    """
    exact = torch.promote_types(u.dtype, torch.float32)
    u, delta, b, c = (x.to(exact).transpose(0, 1).contiguous() for x in (u, delta, b, c))  # time first
    with torch.autocast(u.device.type, enabled=False):  # which would round the states as they are read
        y = _Scan.apply(u, delta, a.to(exact).t().contiguous(), b, c) + u * d.to(exact)
    return y.transpose(0, 1)


def recur(decay: Tensor, enter: Tensor, start: Tensor, *, backwards: bool = False) -> Tensor:
    """h[t] = decay[t] h[t-1] + enter[t] along the first axis, or with h[t+1] backwards; ``start`` is before it all.

    Args:
        decay: (T, ...), contiguous; lost, for it is worked in.
        enter: (T, ...), contiguous; becomes h.
        start: (...).
        backwards: from the last to the first.

    Returns:
        h, (T, ...).
    """
    length = enter.shape[0]
    steps = max(1, math.isqrt(length))
    pieces = length // steps
    way = -1 if backwards else 1
    cut = slice(length - pieces * steps, None) if backwards else slice(pieces * steps)
    a, h = (x[cut].view(pieces, steps, -1) for x in (decay, enter))
    a_steps, h_steps = a.unbind(1)[::way], h.unbind(1)[::way]
    for step in range(1, steps):
        h_steps[step].addcmul_(a_steps[step], h_steps[step - 1])
        a_steps[step].mul_(a_steps[step - 1])  # from here on the decay since the piece began
    carry = [start.reshape(-1)]
    for a_end, h_end in list(zip(a_steps[-1].unbind(0), h_steps[-1].unbind(0), strict=True))[::way][:-1]:
        carry.append(torch.addcmul(h_end, a_end, carry[-1]))
    h.addcmul_(a, torch.stack(carry[::way])[:, None])
    for rest in range(length)[::way][pieces * steps :]:
        enter[rest].addcmul_(decay[rest], enter[rest - way])
    return enter


class _Scan(torch.autograd.Function):
    """The scan but for what passes by the state; u, delta (L, B, E), a (N, E), b, c (L, B, N) to (L, B, E)."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        y = torch.empty(u.shape, dtype=u.dtype, device=u.device)
        h = u.new_zeros(u.shape[1], *a.shape)
        starts = []
        for t in _stretches(u, a):
            starts.append(h)
            decay, enter = _decay(delta[t], a), _enter(u[t], delta[t], b[t])
            states = recur(decay, enter, h)
            y[t] = _read(states, c[t])
            h = states[-1].clone()
        ctx.save_for_backward(u, delta, a, b, c, torch.stack(starts))
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        """With g the gradient of h, g[t] = c[t] gradient[t] + decay[t+1] g[t+1]: the same recurrence backwards."""
        u, delta, a, b, c, starts = ctx.saved_tensors
        gradient = gradient.contiguous()
        of_u, of_delta, of_b, of_c = (torch.empty_like(x) for x in (u, delta, b, c))
        of_a = torch.zeros_like(a)
        later = torch.zeros_like(starts[0])  # decay times g of the token after the stretch
        for t, start in reversed(list(zip(_stretches(u, a), starts, strict=True))):
            decay, enter = _decay(delta[t], a), delta[t] * u[t]
            states = recur(decay.clone(), _enter(u[t], delta[t], b[t]), start)
            onward = torch.cat([decay[1:], torch.ones_like(decay[:1])])
            g = recur(onward, gradient[t][:, :, None] * c[t][..., None], later, backwards=True)
            later = decay[0] * g[0]
            of_c[t] = (states @ gradient[t][..., None]).squeeze(-1)
            of_b[t] = (g @ enter[..., None]).squeeze(-1)
            of_enter = _read(g, b[t])
            of_u[t] = of_enter * delta[t]
            before = torch.cat([start[None], states[:-1]])
            of_exponent = g.mul_(before).mul_(decay)
            of_delta[t] = of_enter * u[t] + (of_exponent * a).sum(dim=2)
            of_a += (of_exponent * delta[t][:, :, None]).sum(dim=(0, 1))
        return of_u, of_delta, of_a, of_b, of_c


def _stretches(u: Tensor, a: Tensor) -> list[slice]:
    length, batch = u.shape[:2]
    stretch = max(1, CACHED // (batch * a.numel()))
    return [slice(begin, begin + stretch) for begin in range(0, length, stretch)]


def _decay(delta: Tensor, a: Tensor) -> Tensor:
    return (delta[:, :, None] * a).exp_()


def _enter(u: Tensor, delta: Tensor, b: Tensor) -> Tensor:
    return (delta * u)[:, :, None] * b[..., None]


def _read(states: Tensor, c: Tensor) -> Tensor:
    """(T, B, N, E) seen through (T, B, N): (T, B, E)."""
    return (c[:, :, None] @ states).squeeze(2)
