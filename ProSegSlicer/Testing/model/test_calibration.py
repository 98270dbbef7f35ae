"""What probabilities are worth: read anew, without moving a single label."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proseg.errors import WeightsError
from proseg.model.calibration import Calibration
from proseg.model.network import NetworkConfig, ProSeg
from proseg.model.weights import load_model, save_model
from proseg.segmentation.cleanup import raw_labels

TINY = NetworkConfig(widths=(8, 8, 8, 8), depths=(1, 1, 1, 1), strip=3)
TEMPERATURES = st.floats(0.3, 4.0)


def some_probabilities(seed: int = 0, sharpness: float = 2.0) -> np.ndarray:
    logits = sharpness * np.random.default_rng(seed).standard_normal((3, 4, 5, 6))
    return (np.exp(logits) / np.exp(logits).sum(axis=0)).astype(np.float32)


def test_without_a_calibration_everything_stays_as_the_network_says_it() -> None:
    probabilities = some_probabilities()
    plain = Calibration()
    assert plain.probabilities(probabilities) is probabilities
    assert (plain.slice_dice(0.62), plain.absence(1.0)) == (0.62, 1.0)


@settings(max_examples=30, deadline=None)
@given(TEMPERATURES, TEMPERATURES, st.integers(0, 1000))
def test_no_calibration_moves_a_label_or_breaks_a_sum(gland: float, zones: float, seed: int) -> None:
    probabilities = some_probabilities(seed)
    read = Calibration(gland=gland, zones=zones).probabilities(probabilities)
    np.testing.assert_allclose(read.sum(axis=0), 1, atol=1e-5)
    decided = np.abs(probabilities[0] - 0.5) > 1e-5
    np.testing.assert_array_equal(raw_labels(read)[decided], raw_labels(probabilities)[decided])


def test_a_temperature_above_one_takes_certainty_away_from_the_gland_alone() -> None:
    probabilities = some_probabilities()
    read = Calibration(gland=2.0).probabilities(probabilities)
    zones, read_zones = probabilities[1:].sum(axis=0), read[1:].sum(axis=0)
    assert (np.abs(read_zones - 0.5) <= np.abs(zones - 0.5) + 1e-6).all()
    np.testing.assert_allclose(read[1] / read_zones, probabilities[1] / zones, rtol=1e-3)
    np.testing.assert_allclose(read_zones, 1 / (1 + np.sqrt((1 - zones) / zones)), rtol=1e-3)


def test_certain_probabilities_stay_finite() -> None:
    certain = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
    read = Calibration(gland=3.0, zones=0.5, slices=(1.0, 2.0)).probabilities(certain)
    assert np.isfinite(read).all()
    assert read.argmax(axis=0).ravel().tolist() == [0, 1, 2]


def test_slices_are_read_along_their_own_lines() -> None:
    calibration = Calibration(slices=(-1.0, 1.0), beyond=(0.0, 2.0))
    assert calibration.slice_dice(0.5) == pytest.approx(1 / (1 + np.e))
    assert calibration.absence(0.8) == pytest.approx(16 / 17)


def test_it_survives_json() -> None:
    calibration = Calibration(gland=1.2, zones=0.9, slices=(0.1, 1.1), beyond=(-0.4, 0.7), least=0.8)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration


@pytest.mark.parametrize(
    "values", [{"gland": 0}, {"zones": -1}, {"slices": [1]}, {"least": "high"}, {"gland": float("nan")}, {"heat": 1}]
)
def test_nonsense_is_refused(values: dict) -> None:
    with pytest.raises((TypeError, ValueError)):
        Calibration.from_dict(values)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    save_model(tmp_path / "made.pt", ProSeg(TINY), ProSeg(TINY), "Made", "0", [])
    return tmp_path / "made.pt"


def write_calibration(weights: Path, values: object) -> None:
    card = weights.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | {"calibration": values}))


def test_weights_bring_their_calibration(weights: Path) -> None:
    assert load_model(weights).calibration == Calibration()
    write_calibration(weights, {"gland": 1.5, "beyond": [0.2, 0.8]})
    assert load_model(weights).calibration == Calibration(gland=1.5, beyond=(0.2, 0.8))


@pytest.mark.parametrize("values", [{"gland": 0}, [1, 2], "warm"])
def test_a_damaged_calibration_is_said_in_one_sentence(weights: Path, values: object) -> None:
    write_calibration(weights, values)
    with pytest.raises(WeightsError, match=r"calibration in .* is damaged"):
        load_model(weights)
