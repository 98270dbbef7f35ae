"""Files in, images out: formats, damage, and who says what on stderr."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.reading.t2w import read_t2w


def volume(count: int = 20) -> sitk.Image:
    """Noise with the grid of a T2W volume of so many slices."""
    image = sitk.GetImageFromArray(np.random.default_rng(0).gamma(4, 60, (count, 100, 100)).astype(np.int16))
    image.SetSpacing((1, 1, 3))
    return image


def write(image: sitk.Image, path: Path) -> Path:
    sitk.WriteImage(image, str(path))
    return path


def replaced(path: Path, old: bytes, new: bytes) -> None:
    content, count = re.subn(old, new, path.read_bytes(), count=1)
    assert count == 1
    path.write_bytes(content)


def patched(path: Path, offset: int, content: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[offset : offset + len(content)] = content
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def corrupted(path: Path) -> None:
    patched(path, path.stat().st_size // 2, b"\xff" * 64)


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "nrrd", "mha", "mhd"])
def test_every_format_gives_the_same_image(tmp_path, ending):
    image = volume()
    image.SetOrigin((10, 20, 30))
    path = write(image, tmp_path / f"t2 ü.{ending}")
    read = read_t2w(str(path))
    assert read.source == path
    assert read.flags == ()
    assert read.image.GetPixelID() == sitk.sitkFloat32
    np.testing.assert_allclose(read.image.GetOrigin(), image.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(read.image.GetSpacing(), image.GetSpacing(), atol=1e-4)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(read.image), sitk.GetArrayViewFromImage(image))


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd"])
def test_a_volume_stored_with_four_dimensions_is_read_as_three(tmp_path, ending):
    assert read_t2w(write(sitk.JoinSeries([volume()]), tmp_path / f"t2.{ending}")).image.GetDimension() == 3


DAMAGE = {
    ("nii", "is incomplete"): cut,
    ("nii.gz", "damaged or incomplete"): cut,
    ("nrrd", "damaged or incomplete"): cut,
    ("mha", "damaged or incomplete"): cut,
    ("nii.gz", "damaged"): corrupted,
    ("nii", "spacing of zero"): lambda path: (
        patched(path, 76 + 4 * 3, struct.pack("<f", 0)),
        patched(path, 254, struct.pack("<h", 0)),  # the sform, which would tell
    ),
    ("mha", "spacing of zero"): lambda path: replaced(path, b"ElementSpacing = [^\n]*", b"ElementSpacing = 1 1 0"),
    ("nrrd", "spacing of zero"): lambda path: replaced(path, rb"\(0,0,3\)", b"(0,0,0)"),
    ("nrrd", "not perpendicular"): lambda path: replaced(path, rb"\(0,0,3\)", b"(1,0,0)"),
    ("mha", "not perpendicular"): lambda path: replaced(path, b"(TransformMatrix =)[^\n]*", rb"\1 1 0 0 0 1 0 0 0 0"),
    ("nii", "not perpendicular"): lambda path: (
        patched(path, 252, struct.pack("<2h", 0, 1)),
        patched(path, 280, struct.pack("<12f", 1, 0.5, 0, 0, 0, 1, 0, 0, 0, 0, 3, 0)),
    ),
    ("nii.gz", "is not an image"): lambda path: path.write_text("hello"),
    ("nrrd", "is not an image"): lambda path: path.write_bytes(b""),
    ("nii", "is not an image"): lambda path: path.write_bytes(bytes(1000)),
    ("png", "medical image format"): lambda path: write(sitk.Image(64, 64, sitk.sitkUInt8), path),
}


@pytest.mark.parametrize(("ending", "sentence"), DAMAGE)
def test_a_damaged_file_is_refused_in_one_sentence_and_nothing_else_is_printed(tmp_path, capfd, ending, sentence):
    path = tmp_path / f"case.{ending}"
    if ending != "png":
        write(volume(), path)
    DAMAGE[ending, sentence](path)
    with pytest.raises(InputError) as refusal:
        read_t2w(path)
    assert sentence in refusal.value.sentence
    assert str(path) in refusal.value.sentence
    assert "\n" not in str(refusal.value)
    assert "ITK" not in str(refusal.value)
    assert refusal.value.remedy
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha", "hdr"])
def test_a_name_that_is_not_unicode_does_not_crash_simpleitk(tmp_path, ending):
    write(volume(), tmp_path / f"t2.{ending}")
    try:
        folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller"))
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    for file in tmp_path.glob("t2.*"):
        file.rename(folder / file.name)
    assert read_t2w(folder / f"t2.{ending}").image.GetSize() == (100, 100, 20)
    if ending != "hdr":
        odd = (folder / f"t2.{ending}").rename(Path(os.fsdecode(os.fsencode(folder) + b"/\xfc." + ending.encode())))
        assert read_t2w(odd).image.GetSize() == (100, 100, 20)


def test_a_nifti_with_its_voxels_in_another_file_is_read(tmp_path):
    write(volume(), tmp_path / "t2.hdr")
    assert read_t2w(tmp_path / "t2.hdr").image.GetSize() == (100, 100, 20)


@pytest.mark.parametrize("name", ["gone.nii.gz", "gone", "x" * 300])
def test_a_missing_path_is_named(tmp_path, name):
    with pytest.raises(InputError, match=f"{name}.*(does not exist|cannot be read)"):
        read_t2w(tmp_path / name)


def test_a_file_one_may_not_read_is_not_called_damaged(tmp_path, monkeypatch):
    path = write(volume(), tmp_path / "t2.nrrd")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        read_t2w(path)


def test_a_refusal_by_content_names_the_file(tmp_path):
    path = write(volume(2), tmp_path / "two.nrrd")
    with pytest.raises(InputError, match=f"^{re.escape(str(path))} has 2 axial slices"):
        read_t2w(path)


def test_importing_reading_does_not_import_torch():
    code = "import sys, proseg.reading.t2w; sys.exit('torch' in sys.modules or 'pydicom' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(root)}, check=False).returncode == 0


def test_real_cases_are_read_without_flags_on_their_own_grid(shared_data):
    paths = sorted(shared_data.glob("zonal/*/t2.nii.gz"))[::10]
    assert paths
    for path in paths:
        read = read_t2w(path)
        assert read.flags == ()
        assert read.image.IsSameImageGeometryAs(sitk.ReadImage(str(path)))


def test_a_metaimage_that_carries_dicom_tags_is_read(phantom, tmp_path):
    """SimpleITK writes tags as keys such as ``0008|103e``, which MetaIO takes though it is no word."""
    image = sitk.Image(phantom.image)
    image.SetMetaData("0008|103e", "t2_tse_tra, Prüfung")
    sitk.WriteImage(image, tmp_path / "t2.mha")
    assert "0008|103e" in sitk.ReadImage(str(tmp_path / "t2.mha")).GetMetaDataKeys()
    assert read_t2w(tmp_path / "t2.mha").image.GetSize() == image.GetSize()
