"""What half-believed ends of zones turn out to be worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from proseg.labels import CG, PZ
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.judge.doubtful_ends import THRESHOLDS, dice_by_threshold, page, zone_slices
from training.judge.outcomes import Outcome, made_outcome

SHAPE = (10, 24, 24)
BOX = (slice(0, 10), slice(2, 26), slice(1, 25))
WHOLE = (10, 30, 30)


def labels(pz_ends: int) -> np.ndarray:
    """CG in front in slices 2 to 9, PZ behind it from slice 0 to before ``pz_ends``."""
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[2:, 6:12, 6:18] = CG
    drawn[:pz_ends, 12:18, 6:18] = PZ
    return drawn


def probabilities(belief: float) -> np.ndarray:
    """Somebody who is certain but for the PZ of slice 8."""
    said = np.stack([labels(9) == label for label in range(3)]).astype(np.float32)
    doubtful = labels(9)[8] == PZ
    said[PZ, 8][doubtful], said[0, 8][doubtful] = belief, (1 - belief) * 0.6
    said[CG, 8][doubtful] = (1 - belief) * 0.4
    return said


def outcome(belief: float, truth: np.ndarray) -> Outcome:
    whole = np.zeros(WHOLE, np.uint8)
    whole[BOX] = truth
    return made_outcome("c", "p", probabilities(belief), labels(9), whole, BOX, (3.0, 1.0, 1.0))


@pytest.mark.parametrize(("pz_ends", "hits"), [(8, 0), (9, 72)])
def test_a_slice_tells_what_was_promised_and_what_was_true(pz_ends: int, hits: int) -> None:
    last = [one for one in zone_slices(probabilities(0.45), labels(pz_ends)) if one.zone == PZ][-1]
    assert last.belief == pytest.approx(0.45)
    assert (last.voxels, last.true, last.drawn) == (72, hits, bool(hits))


def test_each_zone_counts_in_the_half_where_it_gives_way() -> None:
    found = zone_slices(probabilities(0.45), labels(9))
    assert [one.zone for one in found] == [PZ] * 4 + [CG] * 3  # slices 5 to 8, and 2 to 4
    assert zone_slices(np.stack([np.ones(SHAPE), np.zeros(SHAPE), np.zeros(SHAPE)]), labels(9)) == []


def test_ending_a_zone_gains_where_the_expert_ended_it_too_and_loses_where_not() -> None:
    for pz_ends, sign in ((8, 1), (9, -1)):
        without, *with_rule = dice_by_threshold(outcome(0.47, labels(pz_ends)))
        gains = [case["PZ"] - without["PZ"] for case in with_rule]
        assert [np.sign(round(gain, 6)) for gain in gains] == [sign * (least > 0.47) for least in THRESHOLDS]


def test_the_page_counts_cases_without_zones_for_the_gland_only() -> None:
    gland = np.where(labels(8) > 0, GLAND_UNKNOWN_ZONE, 0).astype(np.uint8)
    text = page([outcome(0.45, labels(8)), outcome(0.45, labels(8)), outcome(0.45, gland)], [Path("fold0.pt")])
    assert "| PZ, towards the base | 0.4 to 0.5 | 2 | 0 | 0.45 | 0.00 |" in text
    assert "3 cases that fold0.pt has not" in text
    assert "| PZ, towards the base | 0.7 to 1 | 6 | 6 | 1.00 | 1.00 |" in text
    assert next(line for line in text.splitlines() if "what ships" in line).count("±") == 3


def test_the_page_leaves_out_what_no_case_tells() -> None:
    text = page([outcome(0.45, labels(8))], [Path("fold0.pt")])
    assert next(line for line in text.splitlines() if line.startswith("| none |")).endswith("| – |  |")
    assert "nan" not in text
