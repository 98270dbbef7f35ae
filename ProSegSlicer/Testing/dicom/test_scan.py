"""How DICOM files make series, and series volumes: what is mixed, compressed, oddly named or out of reach."""

from __future__ import annotations

import locale
import os
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from Testing.made_studies import Made, edit, first_pixels

from proseg.dicom.scan import scan
from proseg.errors import InputError
from proseg.reading.t2w import read_t2w

BY_SIMPLEITK = {JPEG2000Lossless: "JPEG2000", JPEGLosslessSV1: "JPEG"}  # pydicom's encoders lack these


@pytest.fixture(scope="module")
def real(tmp_path_factory, shared_data) -> tuple[list[pydicom.Dataset], np.ndarray]:
    """Five slices of the real series, and their pixels by position."""
    files = sorted((shared_data / "dicom" / "ProstateX-0000_t2w").glob("*.dcm"))
    slices = sorted((pydicom.dcmread(file) for file in files), key=lambda one: one.ImagePositionPatient[2])[:5]
    return slices, np.stack([one.pixel_array for one in slices])


def repack(data: pydicom.Dataset, syntax: str, file: Path) -> None:
    """Write a file with its pixels in another transfer syntax."""
    data = pydicom.dcmread(data.filename)
    if syntax in BY_SIMPLEITK:
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.UseCompressionOn()
        writer.SetCompressor(BY_SIMPLEITK[syntax])
        writer.SetFileName(str(file))
        before = locale.setlocale(locale.LC_ALL)
        writer.Execute(sitk.ReadImage(str(data.filename)))
        locale.setlocale(locale.LC_ALL, before)  # GDCM's writer leaves the process without one
        written = pydicom.dcmread(file)
        assert written.file_meta.TransferSyntaxUID == syntax
        data["PixelData"] = written["PixelData"]
        for name in ("BitsStored", "HighBit", "PixelRepresentation"):
            setattr(data, name, written[name].value)
    elif syntax == ExplicitVRBigEndian:
        data.PixelData = data.pixel_array.astype(">u2").tobytes()
    elif syntax in (RLELossless, JPEGLSLossless, JPEGLSNearLossless):
        data.compress(syntax)
    data.file_meta.TransferSyntaxUID = syntax
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    pydicom.dcmwrite(file, data, implicit_vr=implicit, little_endian=little)


@pytest.mark.parametrize(
    "syntax",
    [
        *(ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless),
        *(JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless),
    ],
    ids=lambda syntax: syntax.name[:30],
)
def test_the_real_series_reads_the_same_however_it_is_packed(tmp_path, real, syntax):
    slices, pixels = real
    for k, data in enumerate(slices):
        repack(data, syntax, tmp_path / f"{k}.dcm")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_t2w(tmp_path).image), pixels)


def test_a_series_packed_with_loss_is_nearly_the_same(tmp_path, real):
    slices, pixels = real
    for k, data in enumerate(slices):
        repack(data, JPEGLSNearLossless, tmp_path / f"{k}.dcm")
    np.testing.assert_allclose(sitk.GetArrayFromImage(read_t2w(tmp_path).image), pixels, atol=16)


def claim(file: Path, syntax: str) -> None:
    """Have a file's meta information name another transfer syntax, as nothing here can write it."""
    content = file.read_bytes()
    meta = pydicom.filereader.read_file_meta_info(file)
    old, new = str(meta.TransferSyntaxUID).encode(), syntax.encode()
    old, new = (uid + b"\0" * (len(uid) % 2) for uid in (old, new))
    at = content.index(old)
    length = meta.FileMetaInformationGroupLength + len(new) - len(old)
    content = content[: at - 2] + len(new).to_bytes(2, "little") + new + content[at + len(old) :]
    file.write_bytes(content[:140] + length.to_bytes(4, "little") + content[144:])


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        ("1.2.840.10008.1.2.4.110", "JPEG XL"),  # GDCM does not open these
        ("1.2.840.10008.1.2.4.107", "HEVC video"),
        ("1.2.3.4.5", "transfer syntax 1.2.3.4.5"),
        ("1.2.840.10008.1.2.4.102", "MPEG-4 video"),  # of these it reads the header, but not the pixels
        ("1.2.840.10008.1.2.8.1", "deflated frames"),
    ],
)
def test_what_cannot_be_unpacked_is_named_with_what_to_do(tmp_path, capfd, syntax, name):
    for file in Made(count=3).write(tmp_path):
        repack(pydicom.dcmread(file), RLELossless, file)
        claim(file, syntax)
    with pytest.raises(InputError) as refusal:
        read_t2w(tmp_path)
    assert f"compressed as {name}, which cannot be read here" in refusal.value.sentence
    assert refusal.value.remedy == "Export it uncompressed, or as JPEG lossless, JPEG-LS, JPEG 2000 or RLE."
    assert capfd.readouterr() == ("", "")


