"""Headers that ITK must not see, and those that it must."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.images import headers as fileheaders
from proseg.images.headers import check_header, check_size
from proseg.reading.t2w import read_t2w

KINDS = {
    "nii": "NIfTI",
    "nii.gz": "NIfTI",
    "hdr": "NIfTI",
    "nrrd": "NRRD",
    "nhdr": "NRRD",
    "mha": "MetaImage",
    "mhd": "MetaImage",
}


def image() -> sitk.Image:
    made = sitk.GetImageFromArray(np.random.default_rng(0).gamma(4, 60, (6, 60, 60)).astype(np.int16))
    made.SetSpacing((1.5, 1.5, 4))
    return made


def write(folder: Path, ending: str, packed: bool = False) -> Path:
    path = folder / f"t2.{ending}"
    sitk.WriteImage(image(), str(path), useCompression=packed)
    return path


def change(path: Path, old: bytes, new: bytes) -> Path:
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    return path


def patch(path: Path, offset: int, form: str, *values: float) -> Path:
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, offset, *values)
    path.write_bytes(data)
    return path


def refusal(path: Path, kind: str) -> str:
    with pytest.raises(InputError) as caught:
        check_header(path, kind, "It")
    assert caught.value.remedy.endswith(".")
    return caught.value.sentence


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", KINDS)
def test_what_programs_write_passes(tmp_path, ending, packed):
    check_header(write(tmp_path, ending, packed), KINDS[ending], "It")


def test_a_format_that_is_not_looked_at_passes(tmp_path):
    (tmp_path / "x.dcm").write_bytes(b"")
    check_header(tmp_path / "x.dcm", "DICOM", "It")


NIFTI = {
    "dim3 below 0": (46, "<h", -6),
    "255 dimensions": (40, "<h", 255),
    "bits below 0": (72, "<h", -8),
    "voxels before the file": (108, "<f", -1),
    "voxels nowhere": (108, "<f", float("inf")),
    "voxels at no number": (108, "<f", float("nan")),
}


@pytest.mark.parametrize("field", NIFTI)
def test_an_impossible_nifti_header_is_damaged(tmp_path, field):
    assert "damaged" in refusal(patch(write(tmp_path, "nii"), *NIFTI[field]), "NIfTI")


@pytest.mark.parametrize("number", [float("inf"), float("nan"), 1e30])
@pytest.mark.parametrize(("code", "place"), [(252, 268), (254, 280), (254, 312)])
def test_a_nifti_position_that_is_used_must_be_possible(tmp_path, number, code, place):
    path = patch(write(tmp_path, "nii"), place, "<f", number)
    assert "impossible position" in refusal(path, "NIfTI")
    check_header(patch(path, code, "<h", 0), "NIfTI", "It")  # one that is not used is of no account


def test_more_voxels_than_any_examination_has_are_refused_before_they_are_read(tmp_path):
    path = patch(write(tmp_path, "nii"), 42, "<3h", 2048, 2048, 100)
    assert (
        refusal(path, "NIfTI") == "It names 2048 × 2048 × 100 voxels, more than the 67 million that can be segmented."
    )
    check_size((1024, 1024, 64), 1, "It")
    with pytest.raises(InputError):
        check_size((1024, 1024, 64), 2, "It")
    with pytest.raises(InputError):
        check_size((1024, 1024, 65), 1, "It")


def test_a_compressed_file_is_read_no_further_than_its_header_says(tmp_path, monkeypatch):
    path = write(tmp_path, "nii.gz")
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole + bytes(fileheaders.BEYOND)))
    check_header(path, "NIfTI", "It")
    path.write_bytes(gzip.compress(whole + bytes(fileheaders.BEYOND + 1)))
    assert refusal(path, "NIfTI") == f"It holds more than the {len(whole)} bytes that its header names."
    path.write_bytes(gzip.compress(whole + bytes(1 << 26)))
    read = gzip.GzipFile.read
    total = []
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size=-1: total.append(size) or read(self, size))
    refusal(path, "NIfTI")
    assert sum(total) < 1 << 22


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are POSIX")
@pytest.mark.parametrize("given", ["t2.hdr", "t2.img"])
def test_voxels_that_are_a_pipe_are_not_waited_for(tmp_path, given):
    write(tmp_path, "hdr")
    check_header(tmp_path / given, "NIfTI", "It")
    (tmp_path / "t2.img").unlink()
    os.mkfifo(tmp_path / "t2.img")
    assert "damaged" in refusal(tmp_path / given, "NIfTI")


NRRD_LINES = {
    "a field twice": b"encoding: raw\nencoding: raw",
    "a line that is no field": b"encoding raw",
    "a word too long": b"encoding: raw\nlabels: " + b"9" * 65,
    "a value too long": b"encoding: raw\nunits: " + b"mm " * 400,
    "a control character": b"encoding: raw\ncontent: a\x07b",
}


@pytest.mark.parametrize("line", NRRD_LINES)
def test_an_impossible_nrrd_header_is_damaged(tmp_path, line):
    assert "damaged" in refusal(change(write(tmp_path, "nrrd"), b"encoding: raw", NRRD_LINES[line]), "NRRD")


@pytest.mark.parametrize("sizes", [b"60 60 -6", b"60 60 six", b"60 60 6.5"])
def test_sizes_of_nrrd_are_whole_numbers(tmp_path, sizes):
    assert "damaged" in refusal(change(write(tmp_path, "nrrd"), b"sizes: 60 60 6", b"sizes: " + sizes), "NRRD")


def test_notes_and_comments_in_nrrd_may_be_long_and_in_any_encoding(tmp_path):
    notes = b"encoding: raw\n# Gr\xfc\xdfe\nnote:=" + b"x" * 5000 + b"\ncontent: M\xc3\xbcller"
    path = change(write(tmp_path, "nrrd"), b"encoding: raw", notes)
    assert read_t2w(path).image.GetSize() == (60, 60, 6)


META_LINES = {
    "a field twice": (b"NDims = 3", b"NDims = 3\nNDims = 3"),
    "too many dimensions": (b"NDims = 3", b"NDims = 130"),
    "dimensions below 0": (b"NDims = 3", b"NDims = -3"),
    "a size too few": (b"DimSize = 60 60 6", b"DimSize = 60 60"),
    "a line that is no field": (b"NDims = 3", b"NDims = 3\nnonsense"),
    "a number that is none": (b"ElementSpacing = 1.5 1.5 4", b"ElementSpacing = 1.5 1.5 four"),
    "a spacing too many": (b"ElementSpacing = 1.5 1.5 4", b"ElementSpacing = 1.5 1.5 4 4"),
    "a channel too long": (b"NDims = 3", b"NDims = 3\nElementNumberOfChannels = " + b"9" * 40),
    "a compressed size beyond the file": (b"NDims = 3", b"NDims = 3\nCompressedDataSize = 999999999"),
    "no file of voxels": (b"ElementDataFile = LOCAL", b""),
}


@pytest.mark.parametrize("line", META_LINES)
def test_an_impossible_metaimage_header_is_damaged(tmp_path, line):
    assert "damaged" in refusal(change(write(tmp_path, "mha"), *META_LINES[line]), "MetaImage")


@pytest.mark.parametrize("offset", [b"0 0 inf", b"nan 0 0", b"0 1e9 0"])
def test_an_impossible_metaimage_position_is_told(tmp_path, offset):
    assert "impossible position" in refusal(
        change(write(tmp_path, "mha"), b"Offset = 0 0 0", b"Offset = " + offset), "MetaImage"
    )


DETACHED = {"nhdr": (b"data file: t2.raw", b"data file: "), "mhd": (b"ElementDataFile = t2.raw", b"ElementDataFile = ")}


@pytest.mark.parametrize("ending", DETACHED)
@pytest.mark.parametrize(
    ("named", "words"),
    [
        (b"../t2.raw", "outside its own folder"),
        (b"/etc/passwd", "outside its own folder"),
        (b"link.raw", "outside its own folder"),
        (b"gone.raw", "is missing"),
        (b"..", "outside its own folder"),
        (b"LIST", "in several files"),
        (b"t2_%03d.raw 1 6 1", "in several files"),
    ],
)
def test_voxels_must_lie_in_one_file_in_the_folder_of_their_header(tmp_path, ending, named, words):
    folder = tmp_path / "in"
    folder.mkdir()
    path = write(folder, ending)
    (tmp_path / "t2.raw").write_bytes((folder / "t2.raw").read_bytes())
    (folder / "link.raw").symlink_to(tmp_path / "t2.raw")
    old, key = DETACHED[ending]
    assert words in refusal(change(path, old, key + named), KINDS[ending])


@pytest.mark.parametrize("ending", DETACHED)
def test_voxels_in_a_folder_below_are_found(tmp_path, ending):
    path = write(tmp_path, ending)
    (tmp_path / "raw").mkdir()
    (tmp_path / "t2.raw").rename(tmp_path / "raw" / "t2.raw")
    old, key = DETACHED[ending]
    assert read_t2w(change(path, old, key + b"raw/t2.raw")).image.GetSize() == (60, 60, 6)


def test_a_header_without_an_end_is_damaged(tmp_path):
    path = tmp_path / "t2.nrrd"
    path.write_bytes(b"NRRD0004\n" + b"# x\n" * (fileheaders.MAX_HEADER // 4))
    assert "damaged" in refusal(path, "NRRD")
