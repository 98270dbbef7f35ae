"""What the Segment Editor's Undo brings back, on slicer-core's own history of segmentations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from Testing.slicer.conftest import paint

from proseg.errors import InputError
from proseg.labels import PZ
from proseg.outputs.review import ReviewStatus
from ProSegSlicerLib import review
from ProSegSlicerLib.segments import create_segmentation, zones
from ProSegSlicerLib.undo import Undo

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


def test_the_panels_steps_are_taken_back_one_by_one_and_never_over_an_edit(segmentation: Any) -> None:
    undo, seen = Undo(), [labels(segmentation)]
    for index in (4, 6):
        with undo.step(segmentation, f"Draw in {index}"):
            paint(segmentation, (index, slice(18, 22), slice(20, 24)), PZ)
        seen.append(labels(segmentation))
    paint(segmentation, (8, 20, 22), PZ)
    assert undo.last(segmentation) is None
    with pytest.raises(InputError, match="nothing to undo"):
        undo.undo(segmentation)
    paint(segmentation, (8, 20, 22), int(seen[-1][8, 20, 22]))
    for expected in reversed(seen[:-1]):
        undo.undo(segmentation)
        assert np.array_equal(labels(segmentation), expected)
    assert undo.last(segmentation) is None


def test_a_step_that_changes_nothing_is_none_and_another_segmentations_are_its_own(
    segmentation: Any, volume: Any
) -> None:
    other, undo = create_segmentation(volume), Undo()
    with undo.step(segmentation, "Nothing"):
        pass
    assert undo.last(segmentation) is None
    with undo.step(segmentation, "Draw"):
        paint(segmentation, MIDDLE, PZ)
    assert undo.last(other) is None
    assert undo.last(segmentation).name == "Draw"
