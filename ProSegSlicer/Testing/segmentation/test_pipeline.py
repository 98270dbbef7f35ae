"""From afar, then closely: both networks together find a gland anywhere and draw it in place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from Testing.made_grids import made_grid
from torch import Tensor, nn

from proseg.images.grids import Grid, interpolation_matrix
from proseg.model.devices import Device
from proseg.model.network import IN_PLANE_MULTIPLE, NetworkConfig, ProSeg
from proseg.model.preprocessing import PIXEL_MM, slice_axis
from proseg.model.weights import Model
from proseg.segmentation.pipeline import Pipeline, smoothed
from proseg.segmentation.views import LEAST_PIXELS, box_around

TINY = NetworkConfig(widths=(8, 16, 16, 16), depths=(1, 1, 1, 1), strip=3, heads=2)
CPU = Device("cpu", "Asked for.", torch.float32)


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


class Torn(nn.Module):
    """Stands in for a network whose zones alternate from row to row."""

    def forward(self, volume: Tensor, slice_mm: float) -> Tensor:
        zone = torch.zeros_like(volume)
        zone[..., ::2, :] = 20.0
        return torch.cat([torch.full_like(volume, -50.0), zone, 20.0 - zone], dim=1)


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
    grid = made_grid(size, spacing)
    k, j, i = (
        (axis.positions >= low) & (axis.positions <= high) for axis, (low, high) in zip(grid, edges_mm, strict=True)
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
    assert (len(locator.seen), len(segmenter.seen)) == (1, 2)
    assert view_mm == box_mm == slice_axis(scene.grid[0]).spacing
    assert all(count % IN_PLANE_MULTIPLE == 0 for shape in (view, box) for count in shape[-2:])


def test_where_nothing_is_found_the_middle_of_the_image_is_searched() -> None:
    scene = SCENES["off the centre"]
    blind = BrightIsGland(rows=slice(0, 0))
    prediction = pipeline_of(blind, blind).predict(scene.array, scene.grid)
    assert not prediction.located
    for axis, part in zip(scene.grid[1:], prediction.box[1:], strict=True):
        low, high = axis.positions[part][[0, -1]]
        assert (low + high) / 2 == pytest.approx(axis.centre, abs=axis.spacing)
        assert high - low == pytest.approx(LEAST_PIXELS * PIXEL_MM, abs=2 * axis.spacing)
    assert prediction.box[0] == slice(0, 20)


class FavoursTheLeft(BrightIsGland):
    """Sees gland only where it is bright in the first columns that it is shown."""

    def forward(self, volume: Tensor, slice_mm: float) -> Tensor:
        half = volume.shape[-1] // 2
        return super().forward(torch.cat([volume[..., :half], torch.full_like(volume[..., half:], -1.0)], -1), slice_mm)


def test_the_refinement_pass_is_in_the_mirror_and_counts_as_much_as_the_first() -> None:
    scene = made_scene((20, 160, 160), (3.0, 1.0, 1.0), (12, 45), (50, 110), (50, 110))
    prediction = pipeline_of(FavoursTheLeft(), BrightIsGland()).predict(scene.array, scene.grid)
    k, j, i = np.nonzero(scene.gland[prediction.box])
    line = 1 - prediction.probabilities[0, int(np.median(k)), int(np.median(j))]
    # The first pass finds the left half of the gland; the second, centred on that, all but the left half of that half.
    by_first, by_both, by_second = (line[int(np.quantile(i, share))] for share in (0.1, 0.37, 0.8))
    assert (by_first, by_both, by_second) == pytest.approx((0.5, 1.0, 0.5), abs=0.02)


def test_a_speck_is_not_taken_for_the_gland() -> None:
    scene = made_scene((12, 90, 90), (3.0, 1.0, 1.0), (12, 24), (20, 70), (40, 48))  # 6.9 mL
    for rows, seen in ((slice(None), True), (slice(11, 12), False)):  # a row is 4 mm: 0.6 mL
        gland = pipeline_of(BrightIsGland(), BrightIsGland(rows)).locate(scene.array, scene.grid)
        assert (gland is not None) == seen


def test_a_gland_that_reaches_out_of_view_is_segmented_again() -> None:
    scene = made_scene((12, 170, 120), (3.0, 1.0, 1.0), (6, 27), (20, 105), (35, 85))
    front = BrightIsGland(rows=slice(0, 16))  # all that the overview shows of the gland: 16 rows of 4 mm
    segmenter = BrightIsGland()
    prediction = pipeline_of(segmenter, front).predict(scene.array, scene.grid)
    assert len(segmenter.seen) == 3  # what it sees, wider, and what is found then in the mirror
    gland = 1 - prediction.probabilities[0] > 0.5
    assert dice(gland, scene.gland[prediction.box]) > 0.93
    assert gland.sum() == pytest.approx(scene.gland.sum(), rel=0.1)


def test_a_very_large_gland_is_segmented_again_on_larger_pixels() -> None:
    scene = made_scene((20, 130, 130), (3.0, 1.0, 1.0), (3, 57), (30, 100), (30, 100))
    segmenter = BrightIsGland()
    prediction = pipeline_of(segmenter, BrightIsGland()).predict(scene.array, scene.grid)
    usual, larger, closer = (shape[-1] for (shape, _) in segmenter.seen)
    assert larger < usual
    assert larger <= closer < usual
    assert dice(1 - prediction.probabilities[0] > 0.5, scene.gland[prediction.box]) > 0.93


class ThinPZ(BrightIsGland):
    """Calls this share of the gland's rows PZ, the rest CG."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, volume: Tensor, slice_mm: float) -> Tensor:
        background, gland, _ = super().forward(volume, slice_mm).unbind(dim=1)
        rows = (gland > 0).any(dim=0).any(dim=0).any(dim=-1).nonzero()[:, 0]
        first = rows[0] + round(self.share * len(rows)) if len(rows) else 0
        pz = gland.clone()
        pz[..., first:, :] = -50.0
        cg = gland.clone()
        cg[..., :first, :] = -50.0
        return torch.stack([background, pz, cg], dim=1)


