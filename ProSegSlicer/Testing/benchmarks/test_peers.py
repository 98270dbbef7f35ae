"""The peers are what their descriptions say, as far as that can be told without their environment."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from benchmarks.peers import bundle, environment, nnunet


def test_torch_is_pinned_and_first(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    commands = []

    def noted(command: list[str], **_: object) -> subprocess.CompletedProcess:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(environment.subprocess, "run", noted)
    environment.make(tmp_path)
    made, torch, packages = commands
    assert made[-3:] == ["-m", "venv", str(tmp_path)]
    assert torch[-1].startswith("torch==2.13.0") or "torch==2.13.0+cpu" in torch
    assert "--no-deps" in torch
    assert {environment.TORCH, "lavlab-taps==1.1.2"} <= set(packages)


def test_the_bundles_network_brings_a_window_back_to_its_size() -> None:
    pytest.importorskip("monai", reason="MONAI is not installed")
    import torch

    network = bundle.make_network()
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, 32, 32, 32)).shape == (1, 3, 32, 32, 32)
    assert sum(p.numel() for p in network.parameters()) > 10e6


def test_the_made_gland_has_the_volume_it_claims() -> None:
    import torch

    labels = bundle._gland_instead(torch.zeros(1, 160, 160, 160))
    assert set(labels.unique().tolist()) == {0, 1, 2}
    assert float((labels > 0).sum()) * bundle.SPACING_MM**3 / 1000 == pytest.approx(bundle.GLAND_ML, rel=0.02)


def test_eight_mirrorings_of_a_network_that_commutes_with_them_change_nothing() -> None:
    pytest.importorskip("monai", reason="MONAI is not installed")
    import torch

    pixels = torch.randn(*nnunet.PATCH)
    logits, passes = nnunet.predict(lambda batch: torch.cat([batch, -batch, 2 * batch], dim=1), pixels)
    assert passes == 8
    torch.testing.assert_close(logits[2], 2 * pixels, rtol=1e-4, atol=1e-4)


def test_the_u_net_halves_the_slices_twice_and_the_plane_six_times() -> None:
    factors = np.prod(nnunet.STRIDES, axis=0)
    assert tuple(factors) == (4, 64, 64)
    assert len(nnunet.KERNELS) == len(nnunet.FEATURES) == len(nnunet.STRIDES)
    assert all(edge % factor == 0 for edge, factor in zip(nnunet.PATCH, factors, strict=True))


def test_the_u_net_brings_a_patch_back_to_its_size() -> None:
    pytest.importorskip("monai", reason="MONAI is not installed")
    import torch

    with torch.inference_mode():
        assert nnunet.make_network()(torch.zeros(1, 1, 8, 64, 128)).shape == (1, 3, 8, 64, 128)


def test_resizing_keeps_what_is_constant_and_gives_the_shape_asked_for() -> None:
    pytest.importorskip("scipy", reason="SciPy is not installed")
    resized = nnunet.resize(np.full((5, 12, 10), 3.0, np.float32), (7, 30, 25), order=3)
    assert resized.shape == (7, 30, 25)
    np.testing.assert_allclose(resized, 3.0, rtol=1e-5)
