"""Cases as arrays: anatomy, volumes and readers survive, and loading them needs no SimpleITK."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from proseg.model.preprocessing import PIXEL_MM
from training.data import preprocess
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.data.layouts import Case
from training.data.preprocess import Arrays, load, prepare, save

SIZE, SPACING = (100, 90, 12), (0.5, 0.5, 3.5)  # i, j, k


def volume(array: np.ndarray, spacing: tuple[float, ...] = SPACING) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin((-20.0, 15.0, -40.0))
    return image


def zones(shape: tuple[int, ...] = SIZE[::-1], mid_row: float = 0.0) -> np.ndarray:
    """An ellipsoid whose part behind ``mid_row`` is PZ, the rest CG; coordinates run from -1 to 1."""
    k, j, i = (np.linspace(-1, 1, n).reshape(np.roll([n, 1, 1], axis)) for axis, n in enumerate(shape))
    gland = (k / 0.7) ** 2 + ((j - 0.1) / 0.5) ** 2 + (i / 0.6) ** 2 < 1
    return np.where(gland, np.where(j > mid_row, 1, 2), 0).astype(np.uint8)


def picture(labels: np.ndarray) -> np.ndarray:
    """Brighter in the zones; one bright block in the patient's right, anterior, inferior corner."""
    image = 100 + 50 * labels.astype(np.float32) + np.random.default_rng(0).normal(0, 2, labels.shape)
    image[:3, :15, :15] = 900
    return image.astype(np.float32)


