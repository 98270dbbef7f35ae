"""Augmented patches: repeatable, anatomically possible, image and labels together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from proseg.model.network import IN_PLANE_MULTIPLE
from training.data import augment
from training.data.augment import COARSE, SHAPES, Patches
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.data.preprocess import Arrays

Patch = tuple[Tensor, Tensor, float]
SMALL = ((6, 96), (8, 80))  # the tests are fast with these
COUNT = 24


def make_case(slice_mm: float = 3.0) -> Arrays:
    """A gland that widens from apex to base; PZ behind CG, further on the patient's left, and brighter."""
    k, j, i = np.ogrid[:10, :150, :150]
    gland = np.hypot((j - 75) / (12 + k), (i - 75) / (16 + k)) < 1
    zones = np.where(gland, np.where((j > 78) & (i > 66), 1, 2), 0).astype(np.uint8)
    noise = np.random.default_rng(0).standard_normal(zones.shape)
    image = 0.2 + np.choose(zones, [0, 0.6, 0.3]) + 0.03 * noise
    return Arrays("a", "A", "p", image.astype(np.float16), zones[None], slice_mm)


def swapped(zones: np.ndarray) -> np.ndarray:
    return np.choose(zones, [0, 2, 1]).astype(np.uint8)


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augment, "SHAPES", SMALL)
        yield


@pytest.fixture(scope="module")
def patches(_small: None) -> list[Patch]:
    dataset = Patches([make_case()], steps=COUNT, seed=3)
    return [dataset[step] for step in range(len(dataset))]


def centroid(labels: Tensor, zone: int) -> np.ndarray:
    """Mean k, j, i of a zone in labels (1, K, J, I)."""
    return (labels[0] == zone).nonzero().double().mean(dim=0).numpy()


def pz_from_cg(patch: Patch) -> np.ndarray:
    """From the CG's centroid to the PZ's: superior, posterior and left, in voxels."""
    return centroid(patch[1], 1) - centroid(patch[1], 2)


def test_the_network_takes_every_shape() -> None:
    shapes = [*SHAPES, *(shape for _, _, coarse in COARSE for shape in coarse)]
    assert all(size % IN_PLANE_MULTIPLE == 0 for _, size in shapes)


def test_a_patch_depends_on_the_seed_and_the_step_alone() -> None:
    one, two = (Patches([make_case()], steps=10, seed=3) for _ in range(2))
    two[0]  # that other patches were made before changes nothing
    image, labels, slice_mm = one[4]
    again, labels_again, slice_mm_again = two[4]
    assert torch.equal(image, again)
    assert torch.equal(labels, labels_again)
    assert slice_mm == slice_mm_again == 3.0
    for other in (one[5], Patches([make_case()], steps=10, seed=4)[4]):
        assert image.shape != other[0].shape or not torch.equal(image, other[0])


def test_a_resumed_run_gets_the_patches_it_had_not_had() -> None:
    whole, rest = Patches([make_case()], steps=10, seed=3), Patches([make_case()], steps=10, seed=3, start=4)
    assert torch.equal(whole[6][0], rest[2][0])


