"""One table of all contenders: pooled over folds, judged on held-out cases, with the published model beside them."""

from __future__ import annotations

import csv
import json
import stat
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk
import torch

from proseg.errors import InputError
from proseg.model.network import NetworkConfig, ProSeg
from proseg.model.weights import save_model
from proseg.phantom import make_phantom
from training.data.datasets import find_cases
from training.fit.train import parse
from training.judge import compare
from training.judge.compare import difference, line, page, pooled, shared_cases
from training.judge.contenders import Judged, judge_run, judge_taps, recipe, runs_below
from training.judge.metrics import MetricRow

TINY = NetworkConfig(widths=(8, 8, 8, 8), depths=(1, 1, 1, 1), strip=3)


def row(case: str, dice: float, structure: str = "gland", fold: int = 0, **more: object) -> MetricRow:
    return MetricRow(case, "A", fold, structure, "whole", dice, 0.9, 4.0, 1.0, 0.0, 0.0, 40.0, False, **more)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two generated cases in the layout of the project's data: one with zones, one with its gland only."""
    root, lines = tmp_path / "data", ["case,group"]
    for number, group in enumerate(("zonal", "gland")):
        folder = root / group / f"made{number}"
        folder.mkdir(parents=True)
        made = make_phantom(number, size=(72, 72, 8), spacing=(1.8, 1.8, 7.0))
        sitk.WriteImage(made.image, folder / "t2.nii.gz")
        labels = made.zones if group == "zonal" else made.zones > 0
        sitk.WriteImage(labels, folder / f"{'zones' if group == 'zonal' else 'gland'}.nii.gz")
        lines.append(f"made{number},{group}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def locator(tmp_path: Path) -> Path:
    save_model(tmp_path / "locator.pt", ProSeg(TINY), ProSeg(TINY), "Made", "0", ["made1"])
    return tmp_path / "locator.pt"


def make_run(folder: Path, held_out: list[str], *arguments: str) -> Path:
    folder.mkdir(parents=True)
    options = {key: str(v) if isinstance(v, Path) else v for key, v in vars(parse(["--out", "x", *arguments])).items()}
    made = {"network": TINY.to_dict(), "options": options, "learned": [], "held_out": held_out}
    (folder / "run.json").write_text(json.dumps(made))
    average = {f"module.{key}": value for key, value in ProSeg(TINY).state_dict().items()}
    torch.save({"average": average, "step": 6, "spent": 1.0}, folder / "checkpoint.pt")
    return folder


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ([], "full"),
        (["--fold", "3", "--minutes", "7", "--float32"], "full"),
        (["--without", "gate"], "without gate"),
        (["--norm", "batch"], "norm batch"),
        (["--focal", "0"], "focal 0"),
        (["--no-partial"], "no partial"),
        (["--network", "segmamba", "--cases", "16"], "segmamba, cases 16"),
    ],
)
def test_a_run_is_named_by_what_sets_it_apart(arguments: list[str], name: str) -> None:
    assert recipe(vars(parse(["--out", "x", *arguments]))) == name


def test_runs_are_found_below_a_folder_once_they_have_saved(tmp_path: Path) -> None:
    make_run(tmp_path / "b" / "fold0", [])
    make_run(tmp_path / "a" / "fold1", [])
    (tmp_path / "b" / "fold0" / "checkpoint.pt").unlink()
    assert runs_below(tmp_path) == [tmp_path / "a" / "fold1"]


def test_a_run_is_judged_on_what_it_held_out_and_read_back_the_second_time(
    data: Path, locator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "runs" / "full", ["made0"], "--fold", "2")
    cases = find_cases(data)
    judged = judge_run(run, cases, [locator], "cpu")
    assert {(one.case, one.fold) for one in judged.rows} == {("made0", 2)}
    assert judged.name == "full"
    assert judged.patches == 6
    assert judged.parameters == sum(p.numel() for p in ProSeg(TINY).parameters())
    assert len(judged.seconds) == 1
    monkeypatch.setattr("training.judge.contenders.network_of_run", lambda run: pytest.fail("it was judged again"))
    assert str(judge_run(run, cases, [locator], "cpu")) == str(judged)  # as text, for nan is not equal to itself
    with pytest.raises(pytest.fail.Exception, match="judged again"):
        judge_run(run, cases, [locator], "cpu", again=True)


def test_a_locator_that_knows_a_held_out_case_is_passed_over_or_refused(
    data: Path, locator: Path, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "runs" / "full", ["made1"])
    with pytest.raises(InputError, match="Every locator has learned"):
        judge_run(run, find_cases(data), [locator], "cpu")
    save_model(tmp_path / "other.pt", ProSeg(TINY), ProSeg(TINY), "Made", "0", ["made0"])
    assert judge_run(run, find_cases(data), [locator, tmp_path / "other.pt"], "cpu").rows


def stand_in(folder: Path) -> Path:
    """A Python that has a package ``taps``, which finds the whole image or, in made1, nothing."""
    package = folder / "site" / "taps"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "inference.py").write_text(
        "import SimpleITK as sitk\n"
        "class BlankMaskError(RuntimeError): pass\n"
        "class Network:\n"
        "    def parameters(self): return [self, self]\n"
        "    def numel(self): return 8\n"
        "def build_model(device): return Network()\n"
        "def segment(image, mask, checkpoint, device, exact=False):\n"
        "    image = sitk.ReadImage(image)\n"
        "    if sitk.GetArrayViewFromImage(image).mean() > LIMIT: raise BlankMaskError\n"
        "    sitk.WriteImage(sitk.Cast(image > -1, sitk.sitkUInt8), mask)\n"
    )
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder / "site"}" exec "{sys.executable}" "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IEXEC)
    return python


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
def test_taps_is_judged_on_the_gland_and_asked_once_a_case(data: Path, tmp_path: Path) -> None:
    python, cache, cases = stand_in(tmp_path), tmp_path / "cache", find_cases(data)
    means = {case.id: float(sitk.GetArrayFromImage(sitk.ReadImage(case.image)).mean()) for case in cases}
    blank = max(means, key=means.__getitem__)
    module = tmp_path / "site" / "taps" / "inference.py"
    module.write_text(module.read_text().replace("LIMIT", str(sum(means.values()) / 2)))
    judged = judge_taps(python, cases, cache)
    assert judged.parameters == 16
    assert {one.structure for one in judged.rows} == {"gland"}
    found = {one.case: one for one in judged.rows if one.region == "whole"}
    assert found[blank].dice == 0
    assert found[blank].missed
    (other,) = set(means) - {blank}
    assert 0 < found[other].dice < 0.5
    assert found[other].recall == 1
    module.write_text("raise SystemExit")  # it shall not be needed again
    assert str(judge_taps(python, cases, cache)) == str(judged)


def test_a_python_without_taps_is_said_in_one_sentence(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no lavlab-taps"):
        judge_taps(Path(sys.executable), find_cases(data), tmp_path)


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


def test_the_command_writes_the_table_and_the_rows(
    data: Path, locator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
