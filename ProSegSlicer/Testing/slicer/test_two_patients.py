"""Two patients in one scene, on the stand-ins: after each step what the panel names is what the views show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import slicer
from Testing.made_results import make_result
from Testing.slicer.two_patients import check, settle, shown

from ProSegSlicerLib import exports, overlay, review
from ProSegSlicerLib.scene import application_logic, nodes_of
from ProSegSlicerLib.volumes import add_volume, ijk_to_ras


@pytest.fixture
def view(add_view: Any) -> Any:
    """One such view."""
    return add_view("Red")


def test_five_stories_of_two_patients(case: Any, scene: Any, view: Any, patients: Any, tmp_path: Path) -> None:
    a, zones_a, b, zones_b = patients
    bundle, file = tmp_path / "both.mrb", tmp_path / "B.seg.nrrd"
    assert scene.WriteToMRB(str(bundle))
    review.sign_off(zones_b, "Ann")
    exports.export(zones_b, file)

    # Switch, by either selector.
    case.select(a)
    assert check(case, view) == (a, zones_a)
    case.ui.segmentationSelector.setCurrentNode(zones_b)
    assert check(case, view) == (b, zones_b)

    # Run again, keeping what was signed: the old contours are hidden.
    from ProSegSlicerLib.qt_questions import Rerun

    case.answers.prepared["rerun"] = Rerun.KEEP
    newer = case.segment(b)
    assert newer is not zones_b
    assert check(case, view) == (b, newer)

    # Load the scene on top: it brings its own choice of the copies, which is not the reader's.
    assert scene.ReadFromMRB(str(bundle), False)
    assert check(case, view) == (None, None)
    case.select(a)
    assert check(case, view) == (a, zones_a)

    # Load B's file while A is chosen: it is shown on nobody's image until the reader says whose it is.
    loaded = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "B from file")
    loaded.CreateDefaultDisplayNodes()
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(file))
    assert storage.ReadData(loaded)
    assert check(case, view) == (a, zones_a)
    case.answers.prepared["belongs"] = False
    case.ui.segmentationSelector.setCurrentNode(loaded)
    settle(case)
    assert case.panel.chosen == (None, loaded)
    assert shown(view) == (None, [loaded])
    case.select(a)
    assert check(case, view) == (a, zones_a)
    case.ui.segmentationSelector.setCurrentNode(loaded)
    case.answers.prepared["belongs"] = True
    case.select(b)
    assert check(case, view) == (b, loaded)
    assert case.ui.statusLabel.text.startswith("Reviewed by Ann")

    # Delete the contours, then the image: nobody takes their place.
    uncertain = overlay.uncertainty_volume(newer)
    scene.RemoveNode(newer)
    assert not scene.IsNodePresent(uncertain)
    scene.RemoveNode(loaded)
    assert check(case, view) == (b, None)
    scene.RemoveNode(b)
    assert check(case, view) == (None, None)
    assert not case.button.enabled


def test_a_volume_is_shown_fitted_and_the_gland_in_its_middle(case: Any, view: Any, patients: Any) -> None:
    a, _, b, zones_b = patients
    (plane,) = nodes_of("vtkMRMLSliceNode")
    size = max(n * s for n, s in zip(b.GetImageData().GetDimensions(), b.GetSpacing(), strict=True))
    assert 0.5 * size < max(plane.GetFieldOfView()[:2]) < 3 * size
    place = plane.GetSliceOffset()
    overlay.jump_to_slice(zones_b, 0)
    assert plane.GetSliceOffset() != place
    case.select(a)
    assert plane.GetSliceOffset() == pytest.approx(place, abs=0.5)


def test_views_turn_to_the_plane_of_a_tilted_volume_unless_that_is_not_wished(
    case: Any, view: Any, patients: Any
) -> None:
    a, _, b, _ = patients
    (plane,) = nodes_of("vtkMRMLSliceNode")

    def normal() -> Any:
        return [plane.GetSliceToRAS().GetElement(row, 2) for row in range(3)]

    slices = ijk_to_ras(b)[:3, 2]
    assert abs(slices @ normal()) == pytest.approx(b.GetSpacing()[2], rel=1e-6)
    plane.SetDefaultOrientation("Axial")
    case.ui.turnViewsCheckBox.checked = False
    assert normal() == [0, 0, 1]
    case.select(a)
    assert normal() == [0, 0, 1]
    case.ui.turnViewsCheckBox.checked = True
    assert abs(slices @ normal()) == pytest.approx(b.GetSpacing()[2], rel=1e-6)


def test_the_plane_of_a_tilted_image_is_not_left_to_the_next_patient(case: Any, view: Any, patients: Any) -> None:
    (plane,) = nodes_of("vtkMRMLSliceNode")
    plane.SetDefaultOrientation("Axial")
    result = make_result().image
    result.SetDirection((1, 0, 0, 0, 1, 0, 0, 0, 1))
    straight = add_volume(result, "straight")
    case.select(straight)
    check(case, view)
    assert [plane.GetSliceToRAS().GetElement(row, 2) for row in range(3)] == [0, 0, 1]
    plane.SetOrientationToSagittal()  # by the reader, who wants it so
    case.select(add_volume(result, "straight too"))
    check(case, view)
    assert plane.GetOrientation() == "Sagittal"


def test_contours_hidden_by_their_eye_are_seen_after_a_run_into_them(case: Any, view: Any, patients: Any) -> None:
    _, _, b, zones_b = patients
    zones_b.GetDisplayNode().SetVisibility(False)
    assert case.segment(b) is zones_b
    check(case, view)


def test_a_run_that_ends_when_another_patient_is_chosen_shows_nothing_of_its_own(
    case: Any, view: Any, patients: Any
) -> None:
    a, zones_a, b, _ = patients
    case.start(b)
    case.select(a)
    case.client.say_done()
    case.wait()
    assert check(case, view) == (a, zones_a)


def test_a_run_that_replaces_work_when_another_patient_is_chosen_leaves_that_one_in_the_views(
    case: Any, view: Any, patients: Any
) -> None:
    """The Segment Editor keeps what is replaced, for Undo, and shows the image of it."""
    from ProSegSlicerLib.qt_questions import Rerun

    a, zones_a, b, zones_b = patients
    review.sign_off(zones_b, "Ann")
    case.answers.prepared["rerun"] = Rerun.REPLACE
    case.start(b)
    case.select(a)
    case.client.say_done()
    case.wait()
    assert case.message.endswith("Undo in the Segment Editor brings back what was there.")
    assert check(case, view) == (a, zones_a)


def test_a_run_that_ends_while_the_reader_edits_another_patient_leaves_editor_and_views_alone(
    case: Any, scene: Any, view: Any, patients: Any
) -> None:
    from ProSegSlicerLib.qt_editor import prepare_segment_editor
    from ProSegSlicerLib.qt_questions import Rerun

    a, zones_a, b, zones_b = patients
    review.sign_off(zones_b, "Ann")
    case.answers.prepared["rerun"] = Rerun.REPLACE
    case.start(b)
    editor, parts = prepare_segment_editor(zones_a), slicer.modules.segmenteditor.widgetRepresentation()
    parts.selectParameterNode()
    case.widget.parent.isEntered, parts.isEntered = False, True
    zones_a.GetDisplayNode().SetVisibility(True)
    zones_b.GetDisplayNode().SetVisibility(False)
    case.client.say_done()
    case.wait()
    settle(case)
    assert editor.GetSegmentationNode() is zones_a
    assert shown(view) == (a, [zones_a])
    assert view.GetForegroundVolumeID() is None
    case.widget.parent.isEntered, parts.isEntered = True, False
    case.widget.enter()
    assert check(case, view) == (b, zones_b)


def test_a_volume_loaded_while_the_panel_is_open_is_chosen_if_it_is_the_only_one(case: Any, view: Any) -> None:
    volume = add_volume(make_result().image, "T2W")
    assert check(case, view) == (volume, None)
    assert case.button.enabled


def test_a_volume_that_slicer_shows_while_its_progress_dialog_lets_events_happen_takes_no_ones_place(
    case: Any, scene: Any, view: Any, patients: Any
) -> None:
    """Slicer's dialog lets timers run when a node is added, which is before Slicer shows the volume."""
    _, _, b, zones_b = patients
    tag = scene.AddObserver(scene.NodeAddedEvent, lambda *_: slicer.app.processEvents())
    try:
        c = add_volume(make_result().image, "C")
    finally:
        scene.RemoveObserver(tag)
    settle(case)
    application_logic().GetSelectionNode().SetActiveVolumeID(c.GetID())
    application_logic().PropagateVolumeSelection(False)
    assert shown(view)[0] is c
    assert check(case, view) == (b, zones_b)


