"""What a reader's word on the first and last slice of the gland is worth.

``python -m training.judge.refinement --data ../shared/data --weights training/held_out/fold*.pt --out docs/evaluation``

Every case is segmented by weights that have not learned from it. Then the expert's first and last slice are given, as a
reader gives them with two clicks, and what comes of it (:mod:`proseg.segmentation.ends`) is held against leaving the
contours alone, against only cutting what lies beyond, and against growing the ends by the shape of the slice before
alone, case by case.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from proseg.segmentation.ends import with_ends
from training.command import run_command
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.judge.evaluate import judged_by
from training.judge.metrics import overlap, structures
from training.judge.outcomes import Outcome, write_page
from training.judge.report_tables import mean_and_error, mean_sd, table

COLUMNS = ("gland", "CG", "PZ")
WAYS = ("left alone", "cut only", "cut, and grown by shape alone", "cut, and grown (what `proseg refine` does)")


def dice_by_way(outcome: Outcome) -> list[dict[str, float]]:
    """Dice of each structure that the truth knows, for each of ``WAYS``."""
    drawn = np.zeros_like(outcome.truth)
    drawn[outcome.box] = outcome.labels
    ks = np.flatnonzero(outcome.truth.any(axis=(1, 2)))
    first, last = int(ks[0]), int(ks[-1])
    cut = drawn.copy()
    cut[:first], cut[last + 1 :] = 0, 0
    probabilities = outcome.probabilities.astype(np.float32)
    blind = np.zeros_like(probabilities)
    ways = [drawn, cut]
    for seen in (blind, probabilities):
        ways.append(with_ends(drawn, seen, outcome.box, outcome.spacing_kji, first, last) if cut.any() else cut)
    return [{name: overlap(true, found) for name, true, found in structures(outcome.truth, way)} for way in ways]


def page(outcomes: Iterable[Outcome], files: Sequence[Path]) -> str:
    """The page in Markdown."""
    cases, zonal = [], 0
    for outcome in outcomes:
        cases.append(dice_by_way(outcome))
        zonal += not (outcome.truth == GLAND_UNKNOWN_ZONE).any()
    lines = []
    for number, way in enumerate(WAYS):
        cells = [way]
        for column in COLUMNS:
            known = [case for case in cases if column in case[0]]
            cells.append(mean_sd([case[number][column] for case in known], 3))
            gains = [case[number][column] - case[0][column] for case in known]
            cells.append(mean_and_error(gains) if number else "–")
        lines.append(cells)
    headings = ["Ends given", *(heading for column in COLUMNS for heading in (column, "gain"))]
    return (
        "# Refinement\n\n"
        f"Made by `python -m training.judge.refinement` on {judged_by(len(cases), files)}; {zonal} of them have expert "
        "zones. The expert's first and last slice of the gland are given, nothing else. "
        "Probabilities are the networks' own, before calibration. Dice as mean ± standard "
        "deviation, gains case by case as mean ± standard error. The share of area of a grown slice was chosen on the "
        "same cases, so there the gain of growing flatters.\n\n"
        f"{table(headings, lines, 1)}\n"
    )


def main() -> None:
    """Segment the cases and write the page."""
    write_page(__doc__, "refinement.md", page)


if __name__ == "__main__":
    run_command(main)
