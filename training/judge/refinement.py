r"""What a reader's word is worth: slices corrected to an expert's labels, and the ends of the gland.

``python -m training.judge.refinement --data ../shared/data --weights training/held_out/fold*.pt \
--followers training/held_out/follower-*.pt --out docs/evaluation``

Every case is segmented by weights that have not learned from it, and its slices are drawn again by a follower
(:mod:`training.judge.follower`) that has not either. First the expert's first and last slice are given, as a reader
gives them with two clicks. Then a simulated reader corrects the slice with the largest area wrong to the expert's
labels, asks for a refinement, corrects the worst slice of what comes, and so on. What comes of it is held against
leaving the other slices alone, case by case, over the slices that were not given.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from proseg.errors import InputError
from proseg.labels import BACKGROUND, CG, PZ
from proseg.model.follower import Follower, load_follower
from proseg.segmentation.ends import with_ends
from proseg.segmentation.fields import inside_mm, towards_pz_mm
from proseg.segmentation.propagation import follow
from proseg.system.atomic import write_text
from training.command import run_command
from training.data.datasets import find_cases
from training.judge.evaluate import judged_by, learned_from, unseen
from training.judge.metrics import overlap, structures
from training.judge.refined_pictures import before_and_after
from training.judge.report_tables import mean_and_error, mean_sd, table
from training.judge.simulated_reader import Examination, Way, content, corrected, examinations

COLUMNS = ("gland", "CG", "PZ")
COUNTS = (1, 3, 5)  # of slices given
DOES = "(what `proseg refine` does)"
ENDS = ("left alone", "cut only", "cut, and grown by shape alone", f"cut, and grown {DOES}")
ALONE, SHAPES, REFINED = "left alone", "shapes between given slices", f"refined {DOES}"
SHOWN = {"the largest gain": -1, "the median gain": 0.5, "the largest loss": 0}  # pictures, by place among the gains
SHOWN_AFTER = 3  # slices given

Dices = dict[str, float]


@dataclass
class Judged:
    """What was found in one case.

    Attributes:
        ends: Dice of each structure for each of ``ENDS``.
        rest: by reader, way and count of given slices: Dice over the other slices, as left alone and by that way.
        needed: corrections until no other slice is unfit, by way.
        shown: after ``SHOWN_AFTER`` slices: which these were, and the labels.
    """

    examination: Examination
    ends: list[Dices]
    rest: dict[tuple[int, str, int], tuple[Dices, Dices]] = field(default_factory=dict)
    needed: dict[str, int] = field(default_factory=dict)
    shown: tuple[list[int], np.ndarray] = ([], np.empty(0))

    def gain(self, column: str, reader: int = 0, way: str = REFINED, count: int = SHOWN_AFTER) -> float:
        """Of Dice over the slices not given; nan where the truth does not know the structure there."""
        before, after = self.rest.get((reader, way, count), ({}, {}))
        return after.get(column, np.nan) - before.get(column, np.nan)


def left_alone(examination: Examination, said: np.ndarray, given: list[int]) -> np.ndarray:
    """The networks' labels, and the given slices."""
    labels = examination.seen.labels.copy()
    labels[given] = said[given]
    return labels


def shapes_between(examination: Examination, said: np.ndarray, given: list[int]) -> np.ndarray:
    """The same, but between two given slices with gland: the mean of their signed distances, the nearer the more.

    Shape-based interpolation: Raya and Udupa, IEEE Trans. Med. Imaging 9 (1990) 32, doi 10.1109/42.52980.
    """
    labels = left_alone(examination, said, given)
    spacing = examination.seen.spacing_kji
    for low, high in pairwise(k for k in given if said[k].any()):
        both = said[[low, high]]
        border, zones = inside_mm(both > 0, spacing), towards_pz_mm(both, spacing)
        for k in set(range(low + 1, high)) - set(given):
            share = (k - low) / (high - low)
            inside, pz = ((1 - share) * at[0] + share * at[1] for at in (border, zones))
            labels[k] = np.where(inside > 0, np.where(pz > 0, PZ, CG), BACKGROUND)
    return labels


def refined_by(follower: Follower) -> Way:
    """What ``proseg refine`` does."""
    return lambda examination, said, given: follow(examination.seen, said, given, follower)


