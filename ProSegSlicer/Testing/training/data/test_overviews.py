"""Whole-image views for the locator: real and generated, with and without a prostate, in and out of a larger field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from proseg.model.network import IN_PLANE_MULTIPLE
from proseg.model.preprocessing import LOCATOR_PIXEL_MM, PIXEL_MM
from training.data import overviews
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.data.overviews import SHAPES, Overviews, overview
from training.data.preprocess import Arrays

View = tuple[Tensor, Tensor, float]
SMALL = ((6, 32), (8, 48))  # the tests are fast with these
COUNT = 40


def make_case() -> Arrays:
    """130 mm, 8 slices; a gland that widens to its base; PZ behind CG, further on the patient's left, and brighter."""
    k, j, i = np.ogrid[:8, :186, :186]
    gland = np.hypot((j - 93) / (24 + 2 * k), (i - 93) / (30 + 2 * k)) < 1
    zones = np.where(gland, np.where((j > 96) & (i > 80), 1, 2), 0).astype(np.uint8)
    noise = np.random.default_rng(0).standard_normal(zones.shape)
    image = (0.2 + np.choose(zones, [0, 0.6, 0.3]) + 0.03 * noise).astype(np.float16)
    return Arrays("a", "A", "p", image, zones[None], 3.0)


def without_zones(case: Arrays) -> Arrays:
    return replace(case, labels=(case.labels > 0).astype(np.uint8) * np.uint8(GLAND_UNKNOWN_ZONE))


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overviews, "SHAPES", SMALL)
        patch.setattr(overviews, "PHANTOMS", 1)
        yield


@pytest.fixture(scope="module")
def views(_small: None) -> list[View]:
    """Views whose kind their labels tell: real ones have glands of unknown zone, generated ones zones or nothing."""
    dataset = Overviews([without_zones(make_case())], steps=COUNT, seed=5)
    return [dataset[step] for step in range(len(dataset))]


def test_the_network_takes_every_shape() -> None:
    assert all(size % IN_PLANE_MULTIPLE == 0 for _, size in SHAPES)
    assert max(depth for depth, _ in SHAPES) <= overviews.PHANTOM_SLICES
    assert max(size for _, size in SHAPES) <= overviews.PHANTOM_PIXELS


def test_a_view_depends_on_the_seed_and_the_step_alone() -> None:
    one, two = (Overviews([make_case()], steps=10, seed=5) for _ in range(2))
    two[0]  # that other views were made before changes nothing
    for step in range(4):
        image, labels, slice_mm = one[step]
        again, labels_again, slice_mm_again = two[step]
        assert torch.equal(image, again)
        assert torch.equal(labels, labels_again)
        assert slice_mm == slice_mm_again
    for other in (one[4], Overviews([make_case()], steps=10, seed=6)[3]):
        assert image.shape != other[0].shape or not torch.equal(image, other[0])


def test_a_resumed_run_gets_the_views_it_had_not_had() -> None:
    whole, rest = Overviews([make_case()], steps=10, seed=5), Overviews([make_case()], steps=10, seed=5, start=4)
    assert torch.equal(whole[6][0], rest[2][0])


def test_views_have_the_listed_shapes_and_kinds(views: list[View]) -> None:
    for image, labels, _ in views:
        assert (image.dtype, labels.dtype) == (torch.float32, torch.int64)
        assert image.shape == labels.shape
        assert image.isfinite().all()
    assert {tuple(image.shape) for image, _, _ in views} == {(1, depth, size, size) for depth, size in SMALL}


def test_views_are_normalised(views: list[View]) -> None:
    for image, _, _ in views:
        inside = image[image != 0]
        assert abs(inside.mean()) < 0.01
        assert abs(inside.std() - 1) < 0.02


def test_most_views_are_real_some_generated_and_a_few_without_a_prostate(views: list[View]) -> None:
    kinds = [frozenset(labels.unique().tolist()) for _, labels, _ in views]
    real, generated, none = (
        kinds.count(frozenset(values)) / COUNT for values in ((0, GLAND_UNKNOWN_ZONE), (0, 1, 2), (0,))
    )
    assert real + generated + none == 1
    assert real > generated > 0
    assert 0 < none < 0.3


