"""An engine for batches without processes and without networks: it does what a test has it do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from proseg.batch.case import Answer, Job
from proseg.batch.table import DONE, FAILED, STAMP
from proseg.reading.cases import Found

What = Callable[[Job], "dict[str, Any] | Answer"]


class MadeEngine:
    """Does two jobs at a time. By default a job is done: its files appear, with the job's id in them."""

    def __init__(self, what: What | None = None) -> None:
        self.what = what or done
        self.jobs: list[Job] = []
        self.waiting: list[Job] = []
        self.most_at_once = 0
        self.closed = False
        self.capacity = 2

    def __call__(self, most: int) -> MadeEngine:
        """Itself: a batch makes its engine when it knows that there is work."""
        return self

    def prepare(self) -> str:
        """Ready."""
        return "Made."

    def submit(self, job: Job) -> None:
        """Note a job."""
        self.jobs.append(job)
        self.waiting.append(job)
        self.most_at_once = max(self.most_at_once, len(self.waiting))

    def wait(self, timeout_s: float) -> list[Answer]:
        """The answer to the job that has waited longest."""
        job = self.waiting.pop(0)
        answer = self.what(job)
        return [answer if isinstance(answer, Answer) else Answer(job, row=answer)]

    def log(self) -> list[str]:
        """A line."""
        return ["made log"]

    def close(self) -> None:
        """Note it."""
        self.closed = True


def done(job: Job, **more: Any) -> dict[str, Any]:
    """Do a job."""
    for target in map(Path, job.targets):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(job.id)
    found = {"gland_found": "yes", "pz_ml": 10.0, "cg_ml": 30.0, "gland_ml": 40.0, "warning_flags": 0}
    found |= {"psa_ng_ml": job.psa_ng_ml or "", "critical_flags": 0}
    return {"status": DONE, "seconds": 0.1, STAMP: Found(job.id, Path(job.path)).stamp(), **found, **more}


def failed(job: Job) -> dict[str, Any]:
    """Fail at a job."""
    return {"status": FAILED, "seconds": 0.1, "sentence": f"{job.id} is bad.", STAMP: ""}
