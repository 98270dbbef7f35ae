"""What the Segment Editor's Undo brings back, on slicer-core's own history of segmentations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from Testing.slicer.conftest import paint

from proseg.labels import PZ
from proseg.outputs.review import ReviewStatus
from ProSegSlicerLib import review
from ProSegSlicerLib.segments import zones

MIDDLE = (slice(4, 8), slice(18, 22), slice(20, 24))


@pytest.fixture
def editor(stage: Any) -> Any:
    """The Segment Editor, whose Undo is tried."""
    return slicer.modules.segmenteditor.widgetRepresentation().self().editor


def labels(segmentation: Any) -> np.ndarray:
    return sitk.GetArrayFromImage(zones(segmentation))


def sign(case: Any, name: str = "Ann") -> None:
    case.ui.reviewerEdit.text = name
    case.ui.reviewedButton.click()


def stroke(case: Any, editor: Any, index_kji: tuple[Any, ...], label: int) -> None:
    """Paint as the Segment Editor has it done: it keeps the state before."""
    case.ui.editButton.click()
    editor.selectParameterNode()
    editor.saveStateForUndo()
    paint(case.segmentation, index_kji, label)
    case.settle()


def test_one_undo_brings_back_what_a_run_replaced_and_its_sign_off(case: Any, editor: Any, volume: Any) -> None:
    from ProSegSlicerLib.qt_questions import Rerun

    segmentation = case.segment(volume)
    paint(segmentation, MIDDLE, PZ)
    sign(case)
    before = labels(segmentation)
    case.answers.prepared["rerun"] = Rerun.REPLACE
    assert case.segment(volume) is segmentation
    assert not np.array_equal(labels(segmentation), before)
    assert review.review(segmentation)[0] is ReviewStatus.UNREVIEWED
    assert case.message.endswith("Undo in the Segment Editor brings back what was there.")
    editor.undo()
    case.settle()
    assert np.array_equal(labels(segmentation), before)
    assert case.ui.statusLabel.text.startswith("Reviewed by Ann")
    editor.redo()
    case.settle()
    assert not np.array_equal(labels(segmentation), before)
    assert case.ui.statusLabel.text == "Not reviewed."


def test_a_run_that_replaces_nobodys_work_promises_no_undo(case: Any, editor: Any, volume: Any) -> None:
    case.segment(volume)
    assert "Undo" not in case.message
    case.segment(volume)
    assert "Undo" not in case.message


def test_one_undo_takes_the_restored_ai_result_back(case: Any, editor: Any, volume: Any) -> None:
    segmentation = case.segment(volume)
    paint(segmentation, MIDDLE, PZ)
    case.settle()
    before = labels(segmentation)
    case.answers.prepared["restore"] = True
    case.ui.restoreButton.click()
    case.settle()
    assert not review.edited(segmentation)
    assert case.ui.comparisonLabel.text.endswith("Undo in the Segment Editor brings back what was there.")
    editor.undo()
    case.settle()
    assert np.array_equal(labels(segmentation), before)
    assert review.edited(segmentation)
    assert case.ui.comparisonLabel.text.startswith("Edited in slices 4 to 7")


def test_undo_goes_on_past_a_sign_off_and_back(case: Any, editor: Any, volume: Any) -> None:
    """What the panel notes in the segments when it looks is no edit that Undo would come back to for ever."""
    segmentation = case.segment(volume)
    case.ui.editButton.click()
    seen = [labels(segmentation)]
    for number in range(3):
        stroke(case, editor, (slice(4, 6), slice(18, 22), slice(18 + 2 * number, 20 + 2 * number)), PZ)
        seen.append(labels(segmentation))
        if number == 1:
            sign(case)
    for expected in reversed(seen[:-1]):
        editor.undo()
        case.settle()
        assert np.array_equal(labels(segmentation), expected)
    assert case.ui.statusLabel.text.startswith("Sign-off withdrawn")
    for expected in seen[1:]:
        editor.redo()
        case.settle()
        assert np.array_equal(labels(segmentation), expected)
    editor.undo()
    case.settle()
    assert case.ui.statusLabel.text.startswith("Reviewed by Ann")
