from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_results import make_result
from Testing.slicer.conftest import paint

from proseg.errors import InputError
from proseg.labels import CG, PZ
from proseg.outputs.report import report
from proseg.outputs.review import ReviewStatus
from ProSegSlicerLib import review
from ProSegSlicerLib.exports import material_of
from ProSegSlicerLib.segments import create_segmentation, set_zones, zones
from ProSegSlicerLib.volumes import add_volume

EDIT = (6, slice(18, 21), slice(20, 24))  # inside the central gland


def labels_of(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def test_the_ais_contours_and_report_are_kept_whatever_is_edited(segmentation: Any, result: Any) -> None:
    paint(segmentation, EDIT, PZ)
    np.testing.assert_array_equal(labels_of(review.ai_labelmap(segmentation)), labels_of(result.labelmap))
    assert review.ai_report(segmentation)["measurements"]["gland_ml"] > 0


def test_the_node_says_which_model_drew_it(segmentation: Any, result: Any) -> None:
    assert segmentation.GetAttribute("ProSegSlicer.WeightsSHA256") == result.provenance.sha256
    assert segmentation.GetAttribute("ProSegSlicer.ModelVersion") == result.provenance.version


def test_only_an_edit_counts_as_one(segmentation: Any) -> None:
    assert not review.edited(segmentation)
    paint(segmentation, EDIT, PZ)
    assert review.edited(segmentation)


def test_contours_drawn_by_hand_count_as_edits_and_nothing_drawn_as_none(volume: Any, result: Any) -> None:
    node = create_segmentation(volume)
    assert not review.edited(node)
    set_zones(node, result.labelmap)
    assert review.edited(node)
    assert review.comparison(node) is None


def test_restoring_brings_back_every_voxel(segmentation: Any, result: Any) -> None:
    paint(segmentation, EDIT, 0)
    review.restore_ai(segmentation)
    np.testing.assert_array_equal(labels_of(zones(segmentation)), labels_of(result.labelmap))
    assert not review.edited(segmentation)


def test_restoring_brings_back_a_deleted_segment(segmentation: Any, result: Any) -> None:
    segmentation.GetSegmentation().RemoveSegment("PZ")
    review.restore_ai(segmentation)
    np.testing.assert_array_equal(labels_of(zones(segmentation)), labels_of(result.labelmap))


def test_there_is_nothing_to_restore_without_an_ai_result(volume: Any) -> None:
    with pytest.raises(InputError, match="holds no AI result"):
        review.restore_ai(create_segmentation(volume))


def test_the_comparison_tells_volume_and_slices(segmentation: Any) -> None:
    assert not review.comparison(segmentation).changed
    paint(segmentation, EDIT, PZ)
    compared = review.comparison(segmentation)
    assert compared.voxels_changed == 12
    assert compared.slices_changed == (6,)
    assert compared.gland_dice == 1.0
    assert compared.pz_change_ml == pytest.approx(-compared.cg_change_ml)


def test_measurements_follow_an_edit(segmentation: Any) -> None:
    before = review.measurements(segmentation)
    paint(segmentation, EDIT, PZ)
    after = review.measurements(segmentation)
    voxel_ml = 1.25 * 1.5 * 3.6 / 1000
    assert after.pz_ml - before.pz_ml == pytest.approx(12 * voxel_ml)
    assert after.gland_ml == pytest.approx(before.gland_ml)


def test_psa_belongs_to_the_volumes_patient(segmentation: Any, volume: Any) -> None:
    assert review.psa(volume) is None
    assert review.measurements(segmentation).psa_density is None
    review.set_psa(volume, 6.5)
    found = review.measurements(segmentation)
    assert found.psa_density == pytest.approx(6.5 / found.gland_ml)
    other = add_volume(make_result().image, "Another patient")
    assert review.psa(other) is None
    review.set_psa(volume, None)
    assert review.psa(volume) is None


def test_a_sign_off_holds_until_an_edit_and_again_when_it_is_undone(segmentation: Any) -> None:
    assert review.review(segmentation) == (ReviewStatus.UNREVIEWED, None)
    signed = review.sign_off(segmentation, " Dr  Ann ")
    assert review.review(segmentation) == (ReviewStatus.REVIEWED, signed)
    assert signed.reviewer == "Dr Ann"
    paint(segmentation, EDIT, PZ)
    assert review.review(segmentation) == (ReviewStatus.WITHDRAWN, signed)
    paint(segmentation, EDIT, CG)
    assert review.review(segmentation)[0] is ReviewStatus.REVIEWED


def test_nobody_signs_without_a_name(segmentation: Any) -> None:
    with pytest.raises(InputError, match="name is missing"):
        review.sign_off(segmentation, "  ")
    assert review.review(segmentation)[0] is ReviewStatus.UNREVIEWED


def test_a_new_ai_result_takes_the_sign_off_with_it(segmentation: Any, result: Any) -> None:
    review.sign_off(segmentation, "Ann")
    review.keep_ai_result(segmentation, result.labelmap, report(result, "T2W"))
    assert review.review(segmentation) == (ReviewStatus.UNREVIEWED, None)


def test_the_segments_tags_tell_the_review(segmentation: Any) -> None:
    from Testing.slicer.test_segments import tag

    review.sign_off(segmentation, "Ann|Bob")
    segment = segmentation.GetSegmentation().GetSegment("PZ")
    assert tag(segment, review.STATUS_TAG) == "reviewed"
    assert tag(segment, review.REVIEWER_TAG) == "Ann/Bob"  # a bar would end the tag
    paint(segmentation, EDIT, PZ)
    review.refresh_tags(segmentation)
    assert tag(segment, review.STATUS_TAG) == "withdrawn"


def test_flags_come_back_as_they_were(volume: Any) -> None:
    from proseg.flags import QualityFlag, Severity

    flag = QualityFlag("touches_border", Severity.WARNING, "The gland touches the edge.", (3, 4))
    made = make_result(flags=(flag,))
    node = create_segmentation(volume)
    review.keep_ai_result(node, made.labelmap, report(made, "T2W"))
    assert review.flags(node) == (flag,)
    assert material_of(node, (".json",)).findings.slice_confidence == made.slice_confidence


@pytest.mark.parametrize("damaged", ["", "12x40x44:not base64!", "12x40x44:AAAA", "nonsense"])
def test_a_damaged_snapshot_counts_as_none(segmentation: Any, damaged: str) -> None:
    segmentation.SetAttribute(review.AI_LABELS, damaged)
    assert review.ai_labelmap(segmentation) is None
    assert review.edited(segmentation)


def test_everything_comes_back_with_the_scene(segmentation: Any, volume: Any, scene: Any, tmp_path: Path) -> None:
    review.set_psa(volume, 4.0)
    signed = review.sign_off(segmentation, "Änne Müller")
    paint(segmentation, EDIT, PZ)
    edited_labels, ai = labels_of(zones(segmentation)), labels_of(review.ai_labelmap(segmentation))
    reloaded, t2w = save_and_reload(scene, tmp_path, segmentation.GetName(), volume.GetName())
    np.testing.assert_array_equal(labels_of(zones(reloaded)), edited_labels)
    np.testing.assert_array_equal(labels_of(review.ai_labelmap(reloaded)), ai)
    assert review.review(reloaded) == (ReviewStatus.WITHDRAWN, signed)
    assert review.psa(t2w) == 4.0
    assert json.dumps(review.ai_report(reloaded))
    review.restore_ai(reloaded)
    assert review.review(reloaded)[0] is ReviewStatus.REVIEWED


def save_and_reload(scene: Any, folder: Path, *names: str) -> list[Any]:
    """Write the scene as .mrb, clear it, read it back; the nodes of these names."""
    import slicer

    from ProSegSlicerLib.scene import application_logic

    remote = slicer.vtkMRMLRemoteIOLogic()
    remote.SetMRMLApplicationLogic(application_logic())
    remote.SetMRMLScene(scene)
    remote.GetCacheManager().SetRemoteCacheDirectory(str(folder))
    remote.AddDataIOToScene()
    try:
        bundle = folder / "scene.mrb"
        assert scene.WriteToMRB(str(bundle))
        scene.Clear()
        assert scene.ReadFromMRB(str(bundle))
    finally:
        remote.RemoveDataIOFromScene()
    return [scene.GetFirstNodeByName(name) for name in names]
