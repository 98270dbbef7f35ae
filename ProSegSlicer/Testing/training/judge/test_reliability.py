"""The calibration error and its diagram."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from Testing.made_outcomes import make_case

from proseg.model.calibration import Calibration
from training.judge.calibration import judge
from training.judge.reliability import Bins, bins, draw


def test_the_error_is_the_mean_gap_between_said_and_true() -> None:
    part = bins(np.array([0.1, 0.1, 0.9]), np.array([0.0, 1.0, 1.0]), np.array([1.0, 1.0, 2.0]))
    assert part.ece == pytest.approx((2 * 0.4 + 2 * 0.1) / 4)
    assert np.isnan(bins(np.zeros(0), np.zeros(0), np.zeros(0)).ece)


def test_the_diagram_shows_both_curves() -> None:
    some = Bins(np.array([0.2, 0.8]), np.array([0.3, 0.7]), np.array([1.0, 3.0]))
    other = replace(some, true=np.array([0.2, 0.8]))
    outcomes = [make_case(0)]
    judged = judge(outcomes, {"c0": Calibration()})
    picture = np.asarray(draw(replace(judged, gland=some), replace(judged, gland=other)))
    same = np.asarray(draw(replace(judged, gland=some), replace(judged, gland=some)))
    assert picture.ndim == 3
    assert (picture != same).any()
