"""Two evaluations compared case by case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from proseg.errors import InputError
from training.judge.metrics import evaluate_case
from training.judge.paired import comparison, read
from training.judge.report_tables import write_csv

TRUTH = np.zeros((9, 12, 12), np.uint8)
TRUTH[1:8, 2:6, 2:10], TRUTH[1:8, 6:10, 2:10] = 2, 1


def evaluated(path: Path, cases: dict[str, int], reader: int = 1) -> Path:
    """A table of cases whose gland is drawn so many slices of 3 mm too short at the apex."""
    rows = []
    for case, short in cases.items():
        found = TRUTH.copy()
        found[: 1 + short] = 0
        rows += evaluate_case(TRUTH, found, (3.0, 1.0, 1.0), case=case, reader=reader)
    write_csv(rows, path)
    return path


def lines(text: str) -> dict[str, list[str]]:
    return {cells[1]: cells[2:-1] for line in text.splitlines() if (cells := [c.strip() for c in line.split("|")])}


def test_a_shorter_gland_differs_in_its_apex_and_nowhere_else(tmp_path: Path) -> None:
    before = read(evaluated(tmp_path / "a.csv", {"a": 0, "b": 0}))
    after = read(evaluated(tmp_path / "b.csv", {"a": 1, "b": 2}))
    found = lines(comparison(before, after))
    assert found["apex off by (slices)"] == ["2", "0.000", "1.500", "+1.5000 ± 0.5000", "+1.000", "+2.000"]
    assert found["apex too high (slices)"][2] == "1.500"
    assert found["gland, apex third"][1] == "1.000"
    assert float(found["gland, apex third"][2]) < 0.8
    assert found["gland, base third"][3] == "+0.0000 ± 0.0000"
    assert found["gland, cases with zones"][0] == "2"
    assert "gland, other cases" not in found


def test_only_cases_and_figures_that_both_have_count(tmp_path: Path) -> None:
    before = read(evaluated(tmp_path / "a.csv", {"a": 0, "b": 0}))
    after = read(evaluated(tmp_path / "b.csv", {"b": 1, "c": 0}))
    assert lines(comparison(before, after))["PZ"][0] == "1"
    missed = read(evaluated(tmp_path / "c.csv", {"a": 7, "b": 1}))
    found = lines(comparison(before, missed))
    assert (found["PZ"][0], found["apex off by (slices)"][0]) == ("2", "1")


def test_a_second_reader_has_no_part_in_it(tmp_path: Path) -> None:
    assert read(evaluated(tmp_path / "a.csv", {"a": 0}, reader=2)) == {}


@pytest.mark.parametrize("text", ["", "case,dice\na,0.5\n"])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    if text:
        with pytest.raises(InputError, match="is no table of"):
            read(tmp_path / "a.csv")
    with pytest.raises(InputError, match="is no table of"):
        read(tmp_path / "missing.csv")
