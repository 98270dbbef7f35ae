from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_results import make_result

from proseg.errors import InputError
from proseg.outputs.material import ENDINGS, Material, write, write_all
from proseg.outputs.own import OwnSegment
from proseg.outputs.report import report, to_json
from proseg.outputs.review import Review, fingerprint


@pytest.fixture
def material() -> Material:
    made = make_result()
    signed = Review("Ann", "2026-01-02T03:04:05+00:00", fingerprint(made.labelmap), None)
    return Material(
        labelmap=made.labelmap,
        source="T2W",
        image=made.image,
        ai=made.labelmap,
        report=report(made, "T2W"),
        psa_ng_ml=6.5,
        review=signed,
        note="ProSegSlicer: reviewed",
        series=(Path("a.dcm"), Path("b.dcm")),
        own=(OwnSegment("Läsion <1>", made.labelmap == 2, (255, 0, 0)),),
    )


def test_what_was_handed_over_comes_back(material: Material, tmp_path: Path) -> None:
    material.save(tmp_path)
    back = Material.load(tmp_path)
    for name in ("labelmap", "image", "ai"):
        one, other = (getattr(each, name) for each in (material, back))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(one), sitk.GetArrayFromImage(other))
        np.testing.assert_allclose(one.GetOrigin(), other.GetOrigin(), atol=1e-9)
        np.testing.assert_allclose(one.GetDirection(), other.GetDirection(), atol=1e-9)
    assert [(own.name, own.colour, own.to_dict()) for own in back.own] == [
        (own.name, own.colour, own.to_dict()) for own in material.own
    ]
    assert fingerprint(back.labelmap) == material.review.fingerprint
    assert (back.review, back.series, back.report, back.note) == (
        material.review,
        material.series,
        material.report,
        material.note,
    )


def test_files_are_the_same_from_here_and_from_what_was_handed_over(material: Material, tmp_path: Path) -> None:
    material.save(tmp_path)
    endings = [ending for ending in ENDINGS if ending not in (".seg.nrrd", ".dcm")]
    for name, each in (("here", material), ("there", Material.load(tmp_path))):
        (tmp_path / name).mkdir()
        write_all(each, [tmp_path / name / f"x{ending}" for ending in endings])
    for ending in endings:
        here, there = (tmp_path / name / f"x{ending}" for name in ("here", "there"))
        if ending == ".nii.gz":
            np.testing.assert_array_equal(*(sitk.GetArrayFromImage(sitk.ReadImage(str(p))) for p in (here, there)))
        else:
            assert here.read_text(encoding="utf-8") == there.read_text(encoding="utf-8")
    page = (tmp_path / "there" / "x.html").read_text(encoding="utf-8")
    assert "Läsion &lt;1&gt;</bdi>, drawn by the reader, slices " in page
    (own,) = json.loads((tmp_path / "there" / "x.json").read_text(encoding="utf-8"))["own_segments"]
    assert own == material.own[0].to_dict()
    assert own["volume_ml"] == pytest.approx(material.findings.measurements.cg_ml, abs=1e-3)
    assert len(own["slices"]) == len(own["slices_superior_mm"]) > 0
    assert "Reviewed by Ann" in (tmp_path / "there" / "x.html").read_text(encoding="utf-8")


def test_contours_of_nobody_known_are_exported_too(material: Material, tmp_path: Path) -> None:
    Material(labelmap=material.labelmap, source="T2W").save(tmp_path)
    back = Material.load(tmp_path)
    assert (back.comparison, back.findings.provenance, back.findings.flags) == (None, None, ())
    assert to_json({}) == "{}\n"


def test_a_folder_without_material_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to export"):
        Material.load(tmp_path)


def test_a_segmentation_that_slicer_did_not_write_is_missed(material: Material, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Slicer wrote no segmentation"):
        write(material, tmp_path / "x.seg.nrrd")
