"""How much worse the contours get as the examination gets worse.

``python -m training.judge.robustness --data ../shared/data --out docs/evaluation``

Cases that the weights have not learned from are degraded (:mod:`training.data.degradations`) and go through the whole
core. The truth is the expert's on the degraded image's own grid. Writes ``robustness.md`` and ``robustness.csv``, a row
a case, harm, strength and structure. A fall of the mean gland Dice by more than ``CLIFF`` against the same cases
undegraded is called a cliff.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from proseg.flags import Severity
from proseg.images.geometry import to_lps
from proseg.model.weights import shipped_weights
from proseg.outputs.report import to_csv
from proseg.segmentation.segmenter import Segmenter
from proseg.system.atomic import OutputSet, write_text
from training.command import run_command
from training.data.datasets import load_image, load_labels, pooled_cases
from training.data.degradations import DEGRADATIONS, Degradation, on_grid
from training.data.layouts import Case
from training.judge.evaluate import judged_by, judging_parser, unseen
from training.judge.metrics import STRUCTURES, WHOLE, evaluate_case
from training.judge.report_tables import cell, table

CLIFF = 0.1
CLEAN = "as it is"


@dataclass(frozen=True)
class Fared:
    """How one structure of one case fared under one harm; ``warned``: a flag asked for a look."""

    case: str
    harm: str
    structure: str
    dice: float
    warned: bool


def fare(segmenter: Segmenter, image: sitk.Image, truth: sitk.Image, case: str, harm: str) -> Iterator[Fared]:
    """Segment an image and compare with its truth, both LPS-oriented and on one grid."""
    result = segmenter.segment(image)
    found = sitk.GetArrayFromImage(to_lps(result.labelmap))
    warned = any(flag.severity is not Severity.INFO for flag in result.flags)
    for row in evaluate_case(sitk.GetArrayFromImage(truth), found, truth.GetSpacing()[::-1], case=case):
        if row.region == WHOLE:
            yield Fared(case, harm, row.structure, row.dice, warned)


def fares(segmenter: Segmenter, case: Case, degradations: Sequence[Degradation]) -> Iterator[Fared]:
    """How a case fares as it is and under every harm; harms that leave it as it is are left out."""
    image, labels = to_lps(sitk.Cast(load_image(case), sitk.sitkFloat32)), to_lps(load_labels(case))
    yield from fare(segmenter, image, labels, case.id, CLEAN)
    for harm in degradations:
        for strength in harm.strengths:
            worse = harm.degrade(image, strength)
            same_grid = (worse.GetSize(), worse.GetSpacing()) == (image.GetSize(), image.GetSpacing())
            if same_grid and np.array_equal(sitk.GetArrayViewFromImage(worse), sitk.GetArrayViewFromImage(image)):
                continue
            truth = on_grid(labels, worse, harm.degrade, strength)
            if sitk.GetArrayViewFromImage(truth).any():
                yield from fare(segmenter, worse, truth, case.id, harm.name.format(strength))


def lines(rows: Sequence[Fared]) -> list[list[str]]:
    """A line of the table for every harm: mean Dice, change against the same cases as they are, warnings, verdict."""
    clean = {(row.case, row.structure): row.dice for row in rows if row.harm == CLEAN}
    made = []
    for harm in dict.fromkeys(row.harm for row in rows):
        group = [row for row in rows if row.harm == harm and not math.isnan(row.dice)]
        cells, falls = [], {}
        for structure in STRUCTURES[::-1]:
            dice = [row.dice for row in group if row.structure == structure]
            change = [row.dice - clean[row.case, structure] for row in group if row.structure == structure]
            falls[structure] = float(np.mean(change)) if change else math.nan
            cells.append(f"{np.mean(dice):.3f} ({falls[structure]:+.3f})" if dice else "–")
        gland = [row for row in group if row.structure == "gland"]
        worst = min((row.dice for row in gland), default=math.nan)
        warned = f"{sum(row.warned for row in gland)} of {len(gland)}"
        verdict = "cliff" if falls["gland"] < -CLIFF else ""
        made.append([harm, str(len(gland)), *cells, f"{worst:.3f}", warned, verdict])
    return made


def page(rows: Sequence[Fared], files: Sequence[Path]) -> str:
    """The page in Markdown."""
    cases = len({row.case for row in rows})
    headings = ("Examination", "Cases", "Gland Dice", "CG Dice", "PZ Dice", "Worst gland", "Warned", "")
    return (
        "# Robustness\n\n"
        f"Made by `python -m training.judge.robustness` on {judged_by(cases, files)}, through "
        "the whole core. In brackets the change against the same cases as they are; those that a harm "
        "would not change (slices thick already, a field of view small already) are left out of its line. A fall of "
        f"the mean gland Dice by more than {CLIFF} is marked as a cliff.\n\n"
        f"{table(headings, lines(rows), 1)}\n"
    )


def main() -> None:
    """Degrade, segment, compare, write."""
    parser = judging_parser(__doc__, "robustness.md and robustness.csv")
    parser.add_argument("--limit", type=int, help="about so many cases of each weights file only, evenly from the list")
    options = parser.parse_args()
    cases, rows = pooled_cases(options.data), []
    files = options.weights or [shipped_weights()]
    for weights in files:
        segmenter = Segmenter(weights, options.device)
        new = unseen(cases, weights)
        new = new[:: -(-len(new) // (options.limit or len(new)))]
        for number, case in enumerate(new, 1):
            rows += fares(segmenter, case, DEGRADATIONS)
            print(f"{number}/{len(new)} {case.id}", flush=True)
    columns = ("case", "harm", "structure", "dice", "warned")
    with OutputSet() as outputs:
        written = [{name: cell(getattr(row, name)) for name in columns} for row in rows]
        write_text(to_csv(written, columns), options.out / "robustness.csv", outputs)
        write_text(page(rows, files), options.out / "robustness.md", outputs)
    print(page(rows, files))


if __name__ == "__main__":
    run_command(main)
