"""Tables of results: groups, worst cases, two readers, undefined values."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

from training.judge.metrics import BETWEEN_READERS, MetricRow
from training.judge.report_tables import summarise, write_csv

ROW = MetricRow("c1", "A", 0, "PZ", "whole", 0.8, 0.7, 3.0, 1.0, -2.0, -10.0, 20.0, False)


ROWS = [
    ROW,
    replace(ROW, case="c2", source="B", fold=1, dice=0.6),
    replace(ROW, case="c3", source="B", fold=1, dice=0.0, hd95_mm=math.nan, asd_mm=math.nan, missed=True),
    replace(ROW, region="apex", dice=0.5),
    replace(ROW, case="c2", source="B", fold=1, region="apex", dice=math.nan, recall=math.nan, truth_ml=0.0),
]


def test_the_csv_holds_every_row_with_undefined_values_empty(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_csv(ROWS, path)
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["case"] for line in lines] == [row.case for row in ROWS]
    assert (lines[0]["dice"], lines[0]["missed"], lines[2]["hd95_mm"], lines[2]["missed"]) == ("0.8", "0", "", "1")
    assert list(tmp_path.iterdir()) == [path]


def test_the_summary_gives_mean_and_spread_in_groups_and_the_worst_case() -> None:
    text = summarise(ROWS)
    assert "| PZ | 3 | 0.467 ± 0.416 | 0.000 | 0.700 ± 0.000 | 3.0 ± 0.0 |" in text  # the missed one has no distance
    assert "| B | PZ | 2 | 0.300 ± 0.424 | 0.000 | 0.700 ± 0.000 | 3.0 | 1.00 | -2.0 ± 0.0 | -10.0 ± 0.0 | 1 |" in text
    assert "| 0 | PZ | 1 | 0.800 |" in text
    assert "| PZ | apex | 1 | 0.500 |" in text  # the other has no apex of this structure
    assert "| PZ | c3 | B | 20.0 | 0.000 | 0.700 | – | – |" in text
    for line in text.splitlines():
        assert not line.startswith("|") or line.endswith("|")


def test_the_gland_is_told_apart_by_whether_its_case_has_zones() -> None:
    glands = [replace(ROW, structure="gland", dice=0.9), replace(ROW, case="c0", structure="gland", dice=0.7)]
    all_cases = summarise([*ROWS, *glands]).partition("## Per source")[0]
    lines = [line for line in all_cases.splitlines() if line.startswith("| gland")]
    assert lines[0].startswith("| gland, cases with zones | 1 | 0.900 |")
    assert lines[1].startswith("| gland, other cases | 1 | 0.700 |")


def test_the_ends_of_the_gland_are_told_with_and_without_sign() -> None:
    about = {"structure": "gland", "dice": 0.9}
    glands = [
        replace(ROW, case=f"c{n}", apex_slices=apex, base_slices=1.0, **about) for n, apex in ((1, -2.0), (2, 1.0))
    ]
    glands += [replace(glands[0], region="apex", dice=0.7), replace(glands[0], region="base", dice=0.6)]
    text = summarise([*ROWS, *glands]).partition("## Where the gland begins and ends")[2].partition("##")[0]
    assert "| all | 2 | -0.50 ± 2.12 | 1.50 ± 0.71 | 0.700 | 1.00 ± 0.00 | 1.00 ± 0.00 | 0.600 |" in text


def test_a_thin_peripheral_zone_is_told_apart() -> None:
    glands = [replace(ROW, case=f"c{n}", structure="gland", dice=0.9, truth_ml=ml) for n, ml in ((1, 40.0), (2, 200.0))]
    thin = summarise([*ROWS, *glands]).partition("## Where the PZ is a thin rim")[2].partition("##")[0]
    lines = [line for line in thin.splitlines() if line.startswith("| ")][2:]
    assert lines[0].startswith("| below 13% of the gland | 1 | 0.600 |")
    assert lines[1].startswith("| 13% or more | 1 | 0.800 |")  # of the third the gland is unknown


def test_two_readers_are_told_apart_and_only_the_first_counts_elsewhere() -> None:
    more = [
        replace(ROW, dice=0.1, reader=2),
        replace(ROW, dice=0.77, reader=BETWEEN_READERS),
        replace(ROW, region="apex", dice=0.2, reader=2),
    ]
    text = summarise([*ROWS, *more])
    assert "| PZ | contours and reader 1 | 1 | 0.800 | 0.800 |" in text  # of the other cases none was read twice
    assert "| PZ | contours and reader 2 | 1 | 0.100 | 0.100 |" in text
    assert "| PZ | reader 2 and reader 1 | 1 | 0.770 | 0.770 |" in text
    assert text.partition("## Against two readers")[0] in summarise(ROWS)


def test_the_order_of_rows_does_not_change_the_summary() -> None:
    assert summarise(ROWS[::-1]) == summarise(ROWS)


def test_no_rows_give_no_tables() -> None:
    assert summarise([]) == "No results.\n"
