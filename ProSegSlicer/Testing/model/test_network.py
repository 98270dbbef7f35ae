"""The ProSeg network and each of its parts, small and untrained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from math import exp

import pytest
import torch
from torch import Tensor

from proseg.model.network import ContextBlock, CrossSliceAttention, DirectionalFilter, NetworkConfig, ProSeg, VolumeNorm

TINY = NetworkConfig(widths=(8, 16, 16, 16), depths=(1, 1, 1, 1), strip=3, heads=2)
PARTS = ("directional", "cross_slice", "gate", "pyramid")
NORMS = ("instance", "group", "batch")
BARE = replace(TINY, **dict.fromkeys(PARTS, False))


@pytest.fixture(autouse=True)
def _same_start() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def made_volume(depth: int = 3, height: int = 32, width: int = 32, batch: int = 1) -> Tensor:
    return torch.randn(batch, 1, depth, height, width)


def made_network(config: NetworkConfig = TINY) -> ProSeg:
    torch.manual_seed(1)
    return ProSeg(config).eval()


def parameters(config: NetworkConfig) -> int:
    return sum(parameter.numel() for parameter in ProSeg(config).parameters())


@pytest.mark.parametrize("shape", [(1, 32, 32), (2, 16, 48), (5, 48, 32), (3, 64, 16)])
@torch.inference_mode()
def test_every_voxel_gets_a_logit_of_each_class(shape: tuple[int, int, int]) -> None:
    logits = made_network()(made_volume(*shape), 3.6)
    assert logits.shape == (1, 3, *shape)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()
    assert logits.std() > 0


@torch.inference_mode()
def test_half_precision_survives_operations_that_answer_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    # So does autocast on CUDA, with interpolation among others.
    interpolate = torch.nn.functional.interpolate
    monkeypatch.setattr(torch.nn.functional, "interpolate", lambda x, **how: interpolate(x.float(), **how))
    volume, network = made_volume(), made_network()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(volume)
    torch.testing.assert_close(rounded, network(volume), rtol=0.1, atol=0.1)


@pytest.mark.parametrize("part", PARTS)
@torch.inference_mode()
def test_a_part_switched_off_leaves_a_smaller_network_that_works(part: str) -> None:
    config = replace(TINY, **{part: False})
    assert parameters(config) < parameters(TINY)
    assert made_network(config)(made_volume()).shape == (1, 3, 3, 32, 32)


@pytest.mark.parametrize("norm", NORMS)
@torch.inference_mode()
def test_every_norm_works_with_all_parts_and_with_none(norm: str) -> None:
    for config in (TINY, BARE):
        config = replace(config, norm=norm)
        assert parameters(config) == parameters(replace(config, norm="instance"))
        assert made_network(config)(made_volume(2)).shape == (1, 3, 2, 32, 32)


def test_an_unknown_norm_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'layer'.*instance, group or batch"):
        ProSeg(replace(TINY, norm="layer"))


def test_a_gate_has_nothing_to_weigh_without_the_cross_slice_path() -> None:
    assert parameters(replace(TINY, cross_slice=False)) == parameters(replace(TINY, cross_slice=False, gate=False))


@pytest.mark.parametrize("norm", NORMS)
@torch.inference_mode()
def test_volumes_of_a_batch_do_not_see_each_other(norm: str) -> None:
    network = made_network(replace(TINY, norm=norm))
    batch = made_volume(batch=2) * torch.tensor([1.0, 5.0]).reshape(2, 1, 1, 1, 1)
    alone = torch.cat([network(volume[None]) for volume in batch])
    torch.testing.assert_close(network(batch), alone, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_two_runs_agree_to_the_last_bit() -> None:
    volume = made_volume()
    network = made_network()
    assert torch.equal(network(volume), network(volume))
    assert torch.equal(made_network()(volume), network(volume))


@torch.inference_mode()
def test_a_case_is_normalised_over_all_its_slices_together() -> None:
    """Differences between slices stay; the scale of the case goes."""
    slices = torch.randn(6, 4, 8, 8) + torch.arange(6.0).reshape(6, 1, 1, 1)
    norm = VolumeNorm(4)
    found = norm(slices, 2)
    for case, before in zip(found.chunk(2), slices.chunk(2), strict=True):
        torch.testing.assert_close(case.mean((0, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
        torch.testing.assert_close(case.var((0, 2, 3), correction=0), torch.ones(4), atol=1e-3, rtol=0)
        assert (case.mean((1, 2, 3)).argsort() == before.mean((1, 2, 3)).argsort()).all()
    torch.testing.assert_close(norm(40 * slices - 7, 2), found, atol=1e-3, rtol=0)


@torch.inference_mode()
def test_each_directional_filter_adds_what_lies_along_its_own_direction_only() -> None:
    length, centre = 5, 6
    filters = DirectionalFilter(8, length)
    filters.weight.copy_(torch.rand_like(filters.weight) + 0.5)
    impulse = torch.zeros(1, 8, 13, 13)
    impulse[:, :, centre, centre] = 1
    answer = filters(impulse)[0]
    assert answer.shape == impulse.shape[1:]
    steps = range(-(length // 2), length // 2 + 1)
    lines = {
        "horizontal": [(0, step) for step in steps],
        "vertical": [(step, 0) for step in steps],
        "falling": [(step, step) for step in steps],
        "rising": [(step, -step) for step in steps],
    }
    for quarter, (name, line) in enumerate(lines.items()):
        for channel in (2 * quarter, 2 * quarter + 1):
            found = {(int(row) - centre, int(column) - centre) for row, column in answer[channel].nonzero()}
            assert found == set(line), name
            values = torch.stack([answer[channel, centre + row, centre + column] for row, column in line])
            own = filters.weight[quarter, channel % 2].clone()
            own[length // 2] += 1  # the input itself
            torch.testing.assert_close(values.sort().values, own.sort().values)


@torch.inference_mode()
def other_slices_after_a_change(config: NetworkConfig) -> tuple[Tensor, Tensor]:
    """Logits of all but the middle one of five slices, before and after that one is changed."""
    network, volume = made_network(config), made_volume(5)
    changed = volume.clone()
    changed[:, :, 2] += 2 * torch.randn(32, 32)
    before, after = network(volume), network(changed)
    assert not torch.allclose(before[:, :, 2], after[:, :, 2], atol=1e-2)
    return before[:, :, [0, 1, 3, 4]], after[:, :, [0, 1, 3, 4]]


def test_without_the_cross_slice_path_a_slice_changes_no_other() -> None:
    before, after = other_slices_after_a_change(replace(TINY, norm="group", cross_slice=False))
    torch.testing.assert_close(before, after, atol=1e-6, rtol=0)


def test_with_the_cross_slice_path_a_slice_changes_every_other() -> None:
    before, after = other_slices_after_a_change(replace(TINY, norm="group"))
    assert (((before - after).abs() > 1e-4).flatten(3).any(dim=3)).all()


@torch.inference_mode()
def test_the_distance_between_slices_counts_only_across_slices() -> None:
    volume = made_volume(4)
    for cross_slice in (True, False):
        network = made_network(replace(TINY, cross_slice=cross_slice))
        assert torch.equal(network(volume, 3.0), network(volume, 5.0)) != cross_slice


@pytest.mark.parametrize("spacing", [3.0, 4.5])
@torch.inference_mode()
def test_the_pull_of_a_slice_fades_with_its_distance_in_mm(spacing: float) -> None:
    """With queries and keys of zero only the distance is left: weights are softmax(-mm * exp(fade))."""
    channels, depth = 8, 5
    attention = CrossSliceAttention(channels, heads=2, pool=1, norm="batch").eval()
    for layer in (attention.qkv, attention.out):
        layer.weight.zero_()
        layer.bias.zero_()
    attention.qkv.weight[2 * channels :, :, 0, 0] = torch.eye(channels)
    attention.out.weight[:, :, 0, 0] = torch.eye(channels)
    attention.fade.copy_(torch.tensor([-3.0, -1.0]))
    slices = torch.zeros(depth, channels, 1, 1)
    slices[1] = 1
    pull = attention(slices, 1, spacing)[:, :, 0, 0]
    for head, fade in enumerate((-3.0, -1.0)):
        bias = torch.tensor([[-abs(a - b) * spacing * exp(fade) for b in range(depth)] for a in range(depth)])
        expected = bias.softmax(dim=1)[:, 1]
        for channel in range(4 * head, 4 * head + 4):
            torch.testing.assert_close(pull[:, channel], expected, atol=1e-4, rtol=1e-4)


def twin(block: ContextBlock, config: NetworkConfig) -> ContextBlock:
    """A block with other parts and the same weights."""
    other = ContextBlock(8, 2, config)
    other.load_state_dict({key: value for key, value in block.state_dict().items() if key in other.state_dict()})
    return other


@torch.inference_mode()
def test_the_gate_chooses_between_the_paths_at_each_voxel() -> None:
    x = torch.randn(3, 8, 8, 8)
    gated = ContextBlock(8, 2, TINY)
    local_only = twin(gated, replace(TINY, cross_slice=False))(x, 1, 3.0)
    context_only = torch.relu(x + gated.context(x, 1, 3.0))
    gated.gate.weight.zero_()
    for bias, expected in ((-100.0, local_only), (100.0, context_only)):
        gated.gate.bias.fill_(bias)
        torch.testing.assert_close(gated(x, 1, 3.0), expected)
    gated.gate.weight.normal_()
    gated.gate.bias.zero_()
    assert not torch.allclose(gated(x, 1, 3.0), local_only, atol=1e-2)


@torch.inference_mode()
def test_without_a_gate_the_paths_are_added() -> None:
    """Twice what a gate that stands half open everywhere lets through."""
    x = torch.randn(3, 8, 8, 8)
    gated = ContextBlock(8, 2, TINY)
    added = twin(gated, replace(TINY, gate=False))
    expected = added(x, 1, 3.0)
    gated.gate.weight.zero_()
    gated.gate.bias.zero_()
    for last in (gated.mix_norm, gated.context.out):
        last.weight.mul_(2)
        last.bias.mul_(2)
    torch.testing.assert_close(gated(x, 1, 3.0), expected)


@pytest.mark.parametrize("config", [NetworkConfig(), replace(BARE, norm="group")])
def test_a_configuration_survives_json(config: NetworkConfig) -> None:
    read = NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert read == config
    assert isinstance(read.widths, tuple)
    assert NetworkConfig.from_dict(config.to_dict()) == config


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        NetworkConfig.from_dict(TINY.to_dict() | {"colour": 3})


@pytest.mark.parametrize("off", [None, *PARTS])
def test_every_parameter_learns(off: str | None) -> None:
    network = ProSeg(replace(TINY, **({off: False} if off else {})))
    (network(made_volume()) ** 2).mean().backward()
    idle = [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert idle == []
