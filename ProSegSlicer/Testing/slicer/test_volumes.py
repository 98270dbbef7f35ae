from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from Testing.made_results import make_result, on_grid

from ProSegSlicerLib import volumes

ORIENTATIONS = ["LPS", "RAI", "SLP", "PIR"]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_an_image_comes_back_from_the_scene_as_it_went_in(scene: Any, orientation: str) -> None:
    image = make_result(orientation).image
    back = volumes.to_sitk(volumes.add_volume(image, "T2W"))
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(back), sitk.GetArrayViewFromImage(image))
    for get in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(back, get)(), getattr(image, get)(), atol=1e-9)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_slicer_reads_a_file_to_the_same_place(scene: Any, orientation: str, tmp_path: Any) -> None:
    from ProSegSlicerLib.scene import logic

    image = make_result(orientation).image
    sitk.WriteImage(image, str(tmp_path / "t2w.nrrd"))
    read = logic("Volumes").AddArchetypeVolume(str(tmp_path / "t2w.nrrd"), "T2W")
    ours = volumes.add_volume(image, "T2W")
    # Slicer may store the slices of a left-handed image in the opposite order; where each voxel lies is what counts.
    one, other = (sitk.DICOMOrient(volumes.to_sitk(node), "LPS") for node in (read, ours))
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(one), sitk.GetArrayViewFromImage(other))
    np.testing.assert_allclose(volumes.matrix_of(one), volumes.matrix_of(other), atol=1e-5)


def test_a_volume_takes_a_name_of_its_own(scene: Any) -> None:
    image = make_result().image
    names = {volumes.add_volume(image, "T2W").GetName() for _ in range(3)}
    assert "T2W" in names
    assert len(names) == 3


def test_the_parent_transform_does_not_move_the_voxels(volume: Any, scene: Any) -> None:
    before = volumes.to_sitk(volume).GetOrigin()
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 25.0)
    transform.SetMatrixTransformToParent(matrix)
    volume.SetAndObserveTransformNodeID(transform.GetID())
    assert volumes.to_sitk(volume).GetOrigin() == before


def test_a_good_volume_is_not_refused(volume: Any) -> None:
    assert volumes.refusal(volume) is None


def test_what_cannot_be_segmented_is_refused_in_a_sentence(scene: Any) -> None:
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    flat = volumes.add_volume(make_result().image[:, :, :2], "Flat")
    labels = volumes.add_volume(make_result().labelmap, "Labels", "vtkMRMLLabelMapVolumeNode")
    colour = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Colour")
    pixels = vtk.vtkImageData()
    pixels.SetDimensions(8, 8, 8)
    pixels.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    colour.SetAndObserveImageData(pixels)
    for node, reason in ((empty, "no voxels"), (flat, "3 slices"), (labels, "label map"), (colour, "colour")):
        sentence = volumes.refusal(node)
        assert sentence is not None
        assert node.GetName() in sentence
        assert reason in sentence


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_slices_centre_is_the_middle_of_its_labels(orientation: str) -> None:
    labels = np.zeros((12, 40, 44), np.uint8)
    labels[5, 10:21, 20:31] = 1
    labelmap = on_grid(labels, orientation)
    lps = sitk.DICOMOrient(labelmap, "LPS")
    expected = np.array(lps.TransformContinuousIndexToPhysicalPoint((25.0, 15.0, 5.0))) * (-1, -1, 1)
    index = next(k for k in range(12) if _slice_has_labels(labelmap, k))
    np.testing.assert_allclose(volumes.slice_centre(labelmap, index), expected, atol=1e-6)


def test_a_slice_without_labels_has_its_centre_too() -> None:
    labels = np.zeros((12, 40, 44), np.uint8)
    empty = on_grid(labels, "LPS")
    middle = np.array(empty.TransformContinuousIndexToPhysicalPoint((21.5, 19.5, 3.0))) * (-1, -1, 1)
    np.testing.assert_allclose(volumes.slice_centre(empty, 3), middle, atol=1e-6)


def test_the_slices_with_labels_are_counted_along_the_inputs_slice_axis() -> None:
    labels = np.zeros((9, 8, 7), np.uint8)
    labels[2, 1, 1] = labels[5, 2, 3] = 1
    upright = sitk.GetImageFromArray(labels)
    assert volumes.drawn_slices(upright) == (2, 5)
    assert volumes.drawn_slices(sitk.PermuteAxes(upright, (2, 0, 1))) == (2, 5)
    assert volumes.drawn_slices(upright * 0) == ()


def test_a_labelmap_goes_through_slicers_own_image_and_back() -> None:
    labelmap = make_result("SLP").labelmap
    back = volumes.labelmap_to_sitk(volumes.from_sitk(labelmap))
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(back), sitk.GetArrayViewFromImage(labelmap))
    np.testing.assert_allclose(back.GetDirection(), labelmap.GetDirection(), atol=1e-9)
    assert isinstance(volumes.from_sitk(labelmap), slicer.vtkOrientedImageData)


def _slice_has_labels(labelmap: sitk.Image, index: int) -> bool:
    from proseg.images.geometry import SUPERIOR_AXES, orientation_code

    axis = next(a for a, letter in enumerate(orientation_code(labelmap)) if letter in SUPERIOR_AXES)
    return bool(np.take(sitk.GetArrayViewFromImage(labelmap), index, axis=2 - axis).any())
