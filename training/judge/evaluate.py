"""How good a weights file is on cases it has not learned from.

``python -m training.judge.evaluate --data ../shared/data --weights runs/fold0.pt --out docs/evaluation``

Runs the whole core, from file to labelmap on the input's grid, on every case that no network of the weights has learned
from (their JSON names those), and writes ``cases.csv`` and ``summary.md``. Several weights files, of several folds, may
be given; each is asked only about cases that are new to it. With ``--arrays`` cases come from
``training.data.preprocess`` instead and the networks' bare probabilities are judged, without clean-up: for machines
without SimpleITK.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from proseg.errors import InputError
from training.command import run_command
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.judge.metrics import BETWEEN_READERS, WHOLE, MetricRow, evaluate_case

if TYPE_CHECKING:
    import SimpleITK as sitk

    from training.data.layouts import Case
    from training.data.preprocess import Arrays

Segment = Callable[[object], tuple[list[np.ndarray], np.ndarray, tuple[float, float, float]]]
"""From a case to each reader's labels, the predicted ones, all (K, J, I), and the spacing (k, j, i) in mm."""


def from_files(weights: Path, device: str) -> Segment:
    """Judge labelmaps on the input's own grid, as users get them."""
    from proseg.segmentation.segmenter import Segmenter

    segmenter = Segmenter(weights, device)
    return on_input_grid(lambda image: segmenter.segment(image).labelmap)


def on_input_grid(label: Callable[[sitk.Image], sitk.Image]) -> Segment:
    """Judge what makes a labelmap of a case's image."""
    import SimpleITK as sitk

    from proseg.images.geometry import to_lps
    from training.data.datasets import load_image, load_labels

    def segment(case: Case) -> tuple[list[np.ndarray], np.ndarray, tuple[float, float, float]]:
        found = to_lps(label(load_image(case)))
        readers = [to_lps(load_labels(case, reader)) for reader in ((1, 2) if case.zones_reader2 else (1,))]
        truths = [sitk.GetArrayFromImage(labels) for labels in readers]
        return truths, sitk.GetArrayFromImage(found), found.GetSpacing()[::-1]

    return segment


def from_arrays(weights: Path, device: str) -> Segment:
    """Judge bare probabilities on prepared arrays."""
    from proseg.images.grids import Axis
    from proseg.model.devices import choose_device
    from proseg.model.preprocessing import PIXEL_MM
    from proseg.model.weights import load_model
    from proseg.segmentation.pipeline import Pipeline

    pipeline = Pipeline(load_model(weights), choose_device(device))

    def segment(case: Arrays) -> tuple[list[np.ndarray], np.ndarray, tuple[float, float, float]]:
        spacing = (case.slice_mm, PIXEL_MM, PIXEL_MM)
        grid = tuple(Axis(count, step, 0.0) for count, step in zip(case.image.shape, spacing, strict=True))
        prediction = pipeline.predict(case.image.astype(np.float32), grid)
        found = np.zeros(case.image.shape, np.uint8)
        found[prediction.box] = prediction.probabilities.argmax(axis=0)
        return list(case.labels), found, spacing

    return segment


def learned_from(weights: Path) -> set[str]:
    """The ids of the cases that the networks of a weights file have learned from."""
    return set(json.loads(weights.with_suffix(".json").read_text())["learned"])


def unseen(cases: list, weights: Path) -> list:
    """The cases that the networks of a weights file have not learned from.

    Raises:
        InputError: there is none.
    """
    learned = learned_from(weights)
    new = [case for case in cases if case.id not in learned]
    if not new:
        raise InputError(
            f"{weights} has learned from all of these cases, which can judge it no more.",
            "Give --weights that a fold was held out from, such as those in training/held_out, or other cases.",
        )
    return new


def fitted(cases: list, weights: Path) -> list:
    """The cases that the networks of a weights file have learned from.

    Raises:
        InputError: there is none.
    """
    known = [case for case in cases if case.id in learned_from(weights)]
    if not known:
        raise InputError(f"{weights} has learned from none of these cases.", "Leave --learned out.")
    return known


