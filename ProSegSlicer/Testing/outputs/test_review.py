from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_results import make_result, on_grid, relabelled

from proseg.errors import InputError
from proseg.outputs.review import Comparison, Review, ReviewStatus, compare, fingerprint, sign, sign_off, status
from proseg.outputs.writing import write_image
from proseg.segmentation.measurements import measure

LABELMAP = make_result().labelmap
INSIDE, OUTSIDE = (22, 20, 6), (1, 1, 1)  # of CG; a corner of the image
VOXEL_ML = 1.25 * 1.5 * 3.6 / 1000
WHEN = datetime(2026, 11, 3, 14, 5, 30, 999, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize("pixel_type", [sitk.sitkInt16, sitk.sitkInt64, sitk.sitkFloat32, sitk.sitkFloat64])
def test_the_pixel_type_does_not_change_the_fingerprint(pixel_type: int) -> None:
    assert fingerprint(sitk.Cast(LABELMAP, pixel_type)) == fingerprint(LABELMAP)


@pytest.mark.parametrize("orientation", ["RAI", "SLP", "PIR"])
def test_how_the_axes_are_stored_does_not_change_the_fingerprint(orientation: str) -> None:
    assert fingerprint(sitk.DICOMOrient(LABELMAP, orientation)) == fingerprint(LABELMAP)


@pytest.mark.parametrize("ending", [".nii.gz", ".mha", ".seg.nrrd"])
def test_writing_and_reading_does_not_change_the_fingerprint(tmp_path: Path, ending: str) -> None:
    write_image(LABELMAP, tmp_path / f"x{ending}")
    assert fingerprint(sitk.ReadImage(str(tmp_path / f"x{ending}"))) == fingerprint(LABELMAP)


@pytest.mark.parametrize("origin", [(0.0, -0.0, 12.5), (-90.25, 0.005, -0.015), (100 / 3, 1 / 128, 7 / 4096)])
@pytest.mark.parametrize("noise", [1e-12, -1e-12, 3e-6])
def test_the_last_digits_of_a_position_do_not_change_the_fingerprint(origin: tuple[float, ...], noise: float) -> None:
    one, other = sitk.Image(LABELMAP), sitk.Image(LABELMAP)
    one.SetOrigin(origin)
    other.SetOrigin([place + noise for place in origin])
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(("place", "label"), [(INSIDE, 0), (INSIDE, 1), (OUTSIDE, 2), ((43, 39, 11), 1)])
def test_a_single_voxel_changes_the_fingerprint(place: tuple[int, int, int], label: int) -> None:
    assert fingerprint(relabelled(LABELMAP, {place: label})) != fingerprint(LABELMAP)


def test_another_place_in_the_patient_changes_the_fingerprint() -> None:
    moved, stretched, turned = (sitk.Image(LABELMAP) for _ in range(3))
    moved.SetOrigin((-31.5, 17.25, -80.0))
    stretched.SetSpacing((1.25, 1.5, 3.5))
    turned.SetDirection(np.eye(3).ravel())
    assert len({fingerprint(image) for image in (LABELMAP, moved, stretched, turned)}) == 4


def test_the_same_labels_on_a_grid_of_other_shape_have_another_fingerprint() -> None:
    one, other = (sitk.GetImageFromArray(np.zeros(shape, np.uint8)) for shape in ((2, 4, 8), (2, 8, 4)))
    assert fingerprint(one) != fingerprint(other)


def test_a_fingerprint_kept_in_a_scene_holds_with_every_later_version() -> None:
    array = (np.arange(60, dtype=np.uint8) % 3).reshape(3, 4, 5)
    kept = "05fc861de4fe481e07d05f0abd1e1b1ffbc6830c9f2a33577ee750d7581c2fd1"
    assert fingerprint(on_grid(array, "LPS")) == kept


@pytest.mark.parametrize("label", [3, 257, -1, 1.5, float("nan")])
def test_other_labels_are_refused(label: float) -> None:
    odd = sitk.Cast(LABELMAP, sitk.sitkFloat32)
    odd[OUTSIDE] = label
    with pytest.raises(InputError, match=r"other labels.*Remove"):
        fingerprint(odd)
    with pytest.raises(InputError, match="other labels"):
        compare(LABELMAP, odd)


def test_what_was_not_edited_is_told_unchanged() -> None:
    same = compare(LABELMAP, sitk.Cast(LABELMAP, sitk.sitkInt16))
    assert not same.changed
    assert (same.pz_dice, same.cg_dice, same.gland_dice) == (1, 1, 1)
    assert (same.pz_change_ml, same.cg_change_ml, same.gland_change_ml) == (0, 0, 0)
    assert same.slices_changed == ()
    assert same.sentence() == "Unchanged from the AI's contour."


def test_overlap_and_volumes_agree_with_other_measures() -> None:
    array = sitk.GetArrayFromImage(LABELMAP)
    current = sitk.GetImageFromArray(np.where(np.indices(array.shape)[2] > 24, np.roll(array, 2, axis=1), array))
    current.CopyInformation(LABELMAP)
    found, overlap = compare(LABELMAP, current), sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(LABELMAP, current)
    assert found.pz_dice == pytest.approx(overlap.GetDiceCoefficient(1))
    assert found.cg_dice == pytest.approx(overlap.GetDiceCoefficient(2))
    overlap.Execute(LABELMAP > 0, current > 0)
    assert found.gland_dice == pytest.approx(overlap.GetDiceCoefficient(1))
    assert 0.5 < found.pz_dice < found.gland_dice < 1
    before, after = measure(LABELMAP), measure(current)
    assert found.pz_change_ml == pytest.approx(after.pz_ml - before.pz_ml)
    assert found.cg_change_ml == pytest.approx(after.cg_ml - before.cg_ml)
    assert found.gland_change_ml == pytest.approx(after.gland_ml - before.gland_ml)
    assert found.voxels_changed == np.count_nonzero(array != sitk.GetArrayFromImage(current))


@pytest.mark.parametrize(
    ("orientation", "expected"), [("LPS", (3, 6)), ("LPI", (5, 8)), ("SLP", (3, 6)), ("PIR", (5, 8))]
)
def test_changed_slices_are_counted_along_the_inputs_slice_axis(orientation: str, expected: tuple[int, ...]) -> None:
    current = relabelled(LABELMAP, {INSIDE: 0, (22, 20, 3): 1})
    ai, current = (sitk.DICOMOrient(labelmap, orientation) for labelmap in (LABELMAP, current))
    assert compare(ai, current).slices_changed == expected


def test_contours_stored_with_other_axes_are_compared_where_they_lie() -> None:
    current = sitk.DICOMOrient(relabelled(LABELMAP, {INSIDE: 0}), "RAI")
    assert compare(LABELMAP, current).voxels_changed == 1
    assert compare(LABELMAP, current).slices_changed == (6,)


def test_nothing_drawn_twice_has_no_overlap_to_speak_of() -> None:
    empty = LABELMAP * 0
    none, erased, drawn = compare(empty, empty), compare(LABELMAP, empty), compare(empty, LABELMAP)
    assert (none.pz_dice, none.cg_dice, none.gland_dice) == (None, None, None)
    assert not none.changed
    assert (erased.pz_dice, erased.cg_dice, erased.gland_dice) == (0, 0, 0)
    assert erased.gland_change_ml == -drawn.gland_change_ml == pytest.approx(-measure(LABELMAP).gland_ml)
    assert "Dice 0.00" in erased.sentence()


def test_contours_of_another_grid_are_not_compared() -> None:
    for change in (
        lambda image: image.SetOrigin((-31.5, 17.25, -80.0)),
        lambda image: image.SetSpacing((1.25, 1.5, 3.5)),
        lambda image: image.SetDirection(np.eye(3).ravel()),
    ):
        other = sitk.Image(LABELMAP)
        change(other)
        with pytest.raises(InputError, match=r"same grid\. Compare"):
            compare(LABELMAP, other)
    with pytest.raises(InputError, match="same grid"):
        compare(LABELMAP, LABELMAP[:, :, :-1])


def comparison(gland: float, change: float, pz: float = 0.9, pz_change: float = -0.04) -> Comparison:
    return Comparison(pz, 0.95, gland, pz_change, 0.0, change, 12, (3, 4, 5, 6))


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (comparison(0.9712, 1.2), "Edited in slices 3 to 6: gland +1.2 mL (Dice 0.97 with the AI's contour)."),
        (comparison(0.5, -12.34), "Edited in slices 3 to 6: gland -12.3 mL (Dice 0.50 with the AI's contour)."),
        (
            comparison(0.9991, -0.02),
            "Edited in slices 3 to 6: gland changed by less than 0.1 mL (Dice above 0.99 with the AI's contour).",
        ),
        (
            comparison(1.0, 0.0, pz=0.94, pz_change=0.4),
            "Edited in slices 3 to 6: PZ +0.4 mL (Dice 0.94 with the AI's contour), gland unchanged.",
        ),
    ],
)
def test_the_comparison_is_told_in_a_sentence(found: Comparison, sentence: str) -> None:
    assert found.sentence() == sentence


