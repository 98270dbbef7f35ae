"""What half-believed first slices of glands turn out to be worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from proseg.labels import CG, PZ
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.judge.doubtful_apex import DICE, HIGH, OFF, THRESHOLDS, apex_slices, figures, page
from training.judge.outcomes import Outcome, made_outcome

SHAPE = (10, 30, 30)
BOX = (slice(0, 10), slice(2, 32), slice(1, 31))
WHOLE = (10, 36, 36)


def labels(first: int) -> np.ndarray:
    """CG in front of PZ from a slice to the last one."""
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[first:, 8:15, 9:21] = CG
    drawn[first:, 15:20, 9:21] = PZ
    return drawn


def outcome(first: int, zones: bool = True) -> Outcome:
    """Gland from slice 1 on, which is half believed, and as much around it; the expert's from another slice on."""
    said = np.stack([labels(1) == label for label in range(3)]).astype(np.float32)
    said[:, 1] = np.array([0.6, 0.4, 0])[:, None, None]
    said[:, 1, 8:20, 9:21] = np.array([0.45, 0.55, 0])[:, None, None]
    whole = np.zeros(WHOLE, np.uint8)
    whole[BOX] = labels(first) if zones else np.where(labels(first) > 0, GLAND_UNKNOWN_ZONE, 0)
    return made_outcome("c", "p", said, labels(1), whole, BOX, (3.0, 1.0, 1.0))


@pytest.mark.parametrize(("first", "dice"), [(1, 1.0), (2, 0.0)])
def test_a_slice_tells_what_was_expected_and_what_was_true(first: int, dice: float) -> None:
    slices = apex_slices(outcome(first))
    inside, around = 144 * 0.55, (900 - 144) * 0.4
    assert [one.expected for one in slices] == pytest.approx([2 * inside / (144 + inside + around), 1, 1, 1], abs=1e-3)
    assert (slices[0].dice, slices[0].drawn) == (dice, first == 1)


def test_leaving_it_out_gains_where_the_expert_began_later_and_loses_where_not() -> None:
    for first, sign in ((2, 1), (1, -1)):
        before, after = (figures(outcome(first), least) for least in (0.0, 0.5))
        assert (after[DICE[2]] - before[DICE[2]]) * sign > 0
        assert (before[HIGH], after[HIGH]) == (1 - first, 2 - first)
        assert after[OFF] == abs(2 - first)


def test_the_page_counts_cases_without_zones_for_the_gland_only() -> None:
    text = page([outcome(2), outcome(1), outcome(2, zones=False)], [Path("fold0.pt")])
    assert "| 0 to 0.4 | 3 | 1 | 0.30 | 0.33 |" in text
    assert "3 cases that fold0.pt has not" in text
    assert next(line for line in text.splitlines() if "what ships" in line).count("±") == len(DICE) + 1
    assert sum(line.startswith(tuple(f"| {least:g}" for least in THRESHOLDS)) for line in text.splitlines()) >= 5


def test_the_page_leaves_out_what_no_case_tells() -> None:
    text = page([outcome(2)], [Path("fold0.pt")])
    assert "| – |" in next(line for line in text.splitlines() if line.startswith("| none |"))
    assert "nan" not in text