@pytest.mark.parametrize(("share", "by_thin_pz"), [(0.1, True), (0.2, True), (0.3, False), (0.6, False)])
def test_where_the_pz_is_a_thin_rim_the_network_for_it_does_both_passes(share: float, by_thin_pz: bool) -> None:
    scene = made_scene((20, 160, 160), (3.0, 1.0, 1.0), (12, 45), (55, 105), (55, 105))
    segmenter, thin_pz = ThinPZ(share), ThinPZ(0.5)
    model = Model(segmenter, BrightIsGland(), "Stand-in", "0", "00", thin_pz=thin_pz)
    prediction = Pipeline(model, CPU).predict(scene.array, scene.grid)
    assert (len(segmenter.seen), len(thin_pz.seen)) == ((1, 2) if by_thin_pz else (2, 0))
    zones = prediction.probabilities.argmax(axis=0)
    assert (zones == 1).sum() / (zones > 0).sum() == pytest.approx(0.5 if by_thin_pz else share, abs=0.03)


def test_without_a_network_for_thin_pzs_the_segmenter_does_both_passes() -> None:
    scene = made_scene((20, 160, 160), (3.0, 1.0, 1.0), (12, 45), (55, 105), (55, 105))
    segmenter = ThinPZ(0.1)
    pipeline_of(segmenter, BrightIsGland()).predict(scene.array, scene.grid)
    assert len(segmenter.seen) == 2


def test_false_finds_beside_it_make_no_gland_very_large() -> None:
    """Two blocks of 95 and 89 mL, apart: together they would be very large."""
    scene = made_scene((20, 150, 150), (3.0, 1.0, 1.0), (9, 51), (30, 75), (30, 75))
    other = made_scene((20, 150, 150), (3.0, 1.0, 1.0), (9, 51), (30, 75), (85, 127))
    segmenter = BrightIsGland()
    pipeline_of(segmenter, BrightIsGland()).predict(np.maximum(scene.array, other.array), scene.grid)
    assert len(segmenter.seen) == 2


class NothingIsGland(BrightIsGland):
    """Takes what lies beyond the image, which it is shown as exactly zero, for gland as well."""

    def forward(self, volume: Tensor, slice_mm: float) -> Tensor:
        return super().forward(torch.where(volume == 0, 5.0, volume), slice_mm)


def test_false_finds_beyond_the_image_make_no_gland_very_large() -> None:
    scene = SCENES["a field smaller than the box"]
    segmenter = NothingIsGland()
    prediction = pipeline_of(segmenter, BrightIsGland()).predict(scene.array, scene.grid)
    assert len(segmenter.seen) == 2
    assert dice(1 - prediction.probabilities[0] > 0.5, scene.gland[prediction.box]) > 0.93


def test_what_alternates_from_pixel_to_pixel_leaves_no_trace_and_all_else_stays_in_place() -> None:
    rows, columns = np.mgrid[:8, :12].astype(np.float32)
    for alternating in (rows, columns, rows + columns):
        comb = smoothed((1 - 2 * (alternating % 2))[None, None])
        assert np.abs(comb[..., 1:-1, 1:-1]).max() < 1e-6
    ramp = (3 * rows + columns)[None, None]
    np.testing.assert_allclose(smoothed(ramp)[..., 1:-1, 1:-1], ramp[..., 1:-1, 1:-1], rtol=1e-6)
    point = np.zeros((1, 1, 5, 5), np.float32)
    point[..., 2, 2] = 16
    line = np.array([0, 1, 2, 1, 0], np.float32)
    np.testing.assert_allclose(smoothed(point)[0, 0], line[:, None] * line)
    np.testing.assert_allclose(smoothed(np.full((3, 2, 4, 6), 1 / 3, np.float32)), 1 / 3, rtol=1e-6)


def test_where_the_network_is_torn_row_by_row_neither_zone_is_the_likelier() -> None:
    scene = made_scene((8, 120, 120), (3.0, 0.7, 0.7), (8, 16), (25, 60), (25, 60))
    found = pipeline_of(Torn(), BrightIsGland()).segment(scene.array, scene.grid, box_around(scene.grid, None))
    np.testing.assert_allclose(found[1:, :, 1:-1], 0.5, atol=1e-5)


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
    box = box_around(scene.grid, None)
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
    box = box_around(scene.grid, None)
    pipeline.segment(scene.array + 5000, scene.grid, box)
    (volume,) = shown
    k, j, i = (interpolation_matrix(s, t).any(axis=1) for s, t in zip(scene.grid, box, strict=True))
    covered = torch.from_numpy(k[:, None, None] & j[:, None] & i)
    assert not covered.all()
    assert not volume[0, 0][~covered].any()
    assert float(volume[0, 0][covered].mean()) == pytest.approx(0, abs=1e-3)
