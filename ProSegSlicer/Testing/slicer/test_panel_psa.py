"""The panel's PSA, on stand-ins for Slicer: numbers typed are numbers meant, and they stay with their patient."""

from __future__ import annotations

from typing import Any

import pytest
from Testing.made_results import make_result

from ProSegSlicerLib import review
from ProSegSlicerLib.volumes import add_volume


@pytest.mark.parametrize(("text", "value"), [("6,5", 6.5), ("6.5", 6.5), ("12,34", 12.34)])
def test_a_comma_is_a_decimal_one(case: Any, volume: Any, text: str, value: float) -> None:
    case.select(volume)
    case.enter_psa(text)
    assert review.psa(volume) == value
    assert case.ui.psaEdit.text == text
    assert not case.is_shown("psaWidget")


@pytest.mark.parametrize("text", ["1.234,5", "abc", "0", "20000"])
def test_what_is_no_psa_is_said_and_kept_as_typed_and_no_older_one_passes_for_it(
    case: Any, volume: Any, text: str
) -> None:
    case.segment(volume)
    case.enter_psa("8")
    case.enter_psa(text)
    assert case.ui.psaEdit.text == text
    assert case.is_shown("psaWidget")
    assert text in case.ui.psaMessage.text
    assert review.psa(volume) is None
    assert case.figures["PSA density"] == "enter the PSA above"
    case.enter_psa("8")
    assert not case.is_shown("psaWidget")
    assert review.psa(volume) == 8.0


def test_a_psa_above_100_is_taken_and_pointed_out(case: Any, volume: Any) -> None:
    case.select(volume)
    case.enter_psa("100")
    assert not case.is_shown("psaWidget")
    case.enter_psa("650")
    assert review.psa(volume) == 650.0
    assert case.ui.psaMessage.text.startswith("A PSA of 650 ng/mL is rare")


def test_what_was_wrong_with_one_patients_psa_is_not_said_of_another(case: Any, volume: Any) -> None:
    other = add_volume(make_result().image, "Other patient")
    case.select(volume)
    case.enter_psa("abc")
    case.select(other)
    assert (case.ui.psaEdit.text, case.is_shown("psaWidget")) == ("", False)


def test_a_run_does_not_touch_what_is_typed(case: Any, volume: Any) -> None:
    case.select(volume)
    case.enter_psa("6,5")
    case.segment(volume)
    assert case.client.requests[0]["psa_ng_ml"] == 6.5
    assert case.ui.psaEdit.text == "6,5"


def test_the_psa_density_follows_the_psa(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume)
    assert case.figures["PSA density"] == "enter the PSA above"
    case.enter_psa("8")
    assert review.psa(volume) == 8.0
    assert case.figures["PSA density"] == f"{review.measurements(segmentation).psa_density:.2f} ng/mL per mL"
    case.enter_psa("")
    assert case.ui.psaEdit.placeholderText == "not given"
    assert review.psa(volume) is None
    assert case.figures["PSA density"] == "enter the PSA above"


def test_a_psa_is_never_carried_to_another_patient(case: Any, volume: Any) -> None:
    other = add_volume(make_result().image, "Other patient")
    case.select(volume)
    case.enter_psa("8")
    case.select(other)
    assert case.ui.psaEdit.text == ""
    assert review.psa(other) is None
    case.select(volume)
    assert case.ui.psaEdit.text == "8"


def test_looking_at_a_psa_does_not_round_it(case: Any, volume: Any) -> None:
    review.set_psa(volume, 6.1234)
    case.select(volume)
    assert case.ui.psaEdit.text == "6.1234"
    assert review.psa(volume) == 6.1234


def test_without_a_volume_there_is_no_patient_to_enter_a_psa_for(case: Any, volume: Any) -> None:
    assert not case.ui.psaEdit.enabled
    case.select(volume)
    assert case.ui.psaEdit.enabled
