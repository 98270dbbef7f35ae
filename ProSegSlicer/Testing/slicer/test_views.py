"""What Slicer's views show once the panel names an image and contours, on views without an application around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from Testing.made_results import SIZE_KJI, make_result

from ProSegSlicerLib import overlay, views
from ProSegSlicerLib.segments import create_segmentation, set_zones, zones
from ProSegSlicerLib.volumes import add_volume, ijk_to_ras, slice_centres


@pytest.fixture
def plane(scene: Any) -> Any:
    node = scene.AddNewNodeByClass("vtkMRMLSliceNode")
    node.SetLayoutName("Red")
    node.SetOrientationToAxial()
    return node


@pytest.fixture
def composite(scene: Any) -> Any:
    node = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    node.SetLayoutName("Red")  # logics that other tests made may have brought an empty one of that name
    return node


def drawn(volume: Any) -> Any:
    """Contours of a volume."""
    node = create_segmentation(volume)
    set_zones(node, make_result().labelmap)
    return node


def upright(tilt: float = 0.0) -> Any:
    """A volume whose axes are the patient's, or turned about one by ``tilt`` radians."""
    image = sitk.Image(8, 8, 4, sitk.sitkInt16)
    cos, sin = float(np.cos(tilt)), float(np.sin(tilt))
    image.SetDirection((1, 0, 0, 0, cos, -sin, 0, sin, cos))
    return add_volume(image, "upright")


def test_only_the_contours_that_are_named_are_seen(volume: Any) -> None:
    mine, other = drawn(volume), drawn(volume)
    views.show_contours(mine)
    assert (mine.GetDisplayNode().GetVisibility(), other.GetDisplayNode().GetVisibility()) == (1, 0)
    views.show_contours(other)
    assert (mine.GetDisplayNode().GetVisibility(), other.GetDisplayNode().GetVisibility()) == (0, 1)
    views.show_contours(None)
    assert not mine.GetDisplayNode().GetVisibility()
    assert not other.GetDisplayNode().GetVisibility()


def test_another_image_takes_away_what_lay_over_the_one_before(volume: Any, composite: Any) -> None:
    views.follow(volume, None)
    assert composite.GetBackgroundVolumeID() == volume.GetID()
    over = upright()
    composite.SetForegroundVolumeID(over.GetID())
    composite.SetLabelVolumeID(over.GetID())
    views.follow(volume, None)
    assert composite.GetForegroundVolumeID() == over.GetID()  # the reader's own, over the same image
    views.follow(over, None)
    assert composite.GetBackgroundVolumeID() == over.GetID()
    assert composite.GetForegroundVolumeID() is None
    assert composite.GetLabelVolumeID() is None
    views.follow(None, None)
    assert composite.GetBackgroundVolumeID() is None


def test_views_go_to_the_gland_of_a_new_image_and_later_only_if_asked(volume: Any, plane: Any, composite: Any) -> None:
    node = drawn(volume)
    plane.SetSliceOffset(1000.0)
    views.follow(volume, node, to_gland=False)
    there = plane.GetSliceOffset()
    assert there != 1000.0
    plane.SetSliceOffset(1000.0)
    views.follow(volume, node, to_gland=False)
    assert plane.GetSliceOffset() == pytest.approx(1000.0)
    views.follow(volume, node)
    assert plane.GetSliceOffset() == pytest.approx(there)


def test_without_a_gland_views_stay_where_they_are(volume: Any, plane: Any) -> None:
    empty = create_segmentation(volume)
    plane.SetSliceOffset(7.0)
    views.go_to_gland(empty)
    nothing = sitk.GetImageFromArray(np.zeros(SIZE_KJI, np.uint8))
    nothing.CopyInformation(make_result().labelmap)
    set_zones(empty, nothing)
    views.go_to_gland(empty)
    assert plane.GetSliceOffset() == pytest.approx(7.0)


def test_a_tilted_volume_turns_the_views_and_an_upright_one_does_not(volume: Any, plane: Any, composite: Any) -> None:
    def normal() -> np.ndarray:
        return np.array([plane.GetSliceToRAS().GetElement(row, 2) for row in range(3)])

    views.follow(upright(), None)
    assert normal().tolist() == [0, 0, 1]
    views.follow(volume, None, in_its_plane=False)
    assert normal().tolist() == [0, 0, 1]
    views.follow(None, None)
    views.follow(volume, None)
    slices = ijk_to_ras(volume)[:3, 2]
    assert abs(slices @ normal()) == pytest.approx(np.linalg.norm(slices), rel=1e-6)


def test_views_turn_when_the_image_that_they_show_is_tilted_afterwards_and_back_but_only_then(
    scene: Any, plane: Any, composite: Any
) -> None:
    def tilt() -> float:
        return abs(plane.GetSliceToRAS().GetElement(1, 2))

    plane.SetDefaultOrientation("Axial")
    image, tilted = upright(), ijk_to_ras(upright(0.4))
    before = ijk_to_ras(image)
    views.follow(image, None)
    image.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(tilted))  # as by a hardened transform
    assert views.keep_turned(image, in_its_plane=True)
    assert tilt() == pytest.approx(np.sin(0.4), abs=1e-3)
    plane.SetOrientationToAxial()  # the reader's wish, which stays
    views.follow(image, None)
    assert tilt() == 0
    image.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijk_to_ras(upright(0.2))))
    views.follow(image, None)
    assert tilt() == pytest.approx(np.sin(0.2), abs=1e-3)
    image.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(before))
    assert views.keep_turned(image, in_its_plane=True)
    assert tilt() == 0
    assert not views.keep_turned(image, in_its_plane=True)


@pytest.mark.parametrize(
    ("tilt", "tilted"), [(0.0, False), (np.pi / 2, False), (5e-4, False), (0.01, True), (0.7, True)]
)
def test_a_volume_is_tilted_if_its_axes_are_not_the_patients(scene: Any, tilt: float, tilted: bool) -> None:
    assert views.is_tilted(upright(tilt)) is tilted


def test_a_slice_in_a_view_that_the_layout_leaves_out_is_not_shown(
    volume: Any, plane: Any, composite: Any, scene: Any
) -> None:
    mine = drawn(volume)
    composite.SetBackgroundVolumeID(volume.GetID())
    labelmap = zones(mine)
    asked = mine, labelmap, slice_centres(labelmap)
    overlay.jump_to_slice(mine, 5)
    assert views.shown_slice(*asked) == 5
    three_d = scene.AddNewNodeByClass("vtkMRMLViewNode")
    three_d.SetMappedInLayout(1)
    assert views.shown_slice(*asked) is None
    plane.SetMappedInLayout(1)
    assert views.shown_slice(*asked) == 5
