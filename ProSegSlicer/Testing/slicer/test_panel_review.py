"""The panel's review and export, on stand-ins for Slicer: edit, compare, restore, sign off, and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import slicer
from Testing.slicer import standins
from Testing.slicer.conftest import paint

from proseg.labels import CG, PZ
from ProSegSlicerLib import exports, review
from ProSegSlicerLib.segments import create_segmentation

MIDDLE = (slice(4, 8), slice(18, 22), slice(20, 24))


def sign(case: Any, name: str = "Änne Müller") -> None:
    case.ui.reviewerEdit.text = name
    case.ui.reviewedButton.click()


def test_without_a_segmentation_nothing_can_be_reviewed(case: Any) -> None:
    for name in ("editButton", "compareButton", "restoreButton", "reviewedButton"):
        assert not getattr(case.ui, name).enabled
        assert getattr(case.ui, name).toolTip == "There is no segmentation yet."
    assert case.ui.statusLabel.text == ""


def test_a_new_segmentation_of_slicers_own_is_told_empty(case: Any, volume: Any) -> None:
    case.select(volume)
    made = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Segmentation")
    case.ui.segmentationSelector.setCurrentNode(made)
    case.settle()
    assert case.panel.chosen == (volume, made)
    assert case.ui.statusLabel.text.startswith("Not reviewed. Neither zone is drawn")
    assert case.button.enabled


def test_a_result_starts_unreviewed_and_wants_a_name(case: Any, volume: Any) -> None:
    case.segment(volume)
    assert case.ui.statusLabel.text == "Not reviewed."
    assert not case.ui.reviewedButton.enabled
    assert case.ui.reviewedButton.toolTip == "Enter the reviewer's name first."
    case.ui.reviewerEdit.text = "Änne"
    assert case.ui.reviewedButton.enabled


def test_a_sign_off_names_the_reviewer_and_the_time(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume)
    sign(case)
    signed = review.review(segmentation)[1]
    assert case.ui.statusLabel.text.startswith("Reviewed by Änne Müller on ")
    assert signed.reviewed_at[:10] in case.ui.statusLabel.text


def test_an_edit_withdraws_the_sign_off_in_plain_sight(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume)
    sign(case)
    calm = case.ui.statusIcon.pixmap.toImage()
    paint(segmentation, MIDDLE, PZ)
    case.settle()
    assert case.ui.statusLabel.text.startswith("Sign-off withdrawn: edited after Änne Müller signed on ")
    assert case.is_shown("statusIcon")
    assert case.ui.statusIcon.pixmap.toImage() != calm
    # The segments carry it as well, for Slicer's own files.
    assert review._tag(segmentation.GetSegmentation().GetSegment("PZ"), review.STATUS_TAG) == "withdrawn"


def test_a_change_to_the_readers_own_segments_withdraws_the_sign_off_in_plain_sight(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume)
    sign(case)
    segmentation.GetSegmentation().AddEmptySegment("lesion", "Lesion")
    case.settle()
    assert case.ui.statusLabel.text.startswith("Sign-off withdrawn: edited after Änne Müller signed on ")
    segmentation.GetSegmentation().RemoveSegment("lesion")
    case.settle()
    assert case.ui.statusLabel.text.startswith("Reviewed by Änne Müller")


def test_an_edit_that_is_undone_brings_the_sign_off_back(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume)
    sign(case)
    for label in (PZ, CG):
        paint(segmentation, MIDDLE, label)
        case.settle()
    assert case.ui.statusLabel.text.startswith("Reviewed by Änne Müller")


def test_the_comparison_says_what_was_edited_and_stays_up_to_date(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume)
    assert not case.is_shown("comparisonLabel")
    case.ui.compareButton.click()
    assert case.ui.comparisonLabel.text == "Unchanged from the AI's contour."
    paint(segmentation, MIDDLE, PZ)
    case.settle()
    assert case.ui.comparisonLabel.text.startswith("Edited in slices 4 to 7 (S −56.3 to −46.0 mm): PZ +")
    assert case.is_shown("comparisonLabel")


def test_restore_asks_before_edits_are_lost(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume)
    paint(segmentation, MIDDLE, PZ)
    for answer in (False, True):
        case.answers.prepared["restore"] = answer
        assert case.message.startswith("Segmented")
        case.ui.restoreButton.click()
        assert review.edited(segmentation) is not answer
    assert case.message == ""  # it was said of other contours
    assert case.answers.asked[0] == case.answers.asked[1]
    assert case.answers.asked[0][1].startswith("Edited in slices 4 to 7")


def test_restore_does_not_ask_where_nothing_is_lost(case: Any, volume: Any) -> None:
    case.segment(volume)
    case.ui.restoreButton.click()
    assert case.answers.asked == []


def test_contours_without_an_ai_result_can_be_signed_but_not_compared(case: Any, volume: Any) -> None:
    drawn = create_segmentation(volume)
    paint(drawn, MIDDLE, PZ)
    paint(drawn, (2, *MIDDLE[1:]), CG)
    case.select(volume)
    for name in ("compareButton", "restoreButton"):
        assert not getattr(case.ui, name).enabled
        assert getattr(case.ui, name).toolTip == "This segmentation holds no AI result."
    sign(case)
    assert case.ui.statusLabel.text.startswith("Reviewed by")


def test_the_reviewers_name_is_offered_from_slicers_user_information(case: Any, volume: Any) -> None:
    from ProSegSlicerLib.scene import application_logic

    user = application_logic().GetUserInformation()
    user.SetName("Ann Reader")
    try:
        parameters = case.panel.parameters
        case.panel.bind(None)
        case.panel.bind(parameters)
        assert case.ui.reviewerEdit.text == "Ann Reader"
    finally:
        user.SetName("")


def test_what_lacks_a_zone_cannot_be_signed_and_says_so(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume)
    segmentation.GetSegmentation().RemoveSegment("CG")
    case.settle()
    case.ui.reviewerEdit.text = "Ann"
    assert not case.ui.reviewedButton.enabled
    assert "CG is not drawn" in case.ui.statusLabel.text


def test_the_reviewer_is_kept_with_the_scene(case: Any) -> None:
    case.ui.reviewerEdit.text = " Änne "
    case.ui.reviewerEdit.editingFinished.emit()
    assert case.panel.parameters.reviewer == "Änne"


def test_a_run_that_ends_leaves_a_half_typed_name_alone(case: Any, volume: Any) -> None:
    case.start(volume)
    case.ui.reviewerEdit.text = "Änne M"
    case.client.say_done()
    case.wait()
    assert case.ui.reviewerEdit.text == "Änne M"


def test_a_sign_off_keeps_the_name_even_if_it_was_not_left_first(case: Any, volume: Any) -> None:
    case.segment(volume)
    sign(case)
    assert case.panel.parameters.reviewer == "Änne Müller"


def test_typing_a_name_is_left_alone_by_the_parameter_node(case: Any) -> None:
    """Slicer's own binding writes the text back at each key, which throws the cursor to its end."""
    case.ui.reviewerEdit.text = "Anne"
    case.ui.reviewerEdit.cursorPosition = 1
    case.ui.reviewerEdit.insert("n")
    assert case.ui.reviewerEdit.cursorPosition == 2


