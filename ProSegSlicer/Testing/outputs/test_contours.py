"""Contours on a grey slice: where they lie, how thin a structure they still show, and in which colour."""

from __future__ import annotations

import numpy as np

from proseg.outputs.contours import bright, outlined

RED, GREEN = (255, 0, 0), (0, 255, 0)


def test_a_contour_lies_on_the_border_of_its_mask() -> None:
    mask = np.zeros((20, 20), bool)
    mask[5:15, 5:15] = True
    row = np.asarray(outlined(np.zeros((20, 20), np.uint8), [(mask, RED)], (200, 200)))[100, :, 0]
    (drawn,) = np.nonzero(row > 60)
    assert abs(drawn[0] - 50) <= 1
    assert abs(drawn[-1] - 149) <= 1
    assert len(drawn) <= 6  # a thin line on either side, and next to nothing between
    assert 0 < row[100] < 20


def test_a_structure_one_voxel_thin_keeps_its_contour() -> None:
    mask = np.zeros((20, 20), bool)
    mask[10] = True
    drawn = np.asarray(outlined(np.zeros((20, 20), np.uint8), [(mask, RED)], (120, 120)))
    assert drawn[:, 60, 0].max() > 60


def test_the_later_contour_is_on_top_and_an_empty_one_is_none() -> None:
    mask = np.zeros((20, 20), bool)
    mask[5:15, 5:15] = True
    drawn = outlined(np.full((20, 20), 90, np.uint8), [(mask, RED), (mask, GREEN), (mask & False, RED)], (100, 100))
    pixels = np.asarray(drawn, int)
    assert (pixels[..., 1] > 200).any()
    assert not (pixels[..., 0] > 200).any()
    assert (pixels[0] == 90).all()


def test_colours_are_brightened_and_keep_their_hue() -> None:
    assert bright((20, 60, 40)) == (90, 255, 172)
