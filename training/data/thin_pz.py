"""Patients whose peripheral zone is a thin rim, shown more often: few have one, and it is what a network errs in most.

``python -m training.fit.train --out runs/thin0 --fold 0 --start-from training/held_out/fold0.pt --thin-pz 5`` does so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from proseg.labels import PZ
from training.data.preprocess import Arrays

THIN_SHARE = 0.16  # of the gland; those below 0.13 are found worst, and their neighbours have much to teach about them


def has_thin_pz(case: Arrays) -> bool:
    """Whether the first reader has outlined less than ``THIN_SHARE`` of the gland as PZ; never if zones are unknown."""
    first = case.labels[0]
    return case.zonal and bool((first == PZ).sum() < THIN_SHARE * np.count_nonzero(first))


def thin_pz_repeated(cases: Sequence[Arrays], times: int) -> list[Arrays]:
    """The cases, those with a thin PZ so many times."""
    return [case for case in cases for _ in range(times if has_thin_pz(case) else 1)]
