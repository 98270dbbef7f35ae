"""DICOM Segmentations from Slicer's scene: contours and review as they are now, on the series in Slicer's database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import slicer
from Testing.made_dicom import STUDY
from Testing.made_packages import has
from Testing.read_dicom import assert_same_places, errors_of, kinds, read_by_highdicom
from Testing.slicer.conftest import paint
from Testing.slicer.test_review import EDIT

from proseg.errors import InputError
from proseg.labels import PZ
from ProSegSlicerLib import exports, review
from ProSegSlicerLib.dicom_sources import INSTANCES
from ProSegSlicerLib.segments import create_segmentation, set_zones, zones

pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed: pip install 'proseg[dicom]'")


def test_the_contours_as_they_are_now_go_into_the_volumes_study(
    segmentation: Any, dicom_volume: Any, tmp_path: Path
) -> None:
    exports.export(segmentation, tmp_path / "zones.dcm")
    assert kinds(tmp_path / "zones.dcm") == ["AUTOMATIC", "AUTOMATIC"]
    assert pydicom.dcmread(tmp_path / "zones.dcm").StudyInstanceUID == STUDY
    paint(segmentation, EDIT, PZ)
    exports.export(segmentation, tmp_path / "edited.dcm")
    assert_same_places(read_by_highdicom(tmp_path / "edited.dcm"), zones(segmentation))
    assert "SEMIAUTOMATIC" in kinds(tmp_path / "edited.dcm")
    assert errors_of(tmp_path / "edited.dcm") == []


def test_a_sign_off_names_the_reviewer_until_an_edit_withdraws_it(
    segmentation: Any, dicom_volume: Any, tmp_path: Path
) -> None:
    review.sign_off(segmentation, "Änne Müller")
    exports.export(segmentation, tmp_path / "signed.dcm")
    signed = pydicom.dcmread(tmp_path / "signed.dcm")
    assert signed.ContentCreatorName == "Änne Müller^"
    assert signed.SeriesDescription == "ProSegSlicer zones, drawn by AI, reviewed"
    paint(segmentation, EDIT, PZ)
    exports.export(segmentation, tmp_path / "withdrawn.dcm")
    withdrawn = pydicom.dcmread(tmp_path / "withdrawn.dcm")
    assert withdrawn.ContentCreatorName == "ProSegSlicer^"
    assert withdrawn.SeriesDescription == "ProSegSlicer zones, drawn by AI and edited, withdrawn"


def test_contours_drawn_by_hand_are_called_so(dicom_volume: Any, result: Any, tmp_path: Path) -> None:
    node = create_segmentation(dicom_volume)
    set_zones(node, result.labelmap)
    exports.export(node, tmp_path / "zones.dcm")
    assert kinds(tmp_path / "zones.dcm") == ["MANUAL", "MANUAL"]


def test_a_volume_that_is_not_from_dicom_is_refused_with_the_way_out(segmentation: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"T2W was not loaded from DICOM.* Import the series in Slicer's DICOM module"):
        exports.export_all(segmentation, tmp_path, [".json", ".dcm"])
    assert list(tmp_path.iterdir()) == []
    assert exports.obstacle(segmentation, ".dcm").startswith("T2W was not loaded from DICOM")
    assert exports.obstacle(segmentation, ".json") == ""


def test_a_volume_that_left_the_scene_is_missed(segmentation: Any, dicom_volume: Any, scene: Any) -> None:
    scene.RemoveNode(dicom_volume)
    assert exports.obstacle(segmentation, ".dcm").startswith("The image is no longer in the scene")


def test_the_panel_offers_dicom_only_for_volumes_from_dicom(case: Any, volume: Any, dicom_volume: Any) -> None:
    box = case.panel.export.boxes[".dcm"]
    volume.SetAttribute(INSTANCES, None)
    node = case.segment(volume)
    assert (box.enabled, box.checked) == (False, False)
    assert "was not loaded from DICOM" in box.toolTip
    dicom_volume.SetAttribute(INSTANCES, "")
    case.panel.export.show(None)
    assert box.enabled
    case.panel.export.show(node)
    assert not box.enabled


@pytest.mark.parametrize(
    ("package", "version"), [("pydicom", "2.4.4"), ("highdicom", None)], ids=["Slicer 5.10", "no highdicom"]
)
def test_an_older_slicer_says_what_dicom_needs_and_offers_no_download(
    case: Any, dicom_volume: Any, monkeypatch: pytest.MonkeyPatch, package: str, version: str | None
) -> None:
    has(monkeypatch, package, version)
    case.segment(dicom_volume)
    box = case.panel.export.boxes[".dcm"]
    assert (box.enabled, box.checked) == (False, False)
    assert box.toolTip.startswith(f"DICOM Segmentation needs Slicer 5.12 or newer, which brings {package} ")


def test_where_the_packages_are_there_dicom_can_be_exported(case: Any, dicom_volume: Any, tmp_path: Path) -> None:
    case.segment(dicom_volume)
    for ending, box in case.panel.export.boxes.items():
        box.checked = ending == ".dcm"
    case.ui.folderEdit.currentPath = str(tmp_path / "out")
    case.export()
    assert case.ui.exportedLabel.text.startswith("Wrote T2W zones.dcm")


def test_the_file_is_known_to_slicers_database_once_it_is_there(
    dicom_volume: Any, segmentation: Any, tmp_path: Path
) -> None:
    (written,) = exports.export_all(segmentation, tmp_path, [".dcm"])
    assert slicer.dicomDatabase.inserted == [str(written)]
    assert written.exists()
