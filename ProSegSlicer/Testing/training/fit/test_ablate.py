"""Schedules of trainings: what is run, in which order, and that what is finished is left alone."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from training.fit import ablate, train
from training.fit.ablate import CONFIGURATIONS, finished, parse, schedule


def names(arguments: list[str], out: Path) -> list[str]:
    return [run.out.relative_to(out).as_posix() for run in schedule(parse(["--out", str(out), *arguments]))]


def test_a_schedule_goes_fold_by_fold(tmp_path: Path) -> None:
    arguments = ["--patches", "10", "--folds", "0", "3", "--only", "full", "no-gate"]
    assert names(arguments, tmp_path) == ["full/fold0", "no-gate/fold0", "full/fold3", "no-gate/fold3"]


def test_the_default_schedule_has_every_part_switched_off_and_every_baseline(tmp_path: Path) -> None:
    runs = names(["--patches", "10", "--folds", "0"], tmp_path)
    assert {f"no-{part}/fold0" for part in ("directional", "cross-slice", "gate", "pyramid", "focal", "partial")} < set(
        runs
    )
    assert {"norm-group/fold0", "norm-batch/fold0", "unet/fold0", "swin_unetr/fold0", "segmamba/fold0"} < set(runs)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_command_is_one_that_training_takes(name: str, tmp_path: Path) -> None:
    options = parse(["--out", str(tmp_path), "--minutes", "2", "--only", name, "--", "--float32"])
    run = next(schedule(options))
    assert run.command[:3] == (sys.executable, "-m", "training.fit.train")
    taken = train.parse(list(run.command[3:]))
    assert (taken.out, taken.minutes, taken.fold, taken.float32) == (run.out, 2.0, 0, True)


def test_a_run_is_finished_when_its_budget_is_spent(tmp_path: Path) -> None:
    options = parse(["--out", str(tmp_path), "--patches", "10", "--folds", "0", "--only", "full"])
    (run,) = schedule(options)
    assert not finished(run, options)
    run.out.mkdir(parents=True)
    for step, done in ((8, False), (10, True)):
        torch.save({"step": step, "spent": 0.0}, run.out / "checkpoint.pt")
        assert finished(run, options) == done


def test_a_run_that_fails_does_not_stop_the_others_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = []

    def train_it(command: tuple[str, ...]) -> SimpleNamespace:
        ran.append(command)
        return SimpleNamespace(returncode=int("no-gate" in " ".join(command)))

    monkeypatch.setattr(subprocess, "run", train_it)
    arguments = ["--out", str(tmp_path), "--patches", "2", "--folds", "0", "--only", "no-gate", "full"]
    monkeypatch.setattr(sys, "argv", ["ablate", *arguments])
    with pytest.raises(SystemExit) as ended:
        ablate.main()
    assert ended.value.code
    assert len(ran) == 2
    assert "no-gate/fold0 failed" in capsys.readouterr().err.replace("\\", "/")


def test_trainings_run_side_by_side_when_asked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(2, timeout=20)  # neither passes before the other has come

    def train_it(command: tuple[str, ...]) -> SimpleNamespace:
        together.wait()
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", train_it)
    arguments = ["--out", str(tmp_path), "--patches", "2", "--folds", "0", "1", "--only", "full", "--parallel", "2"]
    monkeypatch.setattr(sys, "argv", ["ablate", *arguments])
    with pytest.raises(SystemExit) as ended:
        ablate.main()
    assert not ended.value.code


def test_a_dry_run_trains_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda command: pytest.fail("it trained"))
    monkeypatch.setattr(
        sys, "argv", ["ablate", "--out", str(tmp_path), "--patches", "2", "--only", "full", "--dry-run"]
    )
    with pytest.raises(SystemExit) as ended:
        ablate.main()
    assert not ended.value.code
