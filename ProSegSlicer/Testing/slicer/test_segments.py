from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
import vtk
from Testing.made_results import make_result

from proseg.errors import InputError
from proseg.labels import CG, PZ, ZONES
from proseg.outputs.segnrrd import terminology
from ProSegSlicerLib import segments
from ProSegSlicerLib.volumes import add_volume

TERMINOLOGY = slicer.vtkSegment.GetTerminologyEntryTagName()


def array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def tag(segment: Any, key: str) -> str:
    value = vtk.reference("")
    assert segment.GetTag(key, value)
    return str(value)


def on_grid_of(image: sitk.Image, labels: np.ndarray) -> sitk.Image:
    labelmap = sitk.GetImageFromArray(labels.astype(np.uint8))
    labelmap.CopyInformation(image)
    return labelmap


@pytest.mark.parametrize("orientation", ["LPS", "RAI", "SLP", "PIR"])
def test_zones_come_back_voxel_for_voxel(scene: Any, orientation: str) -> None:
    made = make_result(orientation)
    node = segments.create_segmentation(add_volume(made.image, "T2W"))
    segments.set_zones(node, made.labelmap)
    back = segments.zones(node)
    np.testing.assert_array_equal(array(back), array(made.labelmap))
    np.testing.assert_allclose(back.GetOrigin(), made.image.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(back.GetDirection(), made.image.GetDirection(), atol=1e-6)


@pytest.mark.parametrize("how", ["shared", "apart", "cropped", "finer", "one deleted"])
def test_contours_are_read_as_slicer_merges_them(segmentation: Any, result: Any, how: str) -> None:
    inside = segmentation.GetSegmentation()
    if how in ("apart", "cropped"):
        for zone in ZONES:
            _put(segmentation, zone.short, result.labelmap == zone.label)
    if how == "cropped":
        for zone in ZONES:
            labelmap = inside.GetSegment(zone.short).GetRepresentation(segments.LABELMAP)
            extent = [0] * 6
            slicer.vtkOrientedImageDataResample.CalculateEffectiveExtent(labelmap, extent)
            slicer.vtkOrientedImageDataResample.CopyImage(labelmap, labelmap, extent)
            assert labelmap.GetExtent() == tuple(extent)
    if how == "finer":
        finer = sitk.Expand(result.labelmap, (2, 2, 1), sitk.sitkNearestNeighbor)
        for zone in ZONES:
            _put(segmentation, zone.short, finer == zone.label)
    if how == "one deleted":
        inside.RemoveSegment("PZ")
    grid = segments._grid(segmentation)
    wanted = {zone.short: zone.label for zone in segments._zones_of(segmentation)}
    expected = array(segments._resampled(segmentation, grid, wanted))
    assert expected.any()
    np.testing.assert_array_equal(array(segments.zones(segmentation)), expected)


def test_read_once_reads_contours_anew_the_next_time(segmentation: Any, result: Any) -> None:
    with segments.read_once():
        assert segments.zones(segmentation) is segments.zones(segmentation)
    segments.set_zones(segmentation, on_grid_of(result.labelmap, np.zeros_like(array(result.labelmap))))
    with segments.read_once():
        assert not array(segments.zones(segmentation)).any()


@pytest.mark.parametrize("kept", [(PZ,), (CG,), (), (PZ, CG)])
@pytest.mark.parametrize("first", [True, False])
def test_an_absent_zone_is_empty_and_the_other_stays_itself(
    volume: Any, result: Any, kept: tuple[int, ...], first: bool
) -> None:
    node = segments.create_segmentation(volume)
    if not first:
        segments.set_zones(node, result.labelmap)
    labels = array(result.labelmap)
    wanted = on_grid_of(result.labelmap, np.where(np.isin(labels, kept), labels, 0))
    segments.set_zones(node, wanted)
    np.testing.assert_array_equal(array(segments.zones(node)), array(wanted))


def test_segments_have_names_colours_and_codes(segmentation: Any) -> None:
    for zone in ZONES:
        segment = segmentation.GetSegmentation().GetSegment(zone.short)
        assert segment.GetName() == zone.name
        np.testing.assert_allclose(segment.GetColor(), np.array(zone.colour) / 255)
        assert tag(segment, TERMINOLOGY) == terminology(zone)
        assert tag(segment, "ProSegSlicer.ModelVersion") == "1.2"


def test_other_segments_stay_when_the_zones_are_replaced(segmentation: Any, result: Any) -> None:
    lesion = np.zeros_like(array(result.labelmap))
    lesion[6, 18:21, 20:24] = 1
    node = segmentation.GetSegmentation()
    segment = slicer.vtkSegment()
    node.AddSegment(segment, "lesion")
    _put(segmentation, "lesion", on_grid_of(result.labelmap, lesion))
    segments.set_zones(segmentation, on_grid_of(result.labelmap, np.roll(array(result.labelmap), 2, axis=2)))
    assert slicer.util.arrayFromSegmentInternalBinaryLabelmap(segmentation, "lesion").sum() == lesion.sum()


def test_a_shown_surface_follows_new_zones(segmentation: Any, result: Any) -> None:
    segmentation.CreateClosedSurfaceRepresentation()
    before = _surface_centre(segmentation)
    segments.set_zones(segmentation, on_grid_of(result.labelmap, np.roll(array(result.labelmap), 8, axis=2)))
    moved = np.linalg.norm(_surface_centre(segmentation) - before)
    assert moved == pytest.approx(8 * result.image.GetSpacing()[0], abs=1.0)


def test_a_deleted_segment_counts_as_empty(segmentation: Any, result: Any) -> None:
    segmentation.GetSegmentation().RemoveSegment("PZ")
    np.testing.assert_array_equal(array(segments.zones(segmentation)), np.where(array(result.labelmap) == CG, CG, 0))
    segmentation.GetSegmentation().RemoveSegment("CG")
    assert not array(segments.zones(segmentation)).any()


def test_a_segmentation_without_a_grid_says_so(scene: Any) -> None:
    bare = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Bare")
    with pytest.raises(InputError, match="Bare has no reference geometry"):
        segments.zones(bare)


def test_the_newest_segmentation_of_a_volume_is_found(volume: Any, scene: Any) -> None:
    assert segments.segmentation_of(volume) is None
    segments.create_segmentation(volume)
    newest = segments.create_segmentation(volume)
    segments.create_segmentation(add_volume(make_result().image, "Another"))
    scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Somebody else's")
    assert segments.segmentation_of(volume) is newest
    assert segments.input_volume(newest) is volume


def test_it_refers_to_its_volume_as_dicom_export_wants_it(segmentation: Any, volume: Any) -> None:
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    assert segmentation.GetNodeReference(role) is volume


def test_it_lies_beside_its_volume_in_the_subject_hierarchy(scene: Any) -> None:
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    volume = add_volume(make_result().image, "T2W")
    study = tree.CreateStudyItem(tree.CreateSubjectItem(tree.GetSceneItemID(), "Patient"), "Study")
    tree.CreateItem(study, volume)
    node = segments.create_segmentation(volume)
    assert tree.GetItemParent(tree.GetItemByDataNode(node)) == study


def linear_transform(scene: Any) -> Any:
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
    transform = vtk.vtkTransform()
    transform.Translate(12, -7, 30)
    transform.RotateX(25)
    node.SetMatrixTransformToParent(transform.GetMatrix())
    return node


def bent_transform(scene: Any) -> Any:
    node = scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "Bent")
    thin_plate = vtk.vtkThinPlateSplineTransform()
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for corner in np.ndindex(2, 2, 2):
        place = np.array(corner) * 80.0 - 40
        source.InsertNextPoint(place)
        target.InsertNextPoint(np.add(place, (5 * corner[1], 3 * corner[0] * corner[2], 0)))
    thin_plate.SetSourceLandmarks(source)
    thin_plate.SetTargetLandmarks(target)
    node.SetAndObserveTransformToParent(thin_plate)
    return node


