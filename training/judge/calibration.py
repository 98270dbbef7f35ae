"""How far the program's own doubts can be trusted, and a few numbers that make them truer.

``python -m training.judge.calibration --data ../shared/data --weights runs/cv/fold*.pt --out docs/evaluation --write``

Every case is segmented by weights that have not learned from it (as ``training.judge.evaluate`` takes several files, of
several folds); the shipped ones know all but one fold. Judged are

- the probabilities, voxel by voxel where gland or background is at all in question: a reliability diagram and the
  expected calibration error (ECE: mean gap between what was said and what came true, over 15 equal bins);
- the confidence of slices: the same, against the Dice reached;
- the slices to check: precision and recall for slices in real error, whose Dice over both zones (over the gland where
  only that is known) is below ``LOW_CONFIDENCE``, gland that was missed altogether included.

Temperatures and lines (:class:`proseg.model.calibration.Calibration`) are fitted to these cases. The figures *after*
are cross-fitted: those of a group of patients come from a fit to all the others. ``--write`` puts the fit to all cases
into the JSON beside each weights file, where the core finds it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from proseg.model.calibration import Calibration
from proseg.model.weights import shipped_weights
from proseg.system.atomic import OutputSet, atomic, write_text
from training.command import run_command
from training.data.datasets import pooled_cases
from training.judge.evaluate import judged_by, judging_parser
from training.judge.outcomes import Outcome, SliceOutcome, outcomes_of
from training.judge.reliability import Judgement, bins, draw

GROUPS = 5  # of patients, for cross-fitting
ERROR = 0.7  # Dice below which a slice is in real error: proseg.segmentation.quality says why
PRIOR = 1.0  # pulls temperatures and slopes towards 1, as so many slices of evidence


HEADINGS = (
    "| | ECE gland | ECE zones | ECE slices | Slices to check a case | Precision | Recall | Cases warned |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def fit(outcomes: Sequence[Outcome], least: float) -> Calibration:
    """Temperatures and lines by maximum likelihood, a line of slices by the cross-entropy of the Dice reached.

    The parts follow one another: slices are judged by probabilities that are calibrated already.
    """
    temperatures = {}
    for name in ("gland", "zones"):
        said = np.concatenate([getattr(outcome, name)[0] for outcome in outcomes])
        true = np.concatenate([getattr(outcome, name)[1] for outcome in outcomes])
        counts = np.concatenate([getattr(outcome, name)[2] for outcome in outcomes])
        slope = _line(said, true, counts, offset=False)[1]
        temperatures[name] = 1 / slope
    first = Calibration(**temperatures, least=least)
    slices = [one for outcome in outcomes for one in outcome.slices(first)]
    lines = {}
    for name, group in (
        ("slices", [one for one in slices if one.has_gland]),
        ("beyond", [one for one in slices if not one.has_gland]),
    ):
        said, true = np.array([one.said for one in group]), np.array([one.came_true for one in group])
        lines[name] = _line(said, true, np.ones(len(group))) if group else (0.0, 1.0)
    return replace(first, **lines)


def _line(said: np.ndarray, true: np.ndarray, counts: np.ndarray, offset: bool = True) -> tuple[float, float]:
    """Offset and slope on the logit of what was said that make what came true likeliest."""
    said = np.clip(said, 1e-4, 1 - 1e-4)
    logits, weights = np.log(said / (1 - said)), counts / counts.sum() * min(counts.sum(), 1e4)

    def loss(line: np.ndarray) -> float:
        moved = line[0] * offset + line[1] * logits
        return float((weights * (np.logaddexp(0, moved) - true * moved)).sum() + PRIOR * (line[1] - 1) ** 2)

    found = minimize(loss, np.array([0.0, 1.0]), bounds=[(-5, 5), (0.05, 20)]).x
    return (float(found[0]) if offset else 0.0), float(found[1])


def cross_fitted(outcomes: Sequence[Outcome], least: float) -> dict[str, Calibration]:
    """For each case a calibration that knows nothing of its patient's group."""
    patients = sorted({outcome.patient for outcome in outcomes})
    order = np.random.default_rng(2026).permutation(len(patients))
    group = {patients[index]: place % GROUPS for place, index in enumerate(order)}
    fits = {
        number: fit([outcome for outcome in outcomes if group[outcome.patient] != number], least)
        for number in set(group.values())
    }
    return {outcome.case: fits[group[outcome.patient]] for outcome in outcomes}


