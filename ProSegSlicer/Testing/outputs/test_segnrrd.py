from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_results import make_result

from proseg.errors import InputError
from proseg.labels import ZONES
from proseg.outputs.segnrrd import compress, terminology
from proseg.outputs.writing import write_result

ORIENTATIONS = ["LPS", "RAI", "SLP"]


def voxels_to_lps(image: sitk.Image) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return matrix


def slicer_core() -> ModuleType:
    """Slicer's own libraries, or skip."""
    slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
    if not hasattr(slicer, "vtkMRMLSegmentationStorageNode"):
        pytest.skip("the installed package 'slicer' is not 3D Slicer's: install slicer-core")
    return slicer


@pytest.fixture(params=ORIENTATIONS)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Path]:
    result, path = make_result(request.param), tmp_path / "case.seg.nrrd"
    write_result(result, path)
    return result, path


def test_the_terminology_entry_follows_slicers_layout() -> None:
    peripheral, central = (terminology(zone).split("~") for zone in ZONES)
    assert peripheral[1:4] == [
        "SCT^123037004^Anatomical Structure",
        "SCT^279706003^Peripheral zone of prostate",
        "^^",
    ]
    assert peripheral[5:] == ["SCT^41216001^Prostate", "^^"]
    assert central[2].startswith("99PROSEG^")


def test_slicerio_reads_names_colours_terminology_and_provenance(written: tuple[Any, Path]) -> None:
    slicerio = pytest.importorskip("slicerio")
    result, path = written
    content = slicerio.read_segmentation(str(path))
    for segment, zone in zip(content["segments"], ZONES, strict=True):
        assert (segment["id"], segment["name"], segment["labelValue"]) == (zone.short, zone.name, zone.label)
        np.testing.assert_allclose(segment["color"], np.array(zone.colour) / 255, atol=1e-5)
        assert slicerio.segmentation.terminology_entry_to_string(segment["terminology"]) == terminology(zone)
        assert segment["tags"]["ProSegSlicer.Model"] == "ProSeg/small"  # a bar would end the tag
    assert content["ProSegSlicer.WeightsSHA256"] == "ab" * 32
    assert content["ProSegSlicer.ModelVersion"] == "1.2"
    np.testing.assert_array_equal(content["voxels"], sitk.GetArrayFromImage(result.labelmap).T)
    np.testing.assert_allclose(content["ijkToLPS"], voxels_to_lps(result.labelmap), atol=1e-12)


def test_slicer_itself_reads_the_segments_where_they_belong(written: tuple[Any, Path]) -> None:
    slicer = slicer_core()
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    result, path = written
    scene = slicer.vtkMRMLScene()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(path))
    assert storage.ReadData(node) == 1
    segmentation = node.GetSegmentation()
    assert segmentation.GetNumberOfSegments() == len(ZONES)
    geometry = segmentation.GetConversionParameter("Reference image geometry")
    reference = slicer.vtkOrientedImageData()
    assert slicer.vtkSegmentationConverter.DeserializeImageGeometry(geometry, reference, False)
    lps_to_ras = np.diag([-1, -1, 1, 1])
    for zone in ZONES:
        segment = segmentation.GetSegment(zone.short)
        assert segment.GetName() == zone.name
        np.testing.assert_allclose(segment.GetColor(), np.array(zone.colour) / 255, atol=1e-5)
        tag = vtk.reference("")
        assert segment.GetTag("TerminologyEntry", tag)
        assert str(tag) == terminology(zone)
        assert segment.GetTag("ProSegSlicer.Model", tag)
        assert str(tag) == "ProSeg/small"
        labels = segment.GetRepresentation("Binary labelmap")
        matrix = vtk.vtkMatrix4x4()
        for grid in (labels, reference):
            grid.GetImageToWorldMatrix(matrix)
            found = np.reshape([matrix.GetElement(row, column) for row in range(4) for column in range(4)], (4, 4))
            np.testing.assert_allclose(lps_to_ras @ found, voxels_to_lps(result.labelmap), atol=1e-9)
            assert grid.GetExtent()[1::2] == tuple(count - 1 for count in result.labelmap.GetSize())
        voxels = vtk_to_numpy(labels.GetPointData().GetScalars()).reshape(labels.GetDimensions()[::-1])
        mask = voxels == segment.GetLabelValue()
        np.testing.assert_array_equal(mask, sitk.GetArrayFromImage(result.labelmap) == zone.label)


def test_an_empty_result_still_offers_both_segments_to_draw_into(tmp_path: Path) -> None:
    slicer = slicer_core()
    write_result(make_result(empty=True), tmp_path / "empty.seg.nrrd")
    scene = slicer.vtkMRMLScene()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(tmp_path / "empty.seg.nrrd"))
    assert storage.ReadData(node) == 1
    names = [node.GetSegmentation().GetNthSegment(n).GetName() for n in range(2)]
    assert names == [zone.name for zone in ZONES]


def test_compressing_changes_neither_header_fields_nor_voxels(tmp_path: Path) -> None:
    image = make_result().labelmap
    image.SetMetaData("Segment0_Name", "läsion")
    sitk.WriteImage(image, str(tmp_path / "raw.nrrd"), useCompression=False)
    compress(tmp_path / "raw.nrrd", tmp_path / "zones.seg.nrrd")
    raw, small = (sitk.ReadImage(str(tmp_path / name)) for name in ("raw.nrrd", "zones.seg.nrrd"))
    np.testing.assert_array_equal(*(sitk.GetArrayFromImage(each) for each in (raw, small)))
    assert [small.GetMetaData(key) for key in raw.GetMetaDataKeys()] == [
        raw.GetMetaData(key) for key in raw.GetMetaDataKeys()
    ]
    assert (tmp_path / "zones.seg.nrrd").stat().st_size < (tmp_path / "raw.nrrd").stat().st_size / 10
    for name in ("zones.seg.nrrd", "a.txt"):
        (tmp_path / "a.txt").write_text("no NRRD")
        with pytest.raises(InputError, match="no uncompressed NRRD file"):
            compress(tmp_path / name, tmp_path / "again.seg.nrrd")
