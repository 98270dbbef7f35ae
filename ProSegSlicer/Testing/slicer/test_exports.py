from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.slicer.conftest import paint
from Testing.slicer.test_review import EDIT

from proseg.errors import InputError, OutputError
from proseg.labels import PZ, ZONES
from proseg.outputs.segnrrd import terminology
from ProSegSlicerLib import exports, review
from ProSegSlicerLib.segments import create_segmentation, set_zones
from ProSegSlicerLib.volumes import set_image

ANYWHERE = [ending for ending in exports.FORMATS if ending != ".dcm"]  # DICOM is for volumes from DICOM


def test_every_format_is_written_under_the_segmentations_name(segmentation: Any, tmp_path: Path) -> None:
    paths = exports.export_all(segmentation, tmp_path / "new folder", ANYWHERE)
    assert [path.name for path in paths] == [f"T2W zones{ending}" for ending in ANYWHERE]
    assert sorted(path.name for path in (tmp_path / "new folder").iterdir()) == sorted(path.name for path in paths)


def test_the_labelmap_is_the_contours_as_they_are_now(segmentation: Any, result: Any, tmp_path: Path) -> None:
    paint(segmentation, EDIT, PZ)
    exports.export(segmentation, tmp_path / "zones.nii.gz")
    written = sitk.ReadImage(str(tmp_path / "zones.nii.gz"))
    expected = sitk.GetArrayFromImage(result.labelmap)
    expected[EDIT] = PZ
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(written), expected)
    np.testing.assert_allclose(written.GetOrigin(), result.image.GetOrigin(), atol=1e-4)


@pytest.mark.parametrize("reviewer", ["Änne Müller", "Ä" * 100])
def test_the_labelmap_tells_the_review_as_far_as_its_header_has_room(
    segmentation: Any, tmp_path: Path, reviewer: str
) -> None:
    def note() -> str:
        exports.export(segmentation, tmp_path / "zones.nii.gz")
        return sitk.ReadImage(str(tmp_path / "zones.nii.gz")).GetMetaData("ITK_FileNotes")

    assert note() == "ProSegSlicer: unreviewed"
    signed = review.sign_off(segmentation, reviewer)
    assert note().startswith(f"ProSegSlicer: reviewed, {signed.reviewed_at}, {reviewer[:9]}")
    paint(segmentation, EDIT, PZ)
    assert note().startswith("ProSegSlicer: withdrawn, ")


def test_the_segmentation_file_has_names_codes_provenance_and_review(
    segmentation: Any, result: Any, tmp_path: Path
) -> None:
    slicerio = pytest.importorskip("slicerio")
    review.sign_off(segmentation, "Änne Müller")
    exports.export(segmentation, tmp_path / "zones.seg.nrrd")
    content = slicerio.read_segmentation(str(tmp_path / "zones.seg.nrrd"))
    for segment, zone in zip(content["segments"], ZONES, strict=True):
        assert (segment["id"], segment["name"]) == (zone.short, zone.name)
        assert slicerio.segmentation.terminology_entry_to_string(segment["terminology"]) == terminology(zone)
        assert segment["tags"]["ProSegSlicer.WeightsSHA256"] == result.provenance.sha256
    written = sitk.ReadImage(str(tmp_path / "zones.seg.nrrd"))
    for number in range(len(ZONES)):
        tags = written.GetMetaData(f"Segment{number}_Tags")
        assert f"{review.STATUS_TAG}:reviewed|" in tags
        assert f"{review.REVIEWER_TAG}:Änne Müller|" in tags
    assert written.GetSize() == result.image.GetSize()
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(written), sitk.GetArrayViewFromImage(result.labelmap))


def test_an_edit_after_sign_off_is_told_in_every_report(segmentation: Any, tmp_path: Path) -> None:
    review.sign_off(segmentation, "Ann")
    paint(segmentation, EDIT, PZ)
    exports.export_all(segmentation, tmp_path, [".json", ".csv", ".html", ".seg.nrrd"])
    told = json.loads((tmp_path / "T2W zones.json").read_text())["review"]
    assert (told["status"], told["reviewer"], told["edited"]) == ("withdrawn", "Ann", True)
    assert told["comparison_with_ai"]["voxels_changed"] == 12
    with (tmp_path / "T2W zones.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert "withdrawn" in row.values()
    assert "Sign-off withdrawn" in (tmp_path / "T2W zones.html").read_text()


def test_reports_measure_the_edited_contours(segmentation: Any) -> None:
    before = exports.report_of(segmentation)["measurements"]["pz_ml"]
    paint(segmentation, EDIT, PZ)
    assert exports.report_of(segmentation)["measurements"]["pz_ml"] > before


def test_a_series_name_with_a_slash_is_told_whole(segmentation: Any, volume: Any) -> None:
    volume.SetName("401: T2W/TSE")
    assert exports.report_of(segmentation)["input"]["name"] == "401: T2W_TSE"


def test_contours_drawn_by_hand_can_be_exported(volume: Any, result: Any, tmp_path: Path) -> None:
    node = create_segmentation(volume)
    set_zones(node, result.labelmap)
    exports.export_all(node, tmp_path, ANYWHERE)
    content = json.loads((tmp_path / "T2W zones.json").read_text())
    assert content["provenance"] is None
    assert content["measurements"]["gland_ml"] > 0


def test_when_one_file_cannot_be_written_none_is(segmentation: Any, tmp_path: Path) -> None:
    (tmp_path / "T2W zones.json").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        exports.export_all(segmentation, tmp_path, [".nii.gz", ".seg.nrrd", ".json"])
    assert [path.name for path in tmp_path.iterdir()] == ["T2W zones.json"]


def test_an_image_that_was_cropped_in_place_gives_no_pictures_and_a_sentence(
    segmentation: Any, volume: Any, result: Any, tmp_path: Path
) -> None:
    set_image(volume, result.image[:, :, 2:])
    with pytest.raises(InputError, match="has another grid than when"):
        exports.export(segmentation, tmp_path / "report.html")
    exports.export(segmentation, tmp_path / "zones.nii.gz")


def test_pictures_need_the_image(segmentation: Any, volume: Any, scene: Any, tmp_path: Path) -> None:
    scene.RemoveNode(volume)
    with pytest.raises(InputError, match="no longer in the scene"):
        exports.export(segmentation, tmp_path / "report.html")
    exports.export(segmentation, tmp_path / "zones.nii.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["zones.nii.gz"]


def test_an_unknown_ending_is_refused(segmentation: Any, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"Use one of: \.seg\.nrrd"):
        exports.export(segmentation, tmp_path / "zones.docx")


def test_exporting_nothing_is_refused(segmentation: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No format"):
        exports.export_all(segmentation, tmp_path, [])


@pytest.mark.parametrize(
    ("name", "file"), [("T2W: ax/1", "T2W_ ax_1"), ("..", "zones"), ("T2W größe", "T2W größe"), ("a" * 300, "a" * 120)]
)
def test_a_nodes_name_becomes_a_file_name(name: str, file: str) -> None:
    assert exports.file_name(name) == file


def test_no_temporary_node_stays_in_the_scene(segmentation: Any, scene: Any, tmp_path: Path) -> None:
    before = scene.GetNumberOfNodes()
    exports.export_all(segmentation, tmp_path, ANYWHERE)
    assert scene.GetNumberOfNodes() == before
