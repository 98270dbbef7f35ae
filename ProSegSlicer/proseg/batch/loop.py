"""A batch: many cases, on this machine or on a cluster, into one folder with one table; nothing lost on the way.

Only this process writes the table, so a case stands in it once, however often it was begun. A case that fails is a row;
a worker that dies costs its case one more try; a run that was stopped goes on where it stopped.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from proseg.batch.case import Answer, Case, Job, Layout
from proseg.batch.folder import OutputFolder
from proseg.batch.progress import BatchProgress
from proseg.batch.table import DONE, FAILED, Row
from proseg.errors import OutputError, ProSegError
from proseg.outputs.writing import SEGMENTATION_ENDING

WAIT_S = 0.5
NOTE = "Manifest: "  # what a row's sentence says after this is of the manifest
MANY_DEATHS = 3  # by worker, one after the other with nothing done between: then it is not the cases


class Engine(Protocol):
    """What does the jobs: ``proseg.batch.pool.Pool`` here, ``proseg.batch.cluster.Cluster`` elsewhere."""

    @property
    def capacity(self) -> int:
        """How many jobs it wants at a time."""

    def prepare(self) -> str:
        """Find out what would stop every case; returns words for the user."""

    def submit(self, job: Job) -> None:
        """Take a job."""

    def wait(self, timeout_s: float) -> list[Answer]:
        """What has come out, at the latest after a timeout."""

    def log(self) -> list[str]:
        """Lines that explain what went wrong, for developers."""

    def close(self) -> None:
        """Let go of everything."""


class BrokenEngineError(ProSegError):
    """No worker lives long enough to do anything; exit code 2."""

    exit_code = 2


@dataclass(frozen=True)
class Request:
    """What a batch is asked to do.

    Attributes:
        cases: in order.
        inputs: the folders and files that the cases were found in.
        output: the output folder.
        layout: which files a case gets.
        overwrite: whether to do finished cases again and replace their files.
        device: as ``choose_device`` takes it.
        weights: a weights file; None for the shipped one.
        lock: whether to lock the output folder.
    """

    cases: Sequence[Case]
    inputs: Sequence[Path]
    output: Path
    layout: Layout
    overwrite: bool = False
    device: str = "auto"
    weights: Path | None = None
    lock: bool = True


class Batch:
    """One run.

    Args:
        request: what to do.
        engine: makes what does it, given the number of cases there is work for.
        tell: says a line to the user.
    """

    def __init__(self, request: Request, engine: Callable[[int], Engine], tell: Callable[[str], None]) -> None:
        self.request, self.tell = request, tell
        self._make_engine = engine
        self.ends: Counter[str] = Counter()
        self.log: list[str] = []

    def run(self, progress: Callable[[int, int], BatchProgress] = BatchProgress) -> Counter[str]:
        """Do all cases; returns how many ended how: ``done``, ``failed``, ``done before``, and ``to look at``.

        Args:
            progress: makes what shows it, given the cases and how many of them were done before.

        Raises:
            ProSegError: nothing can be started, or the table cannot be written.
        """
        ask = self.request
        _refuse_to_harm_inputs(ask)
        rooms = ask.layout.rooms
        with OutputFolder(ask.output, ask.cases, rooms, ask.lock) as self.folder:
            if not ask.overwrite:
                self.folder.refuse_to_replace((case, self._targets(case)) for case in ask.cases)
            waiting = deque(case for case in ask.cases if self._to_make(case))
            before = len(ask.cases) - len(waiting)
            self.ends["done before"] = before
            self._update_psa()
            try:
                if waiting:
                    self._work(waiting, progress(len(ask.cases), before))
            finally:
                self._publish()
        return self.ends

    def _work(self, waiting: deque[Case], progress: BatchProgress) -> None:
        engine = self._make_engine(len(waiting))
        try:
            self.tell(engine.prepare())
            with progress:
                self._drain(engine, waiting, progress)
        finally:
            self.log += engine.log()
            engine.close()

    def _drain(self, engine: Engine, waiting: deque[Case], progress: BatchProgress) -> None:
        under_way: dict[str, Case] = {}
        again: set[str] = set()
        deaths = 0
        while waiting or under_way:
            room = max(0, engine.capacity - len(under_way))
            starting = [waiting.popleft() for _ in range(min(room, len(waiting)))]
            making = [(case, self._to_make(case)) for case in starting]
            self.folder.begin(making)
            for case, files in making:
                under_way[case.id] = case
                engine.submit(self._job(case, files))
            answers = engine.wait(WAIT_S)
            rows: list[tuple[Case, Row]] = []
            unsettled: list[Case] = []
            for answer in answers:
                case = under_way.pop(answer.job.id)
                deaths = 0 if answer.row else deaths + 1
                if answer.row is None and answer.again and case.id not in again:
                    again.add(case.id)
                    waiting.append(case)  # last: memory that was short may be there then
                    continue
                rows.append((case, _noted(self._row(case, answer), case.note)))
                unsettled += [] if answer.row else [case]
            self.folder.end(rows, unsettled)
            for case, row in rows:
                self._count(case, row, progress)
            if deaths > MANY_DEATHS * max(engine.capacity, 1) + 1:
                raise BrokenEngineError(
                    f"The workers die one after the other: {answers[-1].died}", "The same command goes on from here."
                )
            if self.folder.fold_is_due():
                self._publish()
            progress.draw()

    def _row(self, case: Case, answer: Answer) -> Row:
        if answer.row is not None and answer.row["status"] == DONE:
            return answer.row
        said = answer.row or {"sentence": self.folder.without_folders(answer.died, case), "seconds": ""}
        if answer.row is None:  # a dead worker may have replaced some of the files
            return {"status": FAILED, **said}
        row = self.folder.failure(case, self._targets(case), said["sentence"], said["seconds"], "")
        return row if row["status"] == DONE else answer.row

    def _count(self, case: Case, row: Row, progress: BatchProgress) -> None:
        failed = row["status"] == FAILED or str(row.get("sentence", "")).startswith("This result is from before")
        flagged = not failed and needs_a_look(row)
        self.ends[FAILED if failed else DONE] += 1
        self.ends["to look at"] += flagged
        progress.end(case.id, in_words(row) if not failed else f"{FAILED}. {row['sentence']}", failed, flagged)

    def _targets(self, case: Case) -> list[Path]:
        return self.request.layout.targets(self.request.output, case.id)

    def _to_make(self, case: Case) -> list[Path]:
        return self.folder.to_make(case, self._targets(case), self.request.overwrite)

    def _job(self, case: Case, files: Sequence[Path]) -> Job:
        ask = self.request
        return Job(
            id=case.id,
            path=os.path.abspath(case.path),
            targets=[os.path.abspath(path) for path in files],
            output=os.path.abspath(ask.output),
            psa_ng_ml=case.psa_ng_ml,
            named=case.named,
            fault=case.fault,
            device=ask.device,
            weights=os.path.abspath(ask.weights) if ask.weights else None,
        )

    def _update_psa(self) -> None:
        """Where a manifest says another PSA of a finished case by now, its row follows; the contours stay."""
        for case in self.request.cases:
            row = dict(self.folder.table[case.id])
            if row.get("status") != DONE:
                continue
            updated = _noted(row, case.note)
            if case.psa_ng_ml is not None and float(row.get("psa_ng_ml") or -1) != case.psa_ng_ml:
                gland = float(row.get("gland_ml") or 0)
                density = round(case.psa_ng_ml / gland, 3) if gland else ""
                updated |= {"psa_ng_ml": case.psa_ng_ml, "psa_density": density}
            if updated != row:
                self.folder.end([(case, updated)])

    def _publish(self) -> None:
        """Bring table and summary up to date."""
        from proseg.batch.summary import write_summary

        self.folder.fold()
        write_summary(self.folder.table, self.request.output)


def _noted(row: Row, note: str) -> dict[str, str | float]:
    """A row whose sentence ends with a note about the manifest, in place of an earlier one."""
    said = str(row.get("sentence", "")).partition(NOTE)[0].strip()
    if note or said != str(row.get("sentence", "")):
        return {**row, "sentence": f"{said} {NOTE}{note}".strip() if note else said}
    return dict(row)


def needs_a_look(row: Row) -> bool:
    """Whether a row tells of a flag that asks for a look before use."""
    return any(int(row.get(f"{severity}_flags") or 0) for severity in ("critical", "warning"))


def in_words(row: Row) -> str:
    """A finished case in a line."""
    found = "no prostate found"
    if row.get("gland_found") == "yes":
        found = f"PZ {float(row['pz_ml']):.1f} mL, CG {float(row['cg_ml']):.1f} mL"
    look = ", to look at" if needs_a_look(row) else ""
    return f"done in {float(row['seconds']):.1f} s, {found}{look}"


def _refuse_to_harm_inputs(ask: Request) -> None:
    """Raise OutputError where results would replace an input, or be taken for one the next time."""
    output = os.path.realpath(ask.output)
    labelmaps = [ending for ending in ask.layout.formats if ending != SEGMENTATION_ENDING]
    if labelmaps and any(path.is_dir() and os.path.realpath(path) == output for path in ask.inputs):
        raise OutputError(
            f"{ask.output} is the input folder: the next time its {labelmaps[0]} files would be taken for images.",
            f"Choose another output folder, or only --format {SEGMENTATION_ENDING}.",
        )
    inputs = {os.path.realpath(case.path) for case in ask.cases if os.path.realpath(case.path.parent) == output}
    if inputs:
        for case in ask.cases:
            for path in ask.layout.targets(Path(output), case.id):
                if str(path) in inputs:
                    raise OutputError(
                        f"{path.name} is an input.", "Inputs are never overwritten: choose another folder."
                    )