def test_images_that_cannot_be_unpacked_are_told_beside_a_series_that_can(tmp_path):
    Made().write(tmp_path / "a")
    for file in Made(7, "dwi", count=3).write(tmp_path / "b"):
        claim(file, "1.2.840.10008.1.2.4.110")
    assert "Set aside: 3 MR images compressed as JPEG XL, which cannot be read here." in read_t2w(tmp_path).notes


def test_each_slice_has_the_scale_that_its_own_header_gives_it(tmp_path):
    for k, file in enumerate(Made().write(tmp_path)):
        edit(file, RescaleSlope=1 + k / 4, RescaleIntercept=-5)
    pixels = first_pixels(read_t2w(tmp_path).image)
    np.testing.assert_allclose(pixels, [(1000 + k) * (1 + k / 4) - 5 for k in range(12)])


def merge(*series: list[Path]) -> None:
    """Give the files of several series the series UID of the first."""
    uid = pydicom.dcmread(series[0][0]).SeriesInstanceUID
    for files in series[1:]:
        for file in files:
            edit(file, SeriesInstanceUID=uid)


def test_the_late_echo_of_a_series_with_two_is_taken(tmp_path):
    late = Made(description="pd+t2_tse_tra").write(tmp_path / "late")
    early = Made(description="pd+t2_tse_tra", tags={"EchoTime": 13}).write(tmp_path / "early")
    merge(late, early)
    read = read_t2w(tmp_path)
    assert read.files == tuple(late)
    assert "Read series 4 “pd+t2_tse_tra” (echo time 104)" in read.notes[0]
    assert "(echo time 13) (proton-density-weighted)" in " ".join(read.notes)


def test_the_magnitude_of_a_series_that_holds_phases_as_well_is_taken(tmp_path):
    magnitude = Made().write(tmp_path / "m")
    merge(magnitude, Made(tags={"ImageType": ["ORIGINAL", "PRIMARY", "P"]}).write(tmp_path / "p"))
    read = read_t2w(tmp_path)
    assert read.files == tuple(magnitude)
    assert "(image type ORIGINAL/PRIMARY/P) (a phase image)" in " ".join(read.notes)


def test_two_acquisitions_in_one_series_are_told_as_ambiguous(tmp_path):
    first = Made(tags={"AcquisitionNumber": 1}).write(tmp_path / "a")
    merge(first, Made(tags={"AcquisitionNumber": 2}).write(tmp_path / "b"))
    read = read_t2w(tmp_path)
    assert read.image.GetSize()[2] == 12
    assert [flag.code for flag in read.flags] == ["series_ambiguous"]


def test_a_doubled_slice_does_not_tear_a_series_apart_by_chance(tmp_path):
    files = Made().write(tmp_path)
    for k, file in enumerate(files):  # echo times that tell odd slices from even ones
        edit(file, EchoTime=[104, 105][k % 2])
    data = pydicom.dcmread(files[5])
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    data.save_as(tmp_path / "double.dcm")
    with pytest.raises(InputError, match=r"several images at one position \(13 images at 12 positions\)"):
        read_t2w(tmp_path)


