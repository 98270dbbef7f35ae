"""What is counted of a case: voxels by step of probability, slices by both zones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from Testing.made_outcomes import BOX, WHOLE, make_case

from proseg.model.calibration import Calibration
from training.judge.outcomes import counted
from training.judge.reliability import bins


def test_gathered_voxels_count_as_if_they_stood_alone() -> None:
    random = np.random.default_rng(0)
    said = random.random(5000)
    true = random.random(5000) < said**2
    alone, gathered = bins(said, true.astype(float), np.ones(5000)), bins(*counted(said, true))
    assert gathered.ece == pytest.approx(alone.ece, abs=2e-3)
    assert counted(said, true)[2].sum() == 5000


def test_gland_only_cases_say_nothing_of_zones() -> None:
    outcome = make_case(0, gland_only=True)
    assert len(outcome.zones[0]) == 0
    assert len(outcome.gland[0]) > 0
    assert outcome.dice(5) == pytest.approx(
        2
        * ((outcome.truth[5] > 0)[BOX[1:]] & (outcome.labels[4] > 0)).sum()
        / ((outcome.truth[5] > 0).sum() + (outcome.labels[4] > 0).sum())
    )


def test_a_slice_is_judged_by_both_zones_and_a_missed_one_by_nothing() -> None:
    outcome = make_case(1)
    truth = np.zeros(WHOLE, np.uint8)
    truth[BOX] = outcome.labels
    truth[3] = np.where(truth[3] > 0, 3 - truth[3], 0)  # the zones change places
    truth[11, :5, :5] = 1  # the expert saw gland above the box
    swapped = {one.k: one for one in replace(outcome, truth=truth).judged_slices(Calibration())}
    assert swapped[3].dice == 0
    assert swapped[5].dice == 1
    assert (swapped[11].dice, swapped[11].has_gland, swapped[11].to_check) == (0, False, False)
