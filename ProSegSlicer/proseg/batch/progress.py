"""How far a batch is: a bar with rate and time left on a terminal, a line a case elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections import deque
from typing import TextIO

WIDTH, REDRAW_S = 24, 0.1
REMEMBERED = 64  # ends of cases that the rate is made of: it follows what the batch does now


class BatchProgress:
    """Told what becomes of the cases, and shows it. A context manager, which leaves a clean line.

    Args:
        total: cases in the batch.
        before: those of them that were done before.
        out: where lines about cases go.
        bar: where the bar goes if that is a terminal.
    """

    def __init__(self, total: int, before: int, out: TextIO | None = None, bar: TextIO | None = None) -> None:
        self.total, self.done, self.failed, self.flagged = total, before, 0, 0
        self._out, self._bar = out or sys.stdout, bar or sys.stderr
        self._shown = self._bar.isatty()
        self._ends = deque([time.monotonic()], REMEMBERED)
        self._drawn = 0.0

    def __enter__(self) -> BatchProgress:
        self.draw()
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def end(self, name: str, words: str, failed: bool, flagged: bool) -> None:
        """A case has ended. Each has a line; where there is a bar, only those that somebody should look into.

        Args:
            name: the case's.
            words: what became of it.
            failed: whether it failed.
            flagged: whether it needs a look.
        """
        self.done += 1
        self.failed += failed
        self.flagged += flagged
        self._ends.append(time.monotonic())
        if failed or not self._shown:
            self._clear()
            print(f"[{self.done}/{self.total}] {name}: {words}", file=self._out, flush=True)
        self.draw()

    def draw(self, force: bool = False) -> None:
        """Show the bar as it is now, if it is time to."""
        if self._shown and (force or time.monotonic() - self._drawn > REDRAW_S):
            self._drawn = time.monotonic()
            share = self.done / self.total if self.total else 1.0
            line = f"{'█' * int(share * WIDTH):░<{WIDTH}} {share:4.0%}  {self.words()}"
            columns = shutil.get_terminal_size().columns - 1
            print(f"\r{line[:columns]}\x1b[K", end="", file=self._bar, flush=True)

    def words(self) -> str:
        """Counts, rate and time left."""
        said = [f"{self.done}/{self.total}"]
        if self.failed:
            said.append(f"{self.failed} failed")
        if self.flagged:
            said.append(f"{self.flagged} to look at")
        rate = self.rate()
        if rate > 0:
            said.append(f"{rate * 60:.3g} a minute")
            said.append(f"{in_words((self.total - self.done) / rate)} left")
        return " · ".join(said)

    def rate(self) -> float:
        """Cases a second, of late; 0 as long as none has ended."""
        count = len(self._ends) - 1
        # the time that the case under way has taken so far slows the rate down once it is longer than the others
        took = self._ends[-1] - self._ends[0] if count else 0.0
        since = time.monotonic() - self._ends[-1]
        if count and since > 2 * took / count:
            took += since
        return count / took if took > 0 else 0.0

    def _clear(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=self._bar, flush=True)


def in_words(seconds: float) -> str:
    """A duration as people say it: ``45 s``, ``12 min``, ``3 h 20 min``."""
    seconds = max(0, round(seconds))
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
