"""What a zone is worth in slices where the network half believes it, at the end where the other zone takes over.

``python -m training.judge.doubtful_ends --data ../shared/data --weights training/held_out/fold*.pt --out
docs/evaluation``

Every case is segmented by weights that have not learned from it. By how far a slice's zone is believed
(:func:`proseg.segmentation.cleanup.slice_belief`), the page tells in how many of such slices the expert drew it: PZ in
the half of the gland towards the base, CG in the other. Then it compares clean-ups that end a zone where it is believed
less than so far with one that never does, case by case. The page is the reason for
``proseg.segmentation.cleanup.LEAST_BELIEVED``.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from proseg.labels import CG, PZ
from proseg.segmentation.cleanup import LEAST_BELIEVED, clean_up, pieces, raw_labels, slice_belief
from training.command import run_command
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.judge.evaluate import judged_by
from training.judge.metrics import overlap, structures
from training.judge.outcomes import Outcome, write_page
from training.judge.report_tables import mean_and_error, table

BANDS = (0.0, 0.4, 0.5, 0.55, 0.6, 0.7, 1.0)  # of how far a zone is believed
THRESHOLDS = (0.4, 0.45, 0.475, 0.5, 0.525, 0.55, 0.6)
ENDS = {PZ: "PZ, towards the base", CG: "CG, towards the apex"}
COLUMNS = ("PZ", "CG", "gland, with zones", "gland only")


@dataclass(frozen=True)
class ZoneSlice:
    """A zone in a slice: what the network promised, and what the expert drew.

    Attributes:
        zone: PZ or CG.
        belief: the zone's mean probability over the voxels that would be its own.
        voxels: how many those are.
        true: how many of them are the expert's too.
        drawn: whether the expert drew the zone in this slice at all.
    """

    zone: int
    belief: float
    voxels: int
    true: int
    drawn: bool


def zone_slices(probabilities: np.ndarray, truth: np.ndarray) -> list[ZoneSlice]:
    """The slices of the gland's half in which a zone gives way to the other one, wherever it is found there.

    Args:
        probabilities: (3, K, J, I), background, PZ and CG.
        truth: labels with zones (K, J, I).
    """
    labels = raw_labels(probabilities)
    gland = pieces(labels > 0) == 1
    filled = np.flatnonzero(gland.any(axis=(1, 2)))
    if not filled.size:
        return []
    middle = (filled[0] + filled[-1]) / 2
    found = []
    for zone in ENDS:
        belief = slice_belief(probabilities, gland, zone)
        for k in np.flatnonzero(~np.isnan(belief)):
            if (k > middle) == (zone == PZ):
                own, true = gland[k] & (labels[k] == zone), truth[k] == zone
                hits = np.count_nonzero(own & true)
                found.append(ZoneSlice(zone, float(belief[k]), np.count_nonzero(own), hits, bool(true.any())))
    return found


def dice_by_threshold(outcome: Outcome) -> list[dict[str, float]]:
    """Dice by column of the page, without the rule and with each of ``THRESHOLDS``."""
    probabilities = outcome.probabilities.astype(np.float32)
    zonal = not (outcome.truth == GLAND_UNKNOWN_ZONE).any()
    found = []
    for least in (0.0, *THRESHOLDS):
        labels = np.zeros_like(outcome.truth)
        labels[outcome.box] = clean_up(probabilities, outcome.spacing_kji, least)
        dice = {name: overlap(true, drawn) for name, true, drawn in structures(outcome.truth, labels)}
        gland = dice.pop("gland")
        found.append(dice | {COLUMNS[2] if zonal else COLUMNS[3]: gland})
    return found


def belief_table(slices: Sequence[ZoneSlice]) -> str:
    """How often the expert drew what the network believed so far."""
    lines = []
    for zone, name in ENDS.items():
        for low, high in pairwise(BANDS):
            band = [one for one in slices if one.zone == zone and low < one.belief <= high]
            voxels = sum(one.voxels for one in band)
            if voxels:
                promised = sum(one.belief * one.voxels for one in band) / voxels
                kept = f"{promised:.2f}", f"{sum(one.true for one in band) / voxels:.2f}"
                lines.append([name, f"{low:g} to {high:g}", str(len(band)), str(sum(one.drawn for one in band)), *kept])
    return table(["Zone", "Believed", "Slices", "Drawn by the expert", "Voxels promised", "Voxels true"], lines, 1)


def threshold_table(cases: Sequence[list[dict[str, float]]]) -> str:
    """Mean Dice without the rule, and what each threshold adds to it: mean ± standard error over the same cases."""
    without = ([case[0][column] for case in cases if column in case[0]] for column in COLUMNS)
    lines = [["none", *(f"{statistics.mean(dice):.4f}" if dice else "–" for dice in without), ""]]
    for number, least in enumerate(THRESHOLDS, 1):
        gains = {
            column: [case[number][column] - case[0][column] for case in cases if column in case[0]]
            for column in COLUMNS
        }
        name = f"{least:g}" + (" (what ships)" if least == LEAST_BELIEVED else "")
        worst = f"{min(gains['PZ']):+.3f}" if gains["PZ"] else "–"
        lines.append([name, *map(mean_and_error, gains.values()), worst])
    return table(["Believed at least", *COLUMNS, "Largest loss of PZ"], lines, 1)


def page(outcomes: Iterable[Outcome], files: Sequence[Path]) -> str:
    """The page in Markdown."""
    slices: list[ZoneSlice] = []
    cases = []
    for outcome in outcomes:
        if not (outcome.truth == GLAND_UNKNOWN_ZONE).any():
            slices += zone_slices(outcome.probabilities.astype(np.float32), outcome.truth[outcome.box])
        cases.append(dice_by_threshold(outcome))
    return (
        "# Doubtful ends\n\n"
        f"Made by `python -m training.judge.doubtful_ends` on {judged_by(len(cases), files)}. How far a zone is "
        "believed in a slice is its mean probability over the voxels that would be its own. PZ counts in the half "
        "of the gland towards the base, CG in the one towards the apex.\n\n"
        f"{belief_table(slices)}\n\n"
        "So towards the base PZ, and towards the apex CG, ends with the last slice in which it is believed far enough. "
        "What that changes of the Dice of the same cases, mean ± standard error; the first line is the Dice without "
        "it. The rule was found on the 82 cases of the cross-validation, so there its gain flatters.\n\n"
        f"{threshold_table(cases)}\n"
    )


def main() -> None:
    """Segment the cases and write the page."""
    write_page(__doc__, "doubtful-ends.md", page)


if __name__ == "__main__":
    run_command(main)