def ends_by_way(examination: Examination) -> list[Dices]:
    """Dice of each structure that the truth knows, for each of ``ENDS``, where the truth's ends are given."""
    seen, truth = examination.seen, examination.truths[0]
    ks = np.flatnonzero(truth.any(axis=(1, 2)))
    first, last = int(ks[0]), int(ks[-1])
    cut = seen.labels.copy()
    cut[:first], cut[last + 1 :] = BACKGROUND, BACKGROUND
    ways = [seen.labels, cut]
    for known in (np.zeros_like(seen.probabilities), seen.probabilities):
        grown = with_ends(seen.labels, known, seen.box, seen.spacing_kji, first, last) if cut.any() else cut
        ways.append(grown)
    return [dices(truth, way) for way in ways]


def dices(truth: np.ndarray, labels: np.ndarray) -> Dices:
    """Dice of each structure that the truth knows."""
    return {name: overlap(true, found) for name, true, found in structures(truth, labels)}


def judge(examination: Examination, follower: Follower) -> Judged:
    """All that is told of one case."""
    judged = Judged(examination, ends_by_way(examination))
    ways = {ALONE: left_alone, SHAPES: shapes_between, REFINED: refined_by(follower)}
    for reader, truth in enumerate(examination.truths):
        for name, way in ways.items():
            for given, labels in corrected(examination, way, reader):
                count = len(given)
                if count in COUNTS:
                    rest = np.setdiff1d(np.arange(len(truth)), given)
                    judged.rest[reader, name, count] = tuple(
                        {part: overlap(true[rest], found[rest]) for part, true, found in structures(truth, one)}
                        for one in (examination.seen.labels, labels)
                    )
                if (reader, name, count) == (0, REFINED, SHOWN_AFTER):
                    judged.shown = given, labels
                if reader == 0 and name not in judged.needed and content(truth, given, labels):
                    judged.needed[name] = count
                if count >= max(COUNTS) and (reader > 0 or name in judged.needed):
                    break
    return judged


def page(cases: Sequence[Judged], files: Sequence[Path], pictures: str) -> str:
    """The page in Markdown."""
    zonal = sum(case.examination.zonal for case in cases)
    headings = ("gland", "gain", "CG", "gain", "PZ", "gain")
    return (
        "# Refinement\n\n"
        f"Made by `python -m training.judge.refinement` on {judged_by(len(cases), files)}; {zonal} of them have expert "
        "zones. Nor has the follower that draws the slices of a case learned from it. Probabilities are the networks' "
        "own, before calibration. Dice as mean ± standard deviation, gains case by case as mean ± standard error.\n\n"
        "## The ends are given\n\n"
        "The expert's first and last slice of the gland are given, nothing else. The share of area of a grown slice "
        "was chosen on the same cases, so there the gain of growing flatters.\n\n"
        f"{table(('Ends given', *headings), _ends(cases), 1)}\n\n"
        "## Slices are given\n\n"
        "A simulated reader corrects the slice with the largest area wrong to the expert's labels, asks for a "
        "refinement, corrects the worst slice of what comes, and so on. Dice over the slices that were not given, and "
        "the gain over leaving these alone. The reader who works otherwise corrects other slices, so Dice of "
        "different lines are of different slices; gains compare the same. Of cases without zones a given slice has the "
        "expert's gland and the networks' zones.\n\n"
        f"{table(('Slices given', 'the others', *headings), _slices(cases), 2)}\n\n"
        "## How many corrections it takes\n\n"
        "The same reader goes on until every slice that was not corrected has a gland Dice of 0.90 and 0.80 in each "
        "zone.\n\n"
        f"{table(('The others', 'corrections a case', 'fewer', 'fewer, %'), _needed(cases), 1)}\n\n"
        "## Does it follow the reader who speaks?\n\n"
        "Cases that two experts drew: one gives slices, and the others are judged by that expert's labels.\n\n"
        f"{table(('Expert', 'slices given', *(f'gain {column}' for column in COLUMNS)), _readers(cases), 2)}\n\n"
        f"{pictures}"
    )


