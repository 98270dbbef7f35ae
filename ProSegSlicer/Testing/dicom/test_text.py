"""Text of headers: character sets declared rightly, wrongly and not at all; names that were typed into it."""

from __future__ import annotations

import pytest

from proseg.dicom.text import decoded, without_names


def handed_over(raw: bytes) -> str:
    """As SimpleITK hands bytes over."""
    return raw.decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("raw", "charset", "text"),
    [
        (b"t2_tse_tra", "", "t2_tse_tra"),
        ("größe".encode("latin-1"), "ISO_IR 100", "größe"),
        ("größe".encode("latin-1"), "", "größe"),
        ("größe".encode(), "ISO_IR 100", "größe"),  # UTF-8 declared as Latin-1
        ("前立腺".encode("gb18030"), "GB18030", "前立腺"),
        ("前立腺".encode(), "ISO_IR 192", "前立腺"),
        (b"t2\x00\x1btra\r\n", "", "t2  tra"),
    ],
)
def test_text_is_read_in_the_character_set_that_fits(raw: bytes, charset: str, text: str) -> None:
    assert decoded(handed_over(raw), charset) == text


def test_an_unknown_character_set_costs_no_error() -> None:
    assert decoded(handed_over(b"t2 \xe9"), "NO SUCH SET").startswith("t2")


@pytest.mark.parametrize(
    ("description", "kept"),
    [
        ("t2_tse_tra", True),
        ("t2 Miller axial", False),
        ("T2 MILLER", False),
        ("t2 4711-A", False),
        ("t2 19560203", False),
        ("t2 03.02.1956", False),
        ("t2 03/02/56", False),
        ("t2 Al", True),  # two letters prove nothing
    ],
)
def test_a_description_with_a_part_of_the_name_or_birth_date_is_not_shown(description: str, kept: bool) -> None:
    assert without_names(description, "Miller^Al^4711-A", "19560203") == (description if kept else "")
