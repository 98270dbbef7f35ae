"""What can be compared: runs on what they held out, behind an honest locator, and the published whole-gland model."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk
from Testing.made_runs import TINY, make_data, make_locator, make_run

from proseg.errors import InputError
from proseg.model.network import ProSeg
from training.data.datasets import find_cases
from training.fit.train import parse
from training.judge.contenders import judge_run, judge_taps, recipe, runs_below


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("contenders"))


@pytest.fixture
def locator(tmp_path: Path) -> Path:
    return make_locator(tmp_path / "locator.pt", ["made1"])


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
    other = make_locator(tmp_path / "other.pt", ["made0"])
    assert judge_run(run, find_cases(data), [locator, other], "cpu").rows


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
