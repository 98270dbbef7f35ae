"""Several folds trained side by side: each learns what it would have learned alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from proseg.errors import InputError
from proseg.model.network import NetworkConfig, ProSeg
from training.data import patch_store
from training.data.patch_store import StoredPatches, file_of
from training.data.preprocess import Arrays, load, save
from training.fit import side_by_side, train
from training.fit.export import averaged_network
from training.fit.side_by_side import SharedPatches
from training.fit.train import split

TINY = NetworkConfig(widths=(8, 8, 8, 8), depths=(1, 1, 1, 1), strip=3)
CPU = torch.device("cpu")
COUNT = 12


def make_case(number: int) -> Arrays:
    random = np.random.default_rng(number)
    labels = np.zeros((1, 14, 48, 48), np.uint8)
    labels[:, 4:10, 12:36, 12:36] = 3 if number == 2 else 2
    labels[:, 4:10, 24:36, 12:36] = 3 if number == 2 else 1
    image = (0.2 * labels[0] + 0.1 * random.random(labels[0].shape)).astype(np.float16)
    return Arrays(f"c{number}", "A", f"p{number}", image, labels, 3.0)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Patches of six cases, one of them gland-only, and the cases beside them in ``arrays``."""
    arrays = tmp_path / "arrays"
    arrays.mkdir()
    for number in range(6):
        save(make_case(number), arrays)
    where = ["--arrays", str(arrays), "--out", str(tmp_path / "store"), "--patches", str(COUNT), "--processes", "0"]
    monkeypatch.setattr(sys, "argv", ["patch_store", *where, "--progressive"])
    patch_store.main()
    for module in (train, side_by_side):
        monkeypatch.setattr(module, "NetworkConfig", lambda: TINY)
    return tmp_path / "store"


def learn_together(store: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> Path:
    out = store.parent / "together"
    where = ["--arrays", str(store.parent / "arrays"), "--store", str(store), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["side_by_side", *where, "--patches", "6", *more])
    side_by_side.main()
    return out


def learn_alone(store: Path, monkeypatch: pytest.MonkeyPatch, fold: int, *more: str) -> Path:
    out = store.parent / f"alone{fold}"
    where = ["--arrays", str(store.parent / "arrays"), "--store", str(store), "--out", str(out)]
    steps = ["--fold", str(fold), "--budget-patches", "6", "--patches", "2", "--workers", "0"]
    monkeypatch.setattr(sys, "argv", ["train", *where, *steps, *more])
    train.main()
    return out


def far(one: ProSeg, other: ProSeg) -> float:
    """How far apart the weights of two networks are at most."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def test_each_fold_learns_what_it_learns_alone(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    how = ("--focal", "3", "--rate", "2e-3", "--float32")  # not the usual ones, so that both must be told
    together = learn_together(store, monkeypatch, "--folds", "0", "1", *how)
    torch.manual_seed(2026)
    start = ProSeg(TINY)
    networks = []
    for fold in (0, 1):
        alone = learn_alone(store, monkeypatch, fold, *how)
        mine, learned = averaged_network(together / f"fold{fold}")
        its, its_learned = averaged_network(alone)
        assert learned == its_learned
        assert far(mine, its) < 1e-6 < 1e-4 < far(mine, start)
        networks.append(mine)
    assert far(*networks) > 1e-5  # folds differ


def test_a_run_says_what_it_learned_from_and_how(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = learn_together(store, monkeypatch, "--folds", "1")
    run = json.loads((out / "fold1" / "run.json").read_text())
    some, others = split(load(store.parent / "arrays"), 1)
    assert (run["learned"], run["held_out"]) == (sorted(case.id for case in some), [case.id for case in others])
    asked = {key: run["options"][key] for key in ("fold", "patches", "focal", "progressive", "harsh")}
    assert asked == {"fold": 1, "patches": 6, "focal": 10.0, "progressive": True, "harsh": False}


def test_a_patch_is_let_go_when_every_training_has_taken_it(store: Path) -> None:
    every = StoredPatches(load(store.parent / "arrays"), store)
    takers = {0: every.numbers[:5], 1: every.numbers[2:8]}
    shared = SharedPatches(every, takers, CPU)
    shared.bring()
    assert sorted(shared.there) == every.numbers[:8]
    for numbers in takers.values():
        taken = list(shared.take(numbers))
        for (image, labels, slice_mm), number in zip(taken, numbers, strict=True):
            stored = every[every.numbers.index(number)]
            assert torch.equal(image, stored[0])
            assert torch.equal(labels, stored[1])
            assert slice_mm == stored[2]
    assert not shared.there


def test_a_store_that_nobody_fills_ends_all_trainings_with_its_sentence(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_of(store, 3).unlink()
    monkeypatch.setattr(patch_store, "WAIT_SECONDS", 0.05)
    with pytest.raises(InputError, match="has not been made"):
        learn_together(store, monkeypatch, "--folds", "-1", "0")
    assert not (store.parent / "together").exists()


def test_a_store_with_too_few_patches_is_refused_before_any_is_learned(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="patches for a fold"):
        learn_together(store, monkeypatch, "--folds", "0", "--patches", "12")
