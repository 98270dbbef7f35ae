"""What became of a case: what the networks said of its voxels and slices, and what the expert drew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from proseg.flags import Severity
from proseg.images.geometry import to_lps
from proseg.labels import CG, PZ
from proseg.model.calibration import Calibration
from proseg.model.weights import shipped_weights
from proseg.segmentation.quality import LOW_CONFIDENCE, assess, gland_confidence, slice_confidence
from proseg.segmentation.segmenter import Segmenter
from proseg.system.atomic import write_text
from training.data.datasets import load_image, load_labels, pooled_cases
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.data.layouts import Case
from training.judge.evaluate import judging_parser, unseen

IN_QUESTION = 0.01  # voxels that are less likely gland are left out: endless background is no test
STEPS = 1000  # of probability: millions of voxels become at most so many counts

Counts = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Probabilities said, shares that came true, how many voxels; one entry a step of probability."""


@dataclass(frozen=True)
class SliceOutcome:
    """One slice.

    Attributes:
        k: place in the LPS-oriented image.
        has_gland: whether gland was drawn in it.
        said: with gland the Dice to expect, else how likely it is that none is there; nan where nothing was said.
        came_true: with gland the Dice reached, else 1 where the expert drew none and 0 where some.
        dice: the Dice reached, 1 where neither drew any.
        to_check: whether a reviewer is sent to it.
    """

    k: int
    has_gland: bool
    said: float
    came_true: float
    dice: float
    to_check: bool


@dataclass(frozen=True)
class Outcome:
    """One case.

    Attributes:
        case, patient: ids.
        gland, zones: of voxels in question, counts by step of probability: of gland, and of PZ where both see gland.
        probabilities: float16 (3, k, j, i), as the networks have them, in the box.
        labels: uint8 (k, j, i) drawn, in the box.
        truth: uint8 (k, j, i) the expert's, of the whole LPS-oriented image.
        box: where the arrays lie in it.
        spacing_kji: voxel size, mm.
    """

    case: str
    patient: str
    gland: Counts
    zones: Counts
    probabilities: np.ndarray
    labels: np.ndarray
    truth: np.ndarray
    box: tuple[slice, slice, slice]
    spacing_kji: tuple[float, float, float]

    def calibrated(self, calibration: Calibration) -> np.ndarray:
        """The probabilities as read with a calibration."""
        return calibration.probabilities(self.probabilities.astype(np.float32))

    def slices(self, calibration: Calibration) -> list[SliceOutcome]:
        """Slices of which something is said: those with gland, and those next to the gland's."""
        probabilities, first = self.calibrated(calibration), self.box[0].start
        confidence = slice_confidence(probabilities, self.labels, first, calibration)
        zones, gland = probabilities[PZ] + probabilities[CG], self.labels > 0
        found = []
        for k in range(len(self.labels)):
            beside = [gland[n] for n in (k - 1, k + 1) if 0 <= n < len(gland) and gland[n].any()]
            if gland[k].any():
                said = confidence[first + k]
            elif beside:
                said = calibration.absence(float(1 - zones[k][np.any(beside, axis=0)].mean()))
            else:
                continue
            dice = self.dice(first + k)
            true = dice if gland[k].any() else float(not self.truth[first + k].any())
            to_check = confidence.get(first + k, 1.0) < LOW_CONFIDENCE
            found.append(SliceOutcome(first + k, bool(gland[k].any()), said, true, dice, to_check))
        return found

    def judged_slices(self, calibration: Calibration) -> list[SliceOutcome]:
        """The same, and those where the expert alone saw gland, far from what was drawn."""
        found = self.slices(calibration)
        known = {one.k for one in found}
        missed = [int(k) for k in np.flatnonzero(self.truth.any(axis=(1, 2))) if k not in known]
        return found + [SliceOutcome(k, False, float("nan"), 0.0, 0.0, False) for k in missed]

    def dice(self, k: int) -> float:
        """Dice over both zones of a slice, over the gland where only that is known; 1 where there is none."""
        truth = self.truth[k]
        drawn = np.zeros_like(truth)
        if self.box[0].start <= k < self.box[0].stop:
            drawn[self.box[1:]] = self.labels[k - self.box[0].start]
        if (self.truth == GLAND_UNKNOWN_ZONE).any():
            drawn = np.where(drawn > 0, GLAND_UNKNOWN_ZONE, 0)
        total = np.count_nonzero(truth) + np.count_nonzero(drawn)
        return 2 * np.count_nonzero((truth == drawn) & (truth > 0)) / total if total else 1.0

    def warned(self, calibration: Calibration) -> bool:
        """Whether uncertain slices, or a gland that is doubtful as a whole, are worth a warning."""
        flags = assess(
            self.labels,
            self.labels,
            slice_confidence(self.calibrated(calibration), self.labels, self.box[0].start, calibration),
            believed=gland_confidence(self.probabilities.astype(np.float32), self.labels) >= calibration.least,
            spacing_kji=self.spacing_kji,
            box=self.box,
            image_shape=self.truth.shape,
            to_input_slices=lambda ks: tuple(sorted(ks)),
        )
        about = {"low_confidence_slices", "doubtful_gland"}
        return any(flag.code in about and flag.severity is not Severity.INFO for flag in flags)


