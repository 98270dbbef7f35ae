"""SegMamba, re-implemented from its description: Xing et al. 2024, arXiv 2401.13560.

The authors' code and weights are not used. The same as in the paper: an encoder of four stages of tri-orientated
spatial Mamba blocks, each a gated spatial convolution, then the sum of three Mambas that read the volume forwards,
backwards and across slices, then an MLP, with residuals and layer norms where the paper has them; feature-level
uncertainty on each skip connection; a decoder of residual convolutions. Mamba itself is that of Gu & Dao, arXiv
2312.00752: expansion 2, a causal convolution of 4 tokens, the selective scan and a gate.

Not the same, for two CPU cores and thick slices: the scan is plain PyTorch (:mod:`training.networks.selective_scan`)
instead of a CUDA kernel, with 8 states instead of 16; widths 32 to 256 and one block a stage instead of 48 to 384 and
two; the stem is 1 x 5 x 5 with stride 1 x 2 x 2 instead of 7 x 7 x 7 with stride 2, and the first halving leaves the
slices alone too, for they are four times as thick as pixels; the three Mambas share the projections into and out of
the block. What the paper does not state, first values and the decoder's norms say, is this project's choice.
"""

from __future__ import annotations

import math

import torch
from monai.networks.blocks import UnetrBasicBlock, UnetrUpBlock
from torch import Tensor, nn
from torch.nn import functional as F

from training.networks.selective_scan import selective_scan

IN_PLANE = (1, 2, 2)


class Orientation(nn.Module):
    """One Mamba's own part: causal convolution, what the state space model learns of its input, and its scan."""

    def __init__(self, inner: int, states: int, rank: int) -> None:
        super().__init__()
        self.states, self.rank = states, rank
        self.conv = nn.Conv1d(inner, inner, 4, padding=3, groups=inner)
        self.parts = nn.Linear(inner, rank + 2 * states, bias=False)
        self.step = nn.Linear(rank, inner)
        steps = torch.exp(torch.linspace(math.log(1e-3), math.log(1e-1), inner))
        with torch.no_grad():
            self.step.bias.copy_(torch.log(torch.expm1(steps)))  # softplus of the bias is the step
        self.log_rate = nn.Parameter(torch.log(torch.arange(1, states + 1).float()).repeat(inner, 1))
        self.past = nn.Parameter(torch.ones(inner))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, E) to the same shape; a token knows itself and those before it."""
        x = F.silu(self.conv(x.transpose(1, 2))[..., : x.shape[1]]).transpose(1, 2)
        delta, b, c = self.parts(x).split([self.rank, self.states, self.states], dim=-1)
        delta = F.softplus(self.step(delta).float())
        return selective_scan(x, delta, -torch.exp(self.log_rate), b, c, self.past)


class TriMamba(nn.Module):
    """Tri-orientated Mamba: tokens read forwards, backwards and across slices, summed."""

    def __init__(self, channels: int, states: int = 8) -> None:
        super().__init__()
        inner = 2 * channels
        self.enter = nn.Linear(channels, 2 * inner, bias=False)
        self.forwards, self.backwards, self.across = (
            Orientation(inner, states, max(1, channels // 16)) for _ in range(3)
        )
        self.leave = nn.Linear(inner, channels, bias=False)

    def forward(self, x: Tensor, size: tuple[int, int, int]) -> Tensor:
        """(B, D*H*W, C) tokens, slice by slice, to the same shape."""
        depth, height, width = size
        x, gate = self.enter(x).chunk(2, dim=-1)
        y = self.forwards(x) + self.backwards(x.flip(1)).flip(1)
        # Across slices: all slices of a place follow one another.
        turned = x.unflatten(1, (depth, height * width)).transpose(1, 2).flatten(1, 2)
        y = y + self.across(turned).unflatten(1, (height * width, depth)).transpose(1, 2).flatten(1, 2)
        return self.leave(y.to(gate.dtype) * F.silu(gate))


class GatedSpatialConvolution(nn.Module):
    """Looks around a voxel before its volume becomes a row of tokens: 3 x 3 x 3 features times a 1 x 1 x 1 gate."""

    def __init__(self, channels: int) -> None:
        super().__init__()

        def layer(kernel: int) -> nn.Sequential:
            conv = nn.Conv3d(channels, channels, kernel, padding=kernel // 2, bias=False)
            return nn.Sequential(conv, nn.InstanceNorm3d(channels, affine=True), nn.ReLU())

        self.around, self.gate, self.fuse = layer(3), layer(1), layer(3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, D, H, W) to the same shape."""
        return x + self.fuse(self.around(x) * self.gate(x))


class TriMambaBlock(nn.Module):
    """Gated spatial convolution, tri-orientated Mamba and MLP."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = GatedSpatialConvolution(channels)
        self.norm, self.mlp_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.mamba = TriMamba(channels)
        self.mlp = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, D, H, W) to the same shape."""
        x = self.spatial(x)
        size = tuple(x.shape[2:])
        tokens = x.flatten(2).transpose(1, 2)
        tokens = tokens + self.mamba(self.norm(tokens), size)
        tokens = tokens + self.mlp(self.mlp_norm(tokens))
        return tokens.transpose(1, 2).unflatten(2, size).contiguous()


def weigh_by_certainty(x: Tensor) -> Tensor:
    """Feature-level uncertainty: features count for more where their mean over channels leaves little doubt."""
    mean = torch.sigmoid(x.float().mean(dim=1, keepdim=True))
    return x + x * (1 + mean * torch.log(mean)).to(x.dtype)


class SegMamba(nn.Module):
    """SegMamba for thick slices: (B, in, D, H, W) to (B, out, D, H, W)."""

    multiple = (4, 16, 16)  # what D, H and W must divide by

    def __init__(self, in_channels: int, out_channels: int, widths: tuple[int, ...] = (32, 64, 128, 256)) -> None:
        super().__init__()
        strides = (IN_PLANE, IN_PLANE, (2, 2, 2), (2, 2, 2))
        self.down = nn.ModuleList(
            nn.Sequential(nn.InstanceNorm3d(a, affine=True), nn.Conv3d(a, b, stride, stride=stride))
            for a, b, stride in zip(widths, widths[1:], strides[1:], strict=False)
        )
        self.stem = nn.Conv3d(in_channels, widths[0], (1, 5, 5), stride=IN_PLANE, padding=(0, 2, 2))
        self.stages = nn.ModuleList(TriMambaBlock(width) for width in widths)
        self.first = _residual(in_channels, widths[0] // 2)
        self.skips = nn.ModuleList(_residual(width, width) for width in widths)
        self.up = nn.ModuleList(
            UnetrUpBlock(3, b, a, kernel_size=3, upsample_kernel_size=stride, norm_name="instance", res_block=True)
            for a, b, stride in zip((widths[0] // 2, *widths), widths, strides, strict=False)
        )
        self.head = nn.Conv3d(widths[0] // 2, out_channels, 1)

    def forward(self, volume: Tensor) -> Tensor:
        """Logits."""
        skips, x = [self.first(volume)], self.stem(volume)
        for level, (stage, skip) in enumerate(zip(self.stages, self.skips, strict=True)):
            x = stage(self.down[level - 1](x) if level else x)
            skips.append(skip(weigh_by_certainty(x)))
        x = skips.pop()
        for up, skip in zip(reversed(self.up), reversed(skips), strict=True):
            x = up(x, skip)
        return self.head(x)


def _residual(a: int, b: int) -> nn.Module:
    return UnetrBasicBlock(3, a, b, kernel_size=3, stride=1, norm_name="instance", res_block=True)
