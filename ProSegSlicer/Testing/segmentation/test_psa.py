from __future__ import annotations

import pytest

from proseg.errors import InputError
from proseg.segmentation.psa import read_psa, show_psa


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("6.5", 6.5), ("6,5", 6.5), ("12,34", 12.34), ("12.34", 12.34), ("7", 7.0), ("7,", 7.0), (" 8 ", 8.0)),
        *(
            ("0,012", 0.012),
            ("1.234", 1.234),
            ("1,2345", 1.2345),
            ("0.01", 0.01),
            ("10000", 10_000.0),
            ("6,5 ng/mL", 6.5),
        ),
        *(("6,5 ng/mL", 6.5), ("", None), ("  ", None)),
    ],
)
def test_point_and_comma_are_both_decimal(text: str, value: float | None) -> None:
    assert read_psa(text) == value


@pytest.mark.parametrize(
    "text", ["1.234,5", "1,234.5", "1 234", "6..5", "6,5,5", "<0.1", "-4", "+4", "4e2", "nan", "six", "6.5 ng/dL", "٦"]
)
def test_what_cannot_be_read_is_refused_as_it_stands(text: str) -> None:
    with pytest.raises(InputError, match=r"cannot be read as a PSA\..*such as 6\.5 or 6,5") as refusal:
        read_psa(text)
    assert text in str(refusal.value)


@pytest.mark.parametrize("text", ["1,234", "12,345 ng/mL", "100,000"])
def test_a_comma_that_may_part_thousands_is_asked_about(text: str) -> None:
    with pytest.raises(InputError, match=f"A PSA of {text} may be .* or .* Type the one that is meant"):
        read_psa(text)


@pytest.mark.parametrize("text", ["0", "0,0", "0.009", "10000.01", "99999999"])
def test_what_is_no_psa_is_refused_and_not_cut_to_size(text: str) -> None:
    with pytest.raises(InputError, match=f"A PSA of {text} is impossible.*from 0.01 to 10,000 ng/mL"):
        read_psa(text)


@pytest.mark.parametrize("value", [None, 0.01, 6.5, 8.0, 6.1234, 10_000.0, 1 / 3])
def test_what_is_shown_reads_as_the_same_number(value: float | None) -> None:
    assert read_psa(show_psa(value)) == value
