"""Data-set layouts, each generated small, and the development data where present."""

from __future__ import annotations

import csv
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from proseg.errors import InputError
from training.data.datasets import GLAND_UNKNOWN_ZONE, find_cases, load_image, load_labels

SHAPE = (4, 6, 8)  # k, j, i


def write(path: Path, array: np.ndarray, origin: Sequence[float] = (-10.0, 5.0, 30.0)) -> Path:
    image = sitk.GetImageFromArray(array, isVector=False)
    image.SetSpacing((0.5, 0.5, 3.0, 1.0)[: array.ndim])
    image.SetOrigin((*origin, 0.0)[: array.ndim])
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def picture(value: int = 7) -> np.ndarray:
    return np.full(SHAPE, value, np.int16)


def labels(*values: int) -> np.ndarray:
    """One row of voxels with each of the values, the rest background."""
    array = np.zeros(SHAPE, np.uint8)
    array[1, 2, : len(values)] = values
    return array


def row(image: sitk.Image) -> list[int]:
    return sitk.GetArrayFromImage(image)[1, 2].tolist()


def write_manifest(root: Path, cases: dict[str, str]) -> None:
    for case, group in cases.items():
        write(root / group / case / "t2.nii.gz", picture())
        write(root / group / case / ("gland.nii.gz" if group == "gland" else "zones.nii.gz"), labels(1, 1))
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("case", "group"), *cases.items()])


def test_the_manifest_tells_source_and_patient(tmp_path: Path) -> None:
    expected = {
        "promise12_test_case00_msd20": ("zonal", "PROMISE12 + MSD zones", "msd-20"),
        "promise12_train_case15_isbi3t0005": ("zonal", "PROSTATE-3T (NCI-ISBI)", "prostate3t-0005"),
        "prostate3t-01-0005": ("zonal", "PROSTATE-3T (NCI-ISBI)", "prostate3t-0005"),
        "prostatedx-01-0005": ("zonal", "PROSTATE-DIAGNOSIS (NCI-ISBI)", "prostatedx-01-0005"),
        "prostate158_valid_020": ("zonal", "Prostate158", "prostate158-020"),
        "prostatex_0004": ("zonal", "PROSTATEx", "prostatex-0004"),
        "promise12_case02": ("gland", "PROMISE12 gland", "promise12_case02"),
        "promise12_test_case02": ("gland", "PROMISE12 gland", "promise12_test_case02"),
        "somewhere_else_1": ("zonal", "other", "somewhere_else_1"),
    }
    write_manifest(tmp_path, {case: group for case, (group, _, _) in expected.items()})
    cases = find_cases(tmp_path)
    assert [case.id for case in cases] == sorted(expected)
    for case in cases:
        group, source, patient = expected[case.id]
        assert (case.source, case.patient, case.has_zones) == (source, patient, group == "zonal")


def test_a_gland_only_case_says_that_its_zones_are_unknown(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"promise12_case02": "gland"})
    assert row(load_labels(find_cases(tmp_path)[0])) == [GLAND_UNKNOWN_ZONE] * 2 + [0] * 6


def test_the_second_reader_is_read_where_there_is_one(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"prostatex_0001": "zonal", "prostatex_0002": "zonal"})
    write(tmp_path / "zonal/prostatex_0001/zones_reader2.nii.gz", labels(2, 1))
    both, one = find_cases(tmp_path)
    assert row(load_labels(both, reader=2))[:2] == [2, 1]
    with pytest.raises(InputError, match="no second reader"):
        load_labels(one, reader=2)


def test_a_manifest_case_without_its_files_is_named(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"prostatex_0001": "zonal"})
    (tmp_path / "zonal/prostatex_0001/zones.nii.gz").unlink()
    with pytest.raises(InputError, match=r"zones\.nii\.gz is in the manifest but not on disk"):
        find_cases(tmp_path)


def test_a_foreign_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("name,age\na,1\n")
    with pytest.raises(InputError, match="lacks the columns"):
        find_cases(tmp_path)


def test_promise12_gives_glands(tmp_path: Path) -> None:
    write(tmp_path / "TrainingData_Part1/Case00.mhd", picture())
    write(tmp_path / "TrainingData_Part1/Case00_segmentation.mhd", labels(1))
    write(tmp_path / "TrainingData_Part2/Case17.mhd", picture())
    write(tmp_path / "TrainingData_Part2/Case17_segmentation.mhd", labels(1))
    write(tmp_path / "TestData/Case03.mhd", picture())
    cases = find_cases(tmp_path)
    assert [case.id for case in cases] == ["promise12_case00", "promise12_case17"]
    assert row(load_labels(cases[0]))[:2] == [GLAND_UNKNOWN_ZONE, 0]


