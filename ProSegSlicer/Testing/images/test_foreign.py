"""Files that are no image here are named for what they are, with what to do about it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from pathlib import Path

import pytest
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.reading.t2w import read_t2w

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 2813923\n"


def tar(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        archive.addfile(tarfile.TarInfo("series/1.dcm"))
    return buffer.getvalue()


KINDS = {
    "Git LFS": ("t2.nii.gz", LFS),
    "git-annex": ("t2.nii.gz", b"/annex/objects/MD5E-s2813923--0123456789abcdef.nii.gz\n"),
    "git-annex (DataLad) pointer": ("t2.mha", b"../../.git/annex/objects/a/b/c\n"),
    "compressed tar archive": ("series.tar.gz", tar("w:gz")),
    "a tar archive": ("series.tar", tar("w")),
    "7z archive": ("series.7z", b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(900)),
    "RAR archive": ("series.rar", b"Rar!\x1a\x07\x01\0" + bytes(900)),
    "bzip2": ("t2.nii.bz2", bz2.compress(bytes(900))),
    "xz": ("t2.nii.xz", lzma.compress(bytes(900))),
    "compressed by gzip": ("t2.mha.gz", gzip.compress(b"ObjectType = Image\n" + bytes(900))),
    "compressed by gzip, which is read of NIfTI alone": ("t2.nrrd.gz", gzip.compress(b"NRRD0004\n" + bytes(900))),
    "gzip twice": ("t2.nii.gz", gzip.compress(gzip.compress(bytes(900)))),
    "web page": ("t2.nii.gz", b"<!DOCTYPE html><html><body>Sign in</body></html>"),
    "it is empty": ("t2.nii.gz", b""),
    "PDF": ("report.nii", b"%PDF-1.7\n" + bytes(900)),
    "NumPy": ("t2.npy", b"\x93NUMPY\x01\0" + bytes(900)),
    "MATLAB": ("t2.mat", b"MATLAB 5.0 MAT-file" + bytes(900)),
    "Philips PAR": ("t2.par", b"# === DATA DESCRIPTION FILE ====\n" + bytes(900)),
    "macOS": ("._t2.nii.gz", b"\0\5\x16\7" + bytes(900)),
}


@pytest.mark.parametrize("what", KINDS)
def test_a_file_that_is_no_image_is_named_with_a_next_step(tmp_path, what):
    name, content = KINDS[what]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        read_t2w(path)
    assert what in refusal.value.sentence
    assert str(path) in refusal.value.sentence
    assert "damaged" not in refusal.value.sentence
    assert refusal.value.remedy.endswith(".")


@pytest.mark.parametrize(
    ("target", "remedy"),
    [(".git/annex/objects/x/MD5E-s1--a.nii.gz", "datalad get"), ("gone.nii.gz", "copy the file itself")],
)
def test_a_link_that_leads_nowhere_is_named_with_a_next_step(tmp_path, target, remedy):
    (tmp_path / "t2.nii.gz").symlink_to(target)
    with pytest.raises(InputError, match="link") as refusal:
        read_t2w(tmp_path / "t2.nii.gz")
    assert remedy in refusal.value.remedy


def test_a_folder_says_what_of_it_is_not_here(phantom, tmp_path):
    from Testing.made_dicom import write_series

    files = write_series(phantom.image, tmp_path / "series")
    for file in (files[0], files[-1]):  # its ends: what is left looks whole
        file.unlink()
        file.symlink_to(f"../.git/annex/objects/{file.name}")
    assert "files_not_here" in {flag.code for flag in read_t2w(tmp_path / "series").flags}
    for file in files[1:-1]:
        file.write_bytes(LFS)
    with pytest.raises(InputError, match=f"{len(files)} files in .* are not here") as refusal:
        read_t2w(tmp_path / "series")
    assert "Fetch it" in refusal.value.remedy


@pytest.mark.parametrize("ending", ["dcm.gz", "IMA.bz2", "dicom.xz"])
def test_a_series_of_files_compressed_each_by_itself_is_named_as_such(tmp_path, ending):
    pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[ending.split(".")[1]]
    for number in range(3):
        (tmp_path / f"{number}.{ending}").write_bytes(pack(bytes(128) + b"DICM"))
    with pytest.raises(InputError, match=f"3 files in {tmp_path} are compressed each by itself") as refusal:
        read_t2w(tmp_path)
    assert refusal.value.remedy == "Unpack it first."


LPS = ["space: left-posterior-superior", "space directions: (1.1,0,0) (0,1.1,0) (0,0,3.5)"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([*LPS, "endian: little", "encoding: zrl"], "the encoding zrl, which cannot be read here"),
        ([*LPS, "encoding: raw"], "does not tell the order of its bytes"),
        ([LPS[0], "spacings: 1.1 1.1 3.5", "endian: little", "encoding: raw"], "names a space but no directions"),
    ],
)
def test_a_nrrd_that_lacks_what_it_needs_says_what(tmp_path, fields, said):
    header = "\n".join(["NRRD0004", "type: short", "dimension: 3", "sizes: 96 96 20", *fields])
    (tmp_path / "t2.nrrd").write_bytes(header.encode() + b"\n\n" + bytes(96 * 96 * 40))
    with pytest.raises(InputError, match=said):
        read_t2w(tmp_path / "t2.nrrd")


def test_a_negative_voxel_size_in_metaimage_is_a_flag(phantom, tmp_path):
    path = write(tmp_path, "mha", phantom)
    head, _, voxels = path.read_bytes().partition(b"ElementSpacing = ")
    path.write_bytes(head + b"ElementSpacing = -" + voxels)
    assert [flag.code for flag in read_t2w(path).flags] == ["placing_contradicts"]


def test_a_nrrd_compressed_by_bzip2_is_named(tmp_path):
    path = tmp_path / "t2.nrrd"
    header = "NRRD0004\ntype: short\ndimension: 3\nsizes: 96 96 20\nencoding: bzip2\nendian: little\n\n"
    path.write_bytes(header.encode() + bz2.compress(bytes(96 * 96 * 40)))
    with pytest.raises(InputError, match="bzip2"):
        read_t2w(path)


def write(folder: Path, ending: str, phantom) -> Path:
    path = folder / f"t2.{ending}"
    sitk.WriteImage(sitk.Cast(phantom.image, sitk.sitkInt16), str(path))
    return path


@pytest.mark.parametrize(
    ("ending", "without", "code"),
    [
        ("mha", "TransformMatrix", "orientation_assumed"),
        ("mhd", "TransformMatrix", "orientation_assumed"),
        ("mha", "ElementSpacing", "spacing_doubtful"),
        ("nrrd", "space:", "orientation_assumed"),
        ("nhdr", "space:", "orientation_assumed"),
    ],
)
def test_a_header_without_orientation_or_spacing_is_a_flag_by_name_in_every_format(
    phantom, tmp_path, ending, without, code
):
    path = write(tmp_path, ending, phantom)
    assert read_t2w(path).flags == ()
    head, end, voxels = path.read_bytes().partition(b"\n\n" if ending in ("nrrd", "nhdr") else b"ElementDataFile")
    kept = [line for line in head.split(b"\n") if not line.startswith(without.encode())]
    if without == "space:":  # what programs write that know directions and no patient
        kept.insert(4, b"space dimension: 3")
    path.write_bytes(b"\n".join(kept) + end + voxels)
    assert code in {flag.code for flag in read_t2w(path).flags}


def test_a_nrrd_without_any_place_has_both_flags(phantom, tmp_path):
    path = write(tmp_path, "nrrd", phantom)
    head, end, voxels = path.read_bytes().partition(b"\n\n")
    kept = [line for line in head.split(b"\n") if not line.startswith((b"space", b"kinds"))]
    path.write_bytes(b"\n".join(kept) + end + voxels)
    assert {"orientation_assumed", "spacing_doubtful"} <= {flag.code for flag in read_t2w(path).flags}
