"""The panel's word on where contours are seen, on stand-ins for Slicer: on another image, or beside their own."""

from __future__ import annotations

from typing import Any

import pytest
import slicer
import vtk
from Testing.made_results import make_result
from Testing.slicer import standins
from Testing.slicer.two_patients import settle

from ProSegSlicerLib.scene import mrml_scene, nodes_of
from ProSegSlicerLib.volumes import add_volume


@pytest.fixture
def red(add_view: Any, scene: Any) -> Any:
    """Which images hang in Slicer's red view."""
    for old in nodes_of("vtkMRMLSliceCompositeNode"):  # one that other tests made outlives the scene
        scene.RemoveNode(old)
    return add_view("Red")


@pytest.fixture
def segmentation(red: Any, case: Any, volume: Any) -> Any:
    """The result of a run, in the panel and in the red view."""
    return case.segment(volume)


def said(case: Any) -> str:
    """What the panel says, once it has followed."""
    standins.wait_until(lambda: not case.panel.place._later.active)
    settle(case)
    return case.ui.placeLabel.text if case.is_shown("placeWidget") else ""


def moved(scene: Any) -> Any:
    """A transform that shifts by 20 mm."""
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 20.0)
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(matrix)
    return node


def image(case: Any, name: str) -> Any:
    """One more image in the scene, which the panel has seen come."""
    node = add_volume(make_result().image + 1, name)
    settle(case)
    return node


def give(volume: Any, patient: str) -> None:
    """Put a volume into a study of a patient, as Slicer's DICOM module does."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(mrml_scene())
    top = tree.GetItemByName(patient) or tree.CreateSubjectItem(tree.GetSceneItemID(), patient)
    study = tree.CreateStudyItem(top, "study")
    tree.SetItemParent(tree.GetItemByDataNode(volume) or tree.CreateItem(study, volume), study)


def test_another_image_in_a_view_is_named_as_long_as_it_hangs_there(
    case: Any, segmentation: Any, red: Any, volume: Any
) -> None:
    assert said(case) == ""
    adc = image(case, "ADC")
    red.SetBackgroundVolumeID(adc.GetID())
    assert said(case) == "“ADC” hangs in view Red, with the contours of “T2W” on it."
    red.SetForegroundVolumeID(volume.GetID())  # laid over it
    assert said(case) == ""
    red.SetForegroundVolumeID(None)
    assert said(case) != ""
    for switch in (segmentation.GetDisplayNode().SetVisibility, segmentation.GetDisplayNode().SetVisibility2D):
        switch(False)
        assert said(case) == ""
        switch(True)
        assert said(case) != ""
    red.SetBackgroundVolumeID(volume.GetID())
    assert said(case) == ""


def test_a_view_that_does_not_draw_the_contours_is_not_spoken_of(
    case: Any, segmentation: Any, red: Any, scene: Any
) -> None:
    segmentation.GetDisplayNode().AddViewNodeID("vtkMRMLSliceNodeElsewhere")
    red.SetBackgroundVolumeID(image(case, "ADC").GetID())
    assert said(case) == ""


def test_a_patients_own_images_are_no_news_and_another_patients_are_a_warning(
    case: Any, segmentation: Any, red: Any, volume: Any
) -> None:
    other = image(case, "B")
    give(volume, "Ann")
    give(other, "Ann")
    red.SetBackgroundVolumeID(other.GetID())
    assert said(case) == ""
    red.SetBackgroundVolumeID(volume.GetID())
    give(other, "Bob")
    red.SetBackgroundVolumeID(other.GetID())
    assert said(case) == "The image of another patient, “B”, hangs in view Red, with the contours of “T2W” on it."


def test_an_image_moved_without_its_contours_is_told_at_once_and_nobody_signs_it(
    case: Any, segmentation: Any, volume: Any, scene: Any
) -> None:
    case.ui.reviewerEdit.text = "Ann"
    assert case.ui.reviewedButton.enabled
    shift = moved(scene)
    volume.SetAndObserveTransformNodeID(shift.GetID())
    assert "are not under one transform" in said(case)
    assert not case.ui.reviewedButton.enabled
    segmentation.SetAndObserveTransformNodeID(shift.GetID())
    assert said(case) == ""
    assert case.ui.reviewedButton.enabled


def test_an_image_whose_origin_changes_under_its_contours_is_told_at_once_and_nobody_signs_it(
    case: Any, segmentation: Any, volume: Any
) -> None:
    case.ui.reviewerEdit.text = "Ann"
    where = volume.GetOrigin()
    volume.SetOrigin(where[0] + 5, *where[1:])  # "Center volume", for one
    assert said(case).startswith("T2W has another place or other voxels than when T2W zones was drawn on it")
    assert not case.ui.reviewedButton.enabled
    volume.SetOrigin(*where)
    assert said(case) == ""
    assert case.ui.reviewedButton.enabled


def test_no_contours_nothing_to_say(case: Any, segmentation: Any, red: Any, scene: Any) -> None:
    red.SetBackgroundVolumeID(image(case, "ADC").GetID())
    assert said(case) != ""
    scene.RemoveNode(segmentation)
    assert said(case) == ""


def test_views_turn_at_once_with_an_image_that_is_tilted_otherwise(case: Any, segmentation: Any, volume: Any) -> None:
    def normals() -> list[list[float]]:
        planes = nodes_of("vtkMRMLSliceNode")
        return [[round(view.GetSliceToRAS().GetElement(row, 2), 4) for row in range(3)] for view in planes]

    before = normals()
    turn = vtk.vtkTransform()
    turn.RotateX(25)
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    vtk.vtkMatrix4x4.Multiply4x4(turn.GetMatrix(), matrix, matrix)
    volume.SetIJKToRASMatrix(matrix)
    assert said(case) != ""
    assert all(one != other for one, other in zip(before, normals(), strict=True))
