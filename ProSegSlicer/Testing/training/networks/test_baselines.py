"""Networks to compare with: their shapes, that they learn in every part, and that a run's network comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from proseg.errors import InputError
from proseg.model.network import NetworkConfig, ProSeg
from training.data.augment import COARSE
from training.fit.export import averaged_network
from training.networks.baselines import BASELINES, Baseline, network_of_run, parameters_of


class Seen(nn.Module):
    """Gives back what it is shown, three classes of it, and notes the shape."""

    def forward(self, x: Tensor) -> Tensor:
        self.shape = tuple(x.shape)
        return torch.cat([x] * 3, dim=1)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_takes_any_stack_and_learns_in_every_part(name: str) -> None:
    torch.manual_seed(0)
    network = BASELINES[name]()
    logits = network(torch.randn(1, 1, 3, 24, 40), 3.0)
    assert logits.shape == (1, 3, 3, 24, 40)
    assert logits.dtype == torch.float32
    logits.square().mean().backward()
    assert [key for key, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def test_the_sizes_are_those_the_docstring_states() -> None:
    stated = {"unet": 7.6, "dynunet": 5.6, "swin_unetr": 15.7, "segmamba": 13.0}
    assert {name: round(parameters_of(make()) / 1e6, 1) for name, make in BASELINES.items()} == stated


@pytest.mark.parametrize("fold", [1, 2])
def test_padding_and_folding_leave_every_voxel_in_its_place(fold: int) -> None:
    seen = Seen()
    volume = torch.arange(5.0 * 12 * 20).reshape(1, 1, 5, 12, 20)
    network = Baseline(seen, (4, 8, 8), fold)
    logits = network(volume)
    assert seen.shape == (1, fold**2, 8, 16 // fold, (24 if fold == 1 else 32) // fold)
    if fold == 1:
        assert torch.equal(logits, torch.cat([volume] * 3, dim=1))
    else:  # the network's channels are pixels, so its copies are too
        assert torch.equal(logits[:, :1], volume)


@pytest.mark.parametrize("name", BASELINES)
@torch.no_grad()
def test_every_network_learns_from_the_smallest_patches_there_are(name: str) -> None:
    size = min(size for _, _, shapes in COARSE for _, size in shapes)
    assert BASELINES[name]().train()(torch.randn(1, 1, 8, size, size)).shape == (1, 3, 8, size, size)


def save_run(folder: Path, network: nn.Module, config: dict | None, name: str) -> None:
    average = {f"module.{key}": value for key, value in network.state_dict().items()} | {"n_averaged": torch.tensor(3)}
    torch.save({"average": average}, folder / "checkpoint.pt")
    made = {"network": config, "options": {"network": name}, "learned": ["a"]}
    (folder / "run.json").write_text(json.dumps(made))


@pytest.mark.parametrize("name", ["proseg", "unet"])
def test_the_network_of_a_run_comes_back(name: str, tmp_path: Path) -> None:
    config = NetworkConfig(widths=(8, 8, 8, 8), depths=(1, 1, 1, 1), strip=3)
    network = ProSeg(config) if name == "proseg" else BASELINES[name]()
    save_run(tmp_path, network, config.to_dict() if name == "proseg" else None, name)
    again = network_of_run(tmp_path)
    assert not again.training
    for one, other in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_baseline_cannot_be_made_into_weights(tmp_path: Path) -> None:
    save_run(tmp_path, nn.Linear(1, 1), None, "unet")
    with pytest.raises(InputError, match="unet"):
        averaged_network(tmp_path)
