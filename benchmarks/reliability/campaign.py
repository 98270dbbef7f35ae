"""Many inputs tried, several at a time, each counted; what is lost is kept."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue

from benchmarks.reliability import sources
from benchmarks.reliability.damage import Recipe
from benchmarks.reliability.hostile import MAKERS
from benchmarks.reliability.mutations import LEVELS, draw
from benchmarks.reliability.sandbox import Nursery, Outcome

BY_HAND = "made by hand"
MOST_KEPT, LARGEST_KEPT = 100, 1 << 24  # files of an input that was lost, and bytes of one


@dataclass(frozen=True)
class Job:
    """An input to try.

    Attributes:
        row: of the table.
        what: it is: a line that makes it again, or its name.
        make: makes it in an empty folder.
        expected: what must come of it; None: a result or a refusal.
    """

    row: str
    what: str
    make: Callable[[Path], Path]
    expected: str | None = None


@dataclass(frozen=True)
class Tried:
    """An input that was tried, and what is wrong with the outcome, if anything."""

    job: Job
    outcome: Outcome
    fault: str | None

    @property
    def end(self) -> str:
        """``result``, ``refused`` or ``lost``."""
        return "lost" if self.fault else self.outcome.kind


def damaged(count: int, start: int, kinds: Sequence[str] = sources.KINDS) -> list[Job]:
    """At least so many damaged files, evenly over formats and levels of damage; the same for the same ``start``."""
    each = -(-count // (len(kinds) * len(LEVELS)))
    return [
        Job(f"{kind}, {level}", recipe.to_json(), recipe.make)
        for kind in kinds
        for level in LEVELS
        for recipe in draw(kind, level, each, start)
    ]


def by_hand() -> list[Job]:
    """The inputs made by hand."""
    return [Job(BY_HAND, name, make, expected) for name, (expected, make) in MAKERS.items()]


def again(line: str) -> Job:
    """The input that ``Job.what`` tells."""
    if line in MAKERS:
        return next(job for job in by_hand() if job.what == line)
    return Job("again", line, Recipe.from_json(line).make)


def run(jobs: Sequence[Job], workers: int, keep: Path | None = None) -> list[Tried]:
    """Try all the inputs.

    Args:
        jobs: the inputs.
        workers: how many are tried at a time.
        keep: where inputs that are lost are kept; they are not by default.
    """
    nurseries: SimpleQueue[Nursery] = SimpleQueue()
    done: list[Tried] = []
    with tempfile.TemporaryDirectory(prefix="reliability-") as name:
        for number in range(workers):
            nurseries.put(Nursery(Path(name, f"nursery {number}")))

        def one(number: int) -> Tried:
            job, folder = jobs[number], Path(name, f"{number}")
            nursery = nurseries.get()
            try:
                folder.mkdir()
                outcome = nursery.segment(job.make(folder))
                fault = outcome.fault
                if fault is None and job.expected not in (None, outcome.kind):
                    fault = f"{outcome.kind} instead of {job.expected}"
                tried = Tried(job, outcome, fault)
                if fault and keep:
                    _keep(keep / f"{number:05}", folder, tried)
                return tried
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                nurseries.put(nursery)

        try:
            with ThreadPoolExecutor(workers) as pool:
                for tried in pool.map(one, range(len(jobs))):
                    done.append(tried)
                    if tried.fault:
                        print(f"lost: {tried.fault}: {tried.job.what}", file=sys.stderr, flush=True)
                    elif len(done) % 100 == 0:
                        print(f"{len(done)} of {len(jobs)}", file=sys.stderr, flush=True)
        finally:
            for _ in range(workers):
                nurseries.get().close()
    return done


def _keep(place: Path, folder: Path, tried: Tried) -> None:
    """Keep an input that was lost, unless it is very large, with the line that makes it again."""
    place.mkdir(parents=True, exist_ok=True)
    if sum(path.is_file() for path in folder.rglob("*")) <= MOST_KEPT:
        shutil.copytree(folder, place / "input", symlinks=True, copy_function=_copy, dirs_exist_ok=True)
    record = {"fault": tried.fault, "what": tried.job.what, "row": tried.job.row, **asdict(tried.outcome)}
    (place / "lost.json").write_text(json.dumps(record, indent=1), encoding="utf-8")


def _copy(source: str, target: str) -> None:
    if os.path.isfile(source) and os.stat(source).st_size <= LARGEST_KEPT:
        shutil.copy2(source, target)
