"""A batch's output folder, the same for every batch: what in it is done, what is not, and how both become known.

One run at a time writes into it. A case's files appear first and its row after them; that it has begun is noted before
either, so that a run that was killed knows its own unfinished files from somebody else's.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from proseg.batch.journal import JOURNAL, LOCK, Journal, Lock
from proseg.batch.table import DONE, FAILED, STAMP, Row, Table
from proseg.errors import OutputError
from proseg.outputs.writing import check_target
from proseg.reading.cases import Found
from proseg.system.atomic import trouble

TABLE = "results.csv"
LISTED = 3  # files named in one sentence
FOLD_S, FOLD_SHARE = 15.0, 0.02  # the table is written anew no oftener than this, nor for more of the time than this
# What ``OutputSet`` leaves behind where it is killed.
_LEFTOVER = re.compile(r"\..{0,160}\.[a-z0-9_]{8}\.tmp(\.[a-z.]+)?")


class OutputFolder:
    """Table, journal and lock of an output folder. A context manager: locked inside it, and the table whole after it.

    Args:
        path: the folder; made if it is not there.
        cases: those of this run, in order.
        rooms: folders within it that files of cases go to as well.
        lock: whether to lock it; without, the caller sees to it that no other run writes there.

    Raises:
        OutputError: another run writes into it, or it cannot be written to.
        InputError: it holds a ``results.csv`` that is something else.
    """

    def __init__(self, path: Path, cases: Sequence[Found], rooms: Sequence[str] = (), lock: bool = True) -> None:
        self.path = path
        self._ids = [case.id for case in cases]
        self._rooms = rooms
        self._lock = Lock(path / LOCK) if lock else None
        self._made = self._changed = False
        self._folded, self._fold_took = -math.inf, 0.0  # the first row shall be seen at once

    def __enter__(self) -> OutputFolder:
        check_target(self.path / TABLE, endings=(".csv",))
        self._made = not self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise trouble(self.path, error) from error
        try:
            if self._lock:
                self._lock.acquire()
            self._remove_leftovers()
            self.table = Table(self.path / TABLE, self._ids)
            self._journal = Journal(self.path / JOURNAL)
            for name, row in self._journal.rows.items():
                self.table[name] = row
            self._changed = bool(self._journal.rows)
            if self._changed:
                self.fold()
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            self.fold()
        except OutputError:
            if kind is None:
                raise
        finally:
            self._let_go()

    def to_make(self, case: Found, targets: Iterable[Path], overwrite: bool) -> list[Path]:
        """Those of a case's files that this run makes: all, or of a finished case what is missing or unfinished."""
        keep = self.table.is_done(case.id) and not overwrite
        unfinished = self._journal.begun.get(case.id, ())
        return [path for path in targets if not (keep and path.exists() and self._name(path) not in unfinished)]

    def refuse_to_replace(self, cases: Iterable[tuple[Found, Sequence[Path]]]) -> None:
        """Find out before any work whether there is something in the way: files that no row or begun case tells of.

        Args:
            cases: each with its files.

        Raises:
            OutputError: there is.
        """
        strangers: list[str] = []
        for case, targets in cases:
            unfinished = self._journal.begun.get(case.id, ())
            existing = [path.name for path in targets if path.exists() and self._name(path) not in unfinished]
            if existing and not (self.table.is_done(case.id) and self.table.is_about(case)):
                strangers += existing
        if strangers:
            more = f" and {len(strangers) - LISTED} more" if len(strangers) > LISTED else ""
            raise OutputError(
                f"{self.path} already holds {', '.join(strangers[:LISTED])}{more}, not made from these images.",
                "Choose another output folder, or give --overwrite to replace them.",
            )

    def begin(self, cases: Iterable[tuple[Found, Iterable[Path]]]) -> None:
        """Note that these files of cases are being made; to be called before any of them can appear.

        Raises:
            OutputError: it cannot be noted.
        """
        self._journal.begin({case.id: [self._name(path) for path in files] for case, files in cases})

    def end(self, rows: Iterable[tuple[Found, Row]], unsettled: Iterable[Found] = ()) -> None:
        """Give cases their rows; to be called after their files appeared.

        Args:
            rows: each case's.
            unsettled: cases whose worker died, maybe between two files: what is there may be replaced.

        Raises:
            OutputError: they cannot be written.
        """
        rows = [(case, {**row, "id": case.id}) for case, row in rows]
        self._journal.end((row for _, row in rows), (case.id for case in unsettled))
        for case, row in rows:
            self.table[case.id] = row
        self._changed = self._changed or bool(rows)

    def failure(self, case: Found, targets: Iterable[Path], sentence: str, seconds: float, stamp: str) -> Row:
        """The row of a case that failed: a result that it had before outlives the failure, and the row says so."""
        before = self.table[case.id]
        if before.get("status") == DONE and any(path.exists() for path in targets):
            return {**before, "sentence": f"This result is from before; doing it again failed: {sentence}"}
        return {"status": FAILED, "seconds": seconds, "sentence": sentence, STAMP: stamp}

    def without_folders(self, sentence: str, case: Found) -> str:
        """A sentence for the table, which travels: folders may be named after patients and people."""
        return without_folders(sentence, case, self.path)

    def fold(self) -> None:
        """Write the table, and begin the journal anew.

        Raises:
            OutputError: the disk is full, or the folder cannot be written to.
        """
        began = time.monotonic()
        if self._changed:
            self.table.write()
        self._journal.restart()
        self._changed = False
        self._folded = time.monotonic()
        self._fold_took = self._folded - began

    def fold_is_due(self) -> bool:
        """Whether it is time to fold: the larger the table, the seldomer."""
        return self._changed and time.monotonic() - self._folded > max(FOLD_S, self._fold_took / FOLD_SHARE)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def _remove_leftovers(self) -> None:
        """Remove the hidden temporary files of runs that were killed; nobody else writes here now."""
        for room in ("", *self._rooms):
            with suppress(OSError), os.scandir(self.path / room) as entries:
                for entry in entries:
                    if _LEFTOVER.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                        with suppress(OSError):
                            os.unlink(entry.path)

    def _let_go(self) -> None:
        if hasattr(self, "_journal"):
            self._journal.close()
        if self._lock:
            self._lock.release()
        if self._made:
            with suppress(OSError):  # what holds something stays
                self.path.rmdir()


def without_folders(sentence: str, case: Found, output: Path) -> str:
    """A sentence without the folders of a case and of its results; files within a case's folder keep their names."""
    for path in {case.path, Path(os.path.abspath(case.path)), Path(os.path.realpath(case.path))}:
        sentence = sentence.replace(str(path), case.id)
    for folder in {output, Path(os.path.abspath(output)), Path(os.path.realpath(output))}:
        sentence = sentence.replace(f"{folder}{os.sep}", "")
    return sentence
