"""Examinations for a simulated reader, whose truth is drawn from what the networks said."""

from __future__ import annotations

import numpy as np
from Testing.made_outcomes import BOX, WHOLE, make_case

from proseg.segmentation.propagation import Seen
from training.judge.simulated_reader import Examination


def make_examination(number: int = 0, gland_only: bool = False, second: bool = False) -> Examination:
    """A case as ``make_case`` makes it, with noise for an image; a second reader draws a row further back."""
    outcome = make_case(number, gland_only=gland_only)
    labels = np.zeros(WHOLE, np.uint8)
    labels[BOX] = outcome.labels
    voxels = np.random.default_rng(number).normal(100, 20, WHOLE).astype(np.float32)
    seen = Seen(voxels, outcome.probabilities.astype(np.float32), BOX, labels, outcome.spacing_kji)
    truths = (outcome.truth, np.roll(outcome.truth, 1, axis=1)) if second else (outcome.truth,)
    return Examination(outcome.case, outcome.patient, "made", "CC BY 4.0", seen, truths)
