"""What can be segmented, what is refused in a sentence, and what is repaired."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.images.checks import check_t2w


def volume(size=(100, 100, 20), spacing=(1.0, 1.0, 3.0), seed=0) -> sitk.Image:
    """Noise with the size (i, j, k) and spacing (mm) of a T2W volume."""
    values = np.random.default_rng(seed).gamma(4, 60, size[::-1]).astype(np.int16)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(spacing)
    return image


def filled(value: float) -> sitk.Image:
    image = sitk.Image([100, 100, 20], sitk.sitkFloat32) + value
    image.SetSpacing((1, 1, 3))
    return image


def sheared() -> sitk.Image:
    image = volume()
    image.SetDirection((1, 0, 0.3, 0, 1, 0, 0, 0, 1))
    return image


def unplaced() -> sitk.Image:
    image = volume()
    image.SetOrigin((0, float("nan"), 0))
    return image


def ct() -> sitk.Image:
    tissue = np.random.default_rng(0).normal(20, 40, (20, 100, 100))
    tissue[:, :30] = -1000
    image = sitk.GetImageFromArray(tissue)
    image.SetSpacing((2, 2, 3))
    return image


REFUSED = {
    "is 2D": lambda: volume()[:, :, 0],
    "is 4D": lambda: sitk.JoinSeries([volume(), volume()]),
    "several values per voxel": lambda: sitk.Compose([volume()] * 3),
    "colour or vectors": lambda: sitk.Cast(volume(), sitk.sitkComplexFloat32),
    "is empty: it has no voxels": lambda: sitk.Image(0, 0, 0, sitk.sitkInt16),
    "is empty: every voxel is 0": lambda: filled(0),
    "is constant: every voxel is 7": lambda: filled(7),
    "only NaN or infinity": lambda: filled(float("nan")),
    "has 2 axial slices": lambda: volume((100, 100, 2)),
    "impossible voxel spacing of 0.01": lambda: volume(spacing=(0.01, 1, 3)),
    "impossible voxel spacing of 1 × 1 × 25": lambda: volume(spacing=(1, 1, 25)),
    "covers 30 × 30": lambda: volume(spacing=(0.3, 0.3, 3)),
    "covers 1.5e+03": lambda: volume(spacing=(15, 15, 15)),
    "not a number": unplaced,
    "not perpendicular": sheared,
    "looks like CT": ct,
    "has sagittal slices": lambda: volume((20, 100, 100), (3.6, 0.9, 0.9)),
    "has coronal slices": lambda: volume((100, 20, 100), (0.9, 3.6, 0.9)),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_be_segmented_is_refused_by_name_with_a_next_step(sentence):
    with pytest.raises(InputError) as refusal:
        check_t2w(REFUSED[sentence](), "knee.nrrd")
    assert sentence in refusal.value.sentence
    assert refusal.value.sentence.startswith("knee.nrrd ")
    assert refusal.value.remedy


def test_infinity_alone_is_refused_too():
    with pytest.raises(InputError, match="only NaN or infinity"):
        check_t2w(filled(float("inf")))


def test_a_good_image_keeps_its_grid_and_values_and_raises_no_flag():
    image = volume()
    image.SetOrigin((5, -6, 7))
    image.SetDirection((1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8))
    image.SetMetaData("0010|0010", "Doe^Jane")
    checked = check_t2w(image)
    assert checked.image.GetPixelID() == sitk.sitkFloat32
    assert checked.image.IsSameImageGeometryAs(image)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(checked.image), sitk.GetArrayViewFromImage(image))
    assert checked.flags == ()
    assert checked.image.GetMetaDataKeys() == ()
    assert image.GetMetaData("0010|0010") == "Doe^Jane"


@pytest.mark.parametrize(
    ("size", "spacing", "flagged"),
    [
        ((100, 100, 20), (1, 1, 1), True),  # all lost
        ((320, 320, 60), (1, 1, 1), True),
        ((200, 200, 20), (0.6, 0.6, 1), True),  # that of the slices lost
        ((200, 200, 40), (0.5, 0.5, 1), True),
        ((256, 256, 96), (1, 1, 1), False),  # 3D
        ((200, 200, 70), (0.8, 0.8, 1), False),
        ((200, 200, 20), (1, 1, 3), False),
        ((200, 200, 60), (0.6, 0.6, 0.9), False),
    ],
)
@pytest.mark.parametrize("code", ["LPS", "SLP"])
def test_a_spacing_of_one_millimetre_that_was_surely_lost_is_a_flag(size, spacing, flagged, code):
    flags = check_t2w(sitk.DICOMOrient(volume(size, spacing), code)).flags
    assert ("spacing_doubtful" in {flag.code for flag in flags}) == flagged


@pytest.mark.parametrize("code", ["RAI", "LPS", "PSL", "SAR"])
def test_axial_slices_are_recognised_along_any_array_axis(code):
    assert check_t2w(sitk.DICOMOrient(volume(), code)).flags == ()


def test_a_fourth_dimension_of_size_one_is_dropped():
    image = volume()
    checked = check_t2w(sitk.JoinSeries([image]))
    assert checked.image.IsSameImageGeometryAs(image)


def test_a_vector_of_one_component_is_a_scalar():
    assert check_t2w(sitk.Compose([volume()])).image.GetPixelID() == sitk.sitkFloat32


def test_a_t2w_image_shifted_far_below_zero_is_not_taken_for_ct():
    check_t2w(sitk.Cast(volume(), sitk.sitkFloat32) - 5000)


def padded(value: float, values: np.ndarray | None = None, corner: bool = False) -> sitk.Image:
    """A volume in the middle of a larger grid, or behind a corner of it, that is filled up with a value."""
    inner = sitk.GetArrayFromImage(volume()) if values is None else values
    outer = np.full((24, 140, 140), value, np.float32)
    outer[2:22, 20:120, 20:120] = inner
    outer = outer[2:22, 20:120, 20:] if corner else outer
    image = sitk.GetImageFromArray(outer)
    image.SetSpacing((1, 1, 3))
    return image


@pytest.mark.parametrize("corner", [False, True])
@pytest.mark.parametrize("value", [-1024, -1000, -3024, -2048, -32768, 65535])
def test_padding_makes_no_ct_and_enters_no_statistics(value, corner):
    checked = check_t2w(padded(value, corner=corner))
    (flag,) = checked.flags
    assert (flag.code, flag.severity.value) == ("padding_ignored", "info")
    assert f"{value}" in flag.sentence
    tissue = sitk.GetArrayFromImage(volume())
    values = sitk.GetArrayFromImage(checked.image)
    assert (values.min(), values.max()) == (tissue.min(), tissue.max())
    assert abs(np.median(values) - np.median(tissue)) <= 1


def test_two_values_of_padding_are_both_padding():
    image = padded(-1024)
    values = sitk.GetArrayFromImage(image)
    values[:, :10] = -3024
    again = sitk.GetImageFromArray(values)
    again.CopyInformation(image)
    (flag,) = check_t2w(again).flags
    assert "-3024 and -1024" in flag.sentence


@pytest.mark.parametrize("value", [0, -1])
def test_what_hardly_differs_from_the_darkest_tissue_stays(value):
    image = padded(value)
    checked = check_t2w(image)
    assert checked.flags == ()
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(checked.image), sitk.GetArrayViewFromImage(image))


def test_a_ct_is_a_ct_with_and_without_padding_around_it():
    for value in (-1000, -2000, -3024):
        with pytest.raises(InputError, match="looks like CT"):
            check_t2w(
                padded(value, np.random.default_rng(0).normal([[-1000] * 50 + [20] * 50] * 100, 40, (20, 100, 100)))
            )


@pytest.mark.parametrize(("low", "high"), [(-1000, 1000), (-2048, 2047), (-1024, 3071), (-800, 200)])
def test_a_range_below_zero_alone_makes_no_ct(low, high):
    values = sitk.GetArrayFromImage(volume()).astype(np.float32)
    image = sitk.GetImageFromArray(low + (high - low) * values / values.max())
    image.SetSpacing((1, 1, 3))
    assert check_t2w(image).flags == ()


@pytest.mark.parametrize(("code", "axis"), [("LPS", 2), ("SLP", 0), ("LSP", 1)])
def test_broken_voxels_get_the_value_of_their_surroundings(code, axis):
    values = np.full((20, 100, 100), 50, np.float32)
    values[:, :, 50:] = 200
    values[4, 20, 80] = np.nan  # one voxel amid 200
    values[7] = np.inf  # a whole slice
    values[9, :50, :40] = -np.inf  # more than its neighbours reach
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1, 1, 3))
    checked = check_t2w(sitk.DICOMOrient(image, code))
    (flag,) = (flag for flag in checked.flags if flag.code == "nan_repaired")
    assert flag.slices == (4, 7, 9)
    assert "12001 voxels" in flag.sentence
    assert checked.image.GetSize()[axis] == 20
    repaired = sitk.GetArrayFromImage(sitk.DICOMOrient(checked.image, "LPS"))
    assert np.isfinite(repaired).all()
    assert repaired[4, 20, 80] == pytest.approx(200)
    np.testing.assert_array_equal(repaired[7], repaired[6])
    assert repaired[9, 49, 39] == pytest.approx(50)
    assert np.isnan(values[4, 20, 80])


def test_nothing_else_changes_where_voxels_are_repaired():
    image = sitk.Cast(volume(), sitk.sitkFloat32)
    image[5, 6, 7] = float("nan")
    before, after = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(check_t2w(image).image)
    assert np.flatnonzero(before != after).tolist() == [np.ravel_multi_index((7, 6, 5), before.shape)]


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (volume(spacing=(1, 1, 6)), "slices are 6 mm apart"),
        (volume(spacing=(1, 1, 0.5)), "slices are 0.5 mm apart"),
        (volume(spacing=(1.5, 1.5, 3)), "pixels measure 1.5 × 1.5 mm"),
        (volume((100, 100, 9)), "only 9 slices"),
        (volume((70, 70, 20)), "field of view is 70 × 70 mm"),
    ],
)
def test_an_unusual_acquisition_is_flagged_and_told(image, words):
    (flag,) = check_t2w(image).flags
    assert flag.code == "unusual_acquisition"
    assert words in flag.sentence


def test_a_label_map_given_for_an_image_is_flagged():
    (flag,) = check_t2w((volume() > 200) + (volume() > 300)).flags
    assert flag.code == "few_grey_levels"
    assert "3 grey levels" in flag.sentence