def test_edit_opens_the_segment_editor_on_the_right_contours(case: Any, volume: Any, scene: Any, stage: Any) -> None:
    segmentation = case.segment(volume)
    case.ui.editButton.click()
    editor = scene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    assert stage.selected == ["SegmentEditor"]
    assert editor.GetSegmentationNode() is segmentation
    assert editor.GetSourceVolumeNode() is volume
    assert editor.GetSelectedSegmentID() == "PZ"


def test_edit_lets_go_of_masks_and_overwriting_whatever_was_edited_before(case: Any, volume: Any, scene: Any) -> None:
    case.segment(volume)
    case.ui.editButton.click()
    editor = scene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    editor.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteAllSegments)
    editor.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideAllSegments)
    editor.SetSourceVolumeIntensityMask(True)
    case.ui.editButton.click()
    assert editor.GetOverwriteMode() == slicer.vtkMRMLSegmentEditorNode.OverwriteNone
    assert editor.GetMaskMode() == slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere
    assert not editor.GetSourceVolumeIntensityMask()


def test_a_stroke_in_a_zone_takes_from_the_other_and_a_lesion_takes_nothing(case: Any, volume: Any, scene: Any) -> None:
    from Testing.slicer.test_segments import tag
    from Testing.slicer.test_signing import draw

    segmentation = case.segment(volume)
    case.ui.editButton.click()
    editor = scene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    inside, kind = segmentation.GetSegmentation(), slicer.vtkSegment.GetTerminologyEntryTagName()
    before = review.measurements(segmentation)
    lesion = inside.AddEmptySegment("lesion", "Lesion")
    inside.GetSegment(lesion).SetTag(kind, tag(inside.GetSegment("CG"), kind))  # as Slicer does
    editor.SetSelectedSegmentID(lesion)
    draw(segmentation, lesion, MIDDLE)
    case.settle()
    assert review.measurements(segmentation) == before
    assert "Tissue" in tag(inside.GetSegment(lesion), kind)
    editor.SetSelectedSegmentID("PZ")
    draw(segmentation, "PZ", MIDDLE)
    case.settle()
    after = review.measurements(segmentation)
    assert after.gland_ml == pytest.approx(before.gland_ml)
    assert after.pz_ml > before.pz_ml


def test_edit_keeps_the_zone_that_was_being_edited(case: Any, volume: Any, scene: Any) -> None:
    case.segment(volume)
    case.ui.editButton.click()
    editor = scene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    editor.SetSelectedSegmentID("CG")
    case.ui.editButton.click()
    assert editor.GetSelectedSegmentID() == "CG"


def test_the_panel_follows_edits_made_in_the_segment_editor(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume)
    sign(case)
    case.widget.parent.isEntered = False
    paint(segmentation, MIDDLE, PZ)
    case.settle()
    assert case.ui.statusLabel.text.startswith("Sign-off withdrawn")


