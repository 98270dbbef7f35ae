"""One table of all contenders: pooled over folds, judged on held-out cases, with the published model beside them."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest
from Testing.made_runs import make_data, make_locator, make_run

from training.judge import compare
from training.judge.compare import difference, line, page, pooled, shared_cases
from training.judge.contenders import Judged
from training.judge.metrics import MetricRow


def row(case: str, dice: float, structure: str = "gland", fold: int = 0, **more: object) -> MetricRow:
    return MetricRow(case, "A", fold, structure, "whole", dice, 0.9, 4.0, 1.0, 0.0, 0.0, 40.0, False, **more)


def test_folds_of_one_recipe_are_pooled() -> None:
    runs = [
        Judged("full", 10, 300, [row("a", 0.9)], [1.0]),
        Judged("unet", 20, 300, [row("a", 0.8)], [2.0]),
        Judged("full", 10, 280, [row("b", 0.7, fold=1)], [3.0]),
    ]
    whole = pooled(runs)
    assert [(one.name, one.patches, len(one.rows), one.seconds) for one in whole] == [
        ("full", 280, 2, [1.0, 3.0]),
        ("unet", 300, 1, [2.0]),
    ]


def test_a_line_gives_accuracy_size_and_speed() -> None:
    rows = [
        row("a", 0.9), row("b", 0.7, fold=1), row("a", 0.8, "PZ"), row("a", 0.85, "CG"),
        row("a", 0.1, reader=2), row("a", float("nan"), "PZ", fold=1),
    ]  # fmt: skip
    cells = line(Judged("full", 2_300_000, 300, rows, [1.0, 9.0, 2.0]))
    assert cells == [
        "full",
        "0, 1",
        "2",
        "0.800 ± 0.141",
        "0.700",
        "0.850",
        "0.800",
        "4.0 ± 0.0",
        "2.30",
        "300",
        "2.00",
    ]


def test_the_command_writes_the_table_and_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, locator = make_data(tmp_path), make_locator(tmp_path / "locator.pt", ["made1"])
    make_run(tmp_path / "runs" / "full" / "fold0", ["made0"])
    make_run(tmp_path / "runs" / "no-gate" / "fold0", ["made0"], "--without", "gate")
    out = tmp_path / "out"
    arguments = ["--data", str(data), "--runs", str(tmp_path / "runs"), "--locator", str(locator), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["compare", *arguments, "--device", "cpu"])
    compare.main()
    with (out / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(one["contender"], one["case"]) for one in rows} == {("full", "made0"), ("without gate", "made0")}
    text = (out / "comparison.md").read_text()
    assert "\n| full | 0 | 1 |" in text
    assert "\n| without gate | 0 | 1 |" in text


def test_what_all_runs_have_in_common_is_said_once() -> None:
    names = ("progressive, patches 1", "unet, progressive, patches 1", "progressive, patches 1, without gate")
    runs = [Judged(name, 1, 9, [row("a", 0.9)], [1.0]) for name in names]
    taps = Judged("TAPS (lavlab-taps), as published", 1, None, [row("a", 0.9)], [1.0])
    shown = page([*runs, taps])
    assert "All runs had in common: progressive, patches 1." in shown
    table = shown.partition("## Differences")[0].rstrip().splitlines()
    assert [cells.split(" | ")[0] for cells in table[-4:]] == [
        "| full",
        "| unet",
        "| without gate",
        "| TAPS (lavlab-taps), as published",
    ]


def test_a_run_alone_keeps_its_whole_name() -> None:
    shown = page([Judged("without gate", 1, 9, [row("a", 0.9)], [1.0])])
    assert "| without gate |" in shown
    assert "in common" not in shown


def test_what_is_slow_is_judged_on_the_cases_that_all_share() -> None:
    both, one, other = (Judged("x", 1, 9, [row(case, 0.9) for case in cases], [1.0]) for cases in ("ab", "a", "c"))
    assert shared_cases([both, one]) == {"a"}
    assert shared_cases([both, other]) == {"a", "b", "c"}
    assert shared_cases([]) == set()


def test_differences_are_taken_case_by_case() -> None:
    full = Judged("full", 1, 9, [row("a", 0.9), row("b", 0.7), row("c", 0.1)], [1.0])
    other = Judged("unet", 1, 9, [row("b", 0.8), row("a", 0.9), row("d", 0.99)], [1.0])
    assert difference(other, full) == ["unet", "+0.050 ± 0.050", "–", "–"]
    assert "| unet | +0.050 ± 0.050 |" in page([full, other])
    assert "Differences" not in page([other])


def test_the_page_warns_of_what_taps_may_have_learned_from() -> None:
    assert "What `lavlab-taps` has learned from is not stated" in page([Judged("full", 1, 1, [row("a", 0.9)], [1.0])])
