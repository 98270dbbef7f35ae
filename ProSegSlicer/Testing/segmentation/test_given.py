"""Labels that a reader gives: in place on the image's grid, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_results import make_result

from proseg.errors import InputError
from proseg.labels import CG, PZ
from proseg.outputs.writing import write_result
from proseg.segmentation.given import labels_on_grid, read_labels


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


def tilt(angle: float) -> np.ndarray:
    """A rotation about the patient's long axis, radians."""
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SAR", "PIL"])
def test_labels_whose_axes_run_otherwise_are_turned(pair: tuple[sitk.Image, sitk.Image], axes: str) -> None:
    image, labels = pair
    turned = labels_on_grid(sitk.DICOMOrient(labels, axes), image)
    assert np.array_equal(sitk.GetArrayFromImage(turned), sitk.GetArrayFromImage(labels))
    assert turned.GetDirection() == image.GetDirection()


def test_another_grid_is_refused(pair: tuple[sitk.Image, sitk.Image]) -> None:
    image, labels = pair
    shifted, scaled, turned = (sitk.Image(labels) for _ in range(3))
    shifted.SetOrigin(np.add(labels.GetOrigin(), (0.3, 0, 0)).tolist())
    scaled.SetSpacing(np.multiply(labels.GetSpacing(), (1, 1.1, 1)).tolist())
    turned.SetDirection((tilt(0.01) @ np.reshape(labels.GetDirection(), (3, 3))).ravel().tolist())
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


@pytest.fixture
def segmentation(tmp_path: Path) -> sitk.Image:
    """What a ``.seg.nrrd`` file holds, with its header."""
    write_result(make_result(), tmp_path / "zones.seg.nrrd")
    return sitk.ReadImage(str(tmp_path / "zones.seg.nrrd"))


def again(image: sitk.Image, path: Path, values: np.ndarray | None = None, **fields: str) -> Path:
    """The file once more, with other values, or other fields of its header."""
    made = image
    if values is not None:
        made = sitk.GetImageFromArray(values, isVector=values.ndim == 4)
        made.CopyInformation(image)
        for key in image.GetMetaDataKeys():
            if key.startswith("Segment"):
                made.SetMetaData(key, image.GetMetaData(key))
    for key, value in fields.items():
        made.SetMetaData(key, value)
    sitk.WriteImage(made, str(path))
    return path


def zones_of(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(read_labels(path))


def test_the_header_of_a_segmentation_says_which_label_is_which_zone(segmentation: sitk.Image, tmp_path: Path) -> None:
    array = sitk.GetArrayFromImage(segmentation)
    swapped = np.choose(array, [0, 2, 1]).astype(np.uint8)
    path = again(segmentation, tmp_path / "a.seg.nrrd", swapped, Segment0_LabelValue="2", Segment1_LabelValue="1")
    assert np.array_equal(zones_of(path), array)


def test_a_lesion_is_left_out_though_it_bears_the_code_of_a_zone(segmentation: sitk.Image, tmp_path: Path) -> None:
    array = sitk.GetArrayFromImage(segmentation)
    with_lesion = np.stack([array, np.roll(array == PZ, 2, axis=1)], axis=-1).astype(np.uint8)
    lesion = {"ID": "Segment_1", "Name": "Lesion", "LabelValue": "1", "Layer": "1"}
    lesion["Tags"] = segmentation.GetMetaData("Segment1_Tags")
    fields = {f"Segment2_{key}": value for key, value in lesion.items()}
    assert np.array_equal(zones_of(again(segmentation, tmp_path / "a.seg.nrrd", with_lesion, **fields)), array)


@pytest.mark.parametrize("fields", [{"Name": "peripheral zone ", "Tags": ""}, {"Name": "Segment_1"}])
def test_a_zone_that_another_program_drew_is_known_by_its_name_or_its_code(
    fields: dict[str, str], segmentation: sitk.Image, tmp_path: Path
) -> None:
    named = {f"Segment0_{key}": value for key, value in fields.items()}
    path = again(segmentation, tmp_path / "a.seg.nrrd", Segment0_ID="Segment_7", **named)
    assert np.array_equal(zones_of(path), sitk.GetArrayFromImage(segmentation))


def test_segments_that_are_no_zones_or_no_two_are_refused(segmentation: sitk.Image, tmp_path: Path) -> None:
    array = sitk.GetArrayFromImage(segmentation)
    path = tmp_path / "a.seg.nrrd"
    overlapping = np.stack([array > 0, array == CG], axis=-1).astype(np.uint8)
    for sentence, values, fields in (
        ("overlap, in", overlapping, {"Segment1_Layer": "1", "Segment1_LabelValue": "1"}),
        ("segments that are the peripheral zone", array, {"Segment1_ID": "PZ"}),
        ("lies where there is nothing", array, {"Segment0_Layer": "3"}),
        ("numbers no label", array, {"Segment0_LabelValue": "9" * 5000}),
    ):
        with pytest.raises(InputError, match=sentence):
            read_labels(again(segmentation, path, values, **fields))
    other = {f"Segment{n}_{key}": "Bladder" for n in (0, 1) for key in ("ID", "Name", "Tags")}
    with pytest.raises(InputError, match="None of the segments"):
        read_labels(again(segmentation, path, array, **other))
