"""Every axis order, flip and tilt: there and back without moving a voxel in the patient."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from proseg.images.geometry import from_lps, grid_of, input_slice_indices, orientation_code, superior_mm, to_lps

PAIRS = ("RL", "AP", "IS")  # the second letter is the positive direction of the LPS axis
CODES = ["".join(letters) for order in permutations(PAIRS) for letters in product(*order)]
SIZE, SPACING, ORIGIN = (4, 3, 5), (0.6, 1.1, 3.5), (-31.5, 12.25, 140.0)  # all differ, so that no mix-up cancels


def direction_of(code: str) -> np.ndarray:
    """Columns: where the i, j and k axes grow to, in LPS."""
    columns = np.zeros((3, 3))
    for axis, letter in enumerate(code):
        patient = next(number for number, pair in enumerate(PAIRS) if letter in pair)
        columns[patient, axis] = 1 if letter in "LPS" else -1
    return columns


def rotation(*angles: float) -> np.ndarray:
    tilt = sitk.Euler3DTransform()
    tilt.SetRotation(*angles)
    return np.reshape(tilt.GetMatrix(), (3, 3))


def made_image(direction: np.ndarray) -> sitk.Image:
    """Every voxel has a value of its own."""
    image = sitk.GetImageFromArray(np.arange(np.prod(SIZE), dtype=np.int16).reshape(SIZE[::-1]))
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    image.SetDirection(direction.ravel().tolist())
    return image


def places(image: sitk.Image) -> np.ndarray:
    """Physical position (mm, LPS) of each voxel, in order of the voxels' values."""
    array = sitk.GetArrayFromImage(image)
    index = np.stack(np.unravel_index(np.argsort(array, axis=None), array.shape)[::-1])  # i, j, k
    direction = np.reshape(image.GetDirection(), (3, 3))
    return (direction @ (index * np.array(image.GetSpacing())[:, None])).T + image.GetOrigin()


def same_grid(one: sitk.Image, other: sitk.Image) -> bool:
    return all(
        getattr(one, name)() == getattr(other, name)()
        for name in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection")
    )


def check_there_and_back(image: sitk.Image) -> None:
    lps = to_lps(image)
    assert orientation_code(lps) == "LPS"
    np.testing.assert_allclose(places(lps), places(image), atol=1e-9)
    back = from_lps(lps, image)
    assert same_grid(back, image)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image))


def check_slices(image: sitk.Image) -> None:
    """The slice of the input in which the voxels of each LPS slice lie."""
    lps, array = to_lps(image), sitk.GetArrayFromImage(image)
    for k, values in enumerate(sitk.GetArrayFromImage(lps)):
        indices = [set(axis.tolist()) for axis in np.nonzero(np.isin(array, values))[::-1]]
        (own,) = [next(iter(axis)) for axis in indices if len(axis) == 1]  # no axis has just one sample
        assert input_slice_indices(image, [k]) == (own,)


def test_there_are_48_ways_to_store_a_volume() -> None:
    assert len(set(CODES)) == 48


@pytest.mark.parametrize("code", CODES)
def test_each_axis_order_and_flip_is_undone_exactly(code: str) -> None:
    image = made_image(direction_of(code))
    assert orientation_code(image) == code
    check_there_and_back(image)
    np.testing.assert_array_equal(np.reshape(to_lps(image).GetDirection(), (3, 3)), np.eye(3))


@pytest.mark.parametrize("code", CODES)
def test_each_tilted_axis_order_and_flip_is_undone_exactly(code: str) -> None:
    image = made_image(rotation(0.3, -0.2, 0.25) @ direction_of(code))
    assert orientation_code(image) == code
    check_there_and_back(image)
    np.testing.assert_allclose(np.reshape(to_lps(image).GetDirection(), (3, 3)), rotation(0.3, -0.2, 0.25), atol=1e-12)