def outcome_of(cases: Sequence[Case], weights: Path, device: str) -> Iterator[Outcome]:
    """Segment cases, with the networks' own probabilities, and compare them with the first reader's labels."""
    segmenter = Segmenter(weights, device)
    segmenter.model = replace(segmenter.model, calibration=Calibration())
    for number, case in enumerate(cases, 1):
        result = segmenter.segment(load_image(case))
        truth = sitk.GetArrayFromImage(to_lps(load_labels(case)))
        lps = to_lps(result.labelmap)
        labels = sitk.GetArrayFromImage(lps)[result.box]
        spacing = lps.GetSpacing()[::-1]
        print(f"{number}/{len(cases)} {case.id}", flush=True)
        yield made_outcome(case.id, case.patient, result.probabilities, labels, truth, result.box, spacing)


def outcomes_of(files: Sequence[Path], cases: Sequence[Case], device: str) -> Iterator[Outcome]:
    """The outcomes of every weights file on those of the cases that it has not learned from."""
    for weights in files:
        yield from outcome_of(unseen(cases, weights), weights, device)


def write_page(about: str, name: str, page: Callable[[Iterable[Outcome], Sequence[Path]], str]) -> None:
    """What a command does that writes one page about the outcomes of cases new to the weights.

    Args:
        about: what ``--help`` says.
        name: of the page.
        page: makes its Markdown, of the outcomes and the weights files.
    """
    options = judging_parser(about, name).parse_args()
    files = options.weights or [shipped_weights()]
    text = page(outcomes_of(files, pooled_cases(options.data), options.device), files)
    write_text(text, options.out / name)
    print(text)


def made_outcome(
    case: str,
    patient: str,
    probabilities: np.ndarray,
    labels: np.ndarray,
    truth: np.ndarray,
    box: tuple[slice, slice, slice],
    spacing_kji: tuple[float, float, float],
) -> Outcome:
    """An outcome of its arrays, as its attributes have them."""
    zones, inside = probabilities[PZ] + probabilities[CG], truth[box]
    gland = inside > 0
    asked = zones > IN_QUESTION
    both = gland & (zones > 0.5) & (inside != GLAND_UNKNOWN_ZONE)
    share = probabilities[PZ][both] / np.maximum(zones[both], 1e-6)
    return Outcome(
        case,
        patient,
        counted(zones[asked], gland[asked]),
        counted(share, inside[both] == PZ),
        probabilities.astype(np.float16),
        labels,
        truth,
        box,
        spacing_kji,
    )


def counted(said: np.ndarray, true: np.ndarray) -> Counts:
    """Voxels gathered by step of probability: what was said and came true on the mean, and how many."""
    step = np.clip((said * STEPS).astype(int), 0, STEPS - 1)
    counts, sums, hits = (np.bincount(step, weights, STEPS) for weights in (None, said, true))
    some = counts > 0
    return sums[some] / counts[some], hits[some] / counts[some], counts[some].astype(float)
