"""The ProSeg network.

Qin & Yang (Sci Rep 16, 13620, 2026) describe ProSeg in prose: blocks with a direction-sensitive in-plane path, a
cross-slice attention path and a voxel-wise gate; an encoder-decoder; a feature pyramid. Neither code nor layer tables
are public, so every layer choice below is this project's own.

Slices are 3 mm or more apart and pixels below 1 mm, so convolutions stay in the slice plane: slices ride in the batch
axis, (B*D, C, H, W) channels-last, which two CPU cores handle several times faster than 3D convolutions. Slices meet in
the attention path, whose bias is a function of their distance in mm, so any slice spacing and count will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from proseg.labels import CLASS_COUNT

IN_PLANE_MULTIPLE = 16  # height and width must divide by this: stem stride 2, then three halvings


@dataclass(frozen=True)
class NetworkConfig:
    """Which parts the network has, so that an ablation is one flag.

    Attributes:
        widths: channels at in-plane strides 2, 4, 8 and 16.
        depths: blocks at each of these strides in the encoder (the decoder has one each).
        strip: length in pixels of the directional filters, odd.
        heads: attention heads of the cross-slice path.
        directional: the direction-sensitive strip filters of the local path.
        cross_slice: the cross-slice attention path.
        gate: voxel-wise gated fusion of both paths; without it they are added.
        pyramid: the feature pyramid before the head; without it the head sees the last decoder level alone.
        norm: ``"instance"`` (per volume and channel), ``"group"`` (per slice, 8 groups) or ``"batch"``.
    """

    widths: tuple[int, ...] = (32, 64, 128, 192)
    depths: tuple[int, ...] = (1, 2, 2, 2)
    strip: int = 7
    heads: int = 4
    directional: bool = True
    cross_slice: bool = True
    gate: bool = True
    pyramid: bool = True
    norm: str = "instance"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for checkpoints and reports."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> NetworkConfig:
        """The inverse of :meth:`to_dict`."""
        return NetworkConfig(**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})


class VolumeNorm(nn.Module):
    """Instance normalisation over a whole volume: statistics per case and channel across all its slices.

    One scanner's brightness and contrast leave no trace behind it, while differences between slices, which tell base
    from apex, stay.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, volumes: int) -> Tensor:
        """Normalise (B*D, C, H, W) for ``volumes`` = B cases."""
        # With the slices of one case in the batch axis, batch statistics are exactly that case's volume statistics.
        parts = [F.batch_norm(part, None, None, self.weight, self.bias, training=True) for part in x.chunk(volumes)]
        return parts[0] if volumes == 1 else torch.cat(parts)


