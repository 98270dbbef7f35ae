"""Where each known data set keeps images and labels, and what its values mean."""

from __future__ import annotations

import csv
import logging
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_datasets import labels, picture, row, write, write_manifest

from proseg.errors import InputError
from training.data.datasets import GLAND_UNKNOWN_ZONE, find_cases, load_image, load_labels


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
