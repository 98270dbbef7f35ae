"""What one run of the benchmark shares between its sections."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.volumes import Volumes


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Attributes:
        folder: for files of this run; it goes when the run ends.
        volumes: the generated examinations.
        repeats: runs that a median is taken of; slow peers run once.
        peers: the Python of the peers' environment, whether it is there or not.
    """

    folder: Path
    volumes: Volumes
    repeats: int
    peers: Path

    @property
    def few(self) -> int:
        """Runs of what takes seconds: whole processes."""
        return max(1, self.repeats // 2)

    @staticmethod
    def say(line: str) -> None:
        """Tell whoever waits."""
        print(f"  {line}", file=sys.stderr, flush=True)
