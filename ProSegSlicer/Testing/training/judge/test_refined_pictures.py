"""Pictures of slices before and after a word of the reader: which are shown, and in which order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from Testing.made_examinations import make_examination

from training.judge.refined_pictures import GAP, SLICES, TILE, before_and_after


def test_two_rows_of_the_slices_that_changed_most() -> None:
    made = make_examination()
    picture = before_and_after(made, [3], made.truths[0])
    assert picture.width == SLICES * (TILE + GAP) - GAP
    assert picture.mode == "P"
    assert picture.height > TILE


def test_rows_are_alike_where_nothing_changed_and_differ_where_something_did() -> None:
    made = make_examination()
    made = replace(made, seen=replace(made.seen, labels=made.truths[0]))

    def rows(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shown = np.asarray(before_and_after(made, [3], labels).convert("RGB"), int)
        half = (len(shown) - GAP) // 2
        return shown[:half], shown[-half:]

    above, below = rows(made.truths[0])
    assert np.array_equal(above, below)
    erased = made.truths[0].copy()
    k = int(erased.any(axis=(1, 2)).nonzero()[0][1])
    erased[k] = 0
    above, below = rows(erased)
    differing = {int(column) // (TILE + GAP) for column in np.flatnonzero((above != below).any(axis=(0, 2)))}
    assert len(differing) == 1  # the tile of that slice
