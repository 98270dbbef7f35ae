"""Data-set layouts, each generated small, and the development data where present."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_datasets import labels, picture, row, write, write_manifest

from proseg.errors import InputError
from training.data.datasets import GLAND_UNKNOWN_ZONE, find_cases, load_image, load_labels, pooled_cases


def test_a_gland_only_case_says_that_its_zones_are_unknown(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"promise12_case02": "gland"})
    assert row(load_labels(find_cases(tmp_path)[0])) == [GLAND_UNKNOWN_ZONE] * 2 + [0] * 6


def test_of_a_case_in_two_folders_the_later_one_counts(tmp_path: Path) -> None:
    write_manifest(tmp_path / "cut", {"prostatex_0001": "zonal", "prostatex_0003": "zonal"})
    write_manifest(tmp_path / "native", {"prostatex_0002": "zonal", "prostatex_0001": "zonal"})
    found = {case.id: case.image.parts[-4] for case in pooled_cases([tmp_path / "cut", tmp_path / "native"])}
    assert list(found.items()) == [
        ("prostatex_0001", "native"),
        ("prostatex_0002", "native"),
        ("prostatex_0003", "cut"),
    ]


def test_labels_lie_on_the_grid_of_their_image(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"prostatex_0001": "zonal"})
    (case,) = find_cases(tmp_path)
    image, zones = load_image(case), load_labels(case)
    assert zones.GetPixelID() == sitk.sitkUInt8
    for of in (sitk.Image.GetSize, sitk.Image.GetSpacing, sitk.Image.GetOrigin, sitk.Image.GetDirection):
        assert of(zones) == of(image)


@pytest.mark.parametrize(("array", "origin"), [(labels(1)[:3], (-10, 5, 30)), (labels(1), (-9.5, 5, 30))])
def test_labels_of_another_grid_are_refused(tmp_path: Path, array: np.ndarray, origin: Sequence[float]) -> None:
    write_manifest(tmp_path, {"prostatex_0001": "zonal"})
    write(tmp_path / "zonal/prostatex_0001/zones.nii.gz", array, origin)
    with pytest.raises(InputError, match="does not lie on its image's grid"):
        load_labels(find_cases(tmp_path)[0])


def test_unknown_label_values_are_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"prostatex_0001": "zonal"})
    write(tmp_path / "zonal/prostatex_0001/zones.nii.gz", labels(1, 2, 5))
    with pytest.raises(InputError, match=r"unknown label values: \[5\]"):
        load_labels(find_cases(tmp_path)[0])


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"prostatex_0001": "zonal"})
    (case,) = find_cases(tmp_path)
    whole = case.image.read_bytes()
    case.image.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"t2\.nii\.gz cannot be read"):
        load_image(case)
    case.image.write_bytes(b"not an image")
    for load in (load_image, load_labels):
        with pytest.raises(InputError, match=r"t2\.nii\.gz cannot be read"):
            load(case)


def test_an_image_of_vectors_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"prostatex_0001": "zonal"})
    (case,) = find_cases(tmp_path)
    sitk.WriteImage(sitk.GetImageFromArray(np.stack([picture()] * 3, axis=-1), isVector=True), str(case.image))
    with pytest.raises(InputError, match="several values per voxel"):
        load_image(case)


def test_a_wrong_folder_or_layout_is_refused_with_a_next_step(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder") as caught:
        find_cases(tmp_path / "missing")
    assert caught.value.remedy
    with pytest.raises(InputError, match="holds no cases of any known data set"):
        find_cases(tmp_path)
    with pytest.raises(InputError, match="holds no cases of the msd layout"):
        find_cases(tmp_path, "msd")
    with pytest.raises(InputError, match="Use auto or one of manifest, promise12"):
        find_cases(tmp_path, "atlas")
