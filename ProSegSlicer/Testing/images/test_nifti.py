"""Where NIfTI images lie: which form is followed, what is told, and what labelmaps keep."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.images.nifti import read_header
from proseg.outputs.writing import write_image
from proseg.reading.t2w import read_t2w

SIZE = (96, 96, 20)
LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0])
# i to the patient's left, j to the back, k upwards, in NIfTI's coordinates (right, anterior, superior)
AFFINE = np.array([[-1.1, 0, 0, 60], [0, -1.1, 0, 70], [0, 0, 3.5, -30]], float)
TURNED = np.array(
    [
        [-1.1 * np.cos(0.3), 0, -3.5 * np.sin(0.3), 60],
        [0, -1.1, 0, 70],
        [-1.1 * np.sin(0.3), 0, 3.5 * np.cos(0.3), -30],
    ]
)
QFORM = (0.0, 0.0, 1.0, 60.0, 70.0, -30.0)  # of AFFINE: half a turn about the long axis
HEADER_FIELDS = ("pixdim", "quatern", "srow", "qform_code", "sform_code", "units")


def voxels() -> np.ndarray:
    return np.random.default_rng(1).gamma(4, 60, SIZE[::-1]).astype(np.int16)


def nifti(
    path: Path,
    sform: np.ndarray = AFFINE,
    codes: tuple[int, int] = (1, 1),
    pixdim: tuple[float, ...] = (1.1, 1.1, 3.5),
    quatern: tuple[float, ...] = QFORM,
    units: int = 10,
    order: str = "<",
    version: int = 1,
    zipped: bool | None = None,
) -> Path:
    """A file as other programs write it, made from nifti1.h and nifti2.h alone; ``codes`` of qform and sform."""
    if version == 1:
        head = bytearray(352)
        struct.pack_into(f"{order}i", head, 0, 348)
        struct.pack_into(f"{order}8h", head, 40, 3, *SIZE, 1, 1, 1, 1)
        struct.pack_into(f"{order}2h", head, 70, 4, 16)
        struct.pack_into(f"{order}8f", head, 76, 1, *pixdim, 0, 0, 0, 0)
        struct.pack_into(f"{order}3f", head, 108, 352, 1, 0)
        head[123] = units
        struct.pack_into(f"{order}2h18f", head, 252, *codes, *quatern, *sform.ravel())
        head[344:348] = b"n+1\0"
    else:
        head = bytearray(544)
        struct.pack_into(f"{order}i8s2h", head, 0, 540, b"n+2\0\r\n\x1a\n", 4, 16)
        struct.pack_into(f"{order}8q", head, 16, 3, *SIZE, 1, 1, 1, 1)
        struct.pack_into(f"{order}8d", head, 104, 1, *pixdim, 0, 0, 0, 0)
        struct.pack_into(f"{order}q2d", head, 168, 544, 1, 0)
        struct.pack_into(f"{order}2i18d", head, 344, *codes, *quatern, *sform.ravel())
        struct.pack_into(f"{order}i", head, 500, units)
    content = bytes(head) + voxels().astype(f"{order}i2").tobytes()
    zipped = path.suffix == ".gz" if zipped is None else zipped
    path.write_bytes(gzip.compress(content, 1) if zipped else content)
    return path


def shifted(*mm: float) -> np.ndarray:
    return AFFINE + np.array([[0, 0, 0, step] for step in mm])


def sheared(tangent: float) -> np.ndarray:
    shear = np.eye(3)
    shear[0, 1] = tangent
    return shear @ AFFINE


def place(image: sitk.Image) -> np.ndarray:
    """The affine from voxels to mm in RAS."""
    axes = np.array(image.GetDirection()).reshape(3, 3) @ np.diag(image.GetSpacing())
    return LPS_OF_RAS @ np.column_stack([axes, image.GetOrigin()])


def codes_of(path: Path) -> list[str]:
    return [flag.code for flag in read_t2w(path).flags]


@pytest.mark.parametrize(
    ("codes", "follows"),
    [((1, 1), "s"), ((1, 2), "q"), ((2, 1), "s"), ((1, 4), "q"), ((0, 2), "s"), ((2, 0), "q"), ((3, 3), "q")],
)
def test_of_two_forms_that_differ_the_one_of_slicer_and_itk_snap_is_followed_and_it_is_told(tmp_path, codes, follows):
    path = nifti(tmp_path / "t2.nii.gz", shifted(10, -20, 12), codes)
    read = read_t2w(path)
    np.testing.assert_allclose(place(read.image), shifted(10, -20, 12) if follows == "s" else AFFINE, atol=1e-4)
    np.testing.assert_allclose(place(read.image), place(sitk.ReadImage(str(path))), atol=1e-4)  # ITK is both of theirs
    assert codes_of(path) == (["placing_contradicts"] if min(codes) else [])
    assert all("sform" in flag.sentence and "qform" in flag.sentence for flag in read.flags)


def test_forms_that_say_the_same_raise_no_flag(tmp_path):
    for order, version in (("<", 1), (">", 1), ("<", 2), (">", 2)):
        path = nifti(tmp_path / f"t2_{version}.nii", order=order, version=version)
        assert codes_of(path) == []
        np.testing.assert_allclose(place(read_t2w(path).image), AFFINE, atol=1e-4)


@pytest.mark.parametrize(
    ("tangent", "codes"), [(0.0018, (0, 1)), (0.0018, (0, 2)), (0.005, (0, 4)), (0.0018, (1, 1)), (0.05, (1, 1))]
)
def test_a_small_shear_is_read_and_told_and_a_large_one_where_there_is_a_qform(tmp_path, tangent, codes):
    path = nifti(tmp_path / "t2.nii", sheared(tangent), codes)
    read = read_t2w(path)
    assert [flag.code for flag in read.flags] == ["placing_contradicts"]
    apart = np.linalg.norm((place(read.image) - sheared(tangent)) @ [95, 95, 19, 1])
    assert apart < 1.0 if codes[0] == 0 else np.allclose(place(read.image), AFFINE, atol=1e-4)


def test_a_large_shear_without_a_qform_is_refused(tmp_path):
    with pytest.raises(InputError, match="not perpendicular"):
        read_t2w(nifti(tmp_path / "t2.nii", sheared(0.05), (0, 2)))


@pytest.mark.parametrize("codes", [(1, 1), (0, 1), (0, 2), (1, 0), (1, 2)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_negative_voxel_size_mirrors_nothing(tmp_path, axis, codes):
    sizes = [1.1, 1.1, 3.5]
    sizes[axis] *= -1
    read = read_t2w(nifti(tmp_path / "t2.nii.gz", codes=codes, pixdim=tuple(sizes)))
    np.testing.assert_allclose(place(read.image), AFFINE, atol=1e-4)
    assert [flag.code for flag in read.flags] == ["placing_contradicts"]
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(read.image), voxels())


@pytest.mark.parametrize("codes", [(0, 1), (1, 1)])
def test_sizes_that_only_the_sform_knows_are_those_of_the_sform(tmp_path, codes):
    read = read_t2w(nifti(tmp_path / "t2.nii.gz", codes=codes, pixdim=(1, 1, 1)))
    np.testing.assert_allclose(read.image.GetSpacing(), (1.1, 1.1, 3.5))
    assert [flag.code for flag in read.flags] == ["placing_contradicts"]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_a_header_without_orientation_is_told(tmp_path, ending, version):
    read = read_t2w(nifti(tmp_path / f"t2.{ending}", codes=(0, 0), version=version))
    assert [flag.code for flag in read.flags] == ["orientation_assumed"]
    np.testing.assert_allclose(read.image.GetSpacing(), (1.1, 1.1, 3.5), atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sform": shifted(10, -20, 12), "codes": (1, 2)},
        {"sform": sheared(0.05), "codes": (1, 4)},
        {"pixdim": (-1.1, 1.1, 3.5)},
        {"codes": (0, 0)},
        {"codes": (3, 0), "units": 0},
        {"sform": TURNED, "codes": (0, 1), "quatern": (0.1, 0.2, 0.3, 4, 5, 6), "order": ">"},
    ],
)
@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_labels_keep_both_forms_with_codes_sizes_and_unit_to_the_last_bit(tmp_path, options, ending):
    source = nifti(tmp_path / f"t2.{ending}", **options)
    read = read_t2w(source)
    labels = sitk.Cast(read.image > 300, sitk.sitkUInt8)
    out = tmp_path / f"zones.{ending}"
    write_image(labels, out, nifti=read.nifti)
    before, after = read_header(source), read_header(out)
    for field in HEADER_FIELDS:
        assert getattr(after, field) == getattr(before, field), field
    again = read_t2w(out).image
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(again), sitk.GetArrayViewFromImage(labels))
    np.testing.assert_allclose(place(again), place(read.image), atol=1e-6)


@pytest.mark.parametrize("quatern", [QFORM, (0.5, 0.5, 0.5, 0, 0, 0)])
def test_labels_of_a_sheared_image_keep_the_sform_and_get_a_qform_that_itk_can_read(tmp_path, quatern):
    source = nifti(tmp_path / "t2.nii.gz", sheared(0.0018), (0, 2), quatern=quatern)
    read = read_t2w(source)
    write_image(read.image, tmp_path / "zones.nii.gz", nifti=read.nifti)
    after = read_header(tmp_path / "zones.nii.gz")
    assert (after.srow, after.sform_code) == (read.nifti.srow, 2)
    assert (after.quatern == read.nifti.quatern) == (quatern is QFORM)
    apart = (place(sitk.ReadImage(str(tmp_path / "zones.nii.gz"))) - sheared(0.0018)) @ [95, 95, 19, 1]
    assert np.linalg.norm(apart) < 0.5


def test_labels_of_nifti_2_keep_what_nifti_1_can_hold(tmp_path):
    read = read_t2w(nifti(tmp_path / "t2.nii.gz", shifted(1, 2, 3), (1, 2), version=2))
    write_image(read.image, tmp_path / "zones.nii.gz", nifti=read.nifti)
    after = read_header(tmp_path / "zones.nii.gz")
    assert (after.kind, after.qform_code, after.sform_code) == ("NIfTI-1", 1, 2)
    np.testing.assert_allclose(after.srow, shifted(1, 2, 3).ravel(), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "zipped", "version"),
    [
        ("packed.nii", True, 1),
        ("unpacked.nii.gz", False, 1),
        ("packed2.nii", True, 2),
        ("t2.nii.gz.download", True, 1),
        ("noending", False, 1),
        ("UPPER.NII.GZ", True, 2),
    ],
)
def test_nifti_is_read_by_its_content_whatever_its_name(tmp_path, name, zipped, version):
    read = read_t2w(nifti(tmp_path / name, zipped=zipped, version=version))
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(read.image), voxels())
    np.testing.assert_allclose(place(read.image), AFFINE, atol=1e-4)


@pytest.mark.parametrize(("units", "factor"), [(1, 0.001), (2, 1), (3, 1000), (0, 1)])
def test_metres_and_micrometres_are_brought_to_millimetres(tmp_path, units, factor):
    path = nifti(
        tmp_path / "t2.nii.gz",
        AFFINE * factor,
        pixdim=(-1.1 * factor, 1.1 * factor, 3.5 * factor),
        quatern=(0, 0, 1, 60 * factor, 70 * factor, -30 * factor),
        units=units,
    )
    np.testing.assert_allclose(place(read_t2w(path).image), AFFINE, atol=1e-3)


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("codes", [(1, 1), (0, 2), (1, 0), (0, 0)])
def test_a_unit_in_which_no_voxel_can_be_measured_is_taken_for_millimetres_and_told(tmp_path, units, codes):
    read = read_t2w(nifti(tmp_path / "t2.nii.gz", codes=codes, units=units))
    np.testing.assert_allclose(read.image.GetSpacing(), (1.1, 1.1, 3.5), atol=1e-6)
    assert "placing_contradicts" in [flag.code for flag in read.flags]
    if any(codes):
        np.testing.assert_allclose(place(read.image), AFFINE, atol=1e-4)


@pytest.mark.parametrize("code", [1, 2, 4])
def test_a_blank_sform_gives_no_orientation_and_a_flat_one_is_refused(tmp_path, code):
    blank = np.zeros((3, 4))
    assert codes_of(nifti(tmp_path / "t2.nii", blank, (0, code))) == ["orientation_assumed"]
    assert codes_of(nifti(tmp_path / "t2.nii", blank, (1, code))) == []
    flat = AFFINE * [[1], [1], [0]]
    with pytest.raises(InputError, match="not perpendicular"):
        read_t2w(nifti(tmp_path / "t2.nii", flat, (0, code)))


@pytest.mark.parametrize("codes", [(0, 1), (0, 2), (1, 1)])
def test_a_voxel_size_of_zero_is_that_of_the_sform_and_told(tmp_path, codes):
    read = read_t2w(nifti(tmp_path / "t2.nii", codes=codes, pixdim=(0.0, 1.1, 3.5)))
    np.testing.assert_allclose(place(read.image), AFFINE, atol=1e-4)
    assert [flag.code for flag in read.flags] == ["placing_contradicts"]


def test_a_header_that_does_not_call_itself_nifti_gives_no_orientation(tmp_path):
    path = nifti(tmp_path / "t2.nii")
    content = bytearray(path.read_bytes())
    content[344:348] = bytes(4)
    path.write_bytes(content)
    read = read_t2w(path)
    assert [flag.code for flag in read.flags] == ["orientation_assumed"]
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(read.image), voxels())


def test_fine_voxels_in_metres_are_not_flat(tmp_path):
    fine = np.diag([0.3, 0.3, 1.5, 1.0])[:3] / 1000
    header = read_header(nifti(tmp_path / "t2.nii", fine, (0, 1), (0.0003, 0.0003, 0.0015), units=1))
    np.testing.assert_allclose(np.abs(np.diag(header.sform()[:, :3])), (0.3, 0.3, 1.5), atol=1e-6)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("given", ["hdr", "img"])
def test_analyze_is_read_and_its_missing_orientation_told(tmp_path, order, given):
    whole = nifti(tmp_path / "whole.nii", order=order).read_bytes()
    head = bytearray(whole[:348])
    head[108:112] = bytes(4)
    head[252:348] = bytes(96)  # Analyze has no forms
    (tmp_path / "t2.hdr").write_bytes(head)
    (tmp_path / "t2.img").write_bytes(whole[352:])
    read = read_t2w(tmp_path / f"t2.{given}")
    assert [flag.code for flag in read.flags] == ["orientation_assumed"]
    assert "Analyze" in read.flags[0].sentence
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(read.image), voxels())


@pytest.mark.parametrize("length", [0, 3, 4, 60, 111, 115, 123, 124, 300])
def test_a_header_that_is_cut_short_anywhere_is_refused_in_a_sentence(tmp_path, length):
    sitk.WriteImage(sitk.GetImageFromArray(voxels()), str(tmp_path / "t2.hdr"))
    (tmp_path / "t2.hdr").write_bytes((tmp_path / "t2.hdr").read_bytes()[:length])
    with pytest.raises(InputError):
        read_t2w(tmp_path / "t2.hdr")


def test_analyze_without_its_voxels_is_not_called_damaged(tmp_path):
    head = bytearray(nifti(tmp_path / "whole.nii").read_bytes()[:348])
    head[344:348] = bytes(4)
    (tmp_path / "t2.hdr").write_bytes(head)
    with pytest.raises(InputError, match="missing"):
        read_t2w(tmp_path / "t2.hdr")
