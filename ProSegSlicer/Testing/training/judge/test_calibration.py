"""What the program's doubts were worth: counted rightly, fitted to the truth, cross-fitted without a look at it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from Testing.made_outcomes import make_case

from proseg.model.calibration import Calibration
from training.judge.calibration import cross_fitted, fit, judge, page


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
