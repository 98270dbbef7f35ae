"""Lengths that cannot be true are seen before GDCM takes the memory for them; files that are merely odd pass."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)
from Testing.made_studies import Made

from proseg.dicom.headers import read_header
from proseg.dicom.lengths import lengths_fit
from proseg.images.files import quiet

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


def make(folder: Path, syntax: str = ExplicitVRLittleEndian, undefined: bool = False) -> Path:
    """One slice with a sequence in a sequence."""
    (file,) = Made(count=1).write(folder)
    data = pydicom.dcmread(file)
    inner, outer = pydicom.Dataset(), pydicom.Dataset()
    inner.CodeValue, outer.PurposeOfReferenceCodeSequence = "T2", [inner]
    data.ReferencedImageSequence = [outer]
    data["ReferencedImageSequence"].is_undefined_length = undefined
    if syntax == RLELossless:
        data.compress(RLELossless)
    data.file_meta.TransferSyntaxUID = syntax
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    pydicom.dcmwrite(file, data, implicit_vr=implicit, little_endian=little)
    return file


@pytest.mark.parametrize("syntax", [*SYNTAXES, RLELossless], ids=lambda syntax: syntax.name[:25])
@pytest.mark.parametrize("undefined", [True, False])
def test_a_sound_file_passes(tmp_path, syntax, undefined):
    assert lengths_fit(make(tmp_path, syntax, undefined))


def test_all_of_pydicoms_test_files_that_gdcm_opens_pass():
    opened = 0
    for file in sorted((Path(pydicom.__file__).parent / "data" / "test_files").rglob("*.dcm")):
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(file))
        try:
            with quiet():
                reader.ReadImageInformation()
        except RuntimeError:
            continue
        opened += 1
        assert lengths_fit(file), file.name
    assert opened > 30


LENGTHS = {  # of elements, by what they are
    "a sequence": b"\x08\x00\x40\x11",
    "an item": b"\xfe\xff\x00\xe0",
    "a value in an inner sequence": b"\x08\x00\x00\x01",
    "a value": b"\x18\x00\x81\x00",
    "pixels": b"\xe0\x7f\x10\x00",
}


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("what", LENGTHS)
def test_a_length_beyond_the_file_is_seen_wherever_it_stands(tmp_path, syntax, what):
    file = make(tmp_path, syntax)
    content = bytearray(file.read_bytes())
    at = content.index(LENGTHS[what]) + 4
    if syntax == ExplicitVRLittleEndian and what.startswith(("a sequence", "pixels")):
        at += 4
    elif syntax == ExplicitVRLittleEndian and what.startswith("a value"):
        content[at : at + 2], at = b"UN", at + 4
    content[at : at + 4] = struct.pack("<I", 0xFFFFFFF0)
    file.write_bytes(content)
    assert not lengths_fit(file)
    assert read_header(file) is None


@pytest.mark.parametrize(("behind", "passes"), [(b"\0" * 100, True), (b"\n", True), (b"\x01\x02garbage", False)])
def test_padding_behind_the_pixels_passes_and_garbage_does_not(tmp_path, behind, passes):
    file = make(tmp_path)
    file.write_bytes(file.read_bytes() + behind)
    assert lengths_fit(file) is passes


def test_a_file_whose_syntax_is_wrong_about_its_kinds_passes_as_gdcm_lets_it(tmp_path):
    file = make(tmp_path, ImplicitVRLittleEndian)
    old, new = ImplicitVRLittleEndian.encode() + b"\0", b"1.2.840.10008.1.2\0"
    assert len(old) == len(new)
    file.write_bytes(file.read_bytes().replace(old, b"1.2.840.10008.1.9\0"))
    assert lengths_fit(file)


def test_a_deflated_bomb_is_not_inflated(tmp_path, monkeypatch):
    monkeypatch.setattr("proseg.dicom.lengths.MOST_INFLATED", 1 << 20)
    file = make(tmp_path, DeflatedExplicitVRLittleEndian)
    content = file.read_bytes()
    meta = pydicom.filereader.read_file_meta_info(file)
    start = 144 + meta.FileMetaInformationGroupLength
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    element = b"\xe0\x7f\x10\x00OW\0\0" + struct.pack("<I", 2 << 20)  # would fit
    file.write_bytes(content[:start] + packer.compress(element + bytes(2 << 20)) + packer.flush())
    assert not lengths_fit(file)


def test_sequences_within_each_other_without_end_are_refused(tmp_path):
    file = make(tmp_path)
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    meta = pydicom.filereader.read_file_meta_info(file)
    start = 144 + meta.FileMetaInformationGroupLength
    file.write_bytes(file.read_bytes()[:start] + opening * 5000)
    assert not lengths_fit(file)


def test_an_empty_file_holds_nothing(tmp_path):
    (tmp_path / "x.dcm").write_bytes(b"")
    assert not lengths_fit(tmp_path / "x.dcm")
