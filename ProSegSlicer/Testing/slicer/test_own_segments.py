"""The reader's own segments leave Slicer with their names, or the export says why they cannot and what to use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.read_dicom import errors_of
from Testing.slicer.test_signing import MIDDLE, draw

from proseg.labels import CG, PZ
from proseg.outputs.segnrrd import terminology
from ProSegSlicerLib import exports, segments

VOXELS = 4**3  # of MIDDLE
FORMATS = list(exports.FORMATS)


@pytest.fixture
def with_lesion(segmentation: Any) -> Any:
    """Contours with a lesion drawn inside CG, and a segment that is still empty."""
    segmentation.GetSegmentation().AddEmptySegment("lesion", "Lesion L1, PI-RADS 4", [1.0, 0.0, 0.0])
    segmentation.GetSegmentation().AddEmptySegment("other", "Not drawn")
    draw(segmentation, "lesion", MIDDLE)
    return segmentation


def test_reports_tell_name_volume_and_slices(with_lesion: Any, tmp_path: Path) -> None:
    before = exports.report_of(with_lesion)["measurements"]
    exports.export_all(with_lesion, tmp_path, [".json", ".html"])
    content = json.loads((tmp_path / "T2W zones.json").read_text(encoding="utf-8"))
    (own,) = content["own_segments"]
    assert (own["name"], own["slices"]) == ("Lesion L1, PI-RADS 4", [4, 5, 6, 7])
    assert own["volume_ml"] == pytest.approx(
        VOXELS * np.prod(segments.zones(with_lesion).GetSpacing()) / 1000, abs=1e-3
    )
    assert content["measurements"] == before
    page = (tmp_path / "T2W zones.html").read_text(encoding="utf-8")
    assert "Lesion L1, PI-RADS 4</bdi>, drawn by the reader, slices 4 to 7 (S −" in page
    assert "Not drawn" not in page


def test_dicom_has_them_beside_the_zones_even_where_they_overlap(
    with_lesion: Any, dicom_volume: Any, tmp_path: Path
) -> None:
    highdicom = pytest.importorskip("highdicom", reason="highdicom is not installed")
    exports.export(with_lesion, tmp_path / "zones.dcm")
    assert errors_of(tmp_path / "zones.dcm") == []
    read = highdicom.seg.segread(tmp_path / "zones.dcm")
    names = [described.SegmentLabel for described in read.SegmentSequence]
    assert names[2:] == ["Lesion L1, PI-RADS 4"]
    labels = sitk.GetArrayFromImage(segments.zones(with_lesion))
    expected = [np.count_nonzero(labels == PZ), np.count_nonzero(labels == CG), VOXELS]
    volume = read.get_volume(combine_segments=False)
    assert [int(np.count_nonzero(volume.array[..., number])) for number in range(3)] == expected
    kind = read.SegmentSequence[2].SegmentedPropertyTypeCodeSequence[0]
    assert kind.CodeMeaning == "Tissue"
    assert kind.CodeMeaning not in terminology(segments.ZONES[1])


def test_what_has_no_room_for_them_says_so(case: Any, volume: Any, tmp_path: Path) -> None:
    node = case.segment(volume)
    node.GetSegmentation().AddEmptySegment("lesion", "Lesion")
    case.ui.folderEdit.currentPath = str(tmp_path)
    case.export()
    assert "Only PZ and CG" not in case.ui.exportedLabel.text  # nothing is drawn
    draw(node, "lesion", MIDDLE)
    case.settle()
    case.answers.prepared["overwrite"] = True
    case.export()
    assert case.ui.exportedLabel.text.endswith(
        "Only PZ and CG are in .nii.gz and .csv, not “Lesion”, which may overlap them: use .seg.nrrd or DICOM."
    )
    for ending in (".nii.gz", ".csv"):
        case.panel.export.boxes[ending].checked = False
    case.export()
    assert "Only PZ and CG" not in case.ui.exportedLabel.text
