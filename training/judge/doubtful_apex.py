"""What the gland's first slices are worth, by the Dice that the probabilities themselves expect of them.

``python -m training.judge.doubtful_apex --data ../shared/data ../shared/native --weights training/held_out/fold*.pt
--out docs/evaluation``

Every case is segmented by weights that have not learned from it. By how much Dice is expected of a slice
(:func:`proseg.segmentation.cleanup.expected_dice`), the page tells in how many of them the expert drew gland, and how
much of it was found. Then it compares clean-ups that begin the gland where so much is expected with one that never
asks, case by case. The page is the reason for ``proseg.segmentation.cleanup.LEAST_EXPECTED``.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from proseg.labels import CG, PZ
from proseg.segmentation.cleanup import LEAST_EXPECTED, clean_up, expected_dice
from training.command import run_command
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.judge.evaluate import judged_by
from training.judge.metrics import end_errors, overlap, structures
from training.judge.outcomes import Outcome, write_page
from training.judge.report_tables import mean_and_error, table

BANDS = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)  # of the Dice expected
THRESHOLDS = (0.4, 0.45, 0.5, 0.55, 0.6)
DICE = ("PZ", "CG", "gland, with zones", "gland only")
OFF, HIGH = "apex off by", "apex too high"


@dataclass(frozen=True)
class ApexSlice:
    """A slice of the gland's half towards the apex: what the network promised, and what the expert drew.

    Attributes:
        expected: the Dice that the probabilities expect of it.
        dice: the Dice of the gland there.
        drawn: whether the expert drew gland in it at all.
    """

    expected: float
    dice: float
    drawn: bool


def drawn_with(outcome: Outcome, least: float) -> np.ndarray:
    """The labels (K, J, I) of a clean-up that begins the gland where so much Dice is expected; 0 asks for none."""
    labels = np.zeros_like(outcome.truth)
    labels[outcome.box] = clean_up(outcome.probabilities.astype(np.float32), outcome.spacing_kji, least_expected=least)
    return labels


def apex_slices(outcome: Outcome) -> list[ApexSlice]:
    """The slices of the gland's half towards the apex, without the rule."""
    probabilities, drawn = outcome.probabilities.astype(np.float32), drawn_with(outcome, 0.0) > 0
    expected = expected_dice(probabilities[PZ] + probabilities[CG], drawn[outcome.box])
    filled = np.flatnonzero(drawn.any(axis=(1, 2)))
    truth, first = outcome.truth > 0, outcome.box[0].start
    return [
        ApexSlice(float(expected[k - first]), overlap(truth[k], drawn[k]), bool(truth[k].any()))
        for k in filled[: len(filled) // 2]
    ]


def figures(outcome: Outcome, least: float) -> dict[str, float]:
    """Dice and where the gland begins, by column of the page."""
    zonal, labels = not (outcome.truth == GLAND_UNKNOWN_ZONE).any(), drawn_with(outcome, least)
    found = {name: overlap(true, drawn) for name, true, drawn in structures(outcome.truth, labels)}
    found[DICE[2] if zonal else DICE[3]] = found.pop("gland")
    apex, _base = end_errors(outcome.truth > 0, labels > 0, outcome.spacing_kji[0])
    return found | {OFF: abs(apex), HIGH: apex}


def expected_table(slices: Sequence[ApexSlice]) -> str:
    """How often the expert drew gland where so much Dice was expected, and the Dice reached."""
    lines = []
    for low, high in pairwise(BANDS):
        band = [one for one in slices if low <= one.expected < high or one.expected == high == BANDS[-1]]
        if band:
            means = (statistics.mean(getattr(one, of) for one in band) for of in ("expected", "dice"))
            drawn = str(sum(one.drawn for one in band))
            lines.append([f"{low:g} to {high:g}", str(len(band)), drawn, *(f"{mean:.2f}" for mean in means)])
    return table(["Dice expected", "Slices", "With gland of the expert's", "Expected, mean", "Reached, mean"], lines, 1)


def threshold_table(cases: Sequence[Sequence[dict[str, float]]]) -> str:
    """Means without the rule, and what each threshold adds to them: mean ± standard error over the same cases."""
    lines = []
    for number, least in enumerate((0.0, *THRESHOLDS)):
        name = "none" if not number else f"{least:g}" + (" (what ships)" if least == LEAST_EXPECTED else "")
        line = [name]
        for column in (*DICE, OFF, HIGH):
            pairs = [(case[number][column], case[0][column]) for case in cases if column in case[0]]
            if number:
                line.append(mean_and_error([now - before for now, before in pairs]))
            else:
                line.append(f"{statistics.mean(before for _, before in pairs):.4f}" if pairs else "–")
        lines.append(line)
    return table(["Expected at least", *DICE, *(f"{name} (slices of 3 mm)" for name in (OFF, HIGH))], lines, 1)


def page(outcomes: Iterable[Outcome], files: Sequence[Path]) -> str:
    """The page in Markdown."""
    slices: list[ApexSlice] = []
    cases = []
    for outcome in outcomes:
        slices += apex_slices(outcome)
        cases.append([figures(outcome, least) for least in (0.0, *THRESHOLDS)])
    return (
        "# Doubtful first slices\n\n"
        f"Made by `python -m training.judge.doubtful_apex` on {judged_by(len(cases), files)}. Slices of the gland's "
        "half towards the apex, as they are drawn without the rule.\n\n"
        f"{expected_table(slices)}\n\n"
        "So the gland begins with the first slice of which enough is expected. What that changes of the same cases, "
        "mean ± standard error; the first line is without the rule.\n\n"
        f"{threshold_table(cases)}\n"
    )


def main() -> None:
    """Segment the cases and write the page."""
    write_page(__doc__, "doubtful-apex.md", page)


if __name__ == "__main__":
    run_command(main)
