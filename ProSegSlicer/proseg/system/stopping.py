"""Being told to stop: Ctrl-C, and SIGTERM as schedulers and shutdowns send it, end a run without leaving a trace."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# Ctrl-C last: it is the one that must work again first when something goes wrong.
STOPS = tuple(getattr(signal, name) for name in ("SIGHUP", "SIGTERM", "SIGINT") if hasattr(signal, name))


class Stopped(KeyboardInterrupt):
    """A signal asked for the end.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number  # as shells tell it


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn the first signal that asks for the end into ``Stopped``, so that everything is cleaned up on the way out.

    Further signals are ignored then: what cleans up must not be interrupted itself. Signals that the caller ignores
    (``nohup``) stay ignored. In other threads than the main one, which signals never reach, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        for other in handled:
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(number)

    handled = [number for number in STOPS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before = {number: signal.signal(number, stop) for number in handled}
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off signals that ask for the end until the body is done; for a few quick steps that belong together.

    Inside an application it does nothing: there signals are set behind Python's back (CTK), so what Python would put
    back is not what was there.
    """
    if threading.current_thread() is not threading.main_thread() or _in_application():
        yield
        return
    came: list[int] = []
    handled = [number for number in STOPS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before: dict[int, Any] = {}
    try:
        for number in handled:
            before[number] = signal.signal(number, lambda number, frame: came.append(number))
        yield
    finally:
        _restore(before)
        if came:
            signal.raise_signal(came[0])


def _in_application() -> bool:
    return hasattr(sys.modules.get("slicer"), "app")


def _restore(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
