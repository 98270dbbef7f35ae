from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from Testing.made_results import make_findings, make_result, relabelled

from proseg.flags import QualityFlag, Severity
from proseg.images.geometry import superior_mm
from proseg.outputs.report import COLUMNS, report, report_row, to_csv, to_json
from proseg.outputs.review import compare, sign

FLAG = QualityFlag("low_confidence", Severity.WARNING, "Uncertain in slices 4 and 7 – look.", (4, 7))
WHEN = datetime(2026, 11, 3, 14, 5, tzinfo=timezone.utc)
EDIT = {(22, 20, 6): 0}  # of a voxel of CG, in slice 6


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
        "slices_superior_mm": [round(superior_mm(result.image, index), 3) for index in (4, 7)],
    }
    assert content["slices_to_check"] == [4, 7]
    assert content["slices_to_check_superior_mm"] == content["flags"][0]["slices_superior_mm"]
    assert content["slice_confidence"]["6"] == 0.9
    assert content["provenance"]["sha256"] == "ab" * 32
    assert content["provenance"]["timings_s"] == {"network": 0.123}
    assert content["gland_found"] is True
    assert content["schema_version"] == "1.2"
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


def test_a_name_that_is_no_utf_8_can_be_written() -> None:
    content = report(make_result(), os.fsdecode(b"caf\xe9.nrrd"))
    assert content["input"]["name"] == "caf?.nrrd"
    assert "caf?" in to_json(content).encode().decode()


def test_a_bare_result_is_unreviewed_and_unedited() -> None:
    assert report(make_result(), "x.nrrd")["review"] == {
        "status": "unreviewed",
        "reviewer": None,
        "reviewed_at": None,
        "edited": False,
        "comparison_with_ai": None,
    }


def test_a_review_that_holds_tells_who_when_and_how_far_it_was_edited() -> None:
    result = make_result()
    edited = relabelled(result.labelmap, EDIT)
    findings = make_findings(result, labelmap=edited)
    content = json.loads(to_json(report(findings, "x.nrrd", sign("Ann", result.labelmap, edited, WHEN))))["review"]
    assert (content["status"], content["reviewer"]) == ("reviewed", "Ann")
    assert content["reviewed_at"] == "2026-11-03T14:05:00+00:00"
    assert content["edited"] is True
    compared = content["comparison_with_ai"]
    assert compared["slices_changed"] == [6]
    assert compared["voxels_changed"] == 1
    assert compared["gland_change_ml"] == -0.00675  # 1.25 x 1.5 x 3.6 mm
    assert 0.999 < compared["gland_dice"] < 1  # rounding leaves no 1 for what was edited
    assert compared["sentence"] == compare(result.labelmap, edited).sentence()


def test_an_edit_after_the_signature_withdraws_it() -> None:
    result = make_result()
    review = sign("Ann", result.labelmap, result.labelmap, WHEN)
    findings = make_findings(result, labelmap=relabelled(result.labelmap, EDIT))
    unknown = report(findings, "x.nrrd", review)["review"]
    assert (unknown["status"], unknown["reviewer"]) == ("withdrawn", "Ann")
    assert unknown["comparison_with_ai"] is None  # what was signed is not what is reported
    assert unknown["edited"] is None
    known = report(findings, "x.nrrd", review, compare(result.labelmap, findings.labelmap))["review"]
    assert known["status"] == "withdrawn"
    assert known["edited"] is True
    assert known["comparison_with_ai"]["voxels_changed"] == 1


def test_contours_drawn_by_hand_have_no_provenance() -> None:
    content = report(make_findings(make_result(), provenance=None), "x.nrrd")
    assert content["provenance"] is None
    assert report_row(content)["model"] == ""


def test_a_row_has_the_documented_columns_and_the_reports_values() -> None:
    result = make_result(flags=(FLAG, replace(FLAG, code="other", severity=Severity.CRITICAL)), psa=6.5)
    edited = relabelled(result.labelmap, EDIT)
    findings = make_findings(result, labelmap=edited, slice_confidence={4: 0.51, 5: 0.9})
    content = report(findings, "a case.nrrd", sign("Ann", result.labelmap, edited, WHEN))
    row = report_row(json.loads(to_json(content)))
    assert tuple(row) == COLUMNS
    assert {name: row[name] for name in COLUMNS if name in content["measurements"]} == content["measurements"]
    assert row["name"] == "a case.nrrd"
    assert row["gland_found"] == row["edited"] == "yes"
    assert (row["critical_flags"], row["warning_flags"], row["info_flags"]) == (1, 1, 0)
    assert row["flag_codes"] == "low_confidence;other"
    assert row["slices_to_check"] == "4;7"
    assert [float(mm) for mm in row["slices_to_check_superior_mm"].split(";")] == content["slices_to_check_superior_mm"]
    assert row["lowest_confidence"] == 0.51
    assert (row["review_status"], row["reviewer"]) == ("reviewed", "Ann")
    assert row["reviewed_at"] == "2026-11-03T14:05:00+00:00"
    assert row["pz_dice_with_ai"] == 1
    assert 0.99 < row["gland_dice_with_ai"] < 1
    assert (row["model"], row["model_version"], row["device"]) == ("ProSeg|small", "1.2", "cpu")
    assert row["weights_sha256"] == "ab" * 32
    assert row["total_s"] == ""  # this run did not time itself


def test_what_an_empty_result_does_not_know_stays_empty() -> None:
    row = report_row(report(make_result(empty=True), "x.nrrd"))
    assert row["gland_found"] == "no"
    assert row["psa_density"] == row["lowest_confidence"] == row["reviewer"] == row["gland_dice_with_ai"] == ""


def test_a_table_reads_back_whatever_its_cells_hold() -> None:
    rows = [report_row(report(make_result(), name)) for name in ('a, "quoted"\nname.nrrd', "näive – ü.nrrd")]
    text = to_csv(rows)
    assert text.startswith(",".join(COLUMNS) + "\r\n")
    assert text.endswith("\r\n")
    back = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [{name: str(value) for name, value in row.items()} for row in rows] == back


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1"])
def test_no_spreadsheet_runs_a_cell_of_text(name: str) -> None:
    text = to_csv([{"name": name, "pz_ml": -1.5}], columns=("name", "pz_ml"))
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row == {"name": f"'{name}", "pz_ml": "-1.5"}
    assert to_csv([row | {"pz_ml": -1.5}], columns=("name", "pz_ml")) == text  # read back and written again


def test_a_table_takes_other_columns_and_leaves_gaps() -> None:
    text = to_csv([{"name": "a", "device": "cpu"}, {"error": "It broke."}], columns=("name", "error"))
    assert text == "name,error\r\na,\r\n,It broke.\r\n"
