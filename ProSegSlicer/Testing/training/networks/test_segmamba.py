"""SegMamba's parts: what they see, what they weigh, what they must divide by."""

from __future__ import annotations

import pytest
import torch

from training.networks.segmamba import SegMamba, TriMamba, weigh_by_certainty


def test_a_mamba_of_three_orientations_sees_the_whole_volume() -> None:
    torch.manual_seed(0)
    tokens = torch.randn(1, 2 * 3 * 4, 16, requires_grad=True)
    TriMamba(16)(tokens, (2, 3, 4))[0, 13].sum().backward()
    assert (tokens.grad[0].abs().sum(dim=1) > 0).all()


def test_features_without_doubt_count_for_more() -> None:
    x = torch.cat([torch.full((1, 2, 1, 1, 1), value) for value in (9.0, -0.5)], dim=-1)
    ratio = (weigh_by_certainty(x) / x)[0, 0, 0, 0]
    assert ratio[0] == pytest.approx(2, abs=1e-3)
    assert 1 < ratio[1] < 1.7


def test_segmamba_says_what_its_input_must_divide_by() -> None:
    depth, height, width = SegMamba.multiple
    logits = SegMamba(4, 12, widths=(8, 16, 16, 16))(torch.randn(1, 4, depth, height, 2 * width))
    assert logits.shape == (1, 12, depth, height, 2 * width)
