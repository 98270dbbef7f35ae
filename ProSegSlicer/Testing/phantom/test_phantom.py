"""The generated examination: its truth, its anatomy and its independence of the grid."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from proseg.labels import CG, PZ
from proseg.phantom import Phantom, make_phantom

COARSE = {"size": (96, 96, 24), "spacing": (1.4, 1.4, 3.0)}


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make_phantom(seed=1)


def arrays(phantom: Phantom) -> tuple[np.ndarray, np.ndarray]:
    return sitk.GetArrayFromImage(phantom.image), sitk.GetArrayFromImage(phantom.zones)


def millilitres(phantom: Phantom) -> float:
    return float((arrays(phantom)[1] > 0).sum() * np.prod(phantom.zones.GetSpacing()) / 1000)


def centre_of(phantom: Phantom, labels: tuple[int, ...] = (PZ, CG)) -> np.ndarray:
    kji = np.argwhere(np.isin(arrays(phantom)[1], labels)).mean(axis=0)
    return np.array(phantom.zones.TransformContinuousIndexToPhysicalPoint(kji[::-1].tolist()))


def test_image_and_zones_share_one_grid_and_have_the_promised_types(phantom):
    assert phantom.image.GetSize() == (256, 256, 24)
    assert phantom.image.GetSpacing() == pytest.approx((0.7, 0.7, 3.0))
    assert phantom.image.IsSameImageGeometryAs(phantom.zones)
    assert phantom.image.GetPixelID() == sitk.sitkFloat32
    assert phantom.zones.GetPixelID() == sitk.sitkUInt8
    image, zones = arrays(phantom)
    assert np.isfinite(image).all()
    assert image.min() >= 0
    assert set(np.unique(zones)) == {0, PZ, CG}


def test_a_seed_gives_the_same_examination_again_and_another_seed_a_different_one():
    first, again, other = (make_phantom(seed, **COARSE) for seed in (3, 3, 4))
    for a, b, c in zip(arrays(first), arrays(again), arrays(other), strict=True):
        assert np.array_equal(a, b)
        assert not np.array_equal(a, c)


@pytest.mark.parametrize("gland_ml", [20.0, 45.0, 120.0])
def test_the_truth_has_the_requested_volume(gland_ml):
    for seed in (0, 1):
        phantom = make_phantom(seed, size=(100, 100, 44), spacing=(1.2, 1.2, 2.5), gland_ml=gland_ml)
        assert millilitres(phantom) == pytest.approx(gland_ml, rel=0.1)


def test_a_larger_gland_is_mostly_a_larger_central_gland():
    fractions = []
    for gland_ml in (30.0, 100.0):
        zones = arrays(make_phantom(2, size=(100, 100, 40), spacing=(1.2, 1.2, 2.5), gland_ml=gland_ml))[1]
        fractions.append((zones == PZ).sum() / (zones > 0).sum())
    assert 0.3 < fractions[0] < 0.5
    assert 0.15 < fractions[1] < 0.3


def test_the_peripheral_zone_lies_behind_and_below_the_central_gland(phantom):
    behind, above = (centre_of(phantom, (PZ,)) - centre_of(phantom, (CG,)))[1:]
    assert behind > 6  # mm, LPS: P grows backwards
    assert above < 0  # and S upwards


def test_the_base_is_central_gland_and_the_apex_mostly_peripheral_zone(phantom):
    zones = arrays(phantom)[1]
    levels = np.flatnonzero((zones > 0).any(axis=(1, 2)))

    def peripheral(fraction_from_apex: float) -> float:
        here = zones[levels[round(fraction_from_apex * (len(levels) - 1))]]
        return (here == PZ).sum() / (here > 0).sum()

    assert peripheral(1.0) == 0
    assert 0.1 < peripheral(0.75) < 0.45
    assert peripheral(0.2) > 0.5


def test_the_gland_is_one_piece_and_so_is_each_zone(phantom):
    for labels in ((PZ, CG), (PZ,), (CG,)):
        mask = sitk.GetImageFromArray(np.isin(arrays(phantom)[1], labels).astype(np.uint8))
        sizes = np.bincount(sitk.GetArrayFromImage(sitk.ConnectedComponent(mask)).ravel())[1:]
        assert sizes.max() > 0.99 * sizes.sum()


@pytest.mark.parametrize("seed", range(3))
def test_tissues_have_the_contrast_of_a_t2w_image(seed):
    phantom = make_phantom(seed, **COARSE)
    image, zones = arrays(phantom)

    def at(*points: tuple[float, float, float]) -> float:
        patches = []
        for point in points:
            i, j, k = phantom.image.TransformPhysicalPointToIndex(point)
            patches.append(image[k, j - 2 : j + 3, i - 2 : i + 3])
        return float(np.median(patches))

    urine, fat = at((0, -20, 33)), at((-28, 48, -24), (28, 48, -24))
    muscle = at((-42, -12, -24), (42, -12, -24), (-45, -12, -30), (45, -12, -30))
    peripheral, central = image[zones == PZ].mean(), image[zones == CG].mean()
    assert urine > fat > peripheral > central > muscle
    assert peripheral > 1.25 * central
    assert fat > 3 * muscle


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR", "SAL"])
def test_an_orientation_only_reorders_the_voxels(orientation):
    straight = make_phantom(5, **COARSE, tilt_degrees=12)
    turned = make_phantom(5, **COARSE, tilt_degrees=12, orientation=orientation)
    assert sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(turned.image.GetDirection()) == orientation
    for a, b in ((straight.image, turned.image), (straight.zones, turned.zones)):
        assert np.array_equal(*(sitk.GetArrayFromImage(sitk.DICOMOrient(x, "LPS")) for x in (a, b)))
        b = sitk.DICOMOrient(b, "LPS")
        assert b.GetOrigin() == pytest.approx(a.GetOrigin(), abs=1e-6)


def test_a_tilted_grid_samples_the_same_patient():
    straight = make_phantom(6, size=(90, 90, 50), spacing=(1.2, 1.2, 1.5))
    tilted = make_phantom(6, size=(90, 90, 50), spacing=(1.2, 1.2, 1.5), tilt_degrees=25)
    assert tilted.image.GetDirection()[4] == pytest.approx(np.cos(np.radians(25)))
    assert np.linalg.norm(centre_of(tilted) - centre_of(straight)) < 0.5
    back = sitk.Resample(tilted.zones, straight.zones, sitk.Transform(), sitk.sitkNearestNeighbor)
    a, b = arrays(straight)[1] > 0, sitk.GetArrayViewFromImage(back) > 0
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.95


def test_the_offset_moves_the_whole_patient():
    offset = (14.0, -8.4, 6.0)  # whole voxels
    still, moved = make_phantom(7, **COARSE), make_phantom(7, **COARSE, gland_offset_mm=offset)
    assert centre_of(moved) - centre_of(still) == pytest.approx(offset, abs=0.05)
    image, shifted = arrays(still)[0], np.roll(arrays(moved)[0], (-2, 6, -10), axis=(0, 1, 2))
    inner = (slice(3, -3), slice(10, -10), slice(12, -12))
    assert np.corrcoef(image[inner].ravel(), shifted[inner].ravel())[0, 1] > 0.95


@pytest.mark.parametrize(("size", "spacing"), [((200, 200, 40), (0.5, 0.5, 1.5)), ((100, 100, 20), (4.0, 4.0, 4.0))])
def test_any_field_of_view_shows_the_same_gland(size, spacing):
    phantom = make_phantom(8, size=size, spacing=spacing)
    assert millilitres(phantom) == pytest.approx(45, rel=0.1)
    assert np.linalg.norm(centre_of(phantom) - centre_of(make_phantom(8, **COARSE))) < 1


def test_a_wide_field_of_view_ends_in_air():
    image, _ = arrays(make_phantom(0, size=(100, 100, 12), spacing=(4.0, 4.0, 6.0)))
    assert image[:, :5].mean() < 0.1 * image[:, 45:55, 45:55].mean()


def test_without_a_prostate_the_truth_is_empty_and_the_pelvis_remains(phantom):
    without = make_phantom(seed=1, prostate=False)
    image, zones = arrays(without)
    assert not zones.any()
    away = np.s_[:, :, :70]  # the patient's right side
    with_image, with_zones = arrays(phantom)
    assert np.array_equal(image[away], with_image[away])
    assert np.abs(image - with_image)[with_zones > 0].mean() > 0.1 * image.mean()