class SliceNorm(nn.GroupNorm):
    """Group normalisation of each slice on its own."""

    def forward(self, x: Tensor, volumes: int) -> Tensor:
        """Normalise (B*D, C, H, W); ``volumes`` is not needed."""
        return super().forward(x)


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation with running statistics."""

    def forward(self, x: Tensor, volumes: int) -> Tensor:
        """Normalise (B*D, C, H, W); ``volumes`` is not needed."""
        return super().forward(x)


def make_norm(kind: str, channels: int) -> nn.Module:
    """The normalisation layer named ``kind``."""
    if kind == "instance":
        return VolumeNorm(channels)
    if kind == "group":
        return SliceNorm(8, channels)
    if kind == "batch":
        return BatchNorm(channels)
    raise ValueError(f"Unknown norm {kind!r}: choose instance, group or batch.")


class DirectionalFilter(nn.Module):
    """Strip filters along rows, columns and both diagonals, each for a quarter of the channels, added to their input.

    The peripheral zone is a thin curved band; a strip along it gathers evidence that a square window would dilute.
    """

    def __init__(self, channels: int, length: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, channels // 4, length) * length**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        # One square filter a channel, empty but for its strip and the input itself: several times as much arithmetic,
        # and yet quicker than to take the channels apart, filter them four ways and put them together again.
        half = self.weight.shape[-1] // 2
        along_rows, along_columns, falling, rising = self.weight
        kernel = torch.cat(
            [
                F.pad(along_rows[:, None, :], (0, 0, half, half)),
                F.pad(along_columns[:, :, None], (half, half, 0, 0)),
                torch.diag_embed(falling),
                torch.diag_embed(rising).flip(-1),
            ]
        )
        itself = F.pad(kernel.new_ones(1, 1), [half] * 4)
        return F.conv2d(x, (kernel + itself)[:, None], padding=half, groups=x.shape[1])


class CrossSliceAttention(nn.Module):
    """Each in-plane place looks at the same place in every slice, on an in-plane grid pooled to stride 16.

    The pull of a slice fades with its distance in mm at a rate each head learns (as ALiBi, Press et al. 2022, does
    with token distance), so the result does not depend on how many slices there are or how thick they are.
    """

    def __init__(self, channels: int, heads: int, pool: int, norm: str) -> None:
        super().__init__()
        self.heads, self.pool = heads, pool
        self.norm = make_norm(norm, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        self.fade = nn.Parameter(torch.linspace(-4.0, 0.0, heads))  # log of the bias per mm

    def forward(self, x: Tensor, volumes: int, spacing_mm: float) -> Tensor:
        """(B*D, C, H, W) to the same shape."""
        size = x.shape[-2:]
        tokens = self.norm(F.avg_pool2d(x, self.pool) if self.pool > 1 else x, volumes)
        n, c, h, w = tokens.shape
        depth, width = n // volumes, c // self.heads
        qkv = self.qkv(tokens).view(volumes, depth, 3, self.heads, width, h * w)
        q, k, v = qkv.permute(2, 0, 5, 3, 1, 4).reshape(3, volumes * h * w, self.heads, depth, width)
        place = torch.arange(depth, device=x.device, dtype=torch.float32) * spacing_mm
        bias = -(place[:, None] - place[None, :]).abs() * self.fade.exp()[:, None, None]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype)[None])
        mixed = mixed.view(volumes, h * w, self.heads, depth, width).permute(0, 3, 2, 4, 1).reshape(n, c, h, w)
        mixed = self.out(mixed.contiguous(memory_format=torch.channels_last))
        return resize(mixed, size) if self.pool > 1 else mixed


class ContextBlock(nn.Module):
    """The multi-scale context block: local and cross-slice paths, fused by a gate at each voxel, added to the input."""

    def __init__(self, channels: int, pool: int, config: NetworkConfig) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = make_norm(config.norm, channels)
        self.directional = DirectionalFilter(channels, config.strip) if config.directional else None
        self.mix = nn.Conv2d(channels, channels, 1, bias=False)
        self.mix_norm = make_norm(config.norm, channels)
        self.context = CrossSliceAttention(channels, config.heads, pool, config.norm) if config.cross_slice else None
        self.gate = nn.Conv2d(channels, channels, 1) if config.gate and config.cross_slice else None

    def forward(self, x: Tensor, volumes: int, spacing_mm: float) -> Tensor:
        """(B*D, C, H, W) to the same shape."""
        local = F.relu_(self.norm(self.conv(x), volumes))
        if self.directional is not None:
            local = self.directional(local)
        local = self.mix_norm(self.mix(local), volumes)
        if self.context is None:
            return F.relu_(x + local)
        context = self.context(x, volumes, spacing_mm)
        if self.gate is None:
            return F.relu_(x + local + context)
        return F.relu_(x + torch.lerp(local, context, torch.sigmoid(self.gate(local + context))))


class ProSeg(nn.Module):
    """ProSeg: T2W volume to logits of background, PZ and CG."""

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NetworkConfig()
        widths = config.widths
        pools = [8 >> level for level in range(len(widths))]
        self.stem = nn.Conv2d(4, widths[0], 3, padding=1, bias=False)
        self.stem_norm = make_norm(config.norm, widths[0])
        self.encoder = nn.ModuleList(
            nn.ModuleList(ContextBlock(width, pool, config) for _ in range(depth))
            for width, pool, depth in zip(widths, pools, config.depths, strict=True)
        )
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2, bias=False) for a, b in pairwise(widths))
        self.down_norm = nn.ModuleList(make_norm(config.norm, width) for width in widths[1:])
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.skip = nn.ModuleList(nn.Conv2d(width, width, 1) for width in widths[:-1])
        self.decoder = nn.ModuleList(
            ContextBlock(width, pool, config) for width, pool in zip(widths[:-1], pools, strict=False)
        )
        self.lateral = nn.ModuleList(nn.Conv2d(width, widths[0], 1) for width in widths) if config.pyramid else None
        self.refine = nn.Conv2d(widths[0], widths[0], 3, padding=1, bias=False)
        self.refine_norm = make_norm(config.norm, widths[0])
        self.head = nn.Conv2d(widths[0], CLASS_COUNT * 4, 1)

    def forward(self, volume: Tensor, spacing_mm: float = 3.0) -> Tensor:
        """Logits of a batch of normalised volumes.

        Args:
            volume: (B, 1, D, H, W), zero mean and unit variance a case; H and W multiples of 16.
            spacing_mm: distance between slice centres, mm.

        Returns:
            (B, 3, D, H, W): background, PZ, CG.
        """
        volumes, _, depth, height, width = volume.shape
        x = volume.reshape(volumes * depth, 1, height, width)
        x = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        stem = x = F.relu_(self.stem_norm(self.stem(x), volumes))
        features = []
        for level, blocks in enumerate(self.encoder):
            if level:
                x = F.relu_(self.down_norm[level - 1](self.down[level - 1](x), volumes))
            for block in blocks:
                x = block(x, volumes, spacing_mm)
            features.append(x)
        pyramid = [x]
        for level in reversed(range(len(self.decoder))):
            x = upsample(self.up[level](x), 2) + self.skip[level](features[level])
            x = self.decoder[level](x, volumes, spacing_mm)
            pyramid.insert(0, x)
        if self.lateral is not None:
            x = stem
            for level, (lateral, feature) in enumerate(zip(self.lateral, pyramid, strict=True)):
                x = x + upsample(lateral(feature), 1 << level)
        x = F.relu_(self.refine_norm(self.refine(x), volumes))
        logits = F.pixel_shuffle(self.head(x).float(), 2)
        return logits.reshape(volumes, depth, CLASS_COUNT, height, width).transpose(1, 2)


def upsample(x: Tensor, factor: int) -> Tensor:
    """Bilinear in-plane upsampling by a whole factor."""
    return x if factor == 1 else resize(x, [side * factor for side in x.shape[-2:]])


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear in-plane resizing, in the arithmetic of ``x``: autocast on CUDA would make it float32 (lerp fails)."""
    return F.interpolate(x, size=list(size), mode="bilinear", align_corners=False).to(x.dtype)
