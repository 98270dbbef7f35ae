"""The table of a batch: what it keeps from run to run, and what it refuses to take for its own."""

from __future__ import annotations

import csv

import pytest

from proseg.batch.table import ALL_COLUMNS, DONE, FAILED, Table
from proseg.errors import InputError, OutputError
from proseg.system.atomic import OutputSet


def rows(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_written_in_the_order_of_the_cases_and_read_back(tmp_path):
    ids = ["a", 'ü, "b"\n', "c"]
    table = Table(tmp_path / "results.csv", ids)
    table["c"] = {"status": DONE, "seconds": 1.5, "pz_ml": 12.25, "gland_found": "yes"}
    table["a"] = {"status": FAILED, "sentence": "It has 2 slices, but 3 are needed."}
    table.write()
    assert [row["id"] for row in rows(table.path)] == ["a", "c"]
    assert tuple(rows(table.path)[0]) == ALL_COLUMNS
    again = Table(table.path, ids)
    assert [again.is_done(name) for name in (*ids, "unknown")] == [False, False, True, False]
    again[ids[1]] = {"status": DONE}
    again.write()
    assert [row["id"] for row in rows(table.path)] == ids
    assert (rows(table.path)[2]["pz_ml"], rows(table.path)[2]["gland_found"]) == ("12.25", "yes")


def test_rows_of_other_cases_stay_behind(tmp_path):
    table = Table(tmp_path / "results.csv", ["x", "y"])
    table["x"], table["y"] = {"status": DONE}, {"status": DONE}
    table.write()
    other = Table(table.path, ["y", "z"])
    other["z"] = {"status": FAILED}
    other.write()
    assert [row["id"] for row in rows(table.path)] == ["y", "z", "x"]


@pytest.mark.parametrize(
    "content", [b"", b"patient,psa\nann,4\n", b"\xff\xfe\x00", b'id,status\n"a', b"id,seconds,sentence\na,1,\n"]
)
def test_a_file_that_is_no_such_table_is_refused_and_stays(tmp_path, content):
    path = tmp_path / "results.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not a table of results"):
        Table(path, ["a"])
    assert path.read_bytes() == content


def test_a_table_that_went_through_a_spreadsheet_is_still_known(tmp_path):
    table = Table(tmp_path / "results.csv", ["a"])
    table["a"] = {"status": DONE}
    table.write()
    table.path.write_bytes(b"\xef\xbb\xbf" + table.path.read_bytes().replace(b"\r\n", b"\n"))
    assert Table(table.path, ["a"]).is_done("a")


def test_the_table_appears_together_with_other_files_or_not_at_all(tmp_path):
    table = Table(tmp_path / "results.csv", ["a"])
    table.write()
    before = table.path.read_bytes()
    table["a"] = {"status": DONE}

    def write_both() -> None:
        with OutputSet() as outputs:
            table.write(outputs)
            with outputs.file(tmp_path / "a.seg.nrrd"):
                raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="disk is full"):
        write_both()
    assert table.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]
