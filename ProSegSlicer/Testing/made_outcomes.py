"""Outcomes of cases whose truth is drawn from their probabilities."""

from __future__ import annotations

import numpy as np

from proseg.segmentation.cleanup import raw_labels
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.judge.outcomes import Outcome, made_outcome

SHAPE = (9, 24, 28)


BOX = (slice(1, 10), slice(4, 28), slice(2, 30))


WHOLE = (12, 40, 40)


def make_case(number: int, heat: float = 1.0, gland_only: bool = False) -> Outcome:
    """A case whose truth is drawn from its probabilities, voxel by voxel, said with their logits times ``heat``."""
    random = np.random.default_rng(number)
    k, j, i = np.ogrid[-4:5, -12:12, -14:14]
    depth = 5.0 - np.hypot(np.hypot(j / 1.6, i / 2.0), 1.2 * k) + random.normal(0, 0.3)
    gland, pz = (1 / (1 + np.exp(-x)) for x in (depth, 1.2 * (j - 1) + 0 * k + 0 * i))
    true = np.where(random.random(SHAPE) < gland, np.where(random.random(SHAPE) < pz, 1, 2), 0).astype(np.uint8)
    said_gland, said_pz = (1 / (1 + np.exp(-heat * x)) for x in (depth, 1.2 * (j - 1) + 0 * k + 0 * i))
    probabilities = np.stack([1 - said_gland, said_gland * said_pz, said_gland * (1 - said_pz)])
    truth = np.zeros(WHOLE, np.uint8)
    truth[BOX] = np.where(true > 0, GLAND_UNKNOWN_ZONE, 0) if gland_only else true
    name = f"c{number}"
    return made_outcome(name, name, probabilities, raw_labels(probabilities), truth, BOX, (3.0, 1.0, 1.0))
