"""``proseg refine``: the reader's ends, everything else untouched, mistakes told in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from proseg.cli.main import main
from proseg.phantom import Phantom


def filled(path: Path) -> list[int]:
    return np.flatnonzero(sitk.GetArrayFromImage(sitk.ReadImage(str(path))).any(axis=(1, 2))).tolist()


@pytest.fixture
def study(phantom: Phantom, tmp_path: Path) -> Path:
    """An image whose slice 0 is the most superior one, and its labels."""
    for name, image in (("t2", phantom.image), ("zones", phantom.zones)):
        sitk.WriteImage(sitk.DICOMOrient(image, "LPI"), str(tmp_path / f"{name}.nii.gz"))
    return tmp_path


def refine(study: Path, *more: str, out: str = "out.nii.gz") -> int:
    return main(["refine", str(study / "t2.nii.gz"), str(study / "zones.nii.gz"), "-o", str(study / out), *more])


def test_the_gland_begins_and_ends_with_the_given_slices_of_the_image(
    study: Path, capsys: pytest.CaptureFixture
) -> None:
    before = filled(study / "zones.nii.gz")
    first, last = before[0] - 1, before[-1] - 2  # grown at the base, which comes first here, cut at the apex
    assert refine(study, "--first", str(first), "--last", str(last), "--preview", str(study / "look.png")) == 0
    assert filled(study / "out.nii.gz") == list(range(first, last + 1))
    given, made = (sitk.ReadImage(str(study / f"{name}.nii.gz")) for name in ("zones", "out"))
    assert np.array_equal(*(sitk.GetArrayFromImage(image)[before[0] : last + 1] for image in (given, made)))
    assert made.GetDirection() == given.GetDirection()
    assert "2 slices were cleared and 1 drawn" in capsys.readouterr().out
    assert (study / "look.png").is_file()


def test_given_slices_stay_and_the_report_says_whose_word_each_slice_is(study: Path) -> None:
    zones = sitk.ReadImage(str(study / "zones.nii.gz"))
    drawn = sitk.GetArrayFromImage(zones)
    first, *_, last = filled(study / "zones.nii.gz")
    drawn[first + 3] = np.roll(drawn[first + 3], 4, axis=1)
    drawn[last] = 0
    edited = sitk.GetImageFromArray(drawn)
    edited.CopyInformation(zones)
    sitk.WriteImage(edited, str(study / "zones.nii.gz"))
    slices = f"{last},{first + 3}"
    assert refine(study, "--slices", slices, "--last", str(last - 1), "--report", str(study / "about.json")) == 0
    made = sitk.GetArrayFromImage(sitk.ReadImage(str(study / "out.nii.gz")))
    assert np.array_equal(made[[first + 3, last]], drawn[[first + 3, last]])
    assert filled(study / "out.nii.gz")[-1] == last - 1
    origins = json.loads((study / "about.json").read_text())["slice_origins"]
    assert origins[str(first + 3)] == origins[str(last)] == "reader"
    assert set(origins.values()) <= {"reader", "refined", "ai"}


def test_a_run_of_slices_is_named_by_its_ends_and_what_an_empty_one_clears_is_told(
    study: Path, capsys: pytest.CaptureFixture
) -> None:
    zones = sitk.ReadImage(str(study / "zones.nii.gz"))
    drawn = sitk.GetArrayFromImage(zones)
    first, *_, last = filled(study / "zones.nii.gz")
    drawn[last - 2] = 0
    edited = sitk.GetImageFromArray(drawn)
    edited.CopyInformation(zones)
    sitk.WriteImage(edited, str(study / "zones.nii.gz"))
    assert refine(study, "--slices", f"{first + 3}-{first + 5}, {last - 2}") == 0
    said = capsys.readouterr().out
    assert f"slices {first + 3}, {first + 4}, {first + 5}, {last - 2}" in said
    assert f"As slice {last - 2} was given without gland, slice" in said


def test_labels_cropped_to_their_segments_are_put_in_place(study: Path) -> None:
    zones = sitk.ReadImage(str(study / "zones.nii.gz"))
    box = np.argwhere(sitk.GetArrayFromImage(zones) > 0)
    start, stop = box.min(axis=0)[::-1].tolist(), (box.max(axis=0) + 1)[::-1].tolist()
    cropped = zones[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
    sitk.WriteImage(cropped, str(study / "zones.nii.gz"))
    assert refine(study, "--first", str(start[2] + 1)) == 0
    assert filled(study / "out.nii.gz") == list(range(start[2] + 1, stop[2]))


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ([], "Give --slices, --first, --last"),
        (["--slices", "4,400"], "There is no slice 400"),
        (["--slices", "4;7"], "“4;7” is no slice"),
        (["--slices", "0-99999999999"], "is no slice"),
        (["--slices", "9" * 5000], "is no slice"),
        (["--slices", "7-4"], "Give 4-7"),
        (["--first", "9", "--last", "3"], "Exchange --first and --last"),
        (["--last", "400"], "There is no slice 400"),
        (["--first", "19"], "no gland between the given slices"),
    ],
)
def test_ends_that_cannot_be_are_told_and_nothing_is_written(
    study: Path, more: list[str], sentence: str, capsys: pytest.CaptureFixture
) -> None:
    assert refine(study, *more) == 2
    assert sentence in capsys.readouterr().err
    assert not (study / "out.nii.gz").exists()


def test_labels_are_never_overwritten(study: Path, capsys: pytest.CaptureFixture) -> None:
    before = (study / "zones.nii.gz").read_bytes()
    assert refine(study, "--first", "5", out="zones.nii.gz") == 2
    assert "is the input itself" in capsys.readouterr().err
    assert (study / "zones.nii.gz").read_bytes() == before
