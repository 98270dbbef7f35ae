from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from Testing.made_results import make_result

from proseg.flags import QualityFlag, Severity
from proseg.report import report, to_json

FLAG = QualityFlag("low_confidence", Severity.WARNING, "Uncertain in slices 4 and 7 – look.", (4, 7))


def test_the_report_reads_back_from_json_with_what_the_run_found() -> None:
    result = make_result("RAI", flags=(FLAG,), psa=6.5)
    content = json.loads(to_json(report(result, Path("/home/someone/cases/T2W – näive.nii.gz"))))
    assert content["input"] == {
        "name": "T2W – näive.nii.gz",
        "size": [44, 40, 12],
        "spacing_mm": [1.25, 1.5, 3.6],
        "orientation": "RAI",
    }
    measured = content["measurements"]
    assert measured["gland_ml"] == round(result.measurements.gland_ml, 3) > 0
    assert abs(measured["psa_density"] - 6.5 / measured["gland_ml"]) < 1e-2
    assert content["flags"][0] == {
        "code": "low_confidence",
        "severity": "warning",
        "sentence": FLAG.sentence,
        "slices": [4, 7],
    }
    assert content["slices_to_check"] == [4, 7]
    assert content["slice_confidence"]["6"] == 0.9
    assert content["provenance"]["sha256"] == "ab" * 32
    assert content["provenance"]["timings_s"] == {"network": 0.123}
    assert content["gland_found"] is True
    assert content["schema_version"] == "1.0"
    assert "Research use" in content["intended_use"]


def test_the_report_holds_no_path(tmp_path: Path) -> None:
    text = to_json(report(make_result(), tmp_path / "case.nii.gz"))
    assert "case.nii.gz" in text
    assert str(tmp_path) not in text
    assert tmp_path.name not in text


def test_a_dicom_folder_is_named_by_its_own_name(tmp_path: Path) -> None:
    assert report(make_result(), f"{tmp_path}/series/")["input"]["name"] == "series"


def test_numpy_numbers_and_infinities_become_plain_json() -> None:
    result = make_result()
    odd = replace(result.measurements, pz_ml=np.float32(2.5), width_mm=float("nan"), height_mm=np.inf)
    content = json.loads(to_json(report(replace(result, measurements=odd), "x.nrrd")))
    assert content["measurements"]["pz_ml"] == 2.5
    assert content["measurements"]["width_mm"] is None
    assert content["measurements"]["height_mm"] is None


def test_an_empty_result_is_reported_too() -> None:
    content = report(make_result(empty=True), "x.nrrd")
    assert content["gland_found"] is False
    assert content["slice_confidence"] == {}
    assert content["measurements"]["gland_ml"] == 0