def test_what_is_shown_while_the_reader_is_in_another_module_stays_until_the_panel_is_back(
    case: Any, view: Any, patients: Any
) -> None:
    a, _, b, zones_b = patients
    settle(case)
    case.widget.parent.isEntered = False
    application_logic().GetSelectionNode().SetActiveVolumeID(a.GetID())
    application_logic().PropagateVolumeSelection(False)
    settle(case)
    assert shown(view)[0] is a
    case.widget.parent.isEntered = True
    case.widget.enter()
    assert check(case, view) == (b, zones_b)


def test_an_image_that_the_reader_hung_beside_the_patients_stays_until_another_is_chosen(
    case: Any, view: Any, add_view: Any, patients: Any
) -> None:
    a, _, b, zones_b = patients
    yellow = add_view("Yellow")
    assert check(case, view) == (b, zones_b)
    assert yellow.GetBackgroundVolumeID() == b.GetID()  # a view that is new shows what the others show
    diffusion = add_volume(make_result().image, "ADC")
    assert check(case, view) == (b, zones_b)
    yellow.SetBackgroundVolumeID(diffusion.GetID())
    case.widget.enter()
    assert case.segment(b) is zones_b
    assert check(case, view) == (b, zones_b)
    assert yellow.GetBackgroundVolumeID() == diffusion.GetID()
    view.SetBackgroundVolumeID(diffusion.GetID())  # now no view shows what the panel names
    case.widget.enter()
    assert check(case, view) == (b, zones_b)
    assert yellow.GetBackgroundVolumeID() == b.GetID()
    yellow.SetBackgroundVolumeID(diffusion.GetID())
    case.select(a)
    check(case, view)
    assert yellow.GetBackgroundVolumeID() == a.GetID()