ANGLES = st.floats(-np.pi, np.pi) | st.sampled_from([np.pi / 4, -np.pi / 4, 3 * np.pi / 4, np.pi / 2])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.tuples(ANGLES, ANGLES, ANGLES), st.sampled_from(["LPS", "RIA"]))  # right- and left-handed
def test_any_tilt_is_undone_exactly_and_keeps_its_slices(angles: tuple[float, float, float], code: str) -> None:
    image = made_image(rotation(*angles) @ direction_of(code))
    check_there_and_back(image)
    check_slices(image)


@pytest.mark.parametrize("code", CODES)
def test_slices_of_the_input_are_found_whichever_axis_they_lie_along(code: str) -> None:
    check_slices(made_image(direction_of(code)))
    check_slices(made_image(rotation(-0.35, 0.2, 0.1) @ direction_of(code)))


@pytest.mark.parametrize("code", CODES)
def test_slice_indices_point_to_the_same_height_in_the_patient(code: str) -> None:
    image = made_image(direction_of(code))
    axis = next(axis for axis, letter in enumerate(code) if letter in "IS")
    lps = to_lps(image)
    for k in range(lps.GetSize()[2]):
        index = [0, 0, 0]
        (index[axis],) = input_slice_indices(image, [k])
        height = image.TransformIndexToPhysicalPoint(index)[2]
        assert height == pytest.approx(lps.TransformIndexToPhysicalPoint((0, 0, k))[2])


def test_slice_indices_come_sorted_as_plain_numbers() -> None:
    image = made_image(direction_of("LPI"))  # five slices, stored from superior to inferior
    found = input_slice_indices(image, np.array([0, 3, 1]))
    assert found == (1, 3, 4)
    assert all(type(index) is int for index in found)
    assert input_slice_indices(image, []) == ()


def test_an_image_of_another_size_is_not_taken_for_the_input() -> None:
    image = made_image(direction_of("LPS"))
    with pytest.raises(RuntimeError):
        from_lps(to_lps(image)[:, :, 1:], image)


@pytest.mark.parametrize("code", ["LPS", "SAR", "AIL"])
def test_the_grid_of_an_image_is_in_array_order_from_its_first_voxel(code: str) -> None:
    lps = to_lps(made_image(rotation(0.2, 0.1, -0.3) @ direction_of(code)))
    axes = grid_of(lps)
    assert tuple(axis.count for axis in axes) == sitk.GetArrayViewFromImage(lps).shape
    assert tuple(axis.spacing for axis in axes) == lps.GetSpacing()[::-1]
    assert [axis.start for axis in axes] == [0, 0, 0]
    first, last = (np.array(lps.TransformIndexToPhysicalPoint(i)) for i in ((0, 0, 0), [n - 1 for n in lps.GetSize()]))
    assert np.linalg.norm(last - first) == pytest.approx(np.linalg.norm([axis.end for axis in axes]))


@pytest.mark.parametrize("code", ["LPS", "LPI", "RAS", "PSL", "SLA", "IPR"])
def test_where_a_slice_lies_does_not_depend_on_how_the_volume_is_stored(code: str) -> None:
    image = sitk.Image(6, 8, 10, sitk.sitkUInt8)
    image.SetOrigin((5.0, -7.0, -42.5))
    image.SetSpacing((1.0, 2.0, 3.0))
    stored = sitk.DICOMOrient(image, code)
    for k in range(10):
        (index,) = input_slice_indices(stored, [k])
        assert superior_mm(stored, index) == pytest.approx(-42.5 + 3 * k)


def test_of_an_oblique_slice_the_middle_counts() -> None:
    image = sitk.Image(11, 11, 10, sitk.sitkUInt8)
    image.SetDirection((1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8))
    assert superior_mm(image, 0) == pytest.approx(5 * 0.6)
    assert superior_mm(image, 5) == pytest.approx(5 * 0.6 + 5 * 0.8)
