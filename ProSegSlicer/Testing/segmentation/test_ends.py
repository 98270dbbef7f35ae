"""The gland between two slices that a reader names: cut, grown, and untouched in between."""

from __future__ import annotations

import numpy as np
import pytest

from proseg.errors import InputError
from proseg.labels import CG, PZ
from proseg.segmentation.ends import AREA_SHARE, REACH_MM, with_ends

SPACING = (3.0, 1.0, 1.0)
BOX = (slice(2, 14), slice(5, 45), slice(5, 45))


def made() -> tuple[np.ndarray, np.ndarray]:
    """A round gland in slices 5 to 10, PZ behind, and probabilities that see it go on to slice 12."""
    j, i = np.ogrid[:50, :50]
    round_ = np.hypot(j - 25, i - 25) < 12
    zones = np.where(round_, np.where(j > 28, PZ, CG), 0).astype(np.uint8)
    labels = np.zeros((16, 50, 50), np.uint8)
    labels[5:11] = zones
    seen = np.zeros((16, 50, 50), np.uint8)
    seen[5:13] = zones
    probabilities = np.stack([0.8 * (seen == label) + 0.05 for label in range(3)])
    probabilities[:, 11:13] = np.stack([0.3 * (seen[11:13] == label) + 0.1 for label in range(3)])
    probabilities /= probabilities.sum(axis=0)
    return labels, probabilities[(slice(None), *BOX)].astype(np.float32)


def filled(labels: np.ndarray) -> list[int]:
    return np.flatnonzero(labels.any(axis=(1, 2))).tolist()


def test_what_lies_beyond_the_ends_goes_and_the_rest_stays_voxel_for_voxel() -> None:
    labels, probabilities = made()
    cut = with_ends(labels, probabilities, BOX, SPACING, 6, 9)
    assert filled(cut) == [6, 7, 8, 9]
    assert np.array_equal(cut[6:10], labels[6:10])
    assert filled(labels) == [5, 6, 7, 8, 9, 10]  # what was given is not changed


def test_an_end_that_is_not_given_stays_as_it_is() -> None:
    labels, probabilities = made()
    assert filled(with_ends(labels, probabilities, BOX, SPACING, first=7)) == [7, 8, 9, 10]
    assert filled(with_ends(labels, probabilities, BOX, SPACING, last=7)) == [5, 6, 7]
    assert np.array_equal(with_ends(labels, probabilities, BOX, SPACING), labels)


def test_an_end_too_early_is_grown_outwards_each_slice_smaller_than_the_one_before() -> None:
    labels, probabilities = made()
    grown = with_ends(labels, probabilities, BOX, SPACING, 4, 12)
    assert filled(grown) == list(range(4, 13))
    areas = (grown > 0).sum(axis=(1, 2))
    for k, before in ((11, 10), (12, 11), (4, 5)):
        assert areas[k] == round(AREA_SHARE * areas[before])
    assert np.array_equal(grown[5:11], labels[5:11])
    assert {PZ, CG} <= set(np.unique(grown[11]))  # zones as the networks see them


def test_a_gland_grows_where_the_networks_see_it_but_never_far_from_the_slice_before() -> None:
    labels, probabilities = made()
    shifted = np.roll(probabilities, 8, axis=3)
    grown = with_ends(labels, shifted, BOX, SPACING, last=11)
    i = np.argwhere(grown[11] > 0)[:, 1]
    assert i.mean() > 25 + 2
    assert i.max() <= np.argwhere(labels[10] > 0)[:, 1].max() + REACH_MM


def test_beyond_what_the_networks_saw_the_zones_of_the_slice_before_go_on() -> None:
    labels, probabilities = made()
    labels[1:5] = labels[5]
    grown = with_ends(labels, probabilities, BOX, SPACING, first=0)
    inside = grown[0] > 0
    assert inside.any()
    assert np.array_equal(grown[0][inside], labels[1][inside])


@pytest.mark.parametrize(("first", "last"), [(-1, 9), (5, 16), (99, None)])
def test_slices_that_the_image_lacks_are_refused_with_those_it_has(first: int, last: int | None) -> None:
    with pytest.raises(InputError, match="Give 0 to 15"):
        with_ends(*made(), BOX, SPACING, first, last)


@pytest.mark.parametrize(("first", "last"), [(13, 15), (9, 6)])
def test_ends_without_gland_between_them_are_refused(first: int, last: int) -> None:
    with pytest.raises(InputError, match="no gland between"):
        with_ends(*made(), BOX, SPACING, first, last)
