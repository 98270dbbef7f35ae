"""Which device computes, and why."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

import torch

from proseg.errors import DeviceError, brief

DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Device:
    """A device that was tried and works.

    Attributes:
        name: ``"cpu"``, ``"cuda"`` or ``"mps"``.
        reason: why this one, a sentence.
        dtype: the arithmetic of the network on it.
    """

    name: str
    reason: str
    dtype: torch.dtype


def choose_device(request: str = "auto") -> Device:
    """Pick the device to compute on.

    A GPU is only taken if a small computation on it gives the right answer, since a driver that does not match torch
    shows itself only then.

    Args:
        request: one of ``DEVICES``; ``"auto"`` takes a working GPU and else the CPU.

    Raises:
        DeviceError: the requested device is unknown or does not work.
    """
    if request not in DEVICES:
        raise DeviceError(f"There is no device called '{request}'.", f"Use one of: {', '.join(DEVICES)}.")
    if request == "cpu":
        return _cpu("The CPU was asked for.")
    troubles = []
    for name in ("cuda", "mps") if request == "auto" else (request,):
        if (trouble := _trouble(name)) is None:
            reason = f"{_title(name)} works" + ("." if request == "auto" else " and was asked for.")
            return Device(name, reason, torch.float32)  # a GPU is quick enough, and float32 runs on every one
        troubles.append(trouble)
    if request != "auto":
        raise DeviceError(troubles[0], "Use --device auto, or --device cpu.")
    return _cpu(" ".join(troubles))


def cpu_after(error: Exception) -> Device:
    """The CPU, after the GPU failed with ``error`` in the middle of the work."""
    return _cpu(f"The GPU failed ({brief(error)}).")


def _cpu(why: str) -> Device:
    return Device(
        "cpu", f"{why} {torch.get_num_threads()} threads.", torch.bfloat16 if _fast_bfloat16() else torch.float32
    )


def _fast_bfloat16() -> bool:
    """Whether this processor computes faster in bfloat16 than in float32.

    AMD's AVX-512 does, and Intel's tiles (AMX) do. Intel's AVX-512 has the instructions too, but no faster than those
    of float32, so that converting costs more than it saves (``docs/speed.md``).
    """
    if not torch.backends.mkldnn.is_available():
        return False
    can = (getattr(torch.cpu, f"_is_{name}_supported", lambda: False)() for name in ("amx_tile", "avx512_bf16"))
    tiles, vectors = can  # older torch cannot tell
    return tiles or (vectors and "intel" not in _vendor().lower())


def _vendor() -> str:
    """The processor's maker, in whatever words the system has for it."""
    try:
        return next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("vendor_id"))
    except (OSError, StopIteration):
        return platform.processor()


def _title(name: str) -> str:
    if name != "cuda":
        return "The Apple GPU"
    try:
        return f"The GPU ({torch.cuda.get_device_name()})"
    except RuntimeError:  # too broken even to tell its name
        return "The GPU"


def _trouble(name: str) -> str | None:
    """Why a GPU cannot be used, a sentence, or None if it can."""
    present = torch.cuda.is_available() if name == "cuda" else torch.backends.mps.is_available()
    if not present:
        if name == "cuda" and torch.version.cuda is None:
            return "This torch is built without CUDA."
        return f"There is no {'CUDA' if name == 'cuda' else 'Apple'} GPU that torch can use."
    try:
        probe = torch.ones(8, 8, device=name)
        if float((probe @ probe).sum()) == 512.0:
            return None
    except RuntimeError as error:
        return f"{_title(name)} does not compute: {brief(error)}."
    return f"{_title(name)} computes wrongly."