def test_anatomy_is_never_upside_down_but_left_and_right_may_change_places() -> None:
    dataset = Overviews([make_case()], steps=COUNT, seed=5)
    ways = []
    for _, labels, _ in (dataset[step] for step in range(COUNT)):
        if labels.any():
            pz, cg = ((labels[0] == zone).nonzero().double().mean(dim=0) for zone in (1, 2))
            ways.append((pz - cg).numpy())
    ways = np.array(ways)
    assert ways[:, 1].min() > 0.5  # PZ is posterior, by about 6 pixels
    assert 0.2 < np.mean(ways[:, 2] > 0) < 0.8


def test_the_base_stays_above_the_apex(views: list[View]) -> None:
    real = [labels[0] for _, labels, _ in views if (labels == GLAND_UNKNOWN_ZONE).any()]
    slopes = [np.polyfit(np.arange(len(labels)), (labels > 0).sum(dim=(1, 2)).numpy(), 1)[0] for labels in real]
    assert min(slopes) > 0


def test_image_and_labels_move_together() -> None:
    dataset = Overviews([make_case()], steps=COUNT, seed=5)
    brighter = [
        bool(image[labels == 1].mean() > image[labels == 2].mean())
        for image, labels, _ in (dataset[step] for step in range(COUNT))
        if labels.any()
    ]
    assert np.mean(brighter) > 0.8


def test_an_overview_is_the_whole_image_at_about_4_mm() -> None:
    case, sizes, ratios = make_case(), set(), []
    for seed in range(8):
        image, labels = overview(case, np.random.default_rng(seed))
        assert image.shape == labels.shape
        assert len(image) == 8
        sizes.add(image.shape[1])
        step = case.image.shape[1] * PIXEL_MM / image.shape[1]
        assert 0.8 * LOCATOR_PIXEL_MM < step < 1.25 * LOCATOR_PIXEL_MM
        ratios.append([np.mean(labels == zone) / np.mean(case.labels == zone) for zone in (1, 2)])
        assert np.median(image[labels == 1]) == pytest.approx(0.8, abs=0.06)
        assert np.median(image[labels == 2]) == pytest.approx(0.5, abs=0.06)
    assert len(sizes) > 2
    # A view ends within a pixel of where the image does, so zones keep their share of it but for rounding.
    np.testing.assert_allclose(ratios, 1, atol=0.2)
    np.testing.assert_allclose(np.mean(ratios, axis=0), 1, atol=0.07)


def test_the_second_reader_is_seen() -> None:
    case = make_case()
    case = replace(case, labels=np.concatenate([case.labels, without_zones(case).labels]))
    seen = [int(overview(case, np.random.default_rng(seed))[1].max()) for seed in range(12)]
    assert {2, GLAND_UNKNOWN_ZONE} == set(seen)


@pytest.mark.parametrize("shape", [(6, 20, 26), (6, 40, 20), (6, 32, 32), (6, 41, 35)])
def test_an_image_lies_whole_in_a_larger_view_and_is_cut_about_its_middle_in_a_smaller(shape: tuple[int, ...]) -> None:
    size = 32
    image = 1000 + np.arange(np.prod(shape), dtype=np.float32).reshape(shape)  # every voxel tells where it was
    kept = tuple(min(length, size) for length in shape)
    places, surroundings = set(), set()
    for seed in range(16):
        view, labels, inside = Overviews.placed(image, np.ones(shape, np.uint8), size, np.random.default_rng(seed))
        assert view.shape == labels.shape == inside.shape == (6, size, size)
        shown = labels > 0
        block = view[shown].reshape(kept)
        first = np.unravel_index(int(block[0, 0, 0]) - 1000, shape)
        np.testing.assert_array_equal(block, image[tuple(slice(a, a + n) for a, n in zip(first, kept, strict=True))])
        assert all(abs(2 * a + n - length) <= 1 for a, n, length in zip(first, kept, shape, strict=True))
        assert inside[shown].all()
        assert not view[~inside].any()
        places.add(tuple(np.argwhere(shown)[0]))
        surroundings.add((bool(inside.all()), bool(view[~shown].any())))
    if min(shape[1:]) < size:
        assert len(places) > 4
        assert surroundings == {(True, True), (True, False), (False, False)}  # a pelvis, black, nothing
    else:
        assert len(places) == 1
