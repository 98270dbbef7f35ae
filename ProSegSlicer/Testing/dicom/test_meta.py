"""What the first bytes of a DICOM file say, whole or damaged."""

from __future__ import annotations

import pytest

from proseg.dicom.meta import file_meta, is_mr_image, is_of_series, packing, sop_class, starts_as_dicom

MR = "1.2.840.10008.5.1.4.1.1.4"


def element(group: int, number: int, kind: bytes, value: str) -> bytes:
    """One element, explicit VR little endian, padded to an even length (DICOM PS3.5 section 7.1.2)."""
    text = value.encode() + b"\0" * (len(value) % 2)
    return group.to_bytes(2, "little") + number.to_bytes(2, "little") + kind + len(text).to_bytes(2, "little") + text


def head(sop: str = MR, syntax: str = "1.2.840.10008.1.2.1") -> bytes:
    meta = element(2, 2, b"UI", sop) + element(2, 0x10, b"UI", syntax)
    return bytes(128) + b"DICM" + meta + element(8, 0x16, b"UI", sop) + element(0x20, 0xE, b"UI", "1.2.3")


def test_a_dicom_file_is_known_with_and_without_its_preamble() -> None:
    assert starts_as_dicom(head())
    assert starts_as_dicom(b"\x08\x00\x05\x00CS")
    assert not starts_as_dicom(b"NRRD0004" + bytes(200))
    assert not starts_as_dicom(b"")


def test_the_values_of_group_2_are_read_and_no_others() -> None:
    assert file_meta(head()) == {0x0002: MR, 0x0010: "1.2.840.10008.1.2.1"}


@pytest.mark.parametrize("cut", range(132, 200, 7))
def test_a_file_cut_short_anywhere_breaks_nothing(cut: int) -> None:
    assert set(file_meta(head()[:cut])) <= {0x0002, 0x0010}


def test_the_class_is_found_without_a_preamble_too() -> None:
    assert sop_class(element(8, 0x16, b"UI", MR)) == MR
    assert sop_class(b"") == ""
    assert is_mr_image(head())
    assert not is_mr_image(head("1.2.840.10008.5.1.4.1.1.2"))  # CT


def test_a_series_is_not_taken_for_one_whose_uid_begins_alike() -> None:
    assert is_of_series(head(), "1.2.3")
    assert not is_of_series(head(), "1.2")
    assert not is_of_series(head() + b".4", "1.2.4")


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        ("1.2.840.10008.1.2.4.90", None),  # JPEG 2000, which is unpacked
        ("1.2.840.10008.1.2.4.110", "JPEG XL"),
        ("1.2.840.10008.9.9", "transfer syntax 1.2.840.10008.9.9"),
        ("broken!", None),
    ],
)
def test_only_a_packing_that_cannot_be_opened_is_named(syntax: str, name: str | None) -> None:
    assert packing(head(syntax=syntax)) == name