def test_prostate158_labels_are_turned_round(tmp_path: Path) -> None:
    folder = tmp_path / "prostate158_train/train/020"
    write(folder / "t2.nii.gz", picture())
    write(folder / "adc.nii.gz", picture())
    write(folder / "t2_anatomy_reader1.nii.gz", labels(1, 2))
    write(folder / "t2_anatomy_reader2.nii.gz", labels(2, 2))
    (case,) = find_cases(tmp_path)
    assert (case.id, case.source, case.patient) == ("prostate158_020", "Prostate158", "prostate158-020")
    assert row(load_labels(case))[:2] == [2, 1]
    assert row(load_labels(case, reader=2))[:2] == [1, 1]


def test_msd_gives_the_t2_channel(tmp_path: Path) -> None:
    root = tmp_path / "Task05_Prostate"
    write(root / "imagesTr/prostate_00.nii.gz", np.stack([picture(7), picture(9)]))
    write(root / "labelsTr/prostate_00.nii.gz", labels(1, 2))
    (case,) = find_cases(tmp_path)
    image = load_image(case)
    assert (image.GetDimension(), image.GetPixelID()) == (3, sitk.sitkFloat32)
    assert np.unique(sitk.GetArrayFromImage(image)).tolist() == [7]
    assert row(load_labels(case))[:3] == [1, 2, 0]
    assert case.patient == "msd-00"


@pytest.fixture
def cuocolo(tmp_path: Path) -> Path:
    root = tmp_path / "PROSTATEx_masks/Files/prostate"
    for number in (0, 81, 202, 203):
        write(root / f"Images/ProstateX-{number:04d}_t2_tse_tra_4.nii.gz", picture())
    for stem in ("ProstateX-0000", "ProstateX-081", "VOLUME-0202"):
        write(root / f"mask_pz/{stem}_pz.nii.gz", labels(1, 2, 0, 1))
        write(root / f"mask_tz/{stem}_tz.nii.gz", labels(0, 0, 1, 1))
    for stem in ("ProstateX-0000", "ProstateX-203", "ProstateX-0300"):
        write(root / f"mask_prostate/{stem}.nii.gz", labels(1, 1, 1, 1))
    (root / "Images/._ProstateX-0300_t2_tse_tra_4.nii.gz").write_bytes(b"\0\5\x16\7")
    return tmp_path


def test_cuocolo_masks_are_matched_by_number_and_combined(cuocolo: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        cases = {case.id: case for case in find_cases(cuocolo)}
    assert list(cases) == ["prostatex_0000", "prostatex_0081", "prostatex_0202", "prostatex_0203"]
    for number in ("0000", "0081", "0202"):
        assert row(load_labels(cases[f"prostatex_{number}"]))[:5] == [1, 1, 2, 1, 0]
    assert row(load_labels(cases["prostatex_0203"]))[:5] == [GLAND_UNKNOWN_ZONE] * 4 + [0]
    assert not cases["prostatex_0203"].has_zones
    assert "0300" in caplog.text  # it has only macOS's hidden file for an image


def test_meyer_zones_are_merged_to_the_central_gland(tmp_path: Path) -> None:
    write(tmp_path / "images/ProstateX-0004/4 t2_tse_tra.nrrd", picture())
    write(tmp_path / "images/ProstateX-0004/3 t2_tse_sag.nrrd", picture())
    write(tmp_path / "GT Export/Train/ProstateX-0004/zones.nrrd", labels(1, 2, 3, 4))
    (case,) = find_cases(tmp_path)
    assert (case.id, case.patient) == ("prostatex_0004", "prostatex-0004")
    assert row(load_labels(case))[:5] == [1, 2, 2, 2, 0]


def test_meyer_zones_in_several_files_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "ProstateX-0004/PZ.nrrd", labels(1))
    write(tmp_path / "ProstateX-0004/TZ.nrrd", labels(0, 1))
    with pytest.raises(InputError, match="more than one label file"):
        find_cases(tmp_path, "prostatex_meyer")


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


def test_the_development_data_has_the_volumes_of_its_manifest(shared_data: Path) -> None:
    cases = find_cases(shared_data)
    with (shared_data / "manifest.csv").open(newline="") as file:
        rows = {line["case"]: line for line in csv.DictReader(file)}
    assert {case.id for case in cases} == set(rows)
    assert len({case.patient for case in cases}) == len(cases)
    for case in cases[::16]:
        zones = load_labels(case)
        array, voxel_ml = sitk.GetArrayViewFromImage(zones), np.prod(zones.GetSpacing()) / 1000
        wanted = {"pz_ml": 1, "cg_ml": 2} if case.has_zones else {"gland_ml": GLAND_UNKNOWN_ZONE}
        for column, value in wanted.items():
            assert (array == value).sum() * voxel_ml == pytest.approx(float(rows[case.id][column]), abs=0.06)
