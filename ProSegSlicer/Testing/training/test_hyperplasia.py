"""Grown and shrunk central glands: zones give way to each other, image and labels together, and nothing folds."""

from __future__ import annotations

import numpy as np
import pytest

from training import hyperplasia as module
from training.augment import Crops
from training.hyperplasia import CHANGE, hyperplasia
from training.preprocess import Arrays

SHAPE = (8, 96, 112)
KS, JS, IS = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
INSIDE = (KS >= 2) & (KS < 6)
FROM_AXIS = np.hypot((JS - 48) / 16, (IS - 56) / 20)
LABELS = np.select([INSIDE & (FROM_AXIS < 1), INSIDE & (FROM_AXIS < 1.4)], [2, 1], 0).astype(np.uint8)
IMAGE = (0.2 + 0.3 * LABELS).astype(np.float32)


def changed(
    monkeypatch: pytest.MonkeyPatch, change: float, image: np.ndarray = IMAGE, labels: np.ndarray = LABELS
) -> tuple[np.ndarray, np.ndarray]:
    monkeypatch.setattr(module, "CHANCE", 1.0)
    monkeypatch.setattr(module, "CHANGE", (change, change))
    monkeypatch.setattr(module, "REACH", (1.2, 1.2))
    return hyperplasia(image, labels, np.random.default_rng(0))


def sizes(labels: np.ndarray) -> np.ndarray:
    return np.bincount(labels.ravel(), minlength=3)


def test_a_grown_central_gland_is_larger_and_presses_the_peripheral_zone_to_a_rim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, grown = changed(monkeypatch, CHANGE[1])
    middle = grown[4, 48]
    was = LABELS[4, 48]
    assert sizes(grown)[2] > 1.25 * sizes(LABELS)[2]
    assert (middle == 1).sum() < 0.8 * (was == 1).sum()
    assert (middle == 1).any()


def test_a_shrunk_central_gland_is_smaller_and_leaves_room_for_the_peripheral_zone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, shrunk = changed(monkeypatch, CHANGE[0])
    assert sizes(shrunk)[2] < 0.85 * sizes(LABELS)[2]
    assert (shrunk[4, 48] == 1).sum() > 1.1 * (LABELS[4, 48] == 1).sum()


@pytest.mark.parametrize("change", CHANGE)
def test_from_the_centre_outwards_zones_keep_their_order(monkeypatch: pytest.MonkeyPatch, change: float) -> None:
    _, labels = changed(monkeypatch, change)
    for ray in (labels[4, 48, 56:], labels[4, 48, 56::-1], labels[4, 48:, 56], labels[4, 48::-1, 56]):
        assert (np.diff(ray.astype(int)) <= 0).all()
        assert set(ray) == {0, 1, 2}


@pytest.mark.parametrize("change", CHANGE)
def test_image_and_labels_move_together(monkeypatch: pytest.MonkeyPatch, change: float) -> None:
    image, labels = changed(monkeypatch, change)
    assert (image.dtype, labels.dtype, image.shape) == (np.float32, np.uint8, SHAPE)
    assert np.abs(image - (0.2 + 0.3 * labels)).mean() < 0.5 * np.abs(image - IMAGE).mean()
    assert np.corrcoef(image.ravel(), labels.ravel())[0, 1] > 0.97


def test_what_is_far_from_the_central_gland_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    image = IMAGE + 0.1 * np.random.default_rng(1).random(SHAPE, np.float32)
    grown, labels = changed(monkeypatch, CHANGE[1], image=image)
    far = np.broadcast_to(FROM_AXIS > 2.2, SHAPE)
    assert np.abs(grown - image)[far].max() < 1e-4
    assert np.abs(grown - image)[4, 40:56, 45:67].max() > 0.01
    assert grown[0] == pytest.approx(image[0], abs=0.05)
    assert (labels[0] == LABELS[0]).all()


def test_without_a_known_central_gland_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    only_gland = np.where(LABELS > 0, 3, 0).astype(np.uint8)
    image, labels = changed(monkeypatch, CHANGE[1], labels=only_gland)
    assert image is IMAGE
    assert labels is only_gland


def test_some_crops_are_changed_and_most_are_not() -> None:
    same = sum(hyperplasia(IMAGE, LABELS, np.random.default_rng(seed))[0] is IMAGE for seed in range(60))
    assert 0.4 < same / 60 < 0.8


def test_crops_show_it_where_they_are_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    wider = ((4, 4), (40, 40), (40, 40))
    case = Arrays("a", "s", 3.0, np.pad(IMAGE, wider), np.pad(LABELS, wider)[None], 0.5)
    monkeypatch.setattr(module, "CHANCE", 1.0)
    monkeypatch.setattr(module, "CHANGE", (CHANGE[1], CHANGE[1]))
    share = []
    for told in (False, True):
        labels = [Crops([case], 8, 3, hyperplasia=told)[step][1] for step in range(8)]
        share.append(sum(int((found == 2).sum()) for found in labels) / sum(int((found > 0).sum()) for found in labels))
    assert share[1] > share[0] + 0.03