def test_the_border_between_the_zones_alone_leaves_the_gland() -> None:
    moved = compare(LABELMAP, relabelled(LABELMAP, {INSIDE: 1}))
    assert moved.gland_dice == 1
    assert (moved.pz_change_ml, moved.cg_change_ml) == pytest.approx((VOXEL_ML, -VOXEL_ML))
    assert moved.gland_change_ml == 0
    assert moved.sentence().startswith("Edited in slice 6 (S −49.4 mm): PZ ")


@pytest.mark.parametrize("ai", [LABELMAP, None])
def test_a_review_comes_back_from_json_as_it_was(ai: sitk.Image | None) -> None:
    review = sign("  Dr. Ann\n O'Hara – Ünal ", ai, relabelled(LABELMAP, {INSIDE: 0}), WHEN)
    assert Review.from_dict(json.loads(json.dumps(review.to_dict()))) == review
    assert review.reviewer == "Dr. Ann O'Hara – Ünal"
    assert review.reviewed_at == "2026-11-03T14:05:30+01:00"
    assert (review.comparison is None) == (ai is None)


def test_what_a_later_version_adds_to_a_review_is_passed_over() -> None:
    review = sign("Ann", LABELMAP, LABELMAP, WHEN)
    content = review.to_dict() | {"role": "radiologist"}
    content["comparison"] |= {"surface_mm": 1.0}
    assert Review.from_dict(content) == review


