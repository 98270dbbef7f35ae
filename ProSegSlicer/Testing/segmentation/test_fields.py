"""Signed distances within the slice."""

from __future__ import annotations

import numpy as np

from proseg.labels import CG, PZ
from proseg.segmentation.fields import FAR_MM, inside_mm, towards_pz_mm


def test_a_mask_is_where_the_distance_is_positive_and_steps_are_millimetres() -> None:
    mask = np.zeros((3, 20, 20), bool)
    mask[1, 5:15, 5:15] = True
    depth = inside_mm(mask, (3.0, 1.0, 1.0))
    assert np.array_equal(depth > 0, mask)
    assert depth[1, 10, 4:8].tolist() == [-0.5, 0.5, 1.5, 2.5]
    assert (depth[[0, 2]] == -FAR_MM).all()  # another slice is not near


def test_nothing_is_far_away_from_everything() -> None:
    assert (inside_mm(np.zeros((2, 4, 4), bool), (1, 1, 1)) == -FAR_MM).all()


def test_zones_meet_at_nought() -> None:
    labels = np.zeros((1, 10, 10), np.uint8)
    labels[0, :5], labels[0, 5:] = CG, PZ
    towards = towards_pz_mm(labels, (3.0, 1.0, 1.0))
    assert np.array_equal(towards > 0, labels == PZ)
    assert towards[0, 4:6, 5].tolist() == [-0.5, 0.5]
