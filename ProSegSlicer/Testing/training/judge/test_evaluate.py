"""Evaluation: only cases that are new to the weights, each against every reader who drew it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.phantom import make_phantom
from training.data.layouts import Case
from training.judge.evaluate import evaluate, explanation, fitted, on_input_grid, unseen
from training.judge.metrics import BETWEEN_READERS, STRUCTURES


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A generated case, upside down, whose second reader draws everything a row further to the front."""
    made = make_phantom(0, size=(60, 60, 10), spacing=(1.8, 1.8, 6.0), orientation="LAI")
    shifted = sitk.GetImageFromArray(np.roll(sitk.GetArrayFromImage(made.zones), 1, axis=1))
    shifted.CopyInformation(made.zones)
    for name, image in (("t2", made.image), ("zones", made.zones), ("zones2", shifted)):
        sitk.WriteImage(image, tmp_path / f"{name}.nii.gz")
    files = {"image": tmp_path / "t2.nii.gz", "zones": tmp_path / "zones.nii.gz"}
    return Case("a", "A", patient="a", zones_reader2=tmp_path / "zones2.nii.gz", **files)


def test_a_case_is_judged_against_both_readers_and_these_against_each_other(case: Case) -> None:
    second = sitk.ReadImage(str(case.zones_reader2))
    rows = [row for row in evaluate([case], on_input_grid(lambda image: second), 3) if row.region == "whole"]
    dice = {(row.reader, row.structure): row.dice for row in rows}
    assert len(rows) == 9
    for structure in STRUCTURES:
        assert dice[2, structure] == 1  # it is the second reader
        assert 0.5 < dice[1, structure] < 1
        assert dice[BETWEEN_READERS, structure] == dice[1, structure]
    assert {row.fold for row in rows} == {3}


def test_only_cases_the_weights_do_not_know_are_judged(case: Case, tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(json.dumps({"learned": ["b"]}))
    known = Case("b", "A", tmp_path / "t2.nii.gz", "b")
    assert unseen([case, known], tmp_path / "w.pt") == [case]


def test_weights_that_know_every_case_are_not_judged(case: Case, tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(json.dumps({"learned": ["a", "b"]}))
    with pytest.raises(InputError, match=r"w\.pt has learned from all of these cases"):
        unseen([case], tmp_path / "w.pt")


def test_cases_that_the_weights_know_can_be_asked_for_to_see_how_closely_they_are_fitted(
    case: Case, tmp_path: Path
) -> None:
    (tmp_path / "w.json").write_text(json.dumps({"learned": ["b"]}))
    known = Case("b", "A", tmp_path / "t2.nii.gz", "b")
    assert fitted([case, known], tmp_path / "w.pt") == [known]
    with pytest.raises(InputError, match="learned from none"):
        fitted([case], tmp_path / "w.pt")
    assert "not how good they are on others" in explanation([], 1, [], learned=True)


def test_the_explanation_counts_patients_and_folds(case: Case) -> None:
    truth = sitk.ReadImage(str(case.zones))
    rows = list(evaluate([case], on_input_grid(lambda image: truth), 0))
    text = explanation(rows, 2, [Path("sets/data"), Path("sets/native")])
    assert "1 patients" in text
    assert "(2 of 5 folds), 1 of them with expert zones" in text
    assert "own grid of the images in `data` and `native`." in text