@pytest.mark.filterwarnings("ignore:Unknown encoding")  # pydicom's, of what is written here
@pytest.mark.parametrize(
    ("charset", "encoding", "text"),
    [
        ("ISO_IR 100", "latin-1", "t2 tra Prostataübersicht"),
        ("ISO_IR 192", "utf-8", "t2 tra 前立腺"),
        ("ISO_IR 144", "iso8859_5", "t2 tra простата"),
        ("\\ISO 2022 IR 87", "iso2022_jp", "t2 tra 前立腺"),
        ("GB18030", "gb18030", "t2 tra 前列腺"),
        ("ISO_IR 100", "utf-8", "t2 tra übersicht"),  # as many stations write it, whatever they declare
        ("NONSENSE", "utf-8", "t2 tra übersicht"),
        (None, "latin-1", "t2 tra übersicht"),
    ],
)
def test_descriptions_in_any_character_set_are_shown_as_written(tmp_path, charset, encoding, text):
    for file in Made(count=3, description="DESCRIPTION" + "." * 40).write(tmp_path):
        data = pydicom.dcmread(file)
        if charset:
            data.add_new(0x00080005, "CS", charset.split("\\"))
        data.save_as(file)
        raw = text.encode(encoding)
        file.write_bytes(file.read_bytes().replace(b"DESCRIPTION" + b"." * 40, raw.ljust(51)))
    assert f"Read series 4 “{text}”" in read_t2w(tmp_path).notes[0]


def test_a_name_in_three_scripts_is_hidden_in_each(tmp_path):
    for description in ("t2 tra Yamada", "t2 tra 山田", "t2 tra やまだ"):
        tags = {"SpecificCharacterSet": "ISO_IR 192"}
        folder = tmp_path / description.split()[-1]
        Made(description=description, patient="Yamada^Tarou=山田^太郎=やまだ^たろう", tags=tags).write(folder)
        assert "“" not in read_t2w(folder).notes[0]


def test_a_description_with_control_characters_stays_one_line(tmp_path):
    for file in Made(count=3, description="t2 tra X").write(tmp_path):
        file.write_bytes(file.read_bytes().replace(b"t2 tra X", b"t2\ntra \x1b"))
    assert all(character.isprintable() for note in read_t2w(tmp_path).notes for character in note)


def test_folders_of_any_name_are_read(tmp_path):
    folder = tmp_path / "Müller ß" / "前立腺 (2)" / ("ü" * 120)
    Made(count=3).write(folder)
    assert read_t2w(tmp_path).image.GetSize()[2] == 3
    try:
        bytes_folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller"))
        shutil.copytree(folder, bytes_folder)
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    assert read_t2w(bytes_folder).image.GetSize()[2] == 3


def test_links_are_followed_and_circles_end(tmp_path):
    Made(count=3).write(tmp_path / "real")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "study").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "in", target_is_directory=True)
    found = scan(tmp_path / "in")
    assert [series.slice_count for series in found.series] == [3]
    assert found.copies == 0


def test_a_folder_that_may_not_be_listed_is_told(tmp_path, closed_folders):
    Made().write(tmp_path / "a")
    (tmp_path / "closed").mkdir()
    assert "Set aside: 1 folder that may not be listed." in read_t2w(tmp_path).notes


@pytest.mark.parametrize("text", ["9" * 5000, "²", "--5"])
@pytest.mark.parametrize("keyword", ["SeriesNumber", "AcquisitionNumber"])
@pytest.mark.filterwarnings("ignore:The value length")
def test_a_number_that_is_none_stops_no_series(tmp_path, keyword, text):
    for file in [*Made().write(tmp_path / "a"), *Made(5, "t2 cor", count=4).write(tmp_path / "b")]:
        data = pydicom.dcmread(file)
        if keyword in data:
            delattr(data, keyword)
        data.add_new(keyword, "LO", text)  # pydicom takes no such text for a number
        data.SpecificCharacterSet = "ISO_IR 192"
        data.save_as(file)
    assert read_t2w(tmp_path).image.GetSize()[2] == 12
