"""What a sign-off covers: every voxel of every segment as it will be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from Testing.slicer.conftest import paint
from Testing.slicer.test_segments import tag

from proseg.errors import InputError
from proseg.labels import CG, PZ
from proseg.outputs.review import ReviewStatus
from ProSegSlicerLib import exports, overlay, review, segments
from ProSegSlicerLib.scene import add_node
from ProSegSlicerLib.volumes import from_sitk, image_to_ras, to_image

MIDDLE = (slice(4, 8), slice(18, 22), slice(20, 24))
LOGIC = slicer.vtkSlicerSegmentationsModuleLogic


def draw(segmentation: Any, name: str, index_kji: tuple[slice, ...]) -> None:
    """Add voxels to one segment and take them from none, as the editor does where overlap is allowed."""
    grid = segments._grid(segmentation)
    voxels = sitk.GetArrayFromImage(segments._merged(segmentation, grid, {name: 1}))
    voxels[index_kji] = 1
    labels = from_sitk(to_image(voxels, image_to_ras(grid)))
    LOGIC.SetBinaryLabelmapToSegment(labels, segmentation, name, LOGIC.MODE_REPLACE)


def test_an_overlap_is_no_result_and_nobody_signs_or_exports_it(segmentation: Any, tmp_path: Path) -> None:
    signed = review.sign_off(segmentation, "Ann")
    draw(segmentation, "PZ", MIDDLE)
    assert review.review(segmentation) == (ReviewStatus.WITHDRAWN, signed)
    assert review.edited(segmentation)
    for refused in (
        review.measurements,
        review.comparison,
        lambda node: review.sign_off(node, "Ann"),
        *(lambda node, end=end: exports.export(node, tmp_path / f"x{end}") for end in (".seg.nrrd", ".nii.gz")),
    ):
        with pytest.raises(InputError, match="overlap in slices 4 to 7"):
            refused(segmentation)
    review.restore_ai(segmentation)
    assert review.review(segmentation)[0] is ReviewStatus.REVIEWED


def test_what_is_empty_or_lacks_a_zone_is_not_signed(segmentation: Any) -> None:
    segmentation.GetSegmentation().RemoveSegment("CG")
    with pytest.raises(InputError, match="CG is not drawn"):
        review.sign_off(segmentation, "Ann")
    paint(segmentation, (slice(None),), 0)
    with pytest.raises(InputError, match="Neither zone is drawn"):
        review.sign_off(segmentation, "Ann")


def test_what_is_shown_beside_the_gland_is_not_signed(segmentation: Any, volume: Any, scene: Any) -> None:
    moved = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    for node in (volume, segmentation):
        node.SetAndObserveTransformNodeID(moved.GetID())
        if node is volume:
            with pytest.raises(InputError, match="not under one transform"):
                review.sign_off(segmentation, "Ann")
    review.sign_off(segmentation, "Ann")
    assert review.review(segmentation)[0] is ReviewStatus.REVIEWED


def test_contours_whose_image_nobody_sees_are_not_signed(segmentation: Any, volume: Any, scene: Any) -> None:
    scene.RemoveNode(volume)
    with pytest.raises(InputError, match="Nobody can see on which image T2W zones is drawn: load it"):
        review.sign_off(segmentation, "Ann")
    assert review.review(segmentation)[0] is ReviewStatus.UNREVIEWED


def test_contours_that_are_hidden_are_not_signed(segmentation: Any) -> None:
    display = segmentation.GetDisplayNode()
    for hide, show, named in (
        (lambda: display.SetVisibility(False), lambda: display.SetVisibility(True), "T2W zones"),
        (lambda: display.SetVisibility2D(False), lambda: display.SetVisibility2D(True), "T2W zones"),
        (lambda: display.SetSegmentVisibility("PZ", False), lambda: display.SetSegmentVisibility("PZ", True), "PZ"),
    ):
        hide()
        with pytest.raises(InputError, match=f"^{named} is hidden: show it and look at every slice, then sign"):
            review.sign_off(segmentation, "Ann")
        assert review.review(segmentation) == (ReviewStatus.UNREVIEWED, None)
        show()
    assert review.sign_off(segmentation, "Ann").reviewer == "Ann"


def test_the_readers_own_segments_are_signed_too(segmentation: Any) -> None:
    lesion = segmentation.GetSegmentation().AddEmptySegment("lesion", "Lesion")
    draw(segmentation, lesion, MIDDLE)
    review.sign_off(segmentation, "Ann")
    assert review.review(segmentation)[0] is ReviewStatus.REVIEWED
    draw(segmentation, lesion, (slice(3, 8), *MIDDLE[1:]))
    status, signed = review.review(segmentation)
    assert status is ReviewStatus.WITHDRAWN
    assert exports.report_of(segmentation)["review"]["status"] == "withdrawn"
    assert signed.reviewer == "Ann"


def test_a_sign_off_comes_back_with_its_file_and_looking_at_it_changes_nothing(
    segmentation: Any, scene: Any, tmp_path: Path
) -> None:
    file = tmp_path / "signed.seg.nrrd"
    signed = review.sign_off(segmentation, "Änne Müller")
    exports.export(segmentation, file)
    loaded = add_node("vtkMRMLSegmentationNode", "loaded")
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(file))
    assert storage.ReadData(loaded)
    for _ in range(2):
        status, found = review.review(loaded)
        assert (status, found.reviewer, found.reviewed_at) == (
            ReviewStatus.REVIEWED,
            signed.reviewer,
            signed.reviewed_at,
        )
        review.refresh_tags(loaded)
    paint(loaded, MIDDLE, PZ)
    assert review.review(loaded)[0] is ReviewStatus.WITHDRAWN
    review.refresh_tags(loaded)
    paint(loaded, MIDDLE, CG)
    assert review.review(loaded)[0] is ReviewStatus.REVIEWED


def test_slicers_segment_status_follows_the_review(segmentation: Any) -> None:
    def status() -> set[int]:
        inside = segmentation.GetSegmentation()
        return {LOGIC.GetSegmentStatus(inside.GetSegment(name)) for name in ("PZ", "CG")}

    assert status() == {LOGIC.InProgress}
    review.sign_off(segmentation, "Ann")
    assert status() == {LOGIC.Completed}
    paint(segmentation, MIDDLE, PZ)
    review.refresh_tags(segmentation)
    assert status() == {LOGIC.Flagged}


def test_a_finer_grid_to_draw_on_changes_neither_flags_nor_figures(
    segmentation: Any, scene: Any, tmp_path: Path
) -> None:
    before, figures = review.ai_labelmap(segmentation), review.measurements(segmentation)
    view = scene.AddNewNodeByClass("vtkMRMLSliceNode")
    view.SetLayoutName("Red")
    overlay.jump_to_slice(segmentation, 9)
    place = view.GetSliceOffset()
    finer = sitk.Resample(
        before, [96, 90, 40], sitk.Transform(), sitk.sitkNearestNeighbor, before.GetOrigin(), [0.5] * 3
    )
    geometry = slicer.vtkSegmentationConverter.SerializeImageGeometry(from_sitk(finer))
    segmentation.GetSegmentation().SetConversionParameter(segments.GEOMETRY, geometry)
    assert not review.comparison(segmentation).changed
    assert review.measurements(segmentation) == figures
    assert exports.report_of(segmentation)
    overlay.jump_to_slice(segmentation, 9)
    assert view.GetSliceOffset() == place
    with pytest.raises(InputError, match="another grid"):
        exports.export(segmentation, tmp_path / "x.seg.nrrd")
    review.restore_ai(segmentation)
    exports.export(segmentation, tmp_path / "x.seg.nrrd")


def test_a_zone_that_was_deleted_comes_back_as_it_was(segmentation: Any, result: Any) -> None:
    inside, kind = segmentation.GetSegmentation(), slicer.vtkSegment.GetTerminologyEntryTagName()
    before = inside.GetSegment("CG")
    told = before.GetName(), before.GetColor(), tag(before, kind)
    inside.RemoveSegment("CG")
    review.restore_ai(segmentation)
    after = inside.GetSegment("CG")
    assert (after.GetName(), after.GetColor(), tag(after, kind)) == told
    labels = sitk.GetArrayFromImage(segments.zones(segmentation))
    np.testing.assert_array_equal(labels, sitk.GetArrayFromImage(result.labelmap))


@pytest.mark.parametrize("winner", ["PZ", "CG"])
def test_a_zone_takes_voxels_from_the_other_and_none_from_the_readers_own(segmentation: Any, winner: str) -> None:
    lesion = segmentation.GetSegmentation().AddEmptySegment("lesion", "Lesion")
    draw(segmentation, lesion, MIDDLE)
    assert not segments.keep_apart(segmentation, winner)
    draw(segmentation, winner, (slice(4, 8), slice(10, 30), slice(10, 30)))
    assert segments.keep_apart(segmentation, winner)
    labels = sitk.GetArrayFromImage(segments.zones(segmentation))
    assert set(labels[4:8, 10:30, 10:30].ravel()) == {PZ if winner == "PZ" else CG}
    grid = segments._grid(segmentation)
    assert sitk.GetArrayFromImage(segments._merged(segmentation, grid, {lesion: 1})).sum() == 4**3


def test_an_overlap_is_work_that_a_run_asks_about_and_restoring_too(case: Any, volume: Any) -> None:
    from ProSegSlicerLib.qt_questions import Rerun

    segmentation = case.segment(volume)
    draw(segmentation, "PZ", MIDDLE)
    case.settle()
    assert "overlap in slices 4 to 7" in case.ui.statusLabel.text
    assert "overlap" in case.ui.reviewedButton.toolTip
    case.answers.prepared.update(rerun=Rerun.CANCEL, restore=True)
    case.button.click()
    assert "overlap" in case.answers.asked[-1][2]
    case.ui.restoreButton.click()
    assert "overlap" in case.answers.asked[-1][1]
    assert not case.is_running
    assert case.ui.statusLabel.text == "Not reviewed."
