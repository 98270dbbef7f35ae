"""Harsh augmentation: each harm does what it is named for, and leaves the anatomy where it is."""

from __future__ import annotations

import numpy as np
import pytest

from training.data import harsh as module
from training.data.augment import Patches
from training.data.harsh import faded, foreign_contrast, harsh, moved, near_coil
from training.data.preprocess import Arrays

SHAPE = (6, 80, 80)
LABELS = np.zeros(SHAPE, np.uint8)
LABELS[1:5, 20:40, 25:55] = 2
LABELS[1:5, 40:55, 25:55] = 1
IMAGE = (0.3 + 0.1 * LABELS + 0.02 * np.random.default_rng(0).standard_normal(SHAPE)).astype(np.float32)


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def means(image: np.ndarray) -> list[float]:
    return [float(image[value == LABELS].mean()) for value in range(3)]


def test_synthetic_contrast_changes_tissues_against_each_other() -> None:
    changes = np.array(
        [np.subtract(means(foreign_contrast(IMAGE, LABELS, chance(n))), means(IMAGE)) for n in range(20)]
    )
    assert (changes[:, 1] - changes[:, 2]).std() > 0.05
    assert (np.sign(changes[:, 1] - changes[:, 2]) > 0).any()
    assert (np.sign(changes[:, 1] - changes[:, 2]) < 0).any()


def test_near_a_coil_it_is_brighter_behind_than_in_front() -> None:
    for seed in range(10):
        gain = near_coil(IMAGE, LABELS, chance(seed)) / IMAGE
        assert gain[:, 55:60, 40].mean() > gain[:, 20:25, 40].mean() > gain[:, :5, 40].mean()
        assert np.ptp(gain, axis=0).max() < 1e-4  # the same in every slice


def test_without_a_gland_there_is_no_place_for_a_coil() -> None:
    assert near_coil(IMAGE, np.zeros_like(LABELS), chance()) is IMAGE


def test_a_faded_image_has_less_contrast_and_more_noise_against_it() -> None:
    pale = faded(IMAGE, chance())
    assert np.ptp(means(pale)) < 0.85 * np.ptp(means(IMAGE))
    assert pale[LABELS == 1].std() / np.ptp(means(pale)) > 1.3 * IMAGE[LABELS == 1].std() / np.ptp(means(IMAGE))


def test_movement_makes_ghosts_and_keeps_what_there_is_of_signal() -> None:
    spread = []
    for seed in range(10):
        ghosted = moved(IMAGE, chance(seed))
        assert ghosted.mean() == pytest.approx(IMAGE.mean(), rel=0.02)
        assert np.corrcoef(ghosted.ravel(), IMAGE.ravel())[0, 1] > 0.7
        spread.append(np.abs(ghosted - IMAGE)[LABELS == 0].mean())
    assert max(spread) > 2 * min(spread)


def test_all_harms_together_leave_the_kind_of_array_and_the_given_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHANCE", 1.0)
    before = IMAGE.copy()
    found = harsh(IMAGE, LABELS, chance(4))
    assert (found.dtype, found.shape) == (np.float32, SHAPE)
    assert np.isfinite(found).all()
    assert not np.allclose(found, IMAGE, atol=0.05)
    assert (before == IMAGE).all()


def test_most_patches_have_one_harm_or_more_and_some_have_none() -> None:
    unharmed = sum(harsh(IMAGE, LABELS, chance(seed)) is IMAGE for seed in range(60))
    assert 0.2 < unharmed / 60 < 0.65


def test_a_harmed_patch_has_the_labels_of_the_same_patch_unharmed() -> None:
    wider = ((2, 2), (40, 40), (40, 40))
    case = Arrays("a", "A", "p", np.pad(IMAGE, wider).astype(np.float16), np.pad(LABELS, wider)[None], 3.0)
    plain, worse = (Patches([case], steps=6, seed=1, harsh=on) for on in (False, True))
    pairs = [(plain[step], worse[step]) for step in range(6)]
    assert all(one[1].equal(other[1]) for one, other in pairs)
    assert 1 <= sum(not one[0].equal(other[0]) for one, other in pairs) < 6
