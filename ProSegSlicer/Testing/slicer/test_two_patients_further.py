"""Two patients in one scene, further: what is deleted, hidden, renamed, moved, or there several times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import slicer
import vtk
from Testing.slicer import standins
from Testing.slicer.two_patients import check, settle, shown

from ProSegSlicerLib import exports, overlay, refining, review
from ProSegSlicerLib.scene import nodes_of


@pytest.fixture
def view(add_view: Any) -> Any:
    """One such view."""
    return add_view("Red")


def test_a_colour_image_is_no_input_even_where_it_is_the_only_one(case: Any, scene: Any, view: Any) -> None:
    node = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Colours")
    picture = vtk.vtkImageData()
    picture.SetDimensions(8, 8, 8)
    picture.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    node.SetAndObserveImageData(picture)
    assert check(case, view) == (None, None)
    assert case.button.toolTip.startswith("Choose an input volume")


def test_an_image_that_is_deleted_takes_its_contours_out_of_sight(
    case: Any, scene: Any, view: Any, patients: Any
) -> None:
    a, zones_a, b, zones_b = patients
    scene.RemoveNode(b)
    settle(case)
    assert case.panel.chosen == (None, None)
    assert shown(view) == (None, [])
    case.select(a)
    assert check(case, view) == (a, zones_a)
    case.answers.prepared["belongs"] = False
    case.ui.segmentationSelector.setCurrentNode(zones_b)  # whose image is gone
    settle(case)
    assert case.panel.chosen[0] is not a
    assert shown(view)[0] is None


@pytest.mark.parametrize("gone", ["contours", "image"])
def test_the_image_that_the_segment_editor_moves_on_to_does_not_stay_in_the_views(
    case: Any, scene: Any, view: Any, patients: Any, gone: str
) -> None:
    a, _, b, zones_b = patients

    def move_on(_caller: Any, _event: Any) -> None:
        view.SetBackgroundVolumeID(a.GetID())

    scene.AddObserver(scene.NodeRemovedEvent, move_on)
    scene.RemoveNode({"contours": zones_b, "image": b}[gone])
    assert check(case, view) == {"contours": (b, None), "image": (None, None)}[gone]


def test_no_slice_is_accepted_on_the_image_of_another_patient(case: Any, view: Any, patients: Any) -> None:
    a, zones_a, b, _ = patients
    case.select(a)
    check(case, view)
    assert case.ui.acceptButton.enabled
    view.SetBackgroundVolumeID(b.GetID())  # hung there by the reader
    case.ui.acceptButton.click()
    assert case.message.startswith("No view shows a slice of this image.")
    settle(case)
    standins.wait_until(lambda: case.panel.refine.view.shown is None)
    assert case.ui.shownLabel.text == "No view shows a slice of this image."
    assert not any(getattr(case.ui, f"{name}Button").enabled for name in ("accept", "clear", "apexHere"))
    assert not refining.look(zones_a).word.given
    view.SetForegroundVolumeID(a.GetID())
    standins.wait_until(lambda: case.panel.refine.view.shown is not None)


def test_of_several_results_of_one_image_the_one_named_is_shown_and_none_takes_its_place(
    case: Any, scene: Any, view: Any, patients: Any
) -> None:
    from ProSegSlicerLib.qt_questions import Rerun

    a, _, b, zones_b = patients
    review.sign_off(zones_b, "Ann")
    case.answers.prepared["rerun"] = Rerun.KEEP
    newer = case.segment(b)
    case.ui.segmentationSelector.setCurrentNode(zones_b)
    assert check(case, view) == (b, zones_b)
    assert case.ui.statusLabel.text.startswith("Reviewed by Ann")
    case.ui.segmentationSelector.setCurrentNode(newer)
    assert check(case, view) == (b, newer)
    assert case.ui.statusLabel.text == "Not reviewed."
    scene.RemoveNode(newer)
    assert check(case, view) == (b, None)
    case.select(a)
    case.select(b)
    assert check(case, view) == (b, zones_b)


def test_hidden_nodes_are_never_taken_for_the_readers(case: Any, scene: Any, view: Any, patients: Any) -> None:
    a, zones_a, _, _ = patients
    hidden = slicer.vtkMRMLSegmentationNode()
    hidden.Copy(zones_a)
    hidden.SetHideFromEditors(True)
    scene.AddNode(hidden)
    hidden.RemoveAllDisplayNodeIDs()
    hidden.CreateDefaultDisplayNodes()
    case.select(a)
    assert check(case, view)[1] is zones_a


def test_a_new_name_is_told_and_nothing_else_changes(case: Any, view: Any, patients: Any, tmp_path: Path) -> None:
    _, _, b, zones_b = patients
    review.sign_off(zones_b, "Ann")
    b.SetName("Renamed/T2")
    zones_b.SetName("A: mine")
    case.panel.refresh()
    assert check(case, view) == (b, zones_b)
    assert case.ui.statusLabel.text.startswith("Reviewed by Ann")
    (file,) = exports.export_all(zones_b, tmp_path, [".json"])
    assert file.name == "A_ mine.json"
    assert '"name": "Renamed_T2"' in file.read_text(encoding="utf-8")


def test_a_transform_moves_image_contours_and_jumps_together(case: Any, scene: Any, view: Any, patients: Any) -> None:
    _, _, b, zones_b = patients
    (plane,) = nodes_of("vtkMRMLSliceNode")
    plane.SetDefaultOrientation("Axial")
    case.ui.turnViewsCheckBox.checked = False
    case.ui.flagsTable.cellClicked.emit(0, 0)
    before = plane.GetSliceToRAS().GetElement(2, 3)
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(2, 3, 50.0)
    moved = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    moved.SetMatrixTransformToParent(matrix)
    for node in (b, zones_b, overlay.uncertainty_volume(zones_b)):
        node.SetAndObserveTransformNodeID(moved.GetID())
    case.panel.results._next[0] = 0
    case.ui.flagsTable.cellClicked.emit(0, 0)
    assert plane.GetSliceToRAS().GetElement(2, 3) == pytest.approx(before + 50, abs=0.5)
    assert check(case, view) == (b, zones_b)