def test_export_says_line_by_line_what_it_lacks(case: Any, volume: Any, tmp_path: Path) -> None:
    assert case.ui.exportButton.toolTip.splitlines() == [
        "There is no segmentation to export yet.",
        "Choose the folder to write to.",
    ]
    case.segment(volume)
    case.ui.folderEdit.currentPath = str(tmp_path)
    assert case.ui.exportButton.enabled
    for box in case.panel.export.boxes.values():
        box.checked = False
    assert case.ui.exportButton.toolTip == "Tick at least one format."
    assert not case.ui.exportButton.enabled


def test_export_writes_what_is_ticked(case: Any, volume: Any, tmp_path: Path) -> None:
    case.segment(volume)
    sign(case)
    case.ui.folderEdit.currentPath = str(tmp_path)
    assert list(case.panel.export.boxes) == list(exports.FORMATS)
    case.panel.export.boxes[".html"].checked = False
    case.export()
    wanted = sorted(f"T2W zones{ending}" for ending in exports.FORMATS if ending not in (".html", ".dcm"))
    assert sorted(path.name for path in tmp_path.iterdir()) == wanted
    assert case.ui.exportedLabel.text.startswith("Wrote T2W zones.seg.nrrd, ")
    assert "Änne Müller" in json.dumps(
        json.loads((tmp_path / "T2W zones.json").read_text(encoding="utf-8")), ensure_ascii=False
    )


def test_export_replaces_nothing_unasked(case: Any, volume: Any, tmp_path: Path) -> None:
    case.segment(volume)
    case.ui.folderEdit.currentPath = str(tmp_path)
    there = tmp_path / "T2W zones.csv"
    there.write_text("mine")
    case.answers.prepared["overwrite"] = False
    case.export()
    assert case.answers.asked == [("overwrite", "T2W zones.csv")]
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
    case.answers.prepared["overwrite"] = True
    case.export()
    assert there.read_text(encoding="utf-8") != "mine"


def test_an_export_is_made_by_a_worker_of_its_own(real_case: Any, segmentation: Any, tmp_path: Path) -> None:
    real_case.ui.segmentationSelector.setCurrentNode(segmentation)
    real_case.ui.folderEdit.currentPath = str(tmp_path)
    real_case.ui.exportButton.click()
    part, job = real_case.panel.export, real_case.panel.export.job
    assert part._timer.active
    assert not real_case.ui.exportButton.enabled
    assert real_case.ui.exportButton.toolTip == "An export is under way."
    assert (real_case.ui.exportedLabel.text, list(tmp_path.iterdir())) == ("Exporting …", [])
    folder = job._folder
    assert folder.exists()
    standins.wait_until(lambda: not part._timer.active, 60)
    assert real_case.ui.exportedLabel.text.startswith("Wrote ")
    assert sorted(tmp_path.iterdir()) == sorted(job.paths)
    assert not folder.exists()
    assert not job.client.running
    assert real_case.ui.exportButton.enabled


def test_a_panel_that_goes_in_the_middle_of_an_export_leaves_no_file(case: Any, volume: Any, tmp_path: Path) -> None:
    case.segment(volume)
    case.ui.folderEdit.currentPath = str(tmp_path)
    case.ui.exportButton.click()
    folder = case.panel.export.job._folder
    case.panel.stop()
    assert list(tmp_path.iterdir()) == []
    assert not folder.exists()


def test_an_export_that_fails_is_a_sentence_and_leaves_nothing(case: Any, volume: Any, tmp_path: Path) -> None:
    case.segment(volume)
    in_the_way = tmp_path / "no folder"
    in_the_way.write_text("a file")
    case.ui.folderEdit.currentPath = str(in_the_way)
    case.export()
    assert "no folder" in case.ui.exportedLabel.text
    assert case.is_shown("exportedLabel")
    assert list(tmp_path.iterdir()) == [in_the_way]


@pytest.mark.parametrize(
    ("button", "expected"), [("Keep", "KEEP"), ("Replace", "REPLACE"), ("Cancel", "CANCEL"), (None, "CANCEL")]
)
def test_the_message_box_gives_the_answer_of_its_button(stage: Any, button: str | None, expected: str) -> None:
    """The boxes that the other tests answer for; None is the Escape key."""
    import qt

    from ProSegSlicerLib.qt_questions import Questions, Rerun

    def press() -> None:
        box = stage.qt_application.activeModalWidget()
        buttons = {made.text().replace("&", ""): made for made in box.buttons()}
        box.reject() if button is None else next(made for text, made in buttons.items() if button in text).click()

    qt.QTimer.singleShot(50, press)
    qt.QTimer.singleShot(5000, stage.qt_application.closeAllWindows)  # rather than wait for ever
    assert Questions().rerun("T2W zones", "Edited in slice 3.") is Rerun[expected]


def test_in_testing_mode_no_box_waits_and_nothing_is_lost(stage: Any) -> None:
    from ProSegSlicerLib.qt_questions import Questions, Rerun

    stage.app.testing = True
    questions = Questions()
    assert questions.rerun("T2W zones", "Edited.") is Rerun.CANCEL
    assert [questions.install("PyTorch"), questions.restore("Edited."), questions.overwrite(["a"])] == [False] * 3