def test_a_view_of_another_layout_does_not_count_as_showing_the_patient(
    case: Any, view: Any, add_view: Any, patients: Any
) -> None:
    a, _, b, zones_b = patients
    add_view("Yellow")
    check(case, view)
    next(node for node in nodes_of("vtkMRMLSliceNode") if node.GetLayoutName() == "Red").SetMappedInLayout(1)
    view.SetBackgroundVolumeID(a.GetID())  # as the Segment Editor does, in the views of the layout alone
    case.widget.enter()
    assert check(case, view) == (b, zones_b)


def test_a_ruler_or_a_table_changes_nothing_that_the_reader_shows(
    case: Any, scene: Any, view: Any, patients: Any
) -> None:
    a, _, _, zones_b = patients
    settle(case)
    view.SetBackgroundVolumeID(a.GetID())  # the reader looks at another image, without contours
    zones_b.GetDisplayNode().SetVisibility(False)
    for kind in ("vtkMRMLTableNode", "vtkMRMLMarkupsLineNode"):
        scene.AddNode(getattr(slicer, kind)())
    settle(case)
    assert shown(view) == (a, [])
    add_volume(make_result().image, "C")  # an image comes, and Slicer would show it
    assert check(case, view)[1] is zones_b


def test_uncertainty_is_no_input(case: Any, scene: Any, view: Any, patients: Any) -> None:
    a, zones_a, *_ = patients
    uncertain = overlay.uncertainty_volume(zones_a)
    case.ui.inputSelector.setCurrentNode(uncertain)
    assert case.ui.inputSelector.currentNode() is not uncertain
    assert case.widget.logic.missing(uncertain) == [
        "A uncertainty is not an image of a patient: choose the T2-weighted image."
    ]
    case.select(a)
    scene.RemoveNode(a)
    assert check(case, view) == (None, None)
