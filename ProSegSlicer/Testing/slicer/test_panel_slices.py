"""The slice in view, slices to check and outlines, on stand-ins for Slicer: in the panel, and by keys while editing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from Testing.slicer import standins
from Testing.slicer.test_panel_refine import go, labels

from ProSegSlicerLib import overlay, refining


@pytest.fixture
def segmentation(view: Any, case: Any, volume: Any) -> Any:
    """The result of a run, in the panel."""
    return case.segment(volume)


def test_slices_to_check_are_visited_in_turn_also_by_key(case: Any, segmentation: Any) -> None:
    go(case, 4)
    seen = []
    for _ in range(5):
        case.ui.nextButton.click()
        standins.wait_until(lambda: case.panel.refine.view.shown != (seen or [4])[-1])
        seen.append(case.panel.refine.view.shown)
    assert seen == [5, 9, 10, 2, 3]
    case.panel.refine.view._keys["previous"].activated.emit()
    standins.wait_until(lambda: case.panel.refine.view.shown == 2)


def test_outlines_are_switched_in_the_panel_and_by_key(case: Any, segmentation: Any) -> None:
    display = segmentation.GetDisplayNode()
    assert not case.ui.outlineCheckBox.checked
    case.ui.outlineCheckBox.click()
    assert (display.GetVisibility2DFill(), display.GetVisibility2DOutline()) == (False, True)
    case.panel.refine.view._keys["outline"].activated.emit()
    assert display.GetVisibility2DFill()


def test_a_moved_or_turned_image_is_still_seen_slice_by_slice(case: Any, segmentation: Any, view: Any) -> None:
    go(case, 7)
    turn = vtk.vtkTransform()
    turn.Translate(5, 6, 70)
    turn.RotateX(20)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(turn.GetMatrix())
    case.panel.parameters.inputVolume.SetAndObserveTransformNodeID(node.GetID())
    segmentation.SetAndObserveTransformNodeID(node.GetID())
    for index in (3, 9):
        go(case, index)
    for row, column, value in ((0, 0, 0), (1, 0, -1), (1, 1, 0), (2, 1, 1), (2, 2, 0), (0, 2, 1)):  # sagittal
        view.GetSliceToRAS().SetElement(row, column, value)
    view.UpdateMatrices()
    standins.wait_until(lambda: case.panel.refine.view.shown is None)
    assert case.ui.shownLabel.text == "No view shows a slice of this image."
    assert not case.ui.acceptButton.enabled


@pytest.mark.parametrize("button", ["clearButton", "acceptButton", "apexHereButton"])
def test_a_button_means_the_slice_in_view_however_quickly_it_is_clicked(
    case: Any, segmentation: Any, button: str
) -> None:
    go(case, 6)
    overlay.jump_to_slice(segmentation, 4)
    getattr(case.ui, button).click()  # before the panel has followed the view
    case.settle()
    word = refining.look(segmentation).word
    meant = {"clearButton": word.corrected, "acceptButton": word.accepted, "apexHereButton": (word.first,)}[button]
    assert meant == (4,)


def test_a_button_does_nothing_once_no_view_shows_the_image(case: Any, segmentation: Any, view: Any) -> None:
    go(case, 6)
    before = labels(segmentation)
    view.SetOrientationToSagittal()
    for button in ("clearButton", "acceptButton", "apexHereButton"):
        getattr(case.ui, button).enabled = True  # as it was a moment ago
        getattr(case.ui, button).click()
    assert case.message.startswith("No view shows a slice")
    assert not refining.look(segmentation).word.given
    np.testing.assert_array_equal(labels(segmentation), before)