def judge(outcomes: Sequence[Outcome], calibrations: dict[str, Calibration]) -> Judgement:
    """Judge every case by its own calibration."""
    parts = {}
    for name in ("gland", "zones"):
        said, true, counts = (
            np.concatenate(column) for column in zip(*(getattr(o, name) for o in outcomes), strict=True)
        )
        temperature = np.concatenate(
            [np.full(len(getattr(o, name)[0]), getattr(calibrations[o.case], name)) for o in outcomes]
        )
        logits = np.log(np.clip(said, 1e-6, 1 - 1e-6)) - np.log1p(-np.clip(said, 1e-6, 1 - 1e-6))
        parts[name] = bins(1 / (1 + np.exp(-logits / temperature)), true, counts)
    slices: list[SliceOutcome] = []
    warned = 0
    for outcome in outcomes:
        calibration = calibrations[outcome.case]
        slices += outcome.judged_slices(calibration)
        warned += outcome.warned(calibration)
    with_gland = [one for one in slices if one.has_gland]
    reached = np.array([one.came_true for one in with_gland])
    parts["slices"] = bins(np.array([one.said for one in with_gland]), reached, np.ones(len(with_gland)))
    checked, errors = [one.to_check for one in slices], [one.dice < ERROR for one in slices]
    found = sum(a and b for a, b in zip(checked, errors, strict=True))
    return Judgement(**parts, checked=sum(checked), errors=sum(errors), found=found, warned=warned, cases=len(outcomes))


def page(before: Judgement, after: Judgement, fitted: Calibration, files: Sequence[Path]) -> str:
    """The page in Markdown."""
    numbers = ", ".join(
        f"{name} {' and '.join(f'{v:.3f}' for v in value) if isinstance(value, tuple) else f'{value:.3f}'}"
        for name, value in fitted.to_dict().items()
    )
    return (
        "# Calibration\n\n"
        f"Made by `python -m training.judge.calibration` on {judged_by(after.cases, files)}. "
        "*ECE* is the mean gap between what was said and what came true. Voxels count where gland or "
        f"background was in question. A slice is in real error if its Dice over both zones is below {ERROR} (over the "
        "gland where only that is known), gland that was missed included. *Before* is with the networks' own "
        "probabilities; *after* is cross-fitted over groups of patients. The rule by which uncertain slices become a "
        "warning is not: it was chosen on held-out patients of fold 0, so *cases warned* is too good on these.\n\n"
        f"{HEADINGS}\n{before.row('before')}\n{after.row('after')}\n\n"
        f"Fitted to all of them: {numbers}.\n\n"
        "![Reliability: what was said, and what came true](reliability.png)\n\n"
        f"{after.errors} of the slices are in real error; {after.found} of these were to be checked.\n"
    )


def main() -> None:
    """Judge, fit, write the page and the diagram, and with ``--write`` the calibration."""
    parser = judging_parser(__doc__, "calibration.md and reliability.png")
    parser.add_argument("--write", type=Path, nargs="*", help="weights files to give the fit; default: those judged")
    parser.add_argument("--least", type=float, default=Calibration.least, help="see training.judge.other_anatomy")
    options = parser.parse_args()
    files = options.weights or [shipped_weights()]
    outcomes = list(outcomes_of(files, pooled_cases(options.data), options.device))
    plain = Calibration(least=options.least)
    fitted = fit(outcomes, options.least)
    before = judge(outcomes, {outcome.case: plain for outcome in outcomes})
    after = judge(outcomes, cross_fitted(outcomes, options.least))
    with OutputSet() as outputs:
        write_text(page(before, after, fitted, files), options.out / "calibration.md", outputs)
        with atomic(options.out / "reliability.png", outputs) as picture:
            draw(before, after).save(picture, format="PNG")
    for weights in (options.write or files) if options.write is not None else ():
        card = json.loads(weights.with_suffix(".json").read_text())
        card["calibration"] = fitted.to_dict()
        write_text(json.dumps(card, indent=1) + "\n", weights.with_suffix(".json"))
    print(page(before, after, fitted, files))


if __name__ == "__main__":
    run_command(main)