@pytest.mark.parametrize(
    "change",
    [
        {"reviewer": None},
        {"fingerprint": 5},
        {"reviewed_at": "yesterday"},
        {"reviewed_at": "2026-11-03T14:05:30"},
        {"comparison": {}},
        {"comparison": [1]},
    ],
)
def test_a_review_that_cannot_be_read_is_refused(change: dict[str, object]) -> None:
    content = sign("Ann", LABELMAP, LABELMAP, WHEN).to_dict()
    for broken in (content | change, {name: content[name] for name in content if name not in change}, None):
        with pytest.raises(InputError, match=r"cannot be read\. Review them again"):
            Review.from_dict(broken)


def test_a_time_without_a_zone_is_the_computers_own() -> None:
    moment = datetime.fromisoformat(sign("Ann", None, LABELMAP, datetime(2026, 7, 1, 12)).reviewed_at)
    assert moment.utcoffset() is not None
    assert moment == datetime(2026, 7, 1, 12).astimezone()


@pytest.mark.parametrize("name", ["", "  ", "\t\n"])
def test_nobody_cannot_sign(name: str) -> None:
    with pytest.raises(InputError, match=r"name is missing\. Enter your name"):
        sign(name, LABELMAP, LABELMAP, WHEN)


def test_a_review_is_withdrawn_by_an_edit_and_holds_again_when_it_is_undone() -> None:
    review = sign("Ann", LABELMAP, LABELMAP, WHEN)
    edited = fingerprint(relabelled(LABELMAP, {INSIDE: 0}))
    assert status(None, edited) is ReviewStatus.UNREVIEWED
    assert status(review, edited) is ReviewStatus.WITHDRAWN
    assert status(review, fingerprint(LABELMAP)) is ReviewStatus.REVIEWED
    assert sign_off(None, edited) == "Not reviewed."
    assert sign_off(review, fingerprint(LABELMAP)) == "Reviewed by Ann on 2026-11-03 at 14:05 (UTC+01:00)."
    assert sign_off(review, edited) == (
        "Sign-off withdrawn: edited after Ann signed on 2026-11-03 at 14:05 (UTC+01:00)."
    )


def test_a_review_of_nothing_is_never_valid() -> None:
    review = replace(sign("Ann", None, LABELMAP, datetime.now().astimezone()), fingerprint="")
    assert status(review, "") is ReviewStatus.WITHDRAWN
    assert sign_off(review, "").startswith("Sign-off withdrawn")
