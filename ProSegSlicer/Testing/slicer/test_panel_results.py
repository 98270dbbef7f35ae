"""The panel's results, on stand-ins for Slicer: figures that follow edits and what to check."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import vtk
from Testing.made_results import make_result
from Testing.slicer import standins
from Testing.slicer.conftest import paint

from proseg.images.geometry import superior_mm
from proseg.labels import CG, PZ
from proseg.segmentation.quality import mm
from ProSegSlicerLib import overlay, review
from ProSegSlicerLib.segments import SURFACE, create_segmentation, input_volume, zones
from ProSegSlicerLib.volumes import add_volume, slice_centre

EVERYTHING = (slice(None), slice(None), slice(None))
GLAND = sorted(make_result().slice_confidence)  # slices of the made result that hold gland
MIDDLE = (slice(4, 8), slice(18, 22), slice(20, 24))


@pytest.fixture
def view(scene: Any) -> Any:
    """A slice view with its composite node."""
    node = scene.AddNewNodeByClass("vtkMRMLSliceNode")
    node.SetLayoutName("Red")
    composite = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    composite.SetLayoutName("Red")
    return node, composite


def height_of(view: Any) -> float:
    """Where the slice view stands, mm superior."""
    return view[0].GetSliceToRAS().GetElement(2, 3)


def test_without_a_result_it_says_how_to_get_one(case: Any) -> None:
    assert case.ui.resultsHint.text == "No result yet: choose the input volume and click Segment Prostate."
    assert not case.is_shown("resultsTable")
    assert not case.is_shown("flagsTable")


def test_the_table_has_the_measurements(case: Any, volume: Any) -> None:
    review.set_psa(volume, 6.5)
    measured = review.measurements(case.segment(volume))
    assert case.figures == {
        "Peripheral zone (PZ)": f"{measured.pz_ml:.1f} mL",
        "Central gland (CG)": f"{measured.cg_ml:.1f} mL",
        "Whole gland": f"{measured.gland_ml:.1f} mL",
        "PSA density": f"{6.5 / measured.gland_ml:.2f} ng/mL per mL",
        "Ellipsoid estimate": f"{measured.ellipsoid_ml:.1f} mL",
        "Width × height × length": f"{measured.width_mm:.0f} × {measured.height_mm:.0f} × {measured.length_mm:.0f} mm",
    }
    assert case.is_shown("resultsTable")
    assert not case.is_shown("resultsHint")


def test_the_figures_follow_an_edit(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume)
    before = case.figures
    paint(segmentation, MIDDLE, PZ)  # was CG
    case.settle()
    assert case.figures["Peripheral zone (PZ)"] == f"{review.measurements(segmentation).pz_ml:.1f} mL"
    assert case.figures["Peripheral zone (PZ)"] != before["Peripheral zone (PZ)"]
    assert case.figures["Whole gland"] == before["Whole gland"]


def test_many_edits_in_a_row_are_measured_once(case: Any, volume: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    segmentation = case.segment(volume)
    case.settle()
    shown = []
    monkeypatch.setattr(case.panel.results, "show", shown.append)
    for label in (PZ, CG, PZ):
        paint(segmentation, MIDDLE, label)
    case.settle()
    assert shown == [segmentation]


def test_a_segment_that_is_deleted_is_noticed(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume)
    segmentation.GetSegmentation().RemoveSegment("PZ")
    case.settle()
    assert case.figures["Peripheral zone (PZ)"] == "0.0 mL"


def test_an_empty_segmentation_is_called_empty(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume)
    paint(segmentation, EVERYTHING, 0)
    case.settle()
    assert "neither zone is drawn" in case.ui.resultsHint.text
    assert case.figures["Whole gland"] == "0.0 mL"


def test_flags_are_listed_the_gravest_first(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume)

    def go_to(index: int) -> str:
        return f"Go to slice {index}\n(S {mm(superior_mm(zones(segmentation), index))} mm)"  # as in sentences

    assert case.listed == [
        ("The contours are uncertain in slices 3 to 5.", go_to(3)),
        ("The gland is implausibly small: 4.2 mL.", ""),
        ("The gland touches the left edge of the image.", go_to(9)),
        ("Apex and base, in every case: readers disagree most there.", go_to(GLAND[0])),
    ]
    assert case.is_shown("flagsTable")


def test_without_flags_it_still_asks_for_a_review(case: Any, volume: Any, view: Any) -> None:
    case.panel.parameters.turnViews = False  # heights are compared
    segmentation = case.segment(volume, flags=())
    assert case.ui.flagsLabel.text == "The AI raised no quality flags. Review every slice all the same."
    assert len(case.listed) == 1
    for index in (GLAND[0], GLAND[-1]):
        case.ui.flagsTable.cellClicked.emit(0, 0)
        assert height_of(view) == pytest.approx(slice_centre(zones(segmentation), index)[2], abs=0.01)


def test_apex_and_base_are_where_the_contours_end_now(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume, flags=())
    assert case.panel.results.flags[-1].slices == (GLAND[0], GLAND[-1])
    paint(segmentation, (slice(0, GLAND[0] + 2), slice(None), slice(None)), 0)
    case.settle()
    assert case.panel.results.flags[-1].slices == (GLAND[0] + 2, GLAND[-1])
    paint(segmentation, EVERYTHING, 0)
    case.settle()
    assert case.listed == []


def test_a_click_on_a_flag_goes_through_its_slices(case: Any, volume: Any, view: Any) -> None:
    case.panel.parameters.turnViews = False  # heights are compared
    segmentation = case.segment(volume)
    seen, expected = [], []
    for index in (3, 4, 5, 3):
        case.ui.flagsTable.cellClicked.emit(0, 0)
        seen.append(height_of(view))
        expected.append(slice_centre(zones(segmentation), index)[2])
    np.testing.assert_allclose(seen, expected, atol=0.01)
    assert len(set(np.round(seen, 2))) == 3


@pytest.mark.parametrize("key", ["Return", "Enter"])  # the keypad's is the second
def test_enter_goes_there_too(case: Any, volume: Any, view: Any, key: str) -> None:
    case.panel.parameters.turnViews = False  # heights are compared
    segmentation = case.segment(volume)
    case.ui.flagsTable.setCurrentCell(2, 0)
    (shortcut,) = [one for one in case.panel.results._keys if one.key.toString() == key]
    shortcut.activated.emit()
    assert height_of(view) == pytest.approx(slice_centre(zones(segmentation), 9)[2], abs=0.01)


def test_a_flag_without_slices_moves_nothing(case: Any, volume: Any, view: Any) -> None:
    case.segment(volume)
    before = height_of(view)
    case.ui.flagsTable.cellClicked.emit(1, 0)
    assert height_of(view) == before


def test_an_edit_does_not_send_the_reader_back_to_the_first_slice(case: Any, volume: Any, view: Any) -> None:
    segmentation = case.segment(volume)
    case.ui.flagsTable.cellClicked.emit(0, 0)
    paint(segmentation, MIDDLE, PZ)
    case.settle()
    assert case.listed[0][1].startswith("Go to slice 4\n(S −")


def test_millimetres_are_those_of_the_views_where_a_transform_moves_the_image(
    case: Any, volume: Any, scene: Any, view: Any
) -> None:
    moved = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(2, 3, 100.0)
    moved.SetMatrixTransformToParent(matrix)
    volume.SetAndObserveTransformNodeID(moved.GetID())
    case.panel.parameters.turnViews = False  # heights are compared
    case.segment(volume)
    there = superior_mm(zones(case.segmentation), 3) + 100
    assert case.listed[0][1] == f"Go to slice 3\n(S {mm(there)} mm)"
    case.ui.flagsTable.cellClicked.emit(0, 0)
    assert height_of(view) == pytest.approx(there, abs=5)  # the image is tilted


def test_the_uncertainty_comes_and_goes(case: Any, volume: Any, view: Any) -> None:
    segmentation = case.segment(volume)
    case.ui.uncertaintyCheckBox.checked = True
    assert view[1].GetForegroundVolumeID() == overlay.uncertainty_volume(segmentation).GetID()
    case.ui.uncertaintyCheckBox.checked = False
    assert view[1].GetForegroundVolumeID() is None


def test_the_uncertainty_goes_with_its_segmentation(case: Any, volume: Any, view: Any) -> None:
    case.segment(volume)
    case.ui.uncertaintyCheckBox.checked = True
    case.select(add_volume(make_result().image, "Not segmented"))
    assert view[1].GetForegroundVolumeID() is None


def test_the_contours_are_shown_on_the_image_they_were_drawn_for(case: Any, volume: Any, view: Any) -> None:
    view[1].SetBackgroundVolumeID(add_volume(make_result().image, "ADC").GetID())
    case.segment(volume)
    assert view[1].GetBackgroundVolumeID() == volume.GetID()


def test_without_an_uncertainty_the_overlay_is_off_and_says_why(case: Any, volume: Any) -> None:
    create_segmentation(volume)
    case.select(volume)
    assert not case.ui.uncertaintyCheckBox.enabled
    assert case.ui.uncertaintyCheckBox.toolTip.startswith("No uncertainty is kept")


def test_surfaces_are_shown_by_slicers_own_button(case: Any, volume: Any) -> None:
    assert not case.is_shown("show3DButton")
    segmentation = case.segment(volume)
    assert case.ui.show3DButton.segmentationNode() is segmentation
    assert not segmentation.GetSegmentation().ContainsRepresentation(SURFACE)  # only if wished
    case.ui.show3DButton.click()
    assert segmentation.GetSegmentation().ContainsRepresentation(SURFACE)
    paint(segmentation, EVERYTHING, CG)
    assert segmentation.GetSegmentation().ContainsRepresentation(SURFACE)
    create_segmentation(add_volume(make_result().image, "Other"))
    case.select(None)
    assert case.ui.show3DButton.segmentationNode() is None


def test_a_volume_brings_its_own_segmentation(case: Any, volume: Any, view: Any) -> None:
    other = add_volume(make_result().image, "Other")
    first = case.segment(volume)
    case.ui.uncertaintyCheckBox.checked = True
    second = case.segment(other)
    assert input_volume(second) is other
    assert view[1].GetForegroundVolumeID() == overlay.uncertainty_volume(second).GetID()
    case.select(volume)
    assert case.segmentation is first
    assert view[1].GetForegroundVolumeID() == overlay.uncertainty_volume(first).GetID()


def test_a_segmentation_brings_its_volume(case: Any, volume: Any) -> None:
    other = add_volume(make_result().image, "Other")
    first = case.segment(volume)
    case.segment(other)
    case.ui.segmentationSelector.setCurrentNode(first)
    assert case.panel.parameters.inputVolume is volume
    assert case.segmentation is first


def test_only_the_selected_segmentation_is_watched(case: Any, volume: Any) -> None:
    other = add_volume(make_result().image, "Other")
    first = case.segment(volume)
    case.segment(other)
    case.settle()
    paint(first, MIDDLE, PZ)
    assert not case.panel._later.active


def test_the_only_volume_is_chosen_by_itself(case: Any, volume: Any) -> None:
    assert case.panel.parameters.inputVolume is None
    case.widget.enter()
    assert case.panel.parameters.inputVolume is volume


def test_among_several_volumes_the_reader_chooses(case: Any, volume: Any) -> None:
    add_volume(make_result().image, "ADC")
    case.widget.enter()
    assert case.panel.parameters.inputVolume is None


def test_a_segmentation_that_is_deleted_leaves_no_figures_behind(case: Any, volume: Any, scene: Any) -> None:
    scene.RemoveNode(case.segment(volume))
    assert case.segmentation is None
    assert not case.is_shown("resultsTable")
    assert not case.ui.exportButton.enabled


def test_contours_drawn_by_hand_are_measured_too(case: Any, volume: Any) -> None:
    segmentation = create_segmentation(volume)
    paint(segmentation, MIDDLE, PZ)
    case.select(volume)
    assert case.figures["Peripheral zone (PZ)"] == f"{review.measurements(segmentation).pz_ml:.1f} mL"
    assert case.ui.flagsLabel.text.startswith("There is no AI result")


def test_a_segmentation_of_something_else_is_no_result(case: Any, volume: Any, scene: Any) -> None:
    case.select(volume)
    case.ui.segmentationSelector.setCurrentNode(scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Bones"))
    assert not case.is_shown("resultsTable")
    assert case.ui.resultsHint.text.startswith("“Bones” is empty")


def test_the_figures_can_be_copied(case: Any, volume: Any) -> None:
    case.segment(volume)
    case.ui.copyButton.click()
    lines = standins.slicer.app.clipboard().text().splitlines()
    assert lines == [f"{name}: {value}" for name, value in case.figures.items()]
