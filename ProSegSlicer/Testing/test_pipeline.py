"""From afar, then closely: where the networks look and how their answer comes back to the image's own samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from proseg.devices import Device
from proseg.grids import Axis, Grid, interpolation_matrix
from proseg.network import IN_PLANE_MULTIPLE, NetworkConfig, ProSeg
from proseg.pipeline import CONTEXT_MM, LEAST_PIXELS, Pipeline, back, closer_look, covering, cut_off, extents
from proseg.preprocessing import LOCATOR_PIXEL_MM, PIXEL_MM, SLICE_MM, slice_axis
from proseg.weights import Model

TINY = NetworkConfig(widths=(8, 16, 16, 16), depths=(1, 1, 1, 1), strip=3, heads=2)
CPU = Device("cpu", "Asked for.", torch.float32)


def positions(axis: Axis) -> np.ndarray:
    return axis.start + axis.spacing * np.arange(axis.count)


def image_grid(size: tuple[int, int, int], spacing: tuple[float, float, float]) -> Grid:
    k, j, i = (Axis(count, step, 0.0) for count, step in zip(size, spacing, strict=True))
    return k, j, i


def reach(axis: Axis) -> tuple[float, float]:
    """Outer edges, mm."""
    return axis.start - axis.spacing / 2, axis.end + axis.spacing / 2


# Which axes the networks take


@pytest.mark.parametrize("count", [1, 20, 128, 129, 256, 512])
@pytest.mark.parametrize("spacing", [0.3, 0.7, 1.3])
def test_the_overview_covers_the_image_with_as_few_pixels_as_the_network_takes(count: int, spacing: float) -> None:
    axis = Axis(count, spacing, 3.0)
    seen = covering(axis, LOCATOR_PIXEL_MM)
    assert seen.centre == pytest.approx(axis.centre)
    assert seen.spacing == LOCATOR_PIXEL_MM
    assert seen.count % IN_PLANE_MULTIPLE == 0
    assert seen.extent >= axis.extent - 1e-9
    assert seen.count == 32 or seen.extent - IN_PLANE_MULTIPLE * LOCATOR_PIXEL_MM < axis.extent


def test_the_least_size_of_the_overview_can_be_given() -> None:
    assert covering(Axis(10, 1.0, 0.0), 4.0, least=96).count == 96


def test_the_gland_is_boxed_to_the_sample() -> None:
    view = (Axis(10, 3.0, 1.5), Axis(32, 4.0, -20.0), Axis(48, 4.0, -6.0))
    gland = np.zeros((10, 32, 48), np.float32)
    gland[2:7, 11:20, 30:40] = 0.9
    k, j, i = extents(gland, view)
    assert (k.count, j.count, i.count) == (5, 9, 10)
    assert (k.spacing, j.spacing, i.spacing) == (3.0, 4.0, 4.0)
    assert (k.start, j.start, i.start) == pytest.approx((7.5, 24.0, 114.0))


def test_specks_and_doubtful_places_do_not_widen_the_gland() -> None:
    view = image_grid((10, 32, 48), (3.0, 4.0, 4.0))
    gland = np.zeros((10, 32, 48), np.float32)
    gland[2:7, 11:20, 30:40] = 0.9
    expected = extents(gland, view)
    gland[0, 0, 0] = gland[9, 31, 47] = 1.0
    gland[:, :8] = np.maximum(gland[:, :8], 0.45)
    assert extents(gland, view) == expected


GLANDS = {
    "middle": (Axis(14, 3.0, 12.0), Axis(11, 4.0, 80.0), Axis(13, 4.0, 80.0)),
    "corner": (Axis(5, 3.0, 0.0), Axis(10, 4.0, 2.0), Axis(9, 4.0, 1.0)),
    "large": (Axis(19, 3.0, 3.0), Axis(25, 4.0, 30.0), Axis(32, 4.0, 20.0)),
    "small": (Axis(2, 3.0, 30.0), Axis(3, 4.0, 60.0), Axis(4, 4.0, 110.0)),
}


@pytest.mark.parametrize("gland", GLANDS.values(), ids=GLANDS)
@pytest.mark.parametrize(("count", "slice_mm"), [(22, 3.0), (17, 4.0), (80, 0.8)])
def test_a_closer_look_takes_in_the_gland_and_what_surrounds_it(gland: Grid, count: int, slice_mm: float) -> None:
    grid = image_grid((count, 320, 300), (slice_mm, 0.6, 0.65))
    k, *in_plane = closer_look(grid, gland)
    for seen, wanted in zip(in_plane, gland[1:], strict=True):
        assert seen.spacing == PIXEL_MM
        assert seen.count % IN_PLANE_MULTIPLE == 0
        assert seen.count >= LEAST_PIXELS
        assert seen.centre == pytest.approx(wanted.centre)
        assert seen.extent >= wanted.extent + 2 * CONTEXT_MM - 1e-9
        assert seen.count == LEAST_PIXELS or seen.extent - 16 * PIXEL_MM < wanted.extent + 2 * CONTEXT_MM
    slices = positions(slice_axis(grid[0]))
    taken = positions(k)
    assert np.abs(slices[:, None] - taken).min(axis=0).max() < 1e-9  # slices of the volume, none between them
    low, high = reach(gland[0])
    near = slices[(slices >= low - CONTEXT_MM) & (slices <= high + CONTEXT_MM)]
    np.testing.assert_allclose(taken, near)


@pytest.mark.parametrize(("slice_mm", "expected"), [(3.6, 3.6), (1.0, SLICE_MM)])
def test_without_a_gland_the_middle_of_every_slice_is_searched(slice_mm: float, expected: float) -> None:
    grid = image_grid((30, 200, 300), (slice_mm, 1.0, 0.8))
    k, j, i = closer_look(grid, None)
    assert k == slice_axis(grid[0])
    assert k.spacing == expected
    assert (j.count, i.count) == (LEAST_PIXELS, LEAST_PIXELS)
    assert (j.centre, i.centre) == pytest.approx((grid[1].centre, grid[2].centre))


# Whether the gland was cut off

WHOLE = image_grid((20, 200, 220), (3.0, 0.7, 0.7))
WITHIN = (Axis(10, 3.0, 15.0), Axis(96, 0.7, 30.0), Axis(96, 0.7, 40.0))
EDGES = [(axis, place) for axis in range(3) for place in (0, -1)]


def background(*places: tuple[int, int]) -> np.ndarray:
    """Gland in the middle of ``WITHIN``, and a bit of it at the edges named by axis and place."""
    shape = [axis.count for axis in WITHIN]
    values = np.ones(shape, np.float32)
    values[4:6, 40:60, 40:60] = 0.1
    for axis, place in places:
        index = [count // 2 for count in shape]
        index[axis] = place
        values[tuple(index)] = 0.3
    return values


def test_a_gland_within_the_box_is_not_cut_off() -> None:
    assert cut_off(background(), WHOLE, WITHIN) is False


@pytest.mark.parametrize("edge", EDGES)
def test_a_gland_at_an_edge_of_the_box_is_cut_off(edge: tuple[int, int]) -> None:
    assert cut_off(background(edge), WHOLE, WITHIN) is True


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("beyond_mm", [0.0, 5.0])
def test_where_the_image_ends_there_is_no_more_gland_to_see(edge: tuple[int, int], beyond_mm: float) -> None:
    axis, place = edge
    box, seen = list(WITHIN), WITHIN[axis]
    if place == 0:
        box[axis] = Axis(seen.count, seen.spacing, -beyond_mm)
    else:
        box[axis] = Axis(seen.count, seen.spacing, WHOLE[axis].end + beyond_mm - (seen.count - 1) * seen.spacing)
    assert cut_off(background(edge), WHOLE, tuple(box)) is False
    assert cut_off(background((axis, -1 - place)), WHOLE, tuple(box)) is True  # the other edge lies in the image


# Back to the image's own samples

BOX = (Axis(8, 3.0, 9.0), Axis(48, 0.7, 20.0), Axis(64, 0.7, 15.0))
IMAGES = {
    "fine": image_grid((60, 250, 330), (0.8, 0.3, 0.25)),
    "like the box": image_grid((16, 120, 130), (3.0, 0.7, 0.7)),
    "coarse": image_grid((10, 40, 45), (5.0, 1.4, 1.9)),
    "smaller than the box": (Axis(4, 3.0, 12.0), Axis(30, 0.6, 25.0), Axis(20, 0.9, 30.0)),
}


@pytest.mark.parametrize("grid", IMAGES.values(), ids=IMAGES)
def test_probabilities_come_back_to_the_samples_inside_the_box(grid: Grid) -> None:
    """Zones that rise steadily through the patient keep their height at each place."""
    k, j, i = (positions(axis) for axis in BOX)

    def rising(k: np.ndarray, j: np.ndarray, i: np.ndarray) -> np.ndarray:
        return 0.1 + 0.004 * k[:, None, None] + 0.003 * j[:, None] + 0.002 * i

    pz = rising(k, j, i)
    cg = np.broadcast_to(0.2, pz.shape)
    probabilities, where = back(np.stack([1 - pz - cg, pz, cg]).astype(np.float32), BOX, grid)
    for axis, seen, part in zip(grid, BOX, where, strict=True):
        low, high = reach(seen)
        within = np.flatnonzero((positions(axis) >= low) & (positions(axis) <= high))
        assert part == slice(within[0], within[-1] + 1)
        assert isinstance(part.start, int)
    assert probabilities.shape == (3, *(part.stop - part.start for part in where))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(probabilities[2], 0.2, atol=1e-5)
    places = [positions(axis)[part] for axis, part in zip(grid, where, strict=True)]
    margins = [max(axis.spacing, seen.spacing) for axis, seen in zip(grid, BOX, strict=True)]
    inner = [
        (place >= seen.start + margin) & (place <= seen.end - margin)
        for place, seen, margin in zip(places, BOX, margins, strict=True)
    ]
    found = probabilities[1][np.ix_(*inner)]
    expected = rising(*(place[chosen] for place, chosen in zip(places, inner, strict=True)))
    assert found.size > 0
    np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize("grid", IMAGES.values(), ids=IMAGES)
def test_certain_probabilities_stay_between_zero_and_one(grid: Grid) -> None:
    labels = np.random.default_rng(0).integers(0, 3, [axis.count for axis in BOX])
    probabilities, _ = back(np.stack([labels == label for label in range(3)]).astype(np.float32), BOX, grid)
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-6)
    assert probabilities.min() >= -1e-6
    assert probabilities.max() <= 1 + 1e-6


def test_an_image_on_the_grid_of_the_box_gets_the_very_values() -> None:
    grid = image_grid((5, 32, 48), (3.0, 0.7, 0.7))
    shares = np.random.default_rng(1).dirichlet((1, 1, 1), size=(5, 32, 48))
    given = shares.transpose(3, 0, 1, 2).astype(np.float32)
    found, where = back(given, grid, grid)
    assert where == (slice(0, 5), slice(0, 32), slice(0, 48))
    np.testing.assert_array_equal(found[1:], given[1:])
    np.testing.assert_allclose(found[0], given[0], atol=1e-6)


# Both networks together


class BrightIsGland(nn.Module):
    """Stands in for a network: what is bright, in rows that it looks at, is peripheral zone."""

    def __init__(self, rows: slice = slice(None)) -> None:
        super().__init__()
        self.rows = rows
        self.seen: list[tuple[tuple[int, ...], float]] = []

    def forward(self, volume: Tensor, slice_mm: float) -> Tensor:
        self.seen.append((tuple(volume.shape), slice_mm))
        bright = torch.full_like(volume, -1.0)
        bright[..., self.rows, :] = volume[..., self.rows, :] - 1
        return torch.cat([-20 * bright, 20 * bright, torch.full_like(volume, -50.0)], dim=1)


class Broken(nn.Module):
    def forward(self, volume: Tensor, slice_mm: float) -> Tensor:
        raise RuntimeError("the network is broken")


@dataclass(frozen=True)
class Scene:
    """An image in which a bright block stands for the gland."""

    array: np.ndarray
    grid: Grid
    gland: np.ndarray


def made_scene(
    size: tuple[int, int, int], spacing: tuple[float, float, float], *edges_mm: tuple[float, float]
) -> Scene:
    grid = image_grid(size, spacing)
    k, j, i = (
        (positions(axis) >= low) & (positions(axis) <= high) for axis, (low, high) in zip(grid, edges_mm, strict=True)
    )
    gland = k[:, None, None] & j[:, None] & i
    noise = np.random.default_rng(0).normal(0, 2, size)
    return Scene((100 + 400 * gland + noise).astype(np.int16), grid, gland)


def pipeline_of(segmenter: nn.Module, locator: nn.Module, device: Device = CPU) -> Pipeline:
    return Pipeline(Model(segmenter, locator, "Stand-in", "0", "00"), device)


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


SCENES = {
    "off the centre": made_scene((20, 160, 160), (3.0, 1.2, 1.2), (12, 45), (20, 62), (110, 155)),
    "thin slices": made_scene((48, 100, 110), (1.2, 1.1, 1.1), (15, 48), (30, 70), (55, 100)),
    "thick slices, fine pixels": made_scene((12, 240, 200), (5.0, 0.45, 0.5), (10, 46), (30, 75), (20, 65)),
    "a field smaller than the box": made_scene((14, 80, 80), (3.0, 0.9, 0.9), (8, 34), (15, 55), (12, 58)),
}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_a_gland_anywhere_is_found_and_drawn_in_place(scene: Scene) -> None:
    locator, segmenter = BrightIsGland(), BrightIsGland()
    prediction = pipeline_of(segmenter, locator).predict(scene.array, scene.grid)
    assert prediction.located
    whole = np.zeros(scene.array.shape, np.float32)
    whole[prediction.box] = 1 - prediction.probabilities[0]
    assert dice(whole > 0.5, scene.gland) > 0.93
    np.testing.assert_allclose(prediction.probabilities.sum(axis=0), 1, atol=1e-5)
    (view, view_mm), (box, box_mm) = locator.seen[0], segmenter.seen[0]
    assert len(locator.seen) == len(segmenter.seen) == 1
    assert view_mm == box_mm == slice_axis(scene.grid[0]).spacing
    assert all(count % IN_PLANE_MULTIPLE == 0 for shape in (view, box) for count in shape[-2:])


def test_where_nothing_is_found_the_middle_of_the_image_is_searched() -> None:
    scene = SCENES["off the centre"]
    blind = BrightIsGland(rows=slice(0, 0))
    prediction = pipeline_of(blind, blind).predict(scene.array, scene.grid)
    assert not prediction.located
    for axis, part in zip(scene.grid[1:], prediction.box[1:], strict=True):
        low, high = positions(axis)[part][[0, -1]]
        assert (low + high) / 2 == pytest.approx(axis.centre, abs=axis.spacing)
        assert high - low == pytest.approx(LEAST_PIXELS * PIXEL_MM, abs=2 * axis.spacing)
    assert prediction.box[0] == slice(0, 20)


def test_a_speck_is_not_taken_for_the_gland() -> None:
    scene = made_scene((12, 90, 90), (3.0, 1.0, 1.0), (12, 24), (20, 70), (40, 48))  # 6.9 mL
    for rows, seen in ((slice(None), True), (slice(11, 12), False)):  # a row is 4 mm: 0.6 mL
        gland = pipeline_of(BrightIsGland(), BrightIsGland(rows)).locate(scene.array, scene.grid)
        assert (gland is not None) == seen


def test_a_gland_that_reaches_out_of_view_is_looked_at_again() -> None:
    scene = made_scene((12, 170, 120), (3.0, 1.0, 1.0), (6, 27), (20, 105), (35, 85))
    front = BrightIsGland(rows=slice(0, 16))  # all that the overview shows of the gland: 16 rows of 4 mm
    segmenter = BrightIsGland()
    prediction = pipeline_of(segmenter, front).predict(scene.array, scene.grid)
    assert len(segmenter.seen) == 2
    gland = 1 - prediction.probabilities[0] > 0.5
    assert dice(gland, scene.gland[prediction.box]) > 0.93
    assert gland.sum() == pytest.approx(scene.gland.sum(), rel=0.1)


def test_a_very_large_gland_is_looked_at_again_on_larger_pixels() -> None:
    scene = made_scene((20, 130, 130), (3.0, 1.0, 1.0), (3, 57), (30, 100), (30, 100))
    segmenter = BrightIsGland()
    prediction = pipeline_of(segmenter, BrightIsGland()).predict(scene.array, scene.grid)
    assert segmenter.seen[1][0][-1] < segmenter.seen[0][0][-1]
    assert dice(1 - prediction.probabilities[0] > 0.5, scene.gland[prediction.box]) > 0.93


def test_the_stages_are_told_in_order() -> None:
    scene = SCENES["a field smaller than the box"]
    told: list[tuple[str, float]] = []
    pipeline_of(BrightIsGland(), BrightIsGland()).predict(scene.array, scene.grid, lambda *stage: told.append(stage))
    assert len(told) == len({stage for stage, _ in told}) > 1
    assert [done for _, done in told] == sorted({done for _, done in told})
    assert all(0 < done < 1 for _, done in told)


def test_a_device_that_fails_is_given_up_for_the_cpu() -> None:
    scene = SCENES["a field smaller than the box"]  # torch knows a device meta, which cannot compute
    expected = pipeline_of(BrightIsGland(), BrightIsGland()).predict(scene.array, scene.grid)
    pipeline = pipeline_of(BrightIsGland(), BrightIsGland(), Device("meta", "To fail.", torch.float32))
    found = pipeline.predict(scene.array, scene.grid)
    assert pipeline.device.name == "cpu"
    assert "failed" in pipeline.device.reason
    assert found.box == expected.box
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=0.3)  # perhaps in bfloat16


def test_a_failure_on_the_cpu_is_not_hidden() -> None:
    scene = SCENES["a field smaller than the box"]
    pipeline = pipeline_of(BrightIsGland(), Broken())
    with pytest.raises(RuntimeError, match="the network is broken"):
        pipeline.predict(scene.array, scene.grid)
    assert pipeline.device == CPU


@pytest.fixture(scope="module")
def untrained() -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Model(ProSeg(TINY).eval(), ProSeg(TINY).eval(), "Untrained", "0", "00")


def test_real_networks_give_probabilities_inside_the_box_the_same_each_time(untrained: Model) -> None:
    scene = SCENES["a field smaller than the box"]
    first, second = (Pipeline(untrained, CPU).predict(scene.array, scene.grid) for _ in range(2))
    assert first.box == second.box
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    assert first.probabilities.dtype == np.float32
    assert first.probabilities.shape == (3, *(scene.array[first.box].shape))
    np.testing.assert_allclose(first.probabilities.sum(axis=0), 1, atol=1e-5)
    assert first.probabilities.min() >= -1e-6
    assert first.probabilities.std() > 0


def test_half_the_precision_gives_nearly_the_same(untrained: Model) -> None:
    scene = SCENES["a field smaller than the box"]
    box = closer_look(scene.grid, None)
    whole = Pipeline(untrained, CPU).segment(scene.array, scene.grid, box)
    half = Pipeline(untrained, Device("cpu", "Asked for.", torch.bfloat16)).segment(scene.array, scene.grid, box)
    assert half.dtype == np.float32
    assert 0 < np.abs(half - whole).mean() < 0.02


def test_what_lies_beyond_the_image_is_shown_as_the_mean(untrained: Model) -> None:
    """Zero, whatever the intensities: the box may stick out of the image."""
    scene = SCENES["a field smaller than the box"]
    shown: list[Tensor] = []
    pipeline = pipeline_of(BrightIsGland(), BrightIsGland())
    pipeline.model.segmenter.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0]))
    box = closer_look(scene.grid, None)
    pipeline.segment(scene.array + 5000, scene.grid, box)
    (volume,) = shown
    k, j, i = (interpolation_matrix(s, t).any(axis=1) for s, t in zip(scene.grid, box, strict=True))
    covered = torch.from_numpy(k[:, None, None] & j[:, None] & i)
    assert not covered.all()
    assert not volume[0, 0][~covered].any()
    assert float(volume[0, 0][covered].mean()) == pytest.approx(0, abs=1e-3)
