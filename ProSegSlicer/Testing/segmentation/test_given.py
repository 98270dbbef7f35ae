"""Labels that a reader gives: in place on the image's grid, or refused."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_results import make_result

from proseg.errors import InputError
from proseg.segmentation.given import labels_on_grid


@pytest.fixture(params=["LPS", "RAI", "PSL"])
def pair(request: pytest.FixtureRequest) -> tuple[sitk.Image, sitk.Image]:
    """An oblique image and its labels."""
    result = make_result(request.param)
    return result.image, result.labelmap


def changed(image: sitk.Image, array: np.ndarray) -> sitk.Image:
    made = sitk.GetImageFromArray(array)
    made.CopyInformation(image)
    return made


def test_labels_on_the_same_grid_come_back_as_they_are(pair: tuple[sitk.Image, sitk.Image]) -> None:
    image, labels = pair
    placed = labels_on_grid(labels, image)
    assert np.array_equal(sitk.GetArrayFromImage(placed), sitk.GetArrayFromImage(labels))
    assert placed.GetOrigin() == image.GetOrigin()


def test_a_part_of_the_grid_is_put_in_place(pair: tuple[sitk.Image, sitk.Image]) -> None:
    image, labels = pair
    array = sitk.GetArrayFromImage(labels)
    kept = np.argwhere(array)
    low, high = kept.min(axis=0)[::-1].tolist(), (kept.max(axis=0) + 1)[::-1].tolist()
    part = labels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    assert np.array_equal(sitk.GetArrayFromImage(labels_on_grid(part, image)), array)


def test_another_grid_is_refused(pair: tuple[sitk.Image, sitk.Image]) -> None:
    image, labels = pair
    shifted, scaled, turned = (sitk.Image(labels) for _ in range(3))
    shifted.SetOrigin(np.add(labels.GetOrigin(), (0.3, 0, 0)).tolist())
    scaled.SetSpacing(np.multiply(labels.GetSpacing(), (1, 1.1, 1)).tolist())
    turned.SetDirection(np.multiply(labels.GetDirection(), -1).tolist())
    nowhere = sitk.Image(labels)
    nowhere.SetOrigin((float("nan"), 0, 0))
    for other in (shifted, scaled, turned, nowhere):
        with pytest.raises(InputError, match="does not lie on the image's grid"):
            labels_on_grid(other, image, "zones.nrrd")


def test_labels_that_are_no_zones_are_refused(pair: tuple[sitk.Image, sitk.Image]) -> None:
    image, labels = pair
    array = sitk.GetArrayFromImage(labels)
    with pytest.raises(InputError, match=r"zones\.nrrd holds the value 3"):
        labels_on_grid(changed(labels, np.where(array == 1, 3, array).astype(np.uint8)), image, "zones.nrrd")
    for value in (np.nan, 1.5, -1.0):
        with pytest.raises(InputError, match=f"holds the value {value:g}"):
            labels_on_grid(changed(labels, np.where(array == 1, value, array)), image)
    with pytest.raises(InputError, match="not one volume of labels"):
        labels_on_grid(sitk.Cast(labels, sitk.sitkComplexFloat32), image)
    empty = changed(labels, np.zeros_like(array))
    with pytest.raises(InputError, match="is empty"):
        labels_on_grid(empty, image)
    assert not sitk.GetArrayFromImage(labels_on_grid(empty, image, may_be_empty=True)).any()
    with pytest.raises(InputError, match="reaches beyond the image"):
        labels_on_grid(sitk.ConstantPad(labels, (1, 0, 0), (0, 0, 0)), image)