def _ends(cases: Sequence[Judged]) -> Iterator[list[str]]:
    for number, way in enumerate(ENDS):
        line = [way]
        for column in COLUMNS:
            known = [case.ends for case in cases if column in case.ends[0]]
            line.append(mean_sd([ends[number][column] for ends in known], 3))
            line.append(mean_and_error([ends[number][column] - ends[0][column] for ends in known]) if number else "–")
        yield line


def _slices(cases: Sequence[Judged]) -> Iterator[list[str]]:
    for count in COUNTS:
        for way in (SHAPES, REFINED) if count > 1 else (REFINED,):
            line = [str(count), way]
            for column in COLUMNS:
                after = [
                    case.rest[0, way, count][1].get(column, np.nan) for case in cases if (0, way, count) in case.rest
                ]
                line += [mean_sd(after, 3), mean_and_error(_gains(cases, column, 0, way, count))]
            yield line


def _needed(cases: Sequence[Judged]) -> Iterator[list[str]]:
    alone = [case.needed[ALONE] for case in cases]
    for way in (ALONE, SHAPES, REFINED):
        needed = [case.needed[way] for case in cases]
        fewer = [before - after for before, after in zip(alone, needed, strict=True)]
        share = f"{100 * sum(fewer) / max(1, sum(alone)):.0f}"
        yield [way, f"{statistics.mean(needed):.1f}", *(("–", "–") if way == ALONE else (mean_and_error(fewer), share))]


def _readers(cases: Sequence[Judged]) -> Iterator[list[str]]:
    both = [case for case in cases if len(case.examination.truths) > 1]
    for reader, name in enumerate(("first", "second")):
        for count in COUNTS:
            gains = (mean_and_error(_gains(both, column, reader, REFINED, count)) for column in COLUMNS)
            yield [name, str(count), *gains]


def _gains(cases: Sequence[Judged], column: str, reader: int, way: str, count: int) -> list[float]:
    gains = [case.gain(column, reader, way, count) for case in cases]
    return [gain for gain in gains if not np.isnan(gain)]


def pictures(cases: Sequence[Judged], out: Path) -> str:
    """Draw some cases before and after into a folder; returns a chapter in Markdown about them."""
    free = [case for case in cases if "CC BY" in case.examination.licence.replace("-", " ")]
    ranked = sorted((case for case in free if len(case.shown[0])), key=lambda case: case.gain("PZ"))
    text = (
        f"## Before and after\n\nThe PZ of cases with free images, {SHOWN_AFTER} slices given. White: the expert's "
        "contours; violet and green: PZ and CG, above as the networks had them, below as refined. From base to apex, "
        "slices that were not given.\n"
    )
    for name, place in SHOWN.items():
        if not ranked:
            break
        case = ranked[int(place * (len(ranked) - 1)) if place >= 0 else -1]
        given, labels = case.shown
        file = f"refined-{case.examination.case}.png"
        before_and_after(case.examination, given, labels).save(out / file, optimize=True)
        slices = ", ".join(map(str, given))
        text += (
            f"\n**{case.examination.case}**, {name} (PZ {case.gain('PZ'):+.3f}); given: {slices}.\n\n"
            f"![{case.examination.case}: before and after]({file})\n"
        )
    return text


def follower_for(cases: Iterable[str], files: Sequence[Path]) -> Follower:
    """The one that has learned from none of these cases.

    Raises:
        InputError: there is none.
    """
    for file in files:
        if not learned_from(file).intersection(cases):
            return load_follower(file)
    raise InputError("Every follower has learned from some of these cases.", "Give --followers of the same folds.")


def main() -> None:
    """Segment the cases, let the reader work, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a data set's folder")
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="of folds")
    parser.add_argument("--followers", type=Path, nargs="+", required=True, help="of the same folds")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, required=True, help="folder for refinement.md and its pictures")
    options = parser.parse_args()
    cases = find_cases(options.data)
    judged = []
    for weights in options.weights:
        asked = unseen(cases, weights)
        follower = follower_for((case.id for case in asked), options.followers)
        judged += [judge(examination, follower) for examination in examinations(asked, weights, options.device)]
    options.out.mkdir(parents=True, exist_ok=True)
    text = page(judged, options.weights, pictures(judged, options.out))
    write_text(text, options.out / "refinement.md")
    print(text)


if __name__ == "__main__":
    run_command(main)
