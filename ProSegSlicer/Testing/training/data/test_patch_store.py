"""Stores of patches: the same patches as without one, shared by trainings, filled while they learn."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from proseg.errors import InputError
from training.data import patch_store
from training.data.augment import Patches
from training.data.patch_store import StoredPatches, file_of
from training.data.preprocess import Arrays, save
from training.fit import train

COUNT = 10


def make_case(number: int) -> Arrays:
    random = np.random.default_rng(number)
    labels = np.zeros((1, 14, 40, 40), np.uint8)
    labels[:, 4:10, 12:28, 12:28] = 1 + number % 2
    image = random.random((14, 40, 40)).astype(np.float16)
    return Arrays(f"c{number}", "A", f"p{number}", image, labels, 3.0)


CASES = [make_case(number) for number in range(6)]


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    folder = tmp_path / "arrays"
    folder.mkdir()
    for case in CASES:
        save(case, folder)
    return folder


def fill(arrays: Path, store: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> None:
    where = ["--arrays", str(arrays), "--out", str(store), "--patches", str(COUNT), "--processes", "0"]
    monkeypatch.setattr(sys, "argv", ["patch_store", *where, *more])
    patch_store.main()


def test_a_training_gets_the_patches_it_would_have_made_itself(
    arrays: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(arrays, tmp_path / "store", monkeypatch)
    stored, made = StoredPatches(CASES, tmp_path / "store"), Patches(CASES, COUNT, 2026)
    assert len(stored) == COUNT
    for number in (0, 3, COUNT - 1):
        for one, other in zip(stored[number], made[number], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_a_training_gets_no_patch_of_a_case_it_holds_out(
    arrays: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(arrays, tmp_path / "store", monkeypatch)
    every, some = StoredPatches(CASES, tmp_path / "store"), StoredPatches(CASES[1:], tmp_path / "store")
    order = [Patches(CASES, COUNT, 2026).case(number).id for number in range(COUNT)]
    assert some.numbers == [number for number in every.numbers if order[number] != CASES[0].id]
    assert 0 < len(some) < COUNT
    later = StoredPatches(CASES[1:], tmp_path / "store", start=2)
    assert torch.equal(later[0][0], some[2][0])


def test_a_patch_that_is_not_there_yet_is_waited_for(
    arrays: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    fill(arrays, store, monkeypatch)
    path, late = file_of(store, 0), tmp_path / "late"
    path.replace(late)
    timer = threading.Timer(0.2, lambda: late.replace(path))
    timer.start()
    began = time.monotonic()
    assert StoredPatches(CASES, store)[0][0].ndim == 4
    assert time.monotonic() - began >= 0.1


def test_a_store_that_nobody_fills_is_told(arrays: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(arrays, tmp_path / "store", monkeypatch)
    file_of(tmp_path / "store", 0).unlink()
    monkeypatch.setattr(patch_store, "WAIT_SECONDS", 0.05)
    with pytest.raises(InputError, match="has not been made"):
        StoredPatches(CASES, tmp_path / "store")[0]


def test_filling_goes_on_where_it_was_stopped(arrays: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "store"
    fill(arrays, store, monkeypatch)
    kept, lost = file_of(store, 1), file_of(store, 2)
    before, content = kept.stat().st_mtime_ns, torch.load(lost)
    lost.unlink()
    fill(arrays, store, monkeypatch)
    assert kept.stat().st_mtime_ns == before
    assert torch.equal(torch.load(lost)[0], content[0])
    assert not list(store.glob("*.tmp"))


def test_a_folder_without_a_store_and_a_case_it_does_not_have_are_refused(
    arrays: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="is no store"):
        StoredPatches(CASES, tmp_path)
    fill(arrays, tmp_path / "store", monkeypatch)
    with pytest.raises(InputError, match="no patches of c9"):
        StoredPatches([*CASES, make_case(9)], tmp_path / "store")


def test_a_training_from_a_store_says_how_its_patches_look_and_ends_with_them(
    arrays: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(arrays, tmp_path / "store", monkeypatch, "--progressive")
    out = tmp_path / "run"
    learned = []

    class Noting(train.Trainer):
        def learn(self, patch: tuple) -> float:
            learned.append(patch[0].shape)
            return 0.0

    monkeypatch.setattr(train, "Trainer", Noting)
    arguments = ["--arrays", str(arrays), "--out", str(out), "--store", str(tmp_path / "store"), "--workers", "0"]
    monkeypatch.setattr(sys, "argv", ["train", *arguments, "--fold", "-1", "--patches", "3"])
    train.main()
    options = json.loads((out / "run.json").read_text())["options"]
    assert (options["progressive"], options["harsh"], options["budget_patches"]) == (True, False, COUNT)
    assert len(learned) == COUNT


def test_a_store_leaves_no_choice_of_how_patches_look(tmp_path: Path) -> None:
    for option in ("--harsh", "--progressive"):
        with pytest.raises(SystemExit):
            train.parse(["--out", str(tmp_path), "--store", str(tmp_path), option, "--budget-patches", "3"])
