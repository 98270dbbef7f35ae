"""What the program's doubts were worth: counted rightly, fitted to the truth, cross-fitted without a look at it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from proseg.model.calibration import Calibration
from proseg.segmentation.cleanup import raw_labels
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.judge.calibration import cross_fitted, fit, judge, page
from training.judge.outcomes import Outcome, counted, made_outcome
from training.judge.reliability import Bins, bins, draw

SHAPE = (9, 24, 28)
BOX = (slice(1, 10), slice(4, 28), slice(2, 30))
WHOLE = (12, 40, 40)


def make_case(number: int, heat: float = 1.0, gland_only: bool = False) -> Outcome:
    """A case whose truth is drawn from its probabilities, voxel by voxel, said with their logits times ``heat``."""
    random = np.random.default_rng(number)
    k, j, i = np.ogrid[-4:5, -12:12, -14:14]
    depth = 5.0 - np.hypot(np.hypot(j / 1.6, i / 2.0), 1.2 * k) + random.normal(0, 0.3)
    gland, pz = (1 / (1 + np.exp(-x)) for x in (depth, 1.2 * (j - 1) + 0 * k + 0 * i))
    true = np.where(random.random(SHAPE) < gland, np.where(random.random(SHAPE) < pz, 1, 2), 0).astype(np.uint8)
    said_gland, said_pz = (1 / (1 + np.exp(-heat * x)) for x in (depth, 1.2 * (j - 1) + 0 * k + 0 * i))
    probabilities = np.stack([1 - said_gland, said_gland * said_pz, said_gland * (1 - said_pz)])
    truth = np.zeros(WHOLE, np.uint8)
    truth[BOX] = np.where(true > 0, GLAND_UNKNOWN_ZONE, 0) if gland_only else true
    name = f"c{number}"
    return made_outcome(name, name, probabilities, raw_labels(probabilities), truth, BOX, (3.0, 1.0, 1.0))


def test_the_error_is_the_mean_gap_between_said_and_true() -> None:
    part = bins(np.array([0.1, 0.1, 0.9]), np.array([0.0, 1.0, 1.0]), np.array([1.0, 1.0, 2.0]))
    assert part.ece == pytest.approx((2 * 0.4 + 2 * 0.1) / 4)
    assert np.isnan(bins(np.zeros(0), np.zeros(0), np.zeros(0)).ece)


def test_gathered_voxels_count_as_if_they_stood_alone() -> None:
    random = np.random.default_rng(0)
    said = random.random(5000)
    true = random.random(5000) < said**2
    alone, gathered = bins(said, true.astype(float), np.ones(5000)), bins(*counted(said, true))
    assert gathered.ece == pytest.approx(alone.ece, abs=2e-3)
    assert counted(said, true)[2].sum() == 5000


@pytest.mark.parametrize("heat", [0.6, 1.0, 2.0])
def test_the_fit_finds_how_far_too_sure_the_network_was(heat: float) -> None:
    fitted = fit([make_case(number, heat) for number in range(6)], 0.83)
    assert fitted.gland == pytest.approx(heat, rel=0.15)
    assert fitted.zones == pytest.approx(heat, rel=0.15)


def test_a_fit_lowers_the_error_on_cases_it_has_not_seen() -> None:
    outcomes = [make_case(number, heat=2.5) for number in range(10)]
    before = judge(outcomes, {outcome.case: Calibration() for outcome in outcomes})
    after = judge(outcomes, cross_fitted(outcomes, 0.83))
    for part in ("gland", "zones", "slices"):
        assert getattr(after, part).ece < 0.5 * getattr(before, part).ece


def test_cross_fitting_never_looks_at_the_cases_it_judges() -> None:
    outcomes = [make_case(number) for number in range(10)]
    before = cross_fitted(outcomes, 0.83)
    outcomes[3] = replace(make_case(103, heat=5.0), case="c3", patient="c3")
    after = cross_fitted(outcomes, 0.83)
    assert after["c3"] == before["c3"]
    assert any(after[case] != before[case] for case in after)


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


def test_the_page_counts_what_was_found() -> None:
    outcomes = [make_case(number) for number in range(6)]
    calibrations = {outcome.case: Calibration() for outcome in outcomes}
    judged = judge(outcomes, calibrations)
    slices = [one for outcome in outcomes for one in outcome.judged_slices(Calibration())]
    assert judged.errors == sum(one.dice < 0.7 for one in slices) > 0
    assert judged.checked == sum(one.to_check for one in slices)
    text = page(judged, judged, Calibration(), [Path("a.pt"), Path("b.pt")])
    assert f"| {judged.found / judged.errors:.2f} |" in text
    assert "6 cases that none of the 2 weights files has learned from." in text
    assert text.count("| before |") == text.count("| after |") == 1


def test_the_diagram_shows_both_curves() -> None:
    some = Bins(np.array([0.2, 0.8]), np.array([0.3, 0.7]), np.array([1.0, 3.0]))
    other = replace(some, true=np.array([0.2, 0.8]))
    outcomes = [make_case(0)]
    judged = judge(outcomes, {"c0": Calibration()})
    picture = np.asarray(draw(replace(judged, gland=some), replace(judged, gland=other)))
    same = np.asarray(draw(replace(judged, gland=some), replace(judged, gland=some)))
    assert picture.ndim == 3
    assert (picture != same).any()