def write_case(
    folder: Path,
    labels: np.ndarray,
    spacing: tuple[float, ...] = SPACING,
    orientation: str = "LPS",
    second: bool = False,
) -> Case:
    """A case of the manifest's layout whose files are stored in ``orientation``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in {"t2": picture(labels), "zones": labels, "zones_reader2": zones(labels.shape, 0.3)}.items():
        if second or name != "zones_reader2":
            image = sitk.DICOMOrient(volume(array, spacing), orientation)
            sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))
    reader2 = folder / "zones_reader2.nii.gz" if second else None
    return Case("c1", "A", folder / "t2.nii.gz", "p1", zones=folder / "zones.nii.gz", zones_reader2=reader2)


def millilitres(labels: np.ndarray, voxel_mm3: float) -> list[float]:
    return [np.count_nonzero(labels == zone) * voxel_mm3 / 1000 for zone in (1, 2)]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return write_case(tmp_path_factory.mktemp("case"), zones(), second=True)


@pytest.fixture(scope="module")
def arrays(case: Case) -> Arrays:
    return prepare(case)


def test_a_case_comes_to_the_grid_of_the_network(arrays: Arrays) -> None:
    assert (arrays.id, arrays.source, arrays.patient) == ("c1", "A", "p1")
    assert arrays.image.shape == (12, round(90 * 0.5 / PIXEL_MM), round(100 * 0.5 / PIXEL_MM))
    assert arrays.labels.shape == (2, *arrays.image.shape)
    assert (arrays.image.dtype, arrays.labels.dtype) == (np.float16, np.uint8)
    assert arrays.slice_mm == pytest.approx(3.5)


def test_zones_keep_their_volumes(arrays: Arrays) -> None:
    before = millilitres(zones(), np.prod(SPACING))
    after = millilitres(arrays.labels[0], PIXEL_MM**2 * arrays.slice_mm)
    assert after == pytest.approx(before, rel=0.02)


def test_thin_slices_become_3_mm_slices_and_zones_keep_their_volumes(tmp_path: Path) -> None:
    thin, spacing = zones((60, 80, 80)), (0.8, 0.8, 1.0)
    made = prepare(write_case(tmp_path, thin, spacing))
    assert (made.slice_mm, made.image.shape[0]) == (3.0, 20)
    after = millilitres(made.labels[0], PIXEL_MM**2 * 3.0)
    assert after == pytest.approx(millilitres(thin, np.prod(spacing)), rel=0.05)


def test_intensities_run_from_0_to_1_and_follow_the_image(arrays: Arrays) -> None:
    image, labels = arrays.image.astype(np.float32), arrays.labels[0]
    assert 0 == image.min() < image.max() <= 1.2
    np.testing.assert_allclose(np.percentile(image, [0.5, 99.5]), [0, 1], atol=0.01)
    background, pz, cg = (np.median(image[labels == zone]) for zone in range(3))
    assert background < pz < cg


def test_axes_grow_to_superior_posterior_and_left(arrays: Arrays) -> None:
    assert (arrays.image[:2, :8, :8] == arrays.image.max()).all()  # right, anterior, inferior
    pz, cg = (np.argwhere(arrays.labels[0] == zone).mean(axis=0) for zone in (1, 2))
    assert pz[1] > cg[1] + 5


@pytest.mark.parametrize("orientation", ["RAS", "LAI", "PSL"])
def test_the_order_in_which_voxels_are_stored_changes_nothing(tmp_path: Path, arrays: Arrays, orientation: str) -> None:
    other = prepare(write_case(tmp_path, zones(), orientation=orientation, second=True))
    np.testing.assert_array_equal(other.image, arrays.image)
    np.testing.assert_array_equal(other.labels, arrays.labels)
    assert other.slice_mm == pytest.approx(arrays.slice_mm)


def test_gain_and_offset_of_the_scanner_change_nothing(tmp_path: Path, case: Case, arrays: Arrays) -> None:
    image = sitk.ReadImage(str(case.image)) * 3.5 + 40
    sitk.WriteImage(image, str(tmp_path / "t2.nii.gz"))
    other = prepare(replace(case, image=tmp_path / "t2.nii.gz"))
    np.testing.assert_allclose(other.image, arrays.image, atol=1e-3)


def test_an_image_of_one_value_does_no_harm(tmp_path: Path, case: Case) -> None:
    sitk.WriteImage(volume(np.full(SIZE[::-1], 7, np.float32)), str(tmp_path / "t2.nii.gz"))
    assert np.isfinite(prepare(replace(case, image=tmp_path / "t2.nii.gz")).image).all()


def test_each_reader_has_labels_of_their_own(arrays: Arrays) -> None:
    voxel = PIXEL_MM**2 * arrays.slice_mm
    for labels, truth in zip(arrays.labels, (zones(), zones(mid_row=0.3)), strict=True):
        assert millilitres(labels, voxel) == pytest.approx(millilitres(truth, np.prod(SPACING)), rel=0.06)


def test_one_reader_makes_one_label_map(case: Case, arrays: Arrays) -> None:
    alone = prepare(replace(case, zones_reader2=None))
    np.testing.assert_array_equal(alone.labels, arrays.labels[:1])


def test_a_gland_only_case_is_not_zonal(case: Case, arrays: Arrays) -> None:
    gland = prepare(replace(case, zones=None, zones_reader2=None, gland=case.zones))
    assert arrays.zonal
    assert not gland.zonal
    assert np.unique(gland.labels).tolist() == [0, GLAND_UNKNOWN_ZONE]
    differ = (gland.labels[0] > 0) != (arrays.labels[0] > 0)
    assert differ.mean() < 0.005  # only where PZ, CG and background meet in one voxel


def test_saved_arrays_come_back_as_they_were_in_order_of_id(tmp_path: Path, arrays: Arrays) -> None:
    for case_id in ("b", "a"):
        save(replace(arrays, id=case_id, labels=arrays.labels[: 1 + (case_id == "a")]), tmp_path)
    first, second = load(tmp_path)
    assert (first.id, second.id) == ("a", "b")
    assert (len(first.labels), len(second.labels)) == (2, 1)
    assert (first.source, first.patient, first.slice_mm) == (arrays.source, arrays.patient, arrays.slice_mm)
    assert (type(first.id), type(first.slice_mm)) == (str, float)
    for name in ("image", "labels"):
        there, back = getattr(arrays, name), getattr(first, name)
        assert there.dtype == back.dtype
        np.testing.assert_array_equal(there, back)


def test_a_truncated_gland_gets_its_rim_back(tmp_path: Path) -> None:
    whole = zones()
    short = whole * ndimage.binary_erosion(whole > 0, np.ones((1, 3, 3)))  # a pixel, twice what is given back
    made = {name: prepare(write_case(tmp_path / name, drawn)) for name, drawn in (("whole", whole), ("short", short))}
    grown = prepare(write_case(tmp_path / "short", short), grow=True).labels
    less, more = (np.count_nonzero(made[name].labels) for name in ("short", "whole"))
    assert np.count_nonzero(grown) == pytest.approx((less + more) / 2, rel=0.03)
    assert set(np.unique(grown)) == {0, GLAND_UNKNOWN_ZONE}


def test_the_command_prepares_a_whole_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, out = tmp_path / "data", tmp_path / "new" / "arrays"
    for name in ("prostatex_0001", "prostatex_0002"):
        write_case(data / "zonal" / name, zones((5, 30, 30)))
    (data / "manifest.csv").write_text("case,group\nprostatex_0001,zonal\nprostatex_0002,zonal\n")
    monkeypatch.setattr(sys, "argv", ["preprocess", "--data", str(data), "--out", str(out)])
    preprocess.main()
    assert [(case.id, case.source, case.patient) for case in load(out)] == [
        ("prostatex_0001", "PROSTATEx", "prostatex-0001"),
        ("prostatex_0002", "PROSTATEx", "prostatex-0002"),
    ]


def test_training_on_arrays_needs_no_simpleitk() -> None:
    modules = "training.data.preprocess, training.data.augment, training.fit.train"
    program = f"import sys; sys.modules['SimpleITK'] = None; import {modules}"
    folders = [str(Path(preprocess.__file__).parents[2]), str(Path(preprocess.__file__).parents[2] / "ProSegSlicer")]
    program = f"import sys; sys.path[:0] = {folders}; {program}"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
