"""Reasons to look at a result, in words."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from proseg.flags import QualityFlag, Severity
from proseg.images.geometry import input_slice_indices
from proseg.labels import CG, PZ
from proseg.model.calibration import Calibration
from proseg.segmentation.cleanup import clean_up, raw_labels
from proseg.segmentation.quality import LOW_CONFIDENCE, assess, gland_confidence, name_slices, slice_confidence

SPACING_KJI = (3.0, 1.0, 1.0)
SHAPE = (18, 60, 70)
Box = tuple[slice, slice, slice]
WHOLE: Box = (slice(0, 18), slice(0, 60), slice(0, 70))
MIDDLE_K = 9  # gland in slices 3 to 15


def same_slices(ks: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(ks))


def one_hot(labels: np.ndarray) -> np.ndarray:
    return np.stack([labels == label for label in range(3)]).astype(np.float32)


@pytest.fixture
def prostate() -> np.ndarray:
    """An ellipsoid gland of 28 mL, an ellipsoid CG of about a third of it in its anterior part."""
    k, j, i = np.ogrid[-9:9, -30:30, -35:35]
    gland = (k * 3 / 20) ** 2 + (j / 15) ** 2 + (i / 22) ** 2 <= 1
    cg = (k * 3 / 16) ** 2 + ((j + 4) / 9) ** 2 + (i / 15) ** 2 <= 1
    return np.where(gland, np.where(cg, CG, PZ), 0).astype(np.uint8)


def flags_of(labels: np.ndarray, raw: np.ndarray | None = None, **changes: Any) -> dict[str, QualityFlag]:
    """Flags by code, of labels that cover the whole image unless told otherwise."""
    confidence = changes.pop("confidence", {})
    where = {"spacing_kji": SPACING_KJI, "box": WHOLE, "image_shape": SHAPE, "to_input_slices": same_slices} | changes
    flags = assess(labels, labels if raw is None else raw, confidence, **where)
    return {flag.code: flag for flag in flags}


def test_a_normal_prostate_raises_no_flag(prostate: np.ndarray) -> None:
    assert flags_of(prostate, confidence=slice_confidence(one_hot(prostate), prostate)) == {}


def test_an_empty_result_says_so_and_nothing_else(prostate: np.ndarray) -> None:
    flags = flags_of(np.zeros_like(prostate))
    assert list(flags) == ["nothing_found"]
    assert flags["nothing_found"].severity is Severity.CRITICAL


def test_a_second_piece_is_named_with_its_volume_and_slices(prostate: np.ndarray) -> None:
    raw = prostate.copy()
    raw[7:10, 2:12, 2:12] = CG  # 0.9 mL
    flags = flags_of(prostate, raw)
    assert list(flags) == ["more_than_one_piece"]
    assert flags["more_than_one_piece"].slices == (7, 8, 9)
    assert "0.9 mL" in flags["more_than_one_piece"].sentence
    assert "slices 7 to 9" in flags["more_than_one_piece"].sentence


def test_a_speck_apart_from_the_gland_is_not_worth_a_flag(prostate: np.ndarray) -> None:
    raw = prostate.copy()
    raw[8, 2:12, 2:12] = CG  # 0.3 mL
    assert flags_of(prostate, raw) == {}


def test_a_slice_where_the_gland_was_lost_is_named(prostate: np.ndarray) -> None:
    prostate[6] = 0
    labels = clean_up(one_hot(prostate), SPACING_KJI)
    assert not labels[:6].any()
    flags = flags_of(labels, raw_labels(one_hot(prostate)))
    assert flags["slice_gap"].slices == (6,)
    assert flags["more_than_one_piece"].slices == (3, 4, 5)


@pytest.mark.parametrize(
    ("side", "axis", "cut"),
    [
        ("inferior", 0, np.s_[9:]),
        ("superior", 0, np.s_[:9]),
        ("anterior", 1, np.s_[24:]),
        ("posterior", 1, np.s_[:36]),
        ("right", 2, np.s_[30:]),
        ("left", 2, np.s_[:40]),
    ],
)
def test_a_gland_cut_off_by_the_image_names_the_side(prostate: np.ndarray, side: str, axis: int, cut: slice) -> None:
    labels = prostate[(slice(None),) * axis + (cut,)]
    box: Box = tuple(slice(0, n) for n in labels.shape)  # type: ignore[assignment]
    flag = flags_of(labels, box=box, image_shape=labels.shape)["touches_border"]
    assert f"the {side} edge of" in flag.sentence
    assert flag.severity is Severity.WARNING
    assert flag.slices


def test_a_small_last_slice_at_the_border_is_only_worth_knowing(prostate: np.ndarray) -> None:
    labels = prostate[3:]
    assert 0 < np.count_nonzero(labels[0]) < 0.25 * np.count_nonzero(labels[6])
    flag = flags_of(labels, box=(slice(0, 15), *WHOLE[1:]), image_shape=labels.shape)["touches_border"]
    assert flag.severity is Severity.INFO
    assert flag.slices == (0,)


def test_the_edge_of_the_box_is_not_the_edge_of_the_image(prostate: np.ndarray) -> None:
    tight = np.s_[3:16, 15:46, 13:58]
    assert all(prostate[tight].any(axis=tuple({0, 1, 2} - {axis})).all() for axis in range(3))
    assert flags_of(prostate[tight], box=tight) == {}
    larger_box = (slice(3, 16), slice(15, 46), slice(0, 45))
    assert list(flags_of(prostate[tight], box=larger_box)) == ["touches_border"]


@pytest.mark.parametrize(
    ("spacing", "words"),
    [((1.5, 0.8, 0.8), "gland is implausibly small: 8.9 mL"), ((5.0, 3.0, 3.0), "gland is implausibly large: 4")],
)
def test_an_implausible_gland_is_flagged_with_its_volume(
    prostate: np.ndarray, spacing: tuple[float, float, float], words: str
) -> None:
    assert words in flags_of(prostate, spacing_kji=spacing)["implausible_volume"].sentence


def test_a_missing_zone_is_flagged(prostate: np.ndarray) -> None:
    only_cg = np.where(prostate > 0, CG, 0)
    assert "peripheral zone is implausibly small: 0.0 mL" in flags_of(only_cg)["implausible_volume"].sentence
    only_pz = np.where(prostate > 0, PZ, 0)
    assert "central gland is implausibly small: 0.0 mL" in flags_of(only_pz)["implausible_volume"].sentence


def test_a_peripheral_zone_that_takes_nearly_all_is_flagged_with_its_share(prostate: np.ndarray) -> None:
    prostate[prostate == CG] = PZ
    prostate[8:11, 20:30, 25:45] = CG  # 1.8 mL
    assert "94% of the gland" in flags_of(prostate)["implausible_volume"].sentence


@pytest.mark.parametrize(("share", "thin"), [(0.05, True), (0.19, True), (0.21, False), (0.6, False)])
def test_a_thin_rim_of_peripheral_zone_is_flagged_with_its_share(
    prostate: np.ndarray, share: float, thin: bool
) -> None:
    gland = np.argwhere(prostate > 0)
    back = gland[np.argsort(gland[:, 1])][-round(share * len(gland)) :]
    rim = np.where(prostate > 0, CG, 0).astype(np.uint8)
    rim[tuple(back.T)] = PZ
    flags = flags_of(rim)
    assert ("thin_pz" in flags) == thin
    if thin:
        assert f"a thin rim, {share:.0%} of the gland" in flags["thin_pz"].sentence
        assert flags["thin_pz"].severity is Severity.WARNING


def test_a_prostate_the_wrong_way_round_is_critical(prostate: np.ndarray) -> None:
    flag = flags_of(prostate[:, ::-1])["pz_not_behind_cg"]
    assert flag.severity is Severity.CRITICAL
    assert "in front of" in flag.sentence


def test_uncertain_slices_are_named_with_their_place(prostate: np.ndarray) -> None:
    confidence = dict.fromkeys(range(3, 16), 0.9) | {4: 0.55, 5: 0.61, 9: 0.5, 13: 0.6, 14: 0.4, 15: 0.6}
    flag = flags_of(prostate, confidence=confidence)["low_confidence_slices"]
    assert "slices 4 and 5 (apex), slice 9 (mid-gland) and slices 13 to 15 (base)" in flag.sentence
    assert "0.40" in flag.sentence
    assert flag.slices == (4, 5, 9, 13, 14, 15)


@pytest.mark.parametrize(
    ("low", "severity"),
    [
        ({3: 0.6, 4: 0.65, 15: 0.55}, Severity.INFO),
        ({5: 0.6}, Severity.WARNING),
        ({13: 0.69}, Severity.WARNING),
        ({3: 0.45}, Severity.INFO),
        ({3: 0.15}, Severity.WARNING),
        ({16: 0.6}, Severity.INFO),  # beyond the gland, undecided
    ],
)
def test_uncertain_end_slices_alone_are_no_warning(
    prostate: np.ndarray, low: dict[int, float], severity: Severity
) -> None:
    flag = flags_of(prostate, confidence=dict.fromkeys(range(3, 16), 0.9) | low)["low_confidence_slices"]
    assert flag.severity is severity


def test_slices_are_counted_as_in_the_input_and_from_the_whole_image(prostate: np.ndarray) -> None:
    like = sitk.DICOMOrient(sitk.Image(70, 60, 28, sitk.sitkUInt8), "LPI")
    raw = prostate.copy()
    raw[7:10, 2:12, 2:12] = CG
    flags = flags_of(
        prostate,
        raw,
        box=(slice(6, 24), *WHOLE[1:]),
        image_shape=(28, 60, 70),
        confidence={9: 0.2, 15: 0.9},
        to_input_slices=lambda ks: input_slice_indices(like, ks),
    )
    assert flags["more_than_one_piece"].slices == (27 - 15, 27 - 14, 27 - 13)
    assert flags["low_confidence_slices"].slices == (27 - 9,)
    assert "slice 18 (apex)" in flags["low_confidence_slices"].sentence


def test_certain_probabilities_are_fully_believed_in_every_slice_with_gland(prostate: np.ndarray) -> None:
    confidence = slice_confidence(one_hot(prostate), prostate, first_slice=4)
    assert list(confidence) == list(range(7, 20))
    assert list(confidence.values()) == pytest.approx([1.0] * 13)


def test_confidence_is_the_dice_the_probabilities_expect() -> None:
    background = np.array([[[0.1, 0.3, 0.6, 0.95], [0.95] * 4]])
    pz = np.array([[[0.8, 0.1, 0.2, 0.05], [0.05] * 4]])
    probabilities = np.stack([background, pz, 1 - background - pz])
    labels = raw_labels(probabilities)
    assert labels.tolist() == [[[PZ, CG, 0, 0], [0, 0, 0, 0]]]
    believed, expected = 0.8 + 0.6, 0.9 + 0.7 + 0.4  # what is below a tenth does not count
    assert slice_confidence(probabilities, labels) == pytest.approx({0: 2 * believed / (2 + expected)})


def test_a_blurred_slice_is_believed_less_and_a_small_one_least(prostate: np.ndarray) -> None:
    gland = np.where(prostate > 0, CG, 0)
    classes = [sitk.GetImageFromArray(c) for c in one_hot(gland)]
    probabilities = np.stack([sitk.GetArrayFromImage(sitk.DiscreteGaussian(c, [4.0, 4.0, 0.0])) for c in classes])
    confidence = slice_confidence(probabilities, gland)
    assert all(0 < value < 0.97 for value in confidence.values())
    assert min(confidence, key=confidence.__getitem__) in (3, 15)
    assert confidence[MIDDLE_K] > max(confidence[3], confidence[15]) + 0.05


def test_a_slice_beyond_the_gland_is_listed_only_where_the_network_is_undecided(prostate: np.ndarray) -> None:
    probabilities = one_hot(prostate)
    probabilities[:, 2] = probabilities[:, 3] * 0.45  # perhaps the gland goes on below
    probabilities[0, 2] = 1 - probabilities[1:, 2].sum(axis=0)
    probabilities[:, 16] = probabilities[:, 15] * 0.1  # it surely does not above
    probabilities[0, 16] = 1 - probabilities[1:, 16].sum(axis=0)
    confidence = slice_confidence(probabilities, prostate)
    assert confidence[2] == pytest.approx(0.55)
    assert confidence[2] < LOW_CONFIDENCE
    assert list(confidence) == list(range(2, 16))


def test_gland_the_labels_lack_lowers_the_confidence(prostate: np.ndarray) -> None:
    raw = prostate.copy()
    raw[9, 2:14, 2:14] = CG
    confidence = slice_confidence(one_hot(raw), clean_up(one_hot(raw), SPACING_KJI))
    assert confidence[9] < 0.95
    assert confidence[8] == pytest.approx(1.0)


def test_expert_labels_raise_only_the_flags_they_deserve(shared_data: Path) -> None:
    """Thin PZs, of which experts draw a few too, and glands that reach the last slice; two are cut off: they are."""
    cases = sorted((shared_data / "zonal").glob("*/zones.nii.gz"))
    assert len(cases) > 40
    serious = {}
    for path in cases:
        image = sitk.DICOMOrient(sitk.ReadImage(path), "LPS")
        labels = sitk.GetArrayFromImage(image)
        box: Box = tuple(slice(0, n) for n in labels.shape)  # type: ignore[assignment]
        where = {"spacing_kji": image.GetSpacing()[::-1], "box": box, "image_shape": labels.shape}
        flags = flags_of(labels, confidence=slice_confidence(one_hot(labels), labels), **where)
        thin = (labels == PZ).sum() < 0.2 * (labels > 0).sum()
        assert set(flags) <= {"touches_border", *(["thin_pz"] if thin else [])}, path.parent.name
        assert ("thin_pz" in flags) == thin
        flags.pop("thin_pz", None)
        if any(flag.severity is not Severity.INFO for flag in flags.values()):
            serious[path.parent.name] = flags
    assert set(serious) == {"promise12_test_case03_msd24", "promise12_train_case23_msd16"}


def test_a_gland_the_network_hardly_believes_is_flagged_as_a_whole(prostate: np.ndarray) -> None:
    sure, unsure = one_hot(prostate), 0.6 * one_hot(prostate) + 0.4 / 3
    assert gland_confidence(sure, prostate) == pytest.approx(1)
    assert gland_confidence(unsure, prostate) < 0.8
    flag = flags_of(prostate, believed=False)["doubtful_gland"]
    assert flag.severity is Severity.WARNING
    assert flag.slices == ()


def test_the_confidence_of_a_gland_is_that_of_its_slices_by_size(prostate: np.ndarray) -> None:
    probabilities = one_hot(prostate)
    probabilities[:, 3] = 0.5 * probabilities[:, 3] + 0.5 / 3  # a small slice in doubt
    assert 0.9 < gland_confidence(probabilities, prostate) < 1
    assert slice_confidence(probabilities, prostate)[3] < 0.8
    assert gland_confidence(probabilities, np.zeros_like(prostate)) == 1


def test_a_calibration_moves_what_is_believed_and_which_slices_are_named(prostate: np.ndarray) -> None:
    probabilities = one_hot(prostate)
    probabilities[:, 16] = probabilities[:, 15] * 0.2
    probabilities[0, 16] = 1 - probabilities[1:, 16].sum(axis=0)
    probabilities[:, 9] = 0.8 * probabilities[:, 9] + 0.2 / 3
    plain = slice_confidence(probabilities, prostate)
    strict = slice_confidence(probabilities, prostate, calibration=Calibration(slices=(-1.0, 1.0), beyond=(-1.0, 1.0)))
    assert 16 not in plain
    assert strict[16] == pytest.approx(1 / (1 + np.e / 4), abs=1e-3)
    assert strict[9] < plain[9] - 0.05


@pytest.mark.parametrize(
    ("slices", "words"),
    [
        ([3], "slice 3 (S \u22127.0 mm)"),
        ([4, 5], "slices 4 and 5 (S \u22126.0 and \u22125.0 mm)"),
        ([4, 5, 6, 12], "slices 4 to 6 and 12 (S \u22126.0 to \u22124.0 and 2.0 mm)"),
        ([10], "slice 10 (S 0.0 mm)"),
    ],
)
def test_slices_are_named_by_number_and_by_where_they_lie(slices: list[int], words: str) -> None:
    assert name_slices(slices, lambda index: index - 10.02) == words
    assert name_slices(slices, lambda index: index - 10.0, "apex") == words.replace(")", ", apex)")
    assert name_slices(slices) == words.partition(" (")[0]
