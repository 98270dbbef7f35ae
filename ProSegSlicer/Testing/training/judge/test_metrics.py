"""Metrics against shapes with known answers, MONAI's own functions and the manifest's reader agreement; the tables."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from monai.metrics import compute_average_surface_distance, compute_dice, compute_hausdorff_distance

from training.data.datasets import GLAND_UNKNOWN_ZONE, find_cases, load_labels
from training.judge.metrics import REGIONS, STRUCTURES, THIRDS, MetricRow, end_errors, evaluate_case

SPACING = (3.0, 0.5, 0.5)
LABELS = arrays(np.uint8, (6, 5, 5), elements=st.integers(0, 2))


def table(truth: np.ndarray, prediction: np.ndarray, spacing: tuple = SPACING) -> dict[tuple[str, str], MetricRow]:
    return {(row.structure, row.region): row for row in evaluate_case(truth, prediction, spacing)}


def block(*bounds: tuple[int, int], label: int = 1, shape: tuple = (20, 30, 30)) -> np.ndarray:
    array = np.zeros(shape, np.uint8)
    array[tuple(slice(*pair) for pair in bounds)] = label
    return array


def ball(radius_mm: float) -> np.ndarray:
    k, j, i = np.mgrid[-20:21, -20:21, -20:21]
    return (k**2 + j**2 + i**2 <= radius_mm**2).astype(np.uint8)


def same(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or a == pytest.approx(b, abs=1e-5)


def test_a_shifted_block_has_the_known_overlap_and_distance() -> None:
    whole = table(block((5, 15), (5, 15), (5, 15)), block((5, 15), (5, 15), (7, 17)))["PZ", "whole"]
    assert whole.dice == whole.recall == pytest.approx(0.8)
    assert whole.hd95_mm == pytest.approx(1.0)  # 2 voxels of 0.5 mm
    assert whole.volume_error_ml == 0
    assert whole.truth_ml == pytest.approx(0.75)  # 1000 voxels of 0.75 mm3


def test_a_shift_across_slices_counts_in_slice_spacings() -> None:
    whole = table(block((5, 15), (5, 25), (5, 25)), block((6, 16), (5, 25), (5, 25)))["PZ", "whole"]
    assert whole.hd95_mm == pytest.approx(3.0)
    assert whole.dice == pytest.approx(0.9)


def test_concentric_balls_lie_the_difference_of_their_radii_apart() -> None:
    whole = table(ball(10), ball(14), (1, 1, 1))["gland", "whole"]
    assert whole.hd95_mm == pytest.approx(4, abs=0.5)
    assert whole.asd_mm == pytest.approx(4, abs=0.25)
    assert whole.dice == pytest.approx(2 * 10**3 / (10**3 + 14**3), abs=0.01)
    assert whole.recall == 1
    assert whole.volume_error_ml == pytest.approx(4 / 3 * math.pi * (14**3 - 10**3) / 1000, rel=0.02)
    assert whole.volume_error_percent == pytest.approx(100 * (1.4**3 - 1), rel=0.02)


@settings(max_examples=25, deadline=None)
@given(LABELS, LABELS)
def test_the_whole_agrees_with_monai(truth: np.ndarray, prediction: np.ndarray) -> None:
    rows = table(truth, prediction)
    for structure, mask in (("PZ", lambda a: a == 1), ("CG", lambda a: a == 2), ("gland", lambda a: a > 0)):
        t, p = (torch.from_numpy(mask(array))[None, None].float() for array in (truth, prediction))
        if not (t.any() and p.any()):
            continue
        row = rows[structure, "whole"]
        assert row.dice == pytest.approx(compute_dice(p, t).item(), abs=1e-6)
        options = {"include_background": True, "spacing": SPACING}
        assert row.hd95_mm == pytest.approx(compute_hausdorff_distance(p, t, percentile=95, **options).item(), abs=1e-5)
        average = compute_average_surface_distance(p, t, symmetric=True, **options).item()
        assert row.asd_mm == pytest.approx(average, abs=1e-5)


@settings(max_examples=50, deadline=None)
@given(LABELS, LABELS)
def test_swapping_truth_and_prediction_only_turns_the_volume_error(truth: np.ndarray, prediction: np.ndarray) -> None:
    there, back = table(truth, prediction), table(prediction, truth)
    for structure in STRUCTURES:
        a, b = there[structure, "whole"], back[structure, "whole"]
        assert same(a.dice, b.dice)
        assert same(a.hd95_mm, b.hd95_mm)
        assert same(a.asd_mm, b.asd_mm)
        assert same(a.volume_error_ml, -b.volume_error_ml)


@settings(max_examples=50, deadline=None)
@given(LABELS, LABELS, st.integers(0, 3))
def test_empty_space_around_changes_nothing(truth: np.ndarray, prediction: np.ndarray, margin: int) -> None:
    near = evaluate_case(truth, prediction, SPACING)
    far = evaluate_case(np.pad(truth, margin), np.pad(prediction, margin), SPACING)
    assert str(near) == str(far)  # as text, for nan is not equal to itself


@settings(max_examples=50, deadline=None)
@given(LABELS, LABELS)
def test_a_segmentation_agrees_with_itself_and_thirds_add_up(truth: np.ndarray, prediction: np.ndarray) -> None:
    for row in evaluate_case(truth, truth, SPACING):
        assert row.dice == 1 or row.truth_ml == 0
        assert row.hd95_mm == 0 or row.truth_ml == 0
    if truth.any():
        rows = table(truth, prediction)
        for structure in STRUCTURES:
            for quantity in ("truth_ml", "volume_error_ml"):
                parts = sum(getattr(rows[structure, third], quantity) for third in THIRDS)
                assert parts == pytest.approx(getattr(rows[structure, "whole"], quantity))


def test_a_missed_structure_has_no_distance_and_is_counted() -> None:
    rows = table(block((5, 15), (5, 15), (5, 15), label=2), block((5, 15), (5, 15), (5, 15), label=1))
    missed = rows["CG", "whole"]
    assert (missed.dice, missed.recall, missed.missed) == (0, 0, True)
    assert math.isnan(missed.hd95_mm)
    assert math.isnan(missed.asd_mm)
    assert missed.volume_error_percent == -100
    invented = rows["PZ", "whole"]
    assert (invented.dice, invented.missed, invented.volume_error_ml) == (0, False, pytest.approx(0.75))
    assert math.isnan(invented.recall)
    assert math.isnan(invented.hd95_mm)
    assert rows["gland", "whole"].dice == 1


def test_nothing_at_all_is_undefined_not_perfect() -> None:
    nothing = np.zeros((3, 3, 3), np.uint8)
    rows = evaluate_case(nothing, nothing, SPACING)
    assert [(row.structure, row.region) for row in rows] == [(structure, "whole") for structure in STRUCTURES]
    assert all(math.isnan(row.dice) and math.isnan(row.hd95_mm) and not row.missed for row in rows)


def test_without_zones_in_the_truth_only_the_gland_is_judged() -> None:
    truth = block((5, 15), (5, 15), (5, 15), label=GLAND_UNKNOWN_ZONE)
    prediction = block((5, 15), (5, 15), (5, 15), label=2)
    prediction[:, :9][prediction[:, :9] > 0] = 1
    rows = evaluate_case(truth, prediction, SPACING, case="a", source="b", fold=3)
    assert [row.region for row in rows] == list(REGIONS)
    assert {(row.structure, row.case, row.source, row.fold) for row in rows} == {("gland", "a", "b", 3)}
    assert all(row.dice == 1 for row in rows)


def test_the_apex_is_inferior_and_false_positives_beyond_the_gland_count() -> None:
    truth = block((6, 12), (5, 15), (5, 15))
    low, high = block((2, 12), (5, 15), (5, 15)), block((6, 16), (5, 15), (5, 15))
    below, above = table(truth, low), table(truth, high)
    assert [below["PZ", third].dice for third in THIRDS] == pytest.approx([4 / 8, 1, 1])
    assert [above["PZ", third].dice for third in THIRDS] == pytest.approx([1, 1, 4 / 8])
    assert [below["PZ", third].truth_ml for third in THIRDS] == pytest.approx([0.15] * 3)


def test_a_miss_in_one_third_leaves_the_others_untouched() -> None:
    truth = block((3, 12), (5, 15), (5, 15))
    rows = table(truth, block((6, 12), (5, 15), (5, 15)))
    assert rows["PZ", "apex"].missed
    assert rows["PZ", "apex"].hd95_mm == pytest.approx(9)  # three slices to the nearest predicted one
    assert rows["PZ", "base"].hd95_mm == 0
    assert not rows["PZ", "whole"].missed


def test_an_apex_begun_too_low_is_negative_and_a_base_ended_too_high_positive() -> None:
    truth, found = block((5, 15), (5, 25), (5, 25)), block((3, 16), (5, 25), (5, 25))
    rows = table(truth, found, (1.5, 0.5, 0.5))
    assert (rows["gland", "whole"].apex_slices, rows["gland", "whole"].base_slices) == (-1.0, 0.5)  # of 3 mm
    assert all(math.isnan(row.apex_slices) for key, row in rows.items() if key != ("gland", "whole"))
    assert end_errors(truth > 0, truth > 0, 3.6) == (0, 0)


def test_a_gland_that_is_missed_has_no_ends() -> None:
    truth = block((5, 15), (5, 25), (5, 25)) > 0
    assert all(math.isnan(error) for error in end_errors(truth, np.zeros_like(truth), 3.0))


def test_arrays_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        evaluate_case(np.zeros((2, 2, 2)), np.zeros((2, 2, 3)), SPACING)


def test_two_readers_agree_as_the_manifest_says(shared_data: Path) -> None:
    with (shared_data / "manifest.csv").open(newline="") as file:
        stated = {line["case"]: line["readers_dice_pz_cg"] for line in csv.DictReader(file)}
    for case in [case for case in find_cases(shared_data) if case.zones_reader2][::5]:
        first, second = (sitk.DICOMOrient(load_labels(case, reader), "LPS") for reader in (1, 2))
        arrays = (sitk.GetArrayFromImage(image) for image in (first, second))
        rows = table(*arrays, first.GetSpacing()[::-1])
        assert f"{rows['PZ', 'whole'].dice:.2f} / {rows['CG', 'whole'].dice:.2f}" == stated[case.id]


def test_a_volume_error_in_per_cent_of_next_to_nothing_is_undefined() -> None:
    truth, prediction = block((5, 15), (5, 15), (5, 15), label=2), block((5, 15), (5, 15), (5, 15), label=1)
    truth[5, 5, 5] = 1
    row = table(truth, prediction)["PZ", "whole"]
    assert row.volume_error_ml > 0
    assert math.isnan(row.volume_error_percent)
