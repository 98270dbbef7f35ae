"""ZIP files as input: what is read from them, what is refused, and that nothing of them stays."""

from __future__ import annotations

import gc
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from Testing.made_studies import SAGITTAL, Made, first_pixels

from proseg.errors import InputError
from proseg.reading import archives
from proseg.reading.archives import Archive, is_zip, within_zip
from proseg.reading.t2w import read_t2w
from proseg.system import temporary


@pytest.fixture(autouse=True)
def unpacked_to(tmp_path, monkeypatch) -> Path:
    """The temporary folder, for this test alone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def pack(file: Path, folder: Path, *, method: int = zipfile.ZIP_DEFLATED, inside: str = "") -> Path:
    """Pack what is in a folder."""
    with zipfile.ZipFile(file, "a", method) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, f"{inside}{path.relative_to(folder).as_posix()}")
    return file


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    volume = sitk.GetImageFromArray(np.random.default_rng(0).gamma(4, 60, (12, 100, 100)).astype(np.int16))
    volume.SetSpacing((1, 1, 3))
    sitk.WriteImage(volume, str(path))
    return path


@pytest.fixture
def study(tmp_path) -> Path:
    """A packed study of two series, with things around them as PACS and Macs add them."""
    Made().write(tmp_path / "study" / "Müller Ä" / "S4")
    Made(2, "t2_tse_sag", SAGITTAL).write(tmp_path / "study" / "Müller Ä" / "S2")
    (tmp_path / "study" / "__MACOSX").mkdir()
    (tmp_path / "study" / "__MACOSX" / "._0.dcm").write_bytes(b"x")
    (tmp_path / "study" / "viewer.exe").write_bytes(b"MZ")
    (tmp_path / "study" / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    return pack(tmp_path / "ann ü.zip", tmp_path / "study")


def test_a_packed_study_gives_the_same_image_and_notes_as_its_folder(study, tmp_path):
    packed, folder = read_t2w(study), read_t2w(tmp_path / "study")
    assert packed.notes == folder.notes
    assert packed.source == study
    assert packed.image.IsSameImageGeometryAs(folder.image)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(packed.image), sitk.GetArrayViewFromImage(folder.image))


def test_the_files_stay_until_the_image_is_closed(study, unpacked_to):
    with read_t2w(study) as read:
        assert [pydicom.dcmread(file).InstanceNumber for file in read.files] == list(range(1, 13))
        assert all(file.is_relative_to(unpacked_to) for file in read.files)
        assert (unpacked_to / read.files[0].relative_to(unpacked_to).parts[0]).stat().st_mode & 0o077 == 0
    assert list(unpacked_to.iterdir()) == []
    assert first_pixels(read.image)[0] == 1000
    read.close()  # once more does no harm


def test_the_files_go_with_the_last_reference_to_the_image(study, unpacked_to):
    read = read_t2w(study)
    assert len(list(unpacked_to.iterdir())) == 1
    del read
    gc.collect()
    assert list(unpacked_to.iterdir()) == []


def test_the_files_go_with_the_program(study, unpacked_to):
    code = "import sys; from proseg.reading.t2w import read_t2w; kept = read_t2w(sys.argv[1]); kept.cycle = 1"
    code = code.replace("kept.cycle = 1", "assert kept.files[0].exists(); raise SystemExit(3)")
    root = Path(__file__).resolve().parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", code, str(study)],
        env={"PYTHONPATH": str(root), "TMPDIR": str(unpacked_to)},
        check=False,
    )
    assert ran.returncode == 3
    assert list(unpacked_to.iterdir()) == []


@pytest.mark.parametrize("inside", ["Müller Ä", "Müller Ä/S4", "Müller Ä/S4/000.dcm"])
def test_a_path_may_lead_into_an_archive(study, inside):
    read = read_t2w(study / inside)
    assert read.image.GetSize()[2] == 12
    assert read.source == study / inside


def test_a_path_within_an_archive_that_is_not_there_is_told(study):
    with pytest.raises(InputError, match=r"ann ü.zip/bob does not exist. Check the path within the ZIP"):
        read_t2w(study / "bob")


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha", "nii"])
def test_a_packed_image_file_is_read(tmp_path, unpacked_to, ending):
    image(tmp_path / "in" / f"t2.{ending}")
    read = read_t2w(pack(tmp_path / "t2.zip", tmp_path / "in"))
    assert read.image.GetSize() == (100, 100, 12)
    assert read.files == ()
    assert list(unpacked_to.iterdir()) == []


def test_label_maps_beside_a_packed_image_are_passed_over(tmp_path):
    for name in ("t2.nii.gz", "t2_seg.nii.gz", "t2.seg.nrrd"):
        image(tmp_path / "in" / name)
    assert read_t2w(pack(tmp_path / "t2.zip", tmp_path / "in")).image.GetSize() == (100, 100, 12)


def test_several_packed_images_are_named_with_how_to_take_one(tmp_path):
    image(tmp_path / "in" / "a" / "ann.mha")
    image(tmp_path / "in" / "bob.mha")
    file = pack(tmp_path / "two.zip", tmp_path / "in")
    with pytest.raises(InputError) as refusal:
        read_t2w(file)
    assert refusal.value.sentence == f"{file} holds 2 images: a/ann.mha, bob.mha."
    assert refusal.value.remedy == f"Give one of them, as {file}/a/ann.mha, or all of them to: proseg batch."
    assert read_t2w(file / "a" / "ann.mha").image.GetSize() == (100, 100, 12)


def test_several_packed_patients_are_counted(tmp_path, unpacked_to):
    Made().write(tmp_path / "in" / "ann")
    Made(patient="Roe^Ann").write(tmp_path / "in" / "bob")
    with pytest.raises(InputError, match=r"two.zip holds axial T2W series of 2 patients\. Give the folder of one"):
        read_t2w(pack(tmp_path / "two.zip", tmp_path / "in"))
    assert list(unpacked_to.iterdir()) == []
    assert read_t2w(tmp_path / "two.zip" / "bob").image.GetSize()[2] == 12


def test_names_that_lead_out_are_never_used_as_paths(tmp_path, unpacked_to):
    files = Made(count=3).write(tmp_path / "in")
    names = ["../../out.dcm", "/etc/out.dcm", "C:\\Windows\\out.dcm"]
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        for file, name in zip(files, names, strict=True):
            archive.write(file, name)
        link = zipfile.ZipInfo("link.nii")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with read_t2w(tmp_path / "evil.zip") as read:
        assert all(file.is_relative_to(unpacked_to) and not file.is_symlink() for file in read.files)
    assert list(tmp_path.rglob("out.dcm")) == []


@pytest.mark.parametrize(
    "header",
    [
        "ObjectType = Image\nNDims = 3\nDimSize = 4 4 4\nElementType = MET_UCHAR\nElementDataFile = {}\n",
        "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 4 4 4\nencoding: raw\ndata file: {}\n\n",
        "NRRD0004\n#" + "x" * 70000 + "\ntype: uchar\ndimension: 3\nsizes: 4 4 4\nencoding: raw\ndata file: {}\n\n",
    ],
)
def test_a_packed_header_cannot_name_another_file_of_this_computer(tmp_path, header):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(range(64)))
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("t2.mha" if header.startswith("Obj") else "t2.nrrd", header.format(secret))
    with pytest.raises(InputError, match=r"evil.zip/t2\.\w+ has its voxels in another file"):
        read_t2w(tmp_path / "evil.zip")


def encrypted(file: Path) -> None:
    """Mark all entries as encrypted, in both of their headers."""
    content = file.read_bytes()
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(start)
        while at >= 0:
            content = content[: at + flags] + b"\x01\x00" + content[at + flags + 2 :]
            at = content.find(start, at + 4)
    file.write_bytes(content)


def compressed_oddly(file: Path) -> None:
    """Name a way to compress that Python's ``zipfile`` lacks (Deflate64)."""
    content = file.read_bytes()
    for start, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = content.find(start)
        while at >= 0:
            content = content[: at + method] + struct.pack("<H", 9) + content[at + method + 2 :]
            at = content.find(start, at + 4)
    file.write_bytes(content)