def gland_pixels(patches: list[Patch]) -> float:
    """Pixels of gland in the middle slice, the median of the patches."""
    return float(np.median([int((labels[0, labels.shape[1] // 2] > 0).sum()) for _, labels, _ in patches]))


def test_with_a_budget_the_same_body_is_seen_on_coarse_pixels_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augment, "COARSE", ((0.25, 2.0, ((6, 48),)), (0.5, 1.5, ((6, 64),))))
    monkeypatch.setattr(augment, "SHAPES", ((6, 96),))
    dataset = Patches([make_case()], steps=40, seed=3, budget=40)
    stages = [[dataset[step] for step in steps] for steps in (range(10), range(10, 20), range(20, 40))]
    sizes = [{image.shape[-1] for image, _, _ in stage} for stage in stages]
    assert sizes == [{48}, {64}, {96}]
    coarsest, coarse, fine = map(gland_pixels, stages)
    assert coarsest * 2.0**2 == pytest.approx(fine, rel=0.25)
    assert coarse * 1.5**2 == pytest.approx(fine, rel=0.25)


def test_a_resumed_run_is_as_coarse_as_it_would_have_been(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augment, "COARSE", ((0.5, 2.0, ((6, 48),)),))
    rest = Patches([make_case()], steps=10, seed=3, start=4, budget=10)
    assert rest[0][0].shape[-1] == 48
    assert rest[1][0].shape[-1] in {96, 80}


def test_every_case_is_seen_once_an_epoch_and_in_changing_order() -> None:
    cases = [make_case(slice_mm) for slice_mm in (2.5, 3.0, 3.5, 4.0)]
    dataset = Patches(cases, steps=12, seed=1)
    seen = [dataset[step][2] for step in range(12)]
    epochs = [seen[:4], seen[4:8], seen[8:]]
    assert all(sorted(epoch) == [2.5, 3.0, 3.5, 4.0] for epoch in epochs)
    assert len(set(map(tuple, epochs))) > 1


def test_patches_have_the_listed_shapes_and_kinds(patches: list[Patch]) -> None:
    for image, labels, _ in patches:
        assert (image.dtype, labels.dtype) == (torch.float32, torch.int64)
        assert image.shape == labels.shape
        assert image.isfinite().all()
    assert {tuple(image.shape) for image, _, _ in patches} == {(1, depth, size, size) for depth, size in SMALL}


def test_patches_are_normalised(patches: list[Patch]) -> None:
    for image, _, _ in patches:
        inside = image[image != 0]
        assert abs(inside.mean()) < 0.01
        assert abs(inside.std() - 1) < 0.02


def test_the_gland_is_in_view_and_its_labels_stay_whole_numbers(patches: list[Patch]) -> None:
    assert all(set(labels.unique().tolist()) == {0, 1, 2} for _, labels, _ in patches)
    shares = [float((labels > 0).double().mean()) for _, labels, _ in patches]
    assert min(shares) > 0.02
    assert max(shares) < 0.6


def test_image_and_labels_move_together(patches: list[Patch]) -> None:
    means = np.array([[image[labels == zone].mean() for zone in range(3)] for image, labels, _ in patches])
    # In the case PZ is brighter than CG and CG than the rest; a strong coil gradient may hide it now and then.
    assert np.mean((means[:, 1] > means[:, 2]) & (means[:, 2] > means[:, 0])) > 0.8


def test_anatomy_is_never_upside_down_but_left_and_right_may_change_places(patches: list[Patch]) -> None:
    ways = np.array([pz_from_cg(patch) for patch in patches])
    assert ways[:, 1].min() > 5  # PZ is posterior
    lefts = np.mean(ways[:, 2] > 0)
    assert 0.2 < lefts < 0.8
    assert np.abs(ways[:, 2]).min() > 1


def test_the_base_stays_above_the_apex(patches: list[Patch]) -> None:
    for _, labels, _ in patches:
        areas = (labels[0] > 0).sum(dim=(1, 2)).double()
        middle = areas[areas > 0].numpy()
        assert np.polyfit(np.arange(len(middle)), middle, 1)[0] > 0


def test_patches_differ_in_size_place_and_turn(patches: list[Patch]) -> None:
    volumes = [int((labels > 0).sum()) / labels.shape[1] for _, labels, _ in patches]
    places = np.array([centroid((labels > 0).long(), 1)[1:] - labels.shape[-1] / 2 for _, labels, _ in patches])
    turns = [np.arctan2(abs(way[2]), way[1]) for way in map(pz_from_cg, patches)]
    assert max(volumes) > 1.3 * min(volumes)
    assert (np.ptp(places, axis=0) > 5).all()
    assert np.ptp(turns) > 0.2


def test_both_readers_are_learned_from() -> None:
    case = make_case()
    case = replace(case, labels=np.stack([case.labels[0], swapped(case.labels[0])]))
    dataset = Patches([case], steps=12, seed=3)
    first = [pz_from_cg(dataset[step])[1] > 0 for step in range(12)]  # the second has PZ in front
    assert 2 < sum(first) < 10


def test_a_gland_only_case_gives_labels_of_unknown_zone() -> None:
    case = make_case()
    case = replace(case, labels=(case.labels > 0).astype(np.uint8) * np.uint8(GLAND_UNKNOWN_ZONE))
    dataset = Patches([case], steps=4, seed=3)
    assert all(set(dataset[step][1].unique().tolist()) == {0, GLAND_UNKNOWN_ZONE} for step in range(4))


def test_beyond_a_small_image_there_is_nothing() -> None:
    case = make_case()
    narrow = replace(case, image=case.image[:, :, 45:105], labels=case.labels[..., 45:105])
    dataset = Patches([narrow], steps=6, seed=3)
    shares = []
    for image, labels, _ in (dataset[step] for step in range(6)):
        assert tuple(image.shape[1:3]) in SMALL
        outside = image == 0
        shares.append(float(outside.double().mean()))
        assert not labels[outside].any()
        assert abs(image[~outside].std() - 1) < 0.02
    assert np.mean(shares) > 0.15


def test_a_shallow_case_is_only_cut_to_depths_it_has() -> None:
    case = make_case()
    shallow = replace(case, image=case.image[:7], labels=case.labels[:, :7])
    dataset = Patches([shallow], steps=6, seed=3)
    assert {tuple(dataset[step][0].shape) for step in range(6)} == {(1, 6, 96, 96)}
