"""A reader who corrects slices to an expert's labels, the worst first, and what that takes.

Arrays are indexed [k, j, i] on the LPS-oriented image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from proseg.images.geometry import to_lps
from proseg.labels import BACKGROUND, CG, PZ
from proseg.model.calibration import Calibration
from proseg.segmentation.propagation import Seen
from proseg.segmentation.segmenter import Segmenter
from training.data.datasets import load_image, load_labels
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.data.layouts import Case
from training.judge.metrics import structures

LEAST = {"gland": 0.90, "CG": 0.80, "PZ": 0.80}  # Dice of a slice that a reader leaves as it is

Way = Callable[["Examination", np.ndarray, list[int]], np.ndarray]
"""Labels (K, J, I) of an examination in which the slices of the list are given as the labels (K, J, I) have them."""


@dataclass(frozen=True)
class Examination:
    """One case as the networks saw it.

    Attributes:
        case, patient, source, licence: of the case.
        seen: what the networks saw in it.
        truths: uint8 (K, J, I), each reader's labels: zones, or GLAND_UNKNOWN_ZONE.
    """

    case: str
    patient: str
    source: str
    licence: str
    seen: Seen
    truths: tuple[np.ndarray, ...]

    @property
    def zonal(self) -> bool:
        """Whether the experts drew zones."""
        return not (self.truths[0] == GLAND_UNKNOWN_ZONE).any()

    def said(self, reader: int = 0) -> np.ndarray:
        """What a reader who draws the truth draws; zones are the networks' own where the truth knows none."""
        truth = self.truths[reader]
        if not (truth == GLAND_UNKNOWN_ZONE).any():
            return truth
        zones = np.full(truth.shape, CG, np.uint8)
        pz, cg = self.seen.probabilities[[PZ, CG]]
        zones[self.seen.box] = np.where(pz > cg, PZ, CG)
        return np.where(truth > 0, zones, np.uint8(BACKGROUND))


def examinations(cases: Sequence[Case], weights: Path, device: str) -> Iterator[Examination]:
    """Segment cases with the networks' own probabilities."""
    segmenter = Segmenter(weights, device)
    segmenter.model = replace(segmenter.model, calibration=Calibration())
    for number, case in enumerate(cases, 1):
        image = load_image(case)
        result = segmenter.segment(image)
        voxels, labels, *truths = (
            sitk.GetArrayFromImage(to_lps(one))
            for one in (
                image,
                result.labelmap,
                *(load_labels(case, reader) for reader in ((1, 2) if case.zones_reader2 else (1,))),
            )
        )
        spacing = to_lps(image).GetSpacing()[::-1]
        print(f"{number}/{len(cases)} {case.id}", flush=True)
        seen = Seen(voxels, result.probabilities, result.box, labels, spacing)
        yield Examination(case.id, case.patient, case.source, case.licence, seen, tuple(truths))


def wrong_mm2(truth: np.ndarray, labels: np.ndarray, spacing_kji: tuple[float, float, float]) -> np.ndarray:
    """Area of each slice (K,) whose label is wrong, mm²; of the gland where the truth knows no zones."""
    if (truth == GLAND_UNKNOWN_ZONE).any():
        truth, labels = truth > 0, labels > 0
    return np.count_nonzero(truth != labels, axis=(1, 2)) * spacing_kji[1] * spacing_kji[2]


def unfit(truth: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Which slices (K,) a reader would not leave as they are: a structure's Dice in it is below ``LEAST``."""
    found = np.zeros(len(truth), bool)
    for name, true, drawn in structures(truth, labels):
        total = np.count_nonzero(true, axis=(1, 2)) + np.count_nonzero(drawn, axis=(1, 2))
        both = 2 * np.count_nonzero(true & drawn, axis=(1, 2))
        found |= both < LEAST[name] * total
    return found


def corrected(examination: Examination, way: Way, reader: int = 0) -> Iterator[tuple[list[int], np.ndarray]]:
    """Slices given so far, ascending, and the labels that came of it: after none, after the worst, and so on.

    The worst slice is the one with the largest area wrong of those not given yet.
    """
    truth, said = examination.truths[reader], examination.said(reader)
    labels, given = examination.seen.labels, []
    while True:
        yield given, labels
        wrong = wrong_mm2(truth, labels, examination.seen.spacing_kji)
        wrong[given] = -1
        if wrong.max() <= 0:
            return
        given = sorted([*given, int(wrong.argmax())])
        labels = way(examination, said, given)


def content(truth: np.ndarray, given: list[int], labels: np.ndarray) -> bool:
    """Whether no slice that was not given is unfit."""
    others = unfit(truth, labels)
    others[given] = False
    return not others.any()
