"""From probabilities to labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from proseg.labels import CG, PZ
from proseg.segmentation.cleanup import clean_up, pieces, raw_labels

SPACING_KJI = (3.0, 1.0, 1.0)
SHAPE = (14, 56, 64)


def one_hot(labels: np.ndarray) -> np.ndarray:
    """Probabilities (3, K, J, I) of somebody who is certain."""
    return np.stack([labels == label for label in range(3)]).astype(np.float32)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.fixture
def prostate() -> np.ndarray:
    """An ellipsoid gland of 28 mL, an ellipsoid CG of about a third of it in its anterior part."""
    k, j, i = np.ogrid[-7:7, -28:28, -32:32]
    gland = (k * 3 / 20) ** 2 + (j / 15) ** 2 + (i / 22) ** 2 <= 1
    cg = (k * 3 / 16) ** 2 + ((j + 4) / 9) ** 2 + (i / 15) ** 2 <= 1
    return np.where(gland, np.where(cg, CG, PZ), 0).astype(np.uint8)


def test_a_clean_prostate_stays_as_it_is(prostate: np.ndarray) -> None:
    np.testing.assert_array_equal(clean_up(one_hot(prostate), SPACING_KJI), prostate)


def test_only_the_largest_piece_of_gland_is_kept(prostate: np.ndarray) -> None:
    strewn = prostate.copy()
    strewn[0:2, 2:8, 2:8] = CG
    np.testing.assert_array_equal(clean_up(one_hot(strewn), SPACING_KJI), prostate)


def test_pieces_that_meet_only_at_a_corner_are_two(prostate: np.ndarray) -> None:
    mask = np.zeros((2, 4, 4), bool)
    mask[0, :2, :2] = mask[1, 2:, 2:] = True
    mask[1, 3, 3] = False
    assert np.bincount(pieces(mask).ravel()).tolist() == [25, 4, 3]
    assert pieces(mask, diagonal=True).max() == 1


def test_holes_are_filled_with_the_zone_around_them(prostate: np.ndarray) -> None:
    holed = prostate.copy()
    holed[6:9, 22:25, 31:34] = 0  # a cavity in the CG
    holed[7, 37:39, 30:36] = 0  # a hole in one slice of the PZ
    np.testing.assert_array_equal(clean_up(one_hot(holed), SPACING_KJI), prostate)


def test_a_channel_along_the_slice_axis_is_filled_too(prostate: np.ndarray) -> None:
    holed = prostate.copy()
    holed[:, 24, 32] = 0
    filled = clean_up(one_hot(holed), SPACING_KJI)
    np.testing.assert_array_equal(filled > 0, prostate > 0)


def test_a_large_hole_takes_the_zone_the_probabilities_favour(prostate: np.ndarray) -> None:
    probabilities = one_hot(prostate)
    hole = np.s_[:, 6:9, 35:41, 24:40]
    assert (prostate[hole[1:]] == PZ).all()
    probabilities[hole] = np.array([0.6, 0.1, 0.3])[:, None, None, None]
    assert (clean_up(probabilities, SPACING_KJI)[hole[1:]] == CG).all()


def test_islands_join_the_zone_around_them(prostate: np.ndarray) -> None:
    specked = prostate.copy()
    specked[7, 22:25, 30:35] = PZ  # 0.045 mL of PZ within the CG
    specked[7, 38:40, 30:35] = CG  # 0.030 mL of CG within the PZ
    np.testing.assert_array_equal(clean_up(one_hot(specked), SPACING_KJI), prostate)


def test_a_nodule_large_enough_to_be_meant_stays(prostate: np.ndarray) -> None:
    prostate[6:8, 37:41, 29:36] = CG  # 0.168 mL
    np.testing.assert_array_equal(clean_up(one_hot(prostate), SPACING_KJI), prostate)


def test_peripheral_zone_enclosed_in_its_slice_joins_the_central_gland(prostate: np.ndarray) -> None:
    islands = prostate.copy()
    islands[4:10, 20:28, 28:36] = PZ  # large enough to be meant, were it CG
    islands[7, 28:40, 30:34] = PZ  # in this slice it reaches the rest of the PZ
    joined = prostate.copy()
    joined[7] = islands[7]
    np.testing.assert_array_equal(clean_up(one_hot(islands), SPACING_KJI), joined)


def test_the_only_peripheral_zone_stays_even_if_enclosed(prostate: np.ndarray) -> None:
    inside_out = np.where(prostate > 0, 3 - prostate, 0).astype(np.uint8)
    inside_out[:2] = inside_out[-2:] = 0
    assert (inside_out == PZ).any()
    assert (clean_up(one_hot(inside_out), SPACING_KJI) == PZ).any()


def test_a_thin_strip_of_a_zone_that_steps_sideways_stays(prostate: np.ndarray) -> None:
    steps = np.arange(6)
    assert prostate[7, 34, 32] == PZ
    prostate[7, 34 - steps, 32 + steps] = PZ
    np.testing.assert_array_equal(clean_up(one_hot(prostate), SPACING_KJI), prostate)


def test_a_zone_of_one_small_piece_is_not_wiped_out(prostate: np.ndarray) -> None:
    nearly_all_cg = np.where(prostate > 0, CG, 0).astype(np.uint8)
    nearly_all_cg[7, 40, 30:34] = PZ
    np.testing.assert_array_equal(clean_up(one_hot(nearly_all_cg), SPACING_KJI), nearly_all_cg)


def test_a_voxel_torn_between_the_zones_is_gland() -> None:
    probabilities = np.array([0.4, 0.25, 0.35]).reshape(3, 1, 1, 1)
    assert raw_labels(probabilities).item() == CG
    assert raw_labels(probabilities[[0, 2, 1]]).item() == PZ
    assert raw_labels(np.array([0.52, 0.24, 0.24]).reshape(3, 1, 1, 1)).item() == 0


def test_raw_labels_keep_what_clean_up_removes(prostate: np.ndarray) -> None:
    prostate[0, 2, 2] = CG
    prostate[7, 24, 32] = 0
    np.testing.assert_array_equal(raw_labels(one_hot(prostate)), prostate)


def test_no_gland_gives_no_labels() -> None:
    labels = clean_up(one_hot(np.zeros(SHAPE, np.uint8)), SPACING_KJI)
    assert labels.shape == SHAPE
    assert labels.dtype == np.uint8
    assert not labels.any()


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.float32, (3, 4, 6, 6), elements=st.floats(0.0625, 1, width=32)))
def test_any_probabilities_give_one_piece_without_holes_that_stays_put(weights: np.ndarray) -> None:
    probabilities = weights / weights.sum(axis=0)
    labels = clean_up(probabilities, SPACING_KJI)
    assert pieces(labels > 0).max() <= 1
    outside = pieces(np.pad(labels == 0, 1, constant_values=True))
    assert outside.max() == 1
    np.testing.assert_array_equal(clean_up(one_hot(labels), SPACING_KJI), labels)
    np.testing.assert_array_equal(clean_up(probabilities.copy(), SPACING_KJI), labels)


def test_where_the_gland_lies_in_the_array_makes_no_difference(prostate: np.ndarray) -> None:
    prostate[7, 24, 32] = 0
    around = ((1, 4), (9, 0), (0, 12))
    expected = np.pad(clean_up(one_hot(prostate), SPACING_KJI), around)
    np.testing.assert_array_equal(clean_up(one_hot(np.pad(prostate, around)), SPACING_KJI), expected)


def test_expert_labels_hardly_change(shared_data: Path) -> None:
    cases = sorted((shared_data / "zonal").glob("*/zones.nii.gz"))
    assert len(cases) > 40
    for path in cases[::6]:
        image = sitk.DICOMOrient(sitk.ReadImage(path), "LPS")
        expert = sitk.GetArrayFromImage(image)
        cleaned = clean_up(one_hot(expert), image.GetSpacing()[::-1])
        assert min(dice(cleaned == zone, expert == zone) for zone in (PZ, CG)) > 0.985, path.parent.name


def test_specks_at_the_ends_go_and_small_ends_stay() -> None:
    gland = np.zeros((9, 40, 40), np.uint8)
    gland[2:7, 5:35, 5:35] = CG  # 900 voxels a slice
    gland[7, 20, 10:26] = gland[8, 20, 20] = CG  # 16 voxels, and 1 beyond
    gland[1, 18:23, 18:22] = CG  # 20 voxels: 2.2 %
    cleaned = clean_up(one_hot(gland), (3.0, 0.7, 0.7))
    assert np.flatnonzero(cleaned.any(axis=(1, 2))).tolist() == [1, 2, 3, 4, 5, 6]


def half_believed(prostate: np.ndarray, zone: int, ks: list[int], other: float) -> np.ndarray:
    """Probabilities of somebody who gives a zone 0.45 in these slices, the other zone `other`, and is certain else."""
    probabilities = one_hot(prostate)
    doubtful = prostate == zone
    doubtful[np.setdiff1d(np.arange(len(prostate)), ks)] = False
    for label, probability in ((0, 0.55 - other), (zone, 0.45), (3 - zone, other)):
        probabilities[label][doubtful] = probability
    return probabilities


@pytest.mark.parametrize(("other", "instead"), [(0.15, 0), (0.4, CG)])
def test_peripheral_zone_half_believed_towards_the_base_gives_way(
    prostate: np.ndarray, other: float, instead: int
) -> None:
    base, apex = [10, 11], [1, 2]
    assert (prostate[[*base, *apex]] == PZ).any(axis=(1, 2)).all()
    prostate[12:] = 0
    cleaned = clean_up(half_believed(prostate, PZ, [*base, *apex], other), SPACING_KJI)
    expected = prostate.copy()
    expected[base] = np.where(prostate[base] == PZ, instead, prostate[base])
    np.testing.assert_array_equal(cleaned, expected)


def test_central_gland_half_believed_towards_the_apex_gives_way(prostate: np.ndarray) -> None:
    base, apex = [11], [2, 3]
    assert (prostate[[*base, *apex]] == CG).any(axis=(1, 2)).all()
    cleaned = clean_up(half_believed(prostate, CG, [*base, *apex], 0.4), SPACING_KJI)
    expected = prostate.copy()
    expected[apex] = np.where(prostate[apex] > 0, PZ, 0)
    np.testing.assert_array_equal(cleaned, expected)


@pytest.mark.parametrize("zone", [PZ, CG])
def test_a_zone_half_believed_from_the_far_end_on_stays_beyond_the_middle(prostate: np.ndarray, zone: int) -> None:
    filled = np.flatnonzero(prostate.any(axis=(1, 2)))
    middle = (filled[0] + filled[-1]) // 2
    doubtful = range(filled[0] + 3, filled[-1] + 1) if zone == PZ else range(filled[0], filled[-1] - 2)
    found = clean_up(half_believed(prostate, zone, list(doubtful), 0.4), SPACING_KJI) == zone
    own = np.s_[middle + 1 :] if zone == PZ else np.s_[: middle + 1]
    other = np.s_[: middle + 1] if zone == PZ else np.s_[middle + 1 :]
    assert not found[own].any()
    np.testing.assert_array_equal(found[other], prostate[other] == zone)


def test_a_zone_half_believed_between_slices_with_it_leaves_no_hole(prostate: np.ndarray) -> None:
    probabilities = half_believed(prostate, PZ, [6, 8], 0.15)
    np.testing.assert_array_equal(clean_up(probabilities, SPACING_KJI), prostate)


def test_a_zone_believed_in_no_slice_is_not_wiped_out(prostate: np.ndarray) -> None:
    probabilities = half_believed(prostate, PZ, list(range(len(prostate))), 0.15)
    np.testing.assert_array_equal(clean_up(probabilities, SPACING_KJI), prostate)


def hazy(prostate: np.ndarray, ks: list[int], inside: float, around: float) -> np.ndarray:
    """Probabilities of somebody who is certain, but in some slices: of the gland there, and as wide again around it."""
    probabilities = one_hot(prostate)
    for k in ks:
        gland = prostate[k] > 0
        rows, columns = (np.flatnonzero(gland.any(axis=axis)) for axis in (1, 0))
        wide = np.zeros_like(gland)
        wide[rows[0] - 8 : rows[-1] + 9, columns[0] - 8 : columns[-1] + 9] = True
        for where, said in ((gland, inside), (wide & ~gland, around)):
            probabilities[0, k][where] = 1 - said
            probabilities[PZ, k][where] = said
            probabilities[CG, k][where] = 0
    return probabilities


@pytest.fixture
def ends(prostate: np.ndarray) -> tuple[int, int]:
    """The first and the last slice with gland."""
    filled = np.flatnonzero(prostate.any(axis=(1, 2)))
    return int(filled[0]), int(filled[-1])


def test_the_gland_begins_with_a_slice_of_which_enough_dice_is_expected(
    prostate: np.ndarray, ends: tuple[int, int]
) -> None:
    first, last = ends
    cleaned = clean_up(hazy(prostate, [first, first + 1, last], 0.52, 0.45), SPACING_KJI) > 0
    np.testing.assert_array_equal(np.flatnonzero(cleaned.any(axis=(1, 2))), np.arange(first + 2, last + 1))
    np.testing.assert_array_equal(cleaned[first + 2 : last], prostate[first + 2 : last] > 0)


@pytest.mark.parametrize(("inside", "around"), [(0.52, 0.05), (0.95, 0.11)])
def test_an_apex_that_is_believed_or_stands_alone_stays(
    prostate: np.ndarray, ends: tuple[int, int], inside: float, around: float
) -> None:
    cleaned = clean_up(hazy(prostate, [ends[0]], inside, around), SPACING_KJI)
    np.testing.assert_array_equal(cleaned > 0, prostate > 0)


def test_doubt_above_a_believed_slice_or_in_all_slices_of_the_half_leaves_the_apex_where_it_is(
    prostate: np.ndarray, ends: tuple[int, int]
) -> None:
    first, last = ends
    for doubtful in ([first + 1], list(range(first, (first + last) // 2 + 2))):
        found = clean_up(hazy(prostate, doubtful, 0.52, 0.45), SPACING_KJI)
        assert np.flatnonzero(found.any(axis=(1, 2)))[0] == first


def test_without_the_rule_the_apex_stays(prostate: np.ndarray, ends: tuple[int, int]) -> None:
    said = hazy(prostate, [ends[0]], 0.52, 0.45)
    assert not clean_up(said, SPACING_KJI)[ends[0]].any()
    assert clean_up(said, SPACING_KJI, least_expected=0)[ends[0]].any()