def judging_parser(about: str, written: str) -> argparse.ArgumentParser:
    """The command line of what judges weights files on cases that these have not learned from.

    Args:
        about: what ``--help`` says.
        written: the files that it writes, in words.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="folders of data sets; the later wins")
    parser.add_argument("--weights", type=Path, nargs="+", help="default: the shipped ones")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, required=True, help=f"folder for {written}")
    return parser


def judged_by(count: int, files: Sequence[Path]) -> str:
    """How many cases were judged, and by weights that had not learned from them: a part of a sentence."""
    told = f"{files[0].name} has not" if len(files) == 1 else f"none of the {len(files)} weights files has"
    return f"{count} cases that {told} learned from"


def evaluate(cases: list, segment: Segment, fold: int) -> Iterator[MetricRow]:
    """Rows of every case, with a line of progress each."""
    for number, case in enumerate(cases, 1):
        truths, found, spacing = segment(case)
        about = {"case": case.id, "source": case.source, "fold": fold}
        rows = evaluate_case(truths[0], found, spacing, **about)
        for second in truths[1:]:
            rows += evaluate_case(second, found, spacing, **about, reader=2)
            rows += evaluate_case(truths[0], second, spacing, **about, reader=BETWEEN_READERS)
        dice = "  ".join(f"{row.structure} {row.dice:.3f}" for row in rows if row.region == WHOLE and row.reader == 1)
        known = "" if not (truths[0] == GLAND_UNKNOWN_ZONE).any() else "  (zones unknown)"
        print(f"{number}/{len(cases)} {case.id}: {dice}{known}", flush=True)
        yield from rows


def explanation(rows: list[MetricRow], files: int, folders: Sequence[Path], learned: bool = False) -> str:
    """What was judged, in a paragraph; ``folders``: where the images were found, none if they were arrays."""
    patients = len({row.case for row in rows})
    zonal = len({row.case for row in rows if row.structure == "PZ"})
    judged = "labelmaps on the input's own grid" if folders else "the networks' bare probabilities on prepared arrays"
    copies = f" of the images in {' and '.join(f'`{folder.name}`' for folder in folders)}" if folders else ""
    which = f"none of the networks has learned from ({files} of 5 folds)"
    if learned:
        which = "the networks have learned from, which says how closely they fit and not how good they are on others"
    return (
        f"Made by `python -m training.judge.evaluate`: {patients} patients that {which}, "
        f"{zonal} of them with expert zones, the others with the whole gland only. Judged are "
        f"{judged}{copies}. How the networks were trained is in the model card. Distances are between surfaces; "
        "`cases.csv` has a row a case, structure, third of the gland and reader (1, 2, or 0 for the second "
        "reader's labels judged against the first's)."
    )


SHOWN = {"gland": 3, "PZ": 5}  # of how many cases with the lowest Dice of a structure pictures are made


def show_worst(rows: list[MetricRow], judged: dict[str, tuple[Case, Segment]], out: Path) -> str:
    """Draw the cases with the lowest Dice of gland and PZ into a folder; returns a chapter in Markdown about them."""
    from training.judge.pictures import difference, worst

    for old in out.glob("worst-*.png"):
        old.unlink()
    text = (
        "## The worst cases\n\nWhite: the expert's contours; violet and green: PZ and CG as found. "
        "From base to apex. Only images under a Creative Commons licence are shown below the contours.\n"
    )
    for structure, count in SHOWN.items():
        cases = worst(rows, count, structure)
        text += f"\n### Lowest {structure} Dice\n" if cases else ""
        for case_id in cases:
            name = f"worst-{case_id}.png"
            if not (out / name).exists():
                draw(*judged[case_id], out / name)
            about = difference([row for row in rows if row.case == case_id], structure)
            source = judged[case_id][0].source
            text += f"\n**{case_id}** ({source}). {about}\n\n![{case_id}: contours of expert and network]({name})\n"
    return text


def draw(case: Case, segment: Segment, path: Path) -> None:
    """Write the picture of a case, with the image only where its licence lets everyone share it."""
    import SimpleITK as sitk
    from PIL import Image

    from proseg.images.geometry import to_lps
    from training.data.datasets import load_image
    from training.judge.pictures import picture

    truths, found, spacing = segment(case)
    free = "CC BY" in case.licence.replace("-", " ")
    grey = sitk.GetArrayFromImage(to_lps(load_image(case))) if free else None
    shown = picture(grey, truths[0], found, spacing).quantize(256, Image.Quantize.MAXCOVERAGE)
    shown.save(path, optimize=True)


def main() -> None:
    """Evaluate, write the table and the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, nargs="+", help="folders of data sets; the later wins")
    source.add_argument("--arrays", type=Path, help="a folder made by training.data.preprocess")
    parser.add_argument("--weights", type=Path, nargs="+", help="default: the shipped ones")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--learned", action="store_true", help="judge cases learned from: how closely they are fitted")
    parser.add_argument("--no-pictures", action="store_true", help="show none of the worst cases")
    parser.add_argument("--out", type=Path, required=True, help="folder for cases.csv and summary.md")
    options = parser.parse_args()
    if options.data:
        from training.data.datasets import pooled_cases

        cases, judge = pooled_cases(options.data), from_files
    else:
        from training.data.preprocess import load

        cases, judge = load(options.arrays), from_arrays
    from proseg.model.weights import shipped_weights

    rows: list[MetricRow] = []
    files = options.weights or [shipped_weights()]
    judged: dict[str, tuple[Case | Arrays, Segment]] = {}
    for fold, weights in enumerate(files):
        asked = fitted(cases, weights) if options.learned else unseen(cases, weights)
        segment = judge(weights, options.device)
        rows += evaluate(asked, segment, fold)
        judged |= {case.id: (case, segment) for case in asked}
    from training.judge.report_tables import summarise, write_csv

    write_csv(rows, options.out / "cases.csv")
    about = explanation(rows, len(files), options.data or [], options.learned)
    text = f"# Evaluation\n\n{about}\n\n{summarise(rows)}"
    if options.data and not options.no_pictures:
        text += f"\n{show_worst(rows, judged, options.out)}"
    (options.out / "summary.md").write_text(text)
    print(text)


if __name__ == "__main__":
    run_command(main)
