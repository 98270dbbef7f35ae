"""Worse examinations: each harm does what it says, and the truth goes along."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from proseg.phantom import Phantom
from training.data import degradations as d


def array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def volume_ml(labels: sitk.Image) -> float:
    return float((array(labels) > 0).sum() * np.prod(labels.GetSpacing()) / 1000)


def centre(labels: sitk.Image) -> np.ndarray:
    kji = np.argwhere(array(labels) > 0).mean(axis=0)
    return np.array(labels.TransformContinuousIndexToPhysicalPoint(kji[::-1].tolist()))


@pytest.mark.parametrize("harm", d.DEGRADATIONS, ids=lambda harm: harm.name)
def test_a_stronger_harm_changes_more_and_the_truth_stays_on_the_grid(harm: d.Degradation, phantom: Phantom) -> None:
    for strength in harm.strengths:
        worse = harm.degrade(phantom.image, strength)
        truth = d.on_grid(phantom.zones, worse, harm.degrade, strength)
        assert worse.IsSameImageGeometryAs(truth)
        assert np.isfinite(array(worse)).all()
        assert set(np.unique(array(truth))) <= {0, 1, 2}
        assert harm.name.format(strength) != harm.name
        if harm.degrade not in (d.cropped, d.enlarged):
            assert volume_ml(truth) == pytest.approx(volume_ml(phantom.zones), rel=0.05)
            assert np.linalg.norm(centre(truth) - centre(phantom.zones)) < 1.0  # mm: the patient stays where he is


@pytest.mark.parametrize(("degrade", "weak", "strong"), [(d.with_noise, 0.02, 0.1), (d.with_ghosts, 0.5, 2.0)])
def test_strength_is_strength(degrade: d.Degrade, weak: float, strong: float, phantom: Phantom) -> None:
    changes = [np.abs(array(degrade(phantom.image, s)) - array(phantom.image)).mean() for s in (weak, strong)]
    assert 0 < changes[0] < changes[1]


def test_noise_has_the_deviation_it_is_told(phantom: Phantom) -> None:
    bright = array(phantom.image) > np.percentile(array(phantom.image), 70)
    change = (array(d.with_noise(phantom.image, 0.05)) - array(phantom.image))[bright]
    assert change.std() == pytest.approx(0.05 * np.percentile(array(phantom.image), 99), rel=0.1)


def test_the_coil_is_brighter_behind_than_in_front(phantom: Phantom) -> None:
    gain = array(d.with_bias(phantom.image, 0.8)) / np.maximum(array(phantom.image), 1e-3)
    assert np.median(gain[:, -20:]) > 2 * np.median(gain[:, :20])


@pytest.mark.parametrize(("axis", "degrade", "spacing"), [(0, d.with_pixels, 2.0), (2, d.with_slices, 5.0)])
def test_coarser_voxels_are_means_of_finer_ones(
    axis: int, degrade: d.Degrade, spacing: float, phantom: Phantom
) -> None:
    worse = degrade(phantom.image, spacing)
    assert worse.GetSpacing()[axis] == spacing
    assert array(worse).mean() == pytest.approx(array(phantom.image).mean(), rel=0.05)
    flat = sitk.Image(phantom.image.GetSize(), sitk.sitkFloat32) + 7
    flat.CopyInformation(phantom.image)
    assert array(degrade(flat, spacing)) == pytest.approx(7, rel=1e-5)


def test_finer_voxels_than_asked_for_are_left_alone(phantom: Phantom) -> None:
    same = d.with_slices(phantom.image, 1.0)
    assert same.IsSameImageGeometryAs(phantom.image)
    assert np.array_equal(array(same), array(phantom.image))


def test_a_crop_keeps_the_middle_voxels(phantom: Phantom) -> None:
    worse = d.cropped(phantom.image, 90.0)
    assert worse.GetSize()[:2] == (100, 100)
    where = phantom.image.TransformPhysicalPointToIndex(worse.TransformIndexToPhysicalPoint((0, 0, 0)))
    assert array(worse)[3, 4, 5] == array(phantom.image)[where[2] + 3, where[1] + 4, where[0] + 5]


def test_a_turned_patient_is_turned_by_the_angle(phantom: Phantom) -> None:
    worse = d.rotated(phantom.image, 20.0)
    assert worse.GetDirection()[0] == pytest.approx(np.cos(np.radians(20)))
    middle = [(n - 1) / 2 for n in worse.GetSize()]
    assert np.allclose(*(image.TransformContinuousIndexToPhysicalPoint(middle) for image in (worse, phantom.image)))
    assert np.abs(array(worse) - array(phantom.image)).mean() > 0.05 * array(phantom.image).mean()


def test_an_enlarged_patient_has_a_gland_of_so_many_times_the_volume(phantom: Phantom) -> None:
    large, labels = (d.enlarged(image, 4.0) for image in (phantom.image, phantom.zones))
    assert np.prod(labels.GetSpacing()) == pytest.approx(4 * np.prod(phantom.zones.GetSpacing()))
    assert np.array_equal(sitk.GetArrayViewFromImage(large), sitk.GetArrayViewFromImage(phantom.image))


def test_ghosts_repeat_what_moves_along_the_phase_direction() -> None:
    pixels = np.zeros((1, 64, 64), np.float32)
    pixels[0, 32, 20:40] = 100
    point = sitk.GetImageFromArray(pixels)
    ghosts = array(d.with_ghosts(point, 1.0))
    assert ghosts[0, 22:27, 30].max() > 10  # an eighth of the field of view away
    assert ghosts[0, :, 5].max() < 1e-3  # not across it
