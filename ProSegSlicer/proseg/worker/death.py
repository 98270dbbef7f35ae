"""Why a worker process died, in plain words: from its exit code and its last words."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

GPUS = ("cuda", "mps")

_AGAIN = "Try again; if it happens again, report it with the log."
_INSTALL = "Install ProSegSlicer again; if that does not help, report it with the log."
_CLOSE = "Close other programs and try again."
_USE_CPU = "Set the device to CPU and try again."

_CRASHES = {"SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS"}
_WINDOWS_NO_MEMORY = (0xC0000017, 0xC000012D)  # STATUS_NO_MEMORY, STATUS_COMMITMENT_LIMIT
_WINDOWS_FAULT = 0xC0000000  # from here on: NTSTATUS errors
# PythonSlicer starts Python as its child and ends with code 1 and these words, whatever Python was ended by.
_LAUNCHER = re.compile(r"exit abnormally", re.IGNORECASE)
_NO_MEMORY = re.compile(r"out of memory|bad_alloc|MemoryError|allocate memory", re.IGNORECASE)


def explain(code: int | None, ready: bool, device: str | None, tail: Sequence[str]) -> tuple[str, str]:
    """The death of a worker that nobody asked to end.

    Args:
        code: its exit code as ``subprocess`` gives it, -N for signal N; None if it could not even be started.
        ready: whether it had said that it was there.
        device: what it was computing on, ``"cpu"``, ``"cuda"`` or ``"mps"``, if it was.
        tail: its last lines on stderr.

    Returns:
        A sentence and a next step.
    """
    name, last = _signal_name(code), _last_words(tail)
    if code in _WINDOWS_NO_MEMORY or (code != 0 and any(_NO_MEMORY.search(line) for line in tail)):
        return "The segmentation process ran out of memory.", _CLOSE
    if name == "SIGKILL":
        return "The system ended the segmentation process, most likely because memory ran out.", _CLOSE
    if name in _CRASHES or (code is not None and code >= _WINDOWS_FAULT):
        on_gpu = device in GPUS
        where = " while computing on the GPU" if on_gpu else ""
        return f"The segmentation process crashed ({name or f'{code:#x}'}){where}.", _USE_CPU if on_gpu else _AGAIN
    if any(_LAUNCHER.search(line) for line in tail):
        sentence = "The segmentation process crashed, or the system ended it because memory ran out."
        return sentence, _USE_CPU if device in GPUS else _CLOSE
    if name:
        return f"The segmentation process was ended from outside ({name}).", "Try again."
    if not ready:
        return f"The segmentation process could not start{last}.", _INSTALL
    return f"The segmentation process ended unexpectedly, with exit code {code}{last}.", _AGAIN


def _signal_name(code: int | None) -> str | None:
    """The signal that ended it, also where a shell or launcher stood between and said 128 + N instead."""
    if code is None:
        return None
    number = -code if code < 0 else code - 128
    try:
        return signal.Signals(number).name
    except ValueError:
        return None


def _last_words(tail: Sequence[str]) -> str:
    """The last line that says something, in brackets: of a traceback, the error."""
    line = next((line.strip() for line in reversed(tail) if line.strip() and not line[0].isspace()), "")
    return f" ({line[:160].rstrip('.')})" if line else ""
