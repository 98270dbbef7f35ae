"""The table of a batch, ``results.csv``: one row a case, from which a run that was stopped knows what is done."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from proseg.errors import InputError
from proseg.outputs.report import COLUMNS, to_csv
from proseg.system.atomic import write_text

if TYPE_CHECKING:
    from proseg.reading.cases import Found
    from proseg.system.atomic import OutputSet

DONE, FAILED = "done", "failed"
STAMP = "input_stamp"  # ``Found.stamp`` of the files that the row is about
CASE_COLUMNS = ("id", "status", "seconds", "sentence")
ALL_COLUMNS = (*CASE_COLUMNS, *COLUMNS, STAMP)

Row = Mapping[str, "str | float"]


class Table:
    """Rows by the case's id: those of this run in its order, then those that the file held of other cases.

    Args:
        path: the file; it need not exist.
        ids: the cases of this run, in order.

    Raises:
        InputError: the file is no such table.
    """

    def __init__(self, path: Path, ids: Sequence[str]) -> None:
        self.path = path
        # as JSON: a dictionary a row would take five times the memory, and a batch may have very many
        self._rows: dict[str, str] = dict.fromkeys(ids, "")
        if path.exists():
            self._rows |= {name: _packed(row) for name, row in self._read()}

    def __getitem__(self, name: str) -> Row:
        """A case's row, empty if it has none yet."""
        return json.loads(self._rows.get(name) or "{}")

    def __setitem__(self, name: str, row: Row) -> None:
        self._rows[name] = _packed({**row, "id": name})

    def __iter__(self) -> Iterator[Row]:
        """The rows there are, in order."""
        return (json.loads(row) for row in self._rows.values() if row)

    def is_done(self, name: str) -> bool:
        """Whether a case is done, as its row says."""
        return self[name].get("status") == DONE

    def is_about(self, case: Found) -> bool:
        """Whether a case's row is about the files that lie there now."""
        return self[case.id].get(STAMP) == case.stamp()

    def write(self, outputs: OutputSet | None = None) -> None:
        """Write the file whole or not at all; with ``outputs``, together with the other files of that set.

        Raises:
            OutputError: it cannot be written.
        """
        write_text(to_csv(self, ALL_COLUMNS), self.path, outputs)

    def _read(self) -> list[tuple[str, dict[str, str]]]:
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:  # a spreadsheet may have added the mark
                reader = csv.DictReader(file, strict=True)
                rows = [(row["id"], {name: row[name] for name in ALL_COLUMNS if row.get(name)}) for row in reader]
            if set(CASE_COLUMNS) <= set(reader.fieldnames or ()):
                return rows
        except (OSError, ValueError, KeyError, csv.Error):
            pass
        raise InputError(
            f"{self.path} is not a table of results, or is damaged.", "Move it away or choose another output folder."
        )


def _packed(row: Row) -> str:
    return json.dumps({name: value for name, value in row.items() if value not in ("", None)}, ensure_ascii=False)
