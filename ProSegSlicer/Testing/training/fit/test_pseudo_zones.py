from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from proseg.labels import CG, PZ
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.data.preprocess import Arrays, load, save
from training.fit import pseudo_zones

SHAPE = (4, 32, 32)
BOX = (slice(0, 4), slice(8, 24), slice(4, 28))


class BackIsPeripheral:
    """Networks that see the peripheral zone in the posterior half of what they look at, and much gland beside it."""

    def predict(self, array: np.ndarray, grid: Any) -> SimpleNamespace:
        assert array.shape == SHAPE
        assert [axis.count for axis in grid] == list(SHAPE)
        probabilities = np.zeros((3, 4, 16, 24), np.float32)
        probabilities[CG, :, :8], probabilities[PZ, :, 8:] = 1, 1
        return SimpleNamespace(probabilities=probabilities, box=BOX)


def make_case(label: int) -> Arrays:
    labels = np.zeros((1, *SHAPE), np.uint8)
    labels[:, 1:3, 10:22, 2:26] = label  # reaches out of the box at one side
    return Arrays("c", "A", "p", np.zeros(SHAPE, np.float16), labels, 3.0)


def test_zones_fill_the_experts_outline_and_nothing_else() -> None:
    case = make_case(GLAND_UNKNOWN_ZONE)
    found = pseudo_zones.with_zones(case, BackIsPeripheral())
    assert found.zonal
    np.testing.assert_array_equal(found.labels > 0, case.labels > 0)
    assert np.all(found.labels[0, 1:3, 16:22, 4:26] == PZ)
    assert np.all(found.labels[0, 1:3, 10:16, 2:26] == CG)


def test_gland_that_the_networks_did_not_look_at_is_central() -> None:
    found = pseudo_zones.with_zones(make_case(GLAND_UNKNOWN_ZONE), BackIsPeripheral())
    assert np.all(found.labels[0, 1:3, 10:22, 2:4] == CG)


def test_zones_drawn_by_an_expert_stay_as_they_are() -> None:
    case = make_case(PZ)
    assert pseudo_zones.with_zones(case, BackIsPeripheral()) is case


def test_the_command_makes_a_folder_to_train_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "arrays").mkdir()
    save(make_case(GLAND_UNKNOWN_ZONE), tmp_path / "arrays")
    monkeypatch.setattr(pseudo_zones, "load_model", lambda path: None)
    monkeypatch.setattr(pseudo_zones, "Pipeline", lambda model, device: BackIsPeripheral())
    monkeypatch.setattr(
        sys, "argv", ["x", "--weights", "w.pt", "--arrays", str(tmp_path / "arrays"), "--out", str(tmp_path / "out")]
    )
    pseudo_zones.main()
    (case,) = load(tmp_path / "out")
    assert case.zonal
    assert set(np.unique(case.labels)) == {0, PZ, CG}
