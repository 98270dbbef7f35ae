"""What two given ends are worth: counted against leaving alone, cutting and growing by shape."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from Testing.made_outcomes import BOX, WHOLE, make_case

from training.judge.outcomes import Outcome
from training.judge.refinement import WAYS, dice_by_way, page


def wrong_at(outcome: Outcome, cut: int = 0, added: int = 0) -> Outcome:
    """The case as its own truth, with slices missing at the base, or too many at the apex."""
    truth = np.zeros(WHOLE, np.uint8)
    truth[BOX] = outcome.labels
    ks = np.flatnonzero(truth.any(axis=(1, 2)))
    if added:
        truth[: ks[0] + added] = 0
    labels = outcome.labels.copy()
    if cut:
        labels[ks[-1] - BOX[0].start + 1 - cut :] = 0
    return replace(outcome, truth=truth, labels=labels)


def test_a_gland_begun_too_low_is_perfect_once_its_first_slice_is_given() -> None:
    before, cut, *_ = dice_by_way(wrong_at(make_case(0), added=2))
    assert before["gland"] < 1
    assert cut["gland"] == cut["PZ"] == 1


def test_a_gland_ended_too_early_is_helped_by_growing_and_not_by_cutting() -> None:
    before, cut, by_shape, grown = (way["gland"] for way in dice_by_way(wrong_at(make_case(0), cut=3)))
    assert before == cut < by_shape <= 1
    assert grown >= by_shape - 0.005


def test_the_page_has_a_line_for_each_way_and_says_what_was_judged() -> None:
    text = page([make_case(0), make_case(1, gland_only=True)], [Path("a.pt")])
    assert all(f"| {way} |" in text for way in WAYS)
    assert "2 cases that a.pt has not learned from; 1 of them have expert zones" in text