@pytest.mark.parametrize("make", [linear_transform, bent_transform])
def test_under_a_parent_transform_the_zones_lie_where_the_image_shows_them(
    scene: Any, volume: Any, result: Any, make: Any
) -> None:
    transform = make(scene)
    volume.SetAndObserveTransformNodeID(transform.GetID())
    node = segments.create_segmentation(volume)
    segments.set_zones(node, result.labelmap)
    np.testing.assert_array_equal(array(segments.zones(node)), array(result.labelmap))
    # The segment's centre in the world is where the transform takes the centre of its voxels.
    k, j, i = np.argwhere(array(result.labelmap) == CG).mean(axis=0)
    right, anterior, superior = np.array(result.labelmap.TransformContinuousIndexToPhysicalPoint((i, j, k))) * (
        -1,
        -1,
        1,
    )
    to_world = vtk.vtkGeneralTransform()
    transform.GetTransformToWorld(to_world)
    expected = to_world.TransformPoint(right, anterior, superior)
    box = [0.0] * 6
    node.GetRASBounds(box)
    assert all(low <= value <= high for value, low, high in zip(expected, box[::2], box[1::2], strict=True))
    assert np.linalg.norm(np.subtract(node.GetSegmentCenterRAS("CG"), expected)) < 4.0


def test_it_follows_when_its_volume_is_put_under_another_transform_and_segmented_again(
    scene: Any, volume: Any, segmentation: Any, result: Any
) -> None:
    volume.SetAndObserveTransformNodeID(linear_transform(scene).GetID())
    segments.prepare(segmentation, volume)
    segments.set_zones(segmentation, result.labelmap)
    assert segmentation.GetTransformNodeID() == volume.GetTransformNodeID()
    np.testing.assert_array_equal(array(segments.zones(segmentation)), array(result.labelmap))


def _put(segmentation: Any, segment_id: str, mask: sitk.Image) -> None:
    from ProSegSlicerLib.volumes import from_sitk

    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.SetBinaryLabelmapToSegment(from_sitk(mask), segmentation, segment_id, logic.MODE_REPLACE)


def _surface_centre(segmentation: Any) -> np.ndarray:
    surface = segmentation.GetSegmentation().GetSegment("CG").GetRepresentation(segments.SURFACE)
    assert surface is not None
    return np.array(surface.GetCenter())
