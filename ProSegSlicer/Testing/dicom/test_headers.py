"""Headers that are written otherwise than the standard has it: commas, kinds of elements, padding, signs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataelem import DataElement
from Testing.made_studies import Made, edit, first_pixels

from proseg.errors import InputError
from proseg.reading.t2w import read_t2w

ALL = [1000 + k for k in range(12)]


def rewrite(file: Path, old: bytes, new: bytes) -> None:
    content = file.read_bytes()
    assert content.count(old) == 1
    file.write_bytes(content.replace(old, new))


def as_unknown(file: Path, keyword: str) -> None:
    """Write an element with the kind UN, as programs do that do not know it."""
    data = pydicom.dcmread(file)
    value = data[keyword].value
    text = "\\".join(map(str, value)) if isinstance(value, pydicom.multival.MultiValue) else str(value)
    data[keyword] = DataElement(data[keyword].tag, "UN", text.encode() + b" " * (len(text) % 2))
    data.save_as(file)


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"])
def test_decimal_commas_are_read_as_points(tmp_path, keyword):
    values = {
        "PixelSpacing": b"1.25\\1.125",
        "ImagePositionPatient": None,
        "ImageOrientationPatient": b"1.0\\0.0\\0.0\\0.0\\0.8\\0.6",
    }
    files = Made(tags={"PixelSpacing": ["1.25", "1.125"]}).write(tmp_path / "point")
    for k, file in enumerate(files):
        edit(file, ImagePositionPatient=["-30.5", f"{-30 - 1.8 * k:.1f}", f"{-30 + 2.4 * k:.1f}"])
        edit(file, ImageOrientationPatient=["1.0", "0.0", "0.0", "0.0", "0.8", "0.6"])
    expected = read_t2w(tmp_path / "point").image
    (tmp_path / "comma").mkdir()
    for file in files:
        copy = tmp_path / "comma" / file.name
        copy.write_bytes(file.read_bytes())
        position = "\\".join(map(str, pydicom.dcmread(file).ImagePositionPatient)).encode()
        text = values[keyword] or position
        rewrite(copy, text, text.replace(b".", b","))
    image = read_t2w(tmp_path / "comma").image
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(expected))
    for what in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(image, what)(), getattr(expected, what)(), atol=1e-6)


@pytest.mark.parametrize(("held", "said"), [("0.5", "holds “0.5”, not two lengths"), (None, "is missing")])
def test_a_pixel_spacing_that_tells_no_lengths_is_named_with_the_remedy(tmp_path, held, said):
    Made(tags={"PixelSpacing": held}).write(tmp_path)
    with pytest.raises(InputError, match=rf"Pixel Spacing \(0028,0030\) {said}.*Export it again .* with what it lost"):
        read_t2w(tmp_path)


def test_a_missing_orientation_is_named_with_the_remedy_that_helps(tmp_path):
    Made(tags={"ImageOrientationPatient": None}).write(tmp_path)
    with pytest.raises(InputError, match=r"Image Orientation \(Patient\).*nothing tells left from right"):
        read_t2w(tmp_path)


def test_one_position_for_all_slices_is_called_what_it_is(tmp_path):
    Made(tags={"ImagePositionPatient": [0, 0, 0]}).write(tmp_path)
    with pytest.raises(InputError, match="has all 12 images at one position"):
        read_t2w(tmp_path)


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagePositionPatient", "EchoTime", "SeriesInstanceUID"])
def test_elements_of_unknown_kind_are_read(tmp_path, keyword):
    for file in Made().write(tmp_path):
        as_unknown(file, keyword)
    read = read_t2w(tmp_path)
    assert first_pixels(read.image) == ALL
    assert read.flags == ()


@pytest.mark.parametrize("kind", [b"??", b"  ", b"XX", b"OX", b"-1"])
def test_kinds_that_no_standard_knows_do_not_damage_a_file(tmp_path, kind):
    for file in Made().write(tmp_path):
        rewrite(file, b"\x28\x00\x02\x00US", b"\x27\x00\x01\x10" + kind + b"\0\0\4\0\0\0abcd\x28\x00\x02\x00US")
    assert first_pixels(read_t2w(tmp_path).image) == ALL


@pytest.mark.parametrize("kind", [b"\0\0", b"\xff\xff"])
def test_an_empty_kind_does_not_damage_a_file(tmp_path, kind):
    for file in Made().write(tmp_path):
        rewrite(file, b"\x28\x00\x30\x00DS", b"\x28\x00\x30\x00" + kind)
    assert first_pixels(read_t2w(tmp_path).image) == ALL


@pytest.mark.parametrize("kind", [b"OB", b"UN", b"OX"])
def test_pixels_of_another_kind_are_read(tmp_path, kind):
    for file in Made().write(tmp_path):
        rewrite(file, b"\xe0\x7f\x10\x00OW", b"\xe0\x7f\x10\x00" + kind)
    assert first_pixels(read_t2w(tmp_path).image) == ALL


@pytest.mark.parametrize(
    ("tag", "old", "new"), [(b"\x28\x00\x10\x00", b"US", b"SS"), (b"\x28\x00\x30\x00", b"DS", b"LO")]
)
def test_whole_files_that_gdcm_refuses_are_not_called_damaged(tmp_path, tag, old, new):
    for file in Made().write(tmp_path):
        rewrite(file, tag + old, tag + new)
    with pytest.raises(
        InputError, match=r"12 MR images whose header is not written as the standard.*dcmconv"
    ) as refusal:
        read_t2w(tmp_path)
    assert "damaged" not in refusal.value.sentence


def shift(files: list[Path], by: int, padding: int | None = None, **tags: object) -> None:
    """Make pixels signed and shift them; where ``padding`` is given, let it fill the left half, and its tag say so."""
    for file in files:
        data = pydicom.dcmread(file)
        values = data.pixel_array.astype(np.int16) + by
        if padding is not None:
            values[:, :48] = padding
            data.add_new(0x00280120, "SS", padding)
            data.save_as(file)
        edit(file, PixelRepresentation=1, PixelData=values.tobytes(), **tags)


def test_mr_of_values_below_zero_is_no_ct(tmp_path):
    shift(Made().write(tmp_path), -1000)
    assert first_pixels(read_t2w(tmp_path).image) == [k for k in range(12)]


@pytest.mark.parametrize("padding", [-1024, -2000, -32768, 32767])
def test_padding_named_by_its_tag_stays_out_of_the_statistics(tmp_path, padding):
    shift(Made().write(tmp_path), 0, padding)
    values = sitk.GetArrayFromImage(read_t2w(tmp_path).image)
    assert values[:, :, :48].min() == values[:, :, :48].max()
    assert values.min() == values[:, :, 48:].min()
    assert values.max() == values[:, :, 48:].max()


@pytest.mark.parametrize(("first", "last"), [(-2000, -1100), (-1100, -2000), (3000, 4095), (-32768, -32700)])
def test_a_range_of_padding_stays_out_of_the_statistics(tmp_path, first, last):
    for file in Made().write(tmp_path):
        data = pydicom.dcmread(file)
        values = data.pixel_array.astype(np.int16)
        values[:, :48] = np.linspace(first, last, 48).astype(np.int16)
        data.PixelRepresentation, data.PixelData = 1, values.tobytes()
        data.add_new(0x00280120, "SS", first)
        data.add_new(0x00280121, "SS", last)
        data.save_as(file)
    values = sitk.GetArrayFromImage(read_t2w(tmp_path).image)
    assert values[:, :, :48].min() == values[:, :, :48].max()
    assert 10 <= values.min() <= values.max() < 1100


def test_a_range_of_padding_among_the_signal_changes_nothing(tmp_path):
    files = Made().write(tmp_path / "a")
    expected = sitk.GetArrayFromImage(read_t2w(tmp_path / "a").image)
    for file in files:
        data = pydicom.dcmread(file)
        data.add_new(0x00280120, "US", 0)
        data.add_new(0x00280121, "US", 300)
        data.save_as(file)
    assert (sitk.GetArrayFromImage(read_t2w(tmp_path / "a").image) == expected).all()


def test_padding_is_scaled_as_pixels_are(tmp_path):
    shift(Made().write(tmp_path), 0, -500, RescaleSlope=2, RescaleIntercept=-10)
    values = sitk.GetArrayFromImage(read_t2w(tmp_path).image)
    assert values.min() == values[:, :, 48:].min() >= 10


def test_padding_of_zero_changes_nothing(tmp_path):
    shift(Made().write(tmp_path), 0, 0)
    assert (sitk.GetArrayFromImage(read_t2w(tmp_path).image)[:, :, :48] == 0).all()