def bitten(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 4 : len(content) // 4 + 2000] = b"\xff" * 2000
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def emptied(file: Path) -> None:
    with zipfile.ZipFile(file, "w"):
        pass


def holding(*names: str):
    def make(file: Path) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(name, b"PK\x03\x04 or anything")

    return make


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (encrypted, "is protected by a password"),
        (compressed_oddly, "is compressed in a way that cannot be read here"),
        (bitten, "is damaged or no ZIP file"),
        (cut, "is damaged or no ZIP file"),
        (emptied, "holds no image"),
        (holding("inner.zip"), "holds no image, only another archive"),
        (holding("t2.mhd", "t2.raw"), "holds images that are made of two files each"),
        (holding("report.pdf", "t2.seg.txt"), "holds no image"),
        (holding("t2.seg.nrrd"), "holds no image, only segmentations"),
        (holding("t2.nii.gz"), "t2.nii.gz is not an image, or is damaged"),
    ],
)
def test_an_archive_that_cannot_be_used_is_refused_in_one_sentence(study, unpacked_to, capfd, spoil, sentence):
    spoil(study)
    with pytest.raises(InputError) as refusal:
        read_t2w(study)
    assert sentence in refusal.value.sentence
    assert str(study) in refusal.value.sentence
    assert str(unpacked_to) not in str(refusal.value)
    assert refusal.value.remedy
    assert "\n" not in str(refusal.value)
    assert list(unpacked_to.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("count", [1, 20])
def test_a_bomb_is_not_unpacked_beyond_the_limit(tmp_path, unpacked_to, monkeypatch, count):
    monkeypatch.setattr(archives, "MAX_BYTES", 5 << 20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            archive.writestr(f"{number}.nii", bytes((6 << 20) // count))
        archive.writestr("no image, and not unpacked.bin", bytes(50 << 20))
    assert (tmp_path / "bomb.zip").stat().st_size < 1 << 18
    with pytest.raises(InputError, match=r"unpacks to more than the 0.0049 GiB that are allowed"):
        read_t2w(tmp_path / "bomb.zip")
    assert list(unpacked_to.iterdir()) == []


def test_sizes_that_lie_do_not_fool_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t2.nii", bytes(4 << 20))
    content = (tmp_path / "bomb.zip").read_bytes()
    (tmp_path / "bomb.zip").write_bytes(content.replace(struct.pack("<I", 4 << 20), struct.pack("<I", 1000)))
    with pytest.raises(InputError, match=r"damaged or no ZIP|more than"):
        read_t2w(tmp_path / "bomb.zip")


def test_a_full_disk_is_told_with_what_to_do(study, unpacked_to, monkeypatch):
    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(temporary.TemporaryFolder, "__init__", full)
    with pytest.raises(InputError, match=r"cannot be unpacked in the temporary folder .*the disk is full.*TMPDIR"):
        read_t2w(study)


def test_what_a_killed_run_left_is_removed_a_day_later(study, unpacked_to, monkeypatch):
    old, other = unpacked_to / f"{temporary.PREFIX}old", unpacked_to / "somebody-elses"
    for folder in (old, other):
        (folder / "0").mkdir(parents=True)
    read_t2w(study).close()
    assert old.exists()  # may belong to a run of today
    now = temporary.time.time()
    monkeypatch.setattr(temporary.time, "time", lambda: now + 2 * temporary.STALE_S)
    read_t2w(study).close()
    assert not old.exists()
    assert other.exists()


def test_a_zip_is_known_by_its_content(tmp_path, study):
    assert is_zip(study)
    assert read_t2w(study.rename(tmp_path / "export.bin")).image.GetSize()[2] == 12
    assert within_zip(tmp_path / "export.bin" / "a" / "b")[1].as_posix() == "a/b"
    assert within_zip(tmp_path / "gone" / "b") is None
    assert within_zip(image(tmp_path / "t2.nii") / "b") is None


def test_hidden_and_alien_files_are_no_entries(study):
    with Archive(study) as archive:
        assert {entry.path.parts[:2] for entry in archive.entries()} == {("Müller Ä", "S2"), ("Müller Ä", "S4")}
