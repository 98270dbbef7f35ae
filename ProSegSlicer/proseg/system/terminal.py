"""Standard output and standard error that nothing can make fail: they tell of the work, and are no part of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

# What to write where an encoding has no typographic sign; what has no such stand-in is written as an escape.
PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u2032", "'"),
        **dict.fromkeys("\u201c\u201d\u2033", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys("\u00a0\u2009\u202f", " "),
        **{"\u2026": "...", "\u00d7": "x", "\u00b7": "-", "\u2264": "<=", "\u2265": ">=", "\u2192": "->"},
        **{"\u00b5": "u", "\u03bc": "u", "\u00b0": " degrees", "\u00b1": "+-"},
        **{"\u2588": "#", "\u2591": "."},  # a progress bar's
    }
)


@contextmanager
def steady_streams() -> Iterator[None]:
    """For the body, let ``sys.stdout`` and ``sys.stderr`` take whatever is printed.

    A letter that the encoding lacks is spelt in letters that it has. What cannot be written, as there is no stream (a
    program without a console), a pipe's reader has gone or a disk is full, is given up.
    """
    _occupy()
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        sys.stdout, sys.stderr = steady = [nowhere if stream is None else _Steady(stream) for stream in before]
        try:
            yield
        finally:
            for stream in steady:
                stream.flush()
            sys.stdout, sys.stderr = before


def _occupy() -> None:
    """Put nothing where a standard descriptor is closed: a result opened there would get what libraries print."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            return
        os.set_inheritable(descriptor, True)


def spelt(text: str, encoding: str) -> str:
    """A text in the letters that an encoding has."""
    with suppress(UnicodeEncodeError):
        text.encode(encoding)
        return text
    return "".join(_spelt(letter, encoding) for letter in text)


def _spelt(letter: str, encoding: str) -> str:
    for written in (letter, letter.translate(PLAIN)):
        with suppress(UnicodeEncodeError):
            written.encode(encoding)
            return written
    return letter.encode("ascii", "backslashreplace").decode()


class _Steady:
    """A text stream of which writing never fails; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, as far as it can be written; returns its length."""
        try:
            self._stream.write(spelt(text, self._stream.encoding or "utf-8"))
        except (OSError, ValueError):  # ValueError: somebody has closed it
            self._give_up()
        return len(text)

    def flush(self) -> None:
        """Flush, if that can be done."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._give_up()

    def _give_up(self) -> None:
        """Send all that is still to come, the interpreter's last flush too, to nowhere."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
