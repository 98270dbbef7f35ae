from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import vtk

from ProSegSlicerLib import overlay
from ProSegSlicerLib.segments import zones
from ProSegSlicerLib.volumes import slice_centre, to_sitk


@pytest.fixture
def uncertainty(result: Any) -> sitk.Image:
    return sitk.Cast(result.uncertainty_image() * 100, sitk.sitkUInt8)


@pytest.fixture
def composite(scene: Any) -> Any:
    """What a slice view shows."""
    node = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    node.SetLayoutName("Red")
    return node


def test_the_uncertainty_lies_on_the_images_grid(segmentation: Any, uncertainty: sitk.Image) -> None:
    node = overlay.set_uncertainty(segmentation, uncertainty)
    assert overlay.uncertainty_volume(segmentation) is node
    back = to_sitk(node)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(back), sitk.GetArrayViewFromImage(uncertainty))
    np.testing.assert_allclose(back.GetDirection(), uncertainty.GetDirection(), atol=1e-9)
    assert node.GetDisplayNode().GetColorNode().GetName()
    assert node.GetHideFromEditors()


def test_a_second_run_renews_the_same_volume(segmentation: Any, uncertainty: sitk.Image) -> None:
    first = overlay.set_uncertainty(segmentation, uncertainty)
    assert overlay.set_uncertainty(segmentation, sitk.Cast(uncertainty > 50, sitk.sitkUInt8)) is first
    assert sitk.GetArrayViewFromImage(to_sitk(first)).max() <= 1


def test_the_overlay_comes_and_goes_and_brings_back_what_was_there(
    segmentation: Any, uncertainty: sitk.Image, composite: Any, volume: Any
) -> None:
    composite.SetForegroundVolumeID(volume.GetID())
    composite.SetForegroundOpacity(0.0)
    node = overlay.set_uncertainty(segmentation, uncertainty)
    for _ in range(2):  # asking twice must not forget what was there
        overlay.show_uncertainty(segmentation, True)
        assert composite.GetForegroundVolumeID() == node.GetID()
        assert 0 < composite.GetForegroundOpacity() < 1
    overlay.show_uncertainty(segmentation, False)
    assert composite.GetForegroundVolumeID() == volume.GetID()
    assert composite.GetForegroundOpacity() == 0.0


def test_hiding_leaves_somebody_elses_foreground_alone(
    segmentation: Any, uncertainty: sitk.Image, composite: Any, volume: Any
) -> None:
    overlay.set_uncertainty(segmentation, uncertainty)
    composite.SetForegroundVolumeID(volume.GetID())
    overlay.show_uncertainty(segmentation, False)
    assert composite.GetForegroundVolumeID() == volume.GetID()


def test_without_an_uncertainty_there_is_nothing_to_show(segmentation: Any, composite: Any) -> None:
    overlay.show_uncertainty(segmentation, True)
    assert composite.GetForegroundVolumeID() is None


def test_slice_views_jump_to_the_gland_in_the_slice_also_under_a_transform(segmentation: Any, scene: Any) -> None:
    view = scene.AddNewNodeByClass("vtkMRMLSliceNode")
    view.SetLayoutName("Red")
    view.SetOrientationToAxial()
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(2, 3, 40.0)
    transform.SetMatrixTransformToParent(matrix)
    offsets = []
    for parent in (None, transform):
        segmentation.SetAndObserveTransformNodeID(parent and parent.GetID())
        overlay.jump_to_slice(segmentation, 5)
        offsets.append(view.GetSliceOffset())
    assert offsets[0] == pytest.approx(slice_centre(zones(segmentation), 5)[2], abs=1e-3)
    assert offsets[1] - offsets[0] == pytest.approx(40.0, abs=1e-3)
