"""What the follower sees: maps of a gland as the networks have it, and of the slices that a reader gives.

Maps are tensors (K, j, i) on pixels of 2 mm over the slices of a region around the gland, [k, j, i] on an LPS-oriented
grid. How far a border is from where the reader drew it is told as the difference of two signed distances
(:mod:`proseg.segmentation.fields`), for the gland's border and for that between the zones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from proseg.labels import BACKGROUND, CG, PZ
from proseg.model.follower import CHANNELS
from proseg.segmentation.fields import inside_mm, towards_pz_mm

PIXEL_MM = 2.0
_LEAST = 1e-4, 1e-3  # probabilities of gland, shares of zones: kept this far from 0 and 1
_CLIP_MM = 8.0  # a border is said to be off by no more than this
_OF_A_SIDE = 10  # maps that tell of the nearest given slice below, and above
_SIDES_FROM = CHANNELS - 2 * _OF_A_SIDE
_LEAST_AREA = 20.0  # voxels, added to areas that are compared


@dataclass(frozen=True)
class Drawn:
    """A gland as the networks have it, in a region of the image.

    Attributes:
        labels: uint8 (K, J, I).
        spacing_kji: voxel size in mm.
        gland, pz: float32 (K, J, I), logits of gland against background, and of PZ against CG.
        maps: of both, of the signed distances of the gland's border and of the zones', and of the image, by name.
    """

    labels: np.ndarray
    spacing_kji: tuple[float, float, float]
    gland: np.ndarray
    pz: np.ndarray
    maps: dict[str, Tensor]

    @staticmethod
    def of(
        voxels: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, spacing_kji: tuple[float, float, float]
    ) -> Drawn:
        """The same of an image, the probabilities (3, K, J, I) of the zones, and the labels they came to."""
        zones = probabilities[PZ] + probabilities[CG]
        gland = _logit(1 - probabilities[BACKGROUND], _LEAST[0])
        share = np.divide(probabilities[PZ], zones, out=np.full_like(zones, 0.5), where=zones >= _LEAST[1])
        pz = _logit(share, _LEAST[1])
        within = zones > 0.5 if (zones > 0.5).any() else np.ones(zones.shape, bool)
        grey = (voxels - voxels[within].mean()) / (voxels[within].std() + 1e-3)
        pixels = _pixels(labels.shape, spacing_kji)
        fields = {"gland": gland, "pz": pz, "border": inside_mm(labels > 0, spacing_kji)}
        fields |= {"zones": towards_pz_mm(labels, spacing_kji), "image": grey}
        maps = {name: reduced(field, pixels) for name, field in fields.items()}
        maps["image"] = maps["image"].clamp(-4, 4)
        return Drawn(labels, spacing_kji, gland, pz, maps)


@dataclass(frozen=True)
class Given:
    """Slices as the reader gives them; of each, in the order of ``ks``, what :class:`Drawn` has of all slices."""

    ks: np.ndarray
    border: Tensor
    zones: Tensor
    area: np.ndarray
    pz_area: np.ndarray

    @staticmethod
    def of(labels: np.ndarray, ks: Sequence[int], spacing_kji: tuple[float, float, float]) -> Given:
        """The slices ``ks``, ascending, of labels (K, J, I)."""
        ks = np.asarray(ks, int)
        own = labels[ks]
        pixels = _pixels(labels.shape, spacing_kji)
        border = reduced(inside_mm(own > 0, spacing_kji), pixels)
        zones = reduced(towards_pz_mm(own, spacing_kji), pixels)
        return Given(ks, border, zones, *areas(own))

    def part(self, which: Sequence[int]) -> Given:
        """Some of these slices, by their places among them."""
        return Given(*(field[which] for field in (self.ks, self.border, self.zones, self.area, self.pz_area)))


def areas(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Voxels of gland, and of PZ, in each slice (K,) of labels (K, J, I)."""
    return (labels != BACKGROUND).sum(axis=(1, 2)), (labels == PZ).sum(axis=(1, 2))


def features(drawn: Drawn, given: Given, ks: Sequence[int]) -> Tensor:
    """Feature maps (n, CHANNELS, j, i) of the slices ``ks``.

    The first tell of the slice as the networks have it and of where it lies in the gland; then come those of how the
    given slices, the nearer the more, differ from what the networks had there; then those of the nearest given slice
    below, and above.
    """
    ks = np.asarray(ks, int)
    step = drawn.spacing_kji[0]
    area, pz_area = (counts[given.ks] for counts in areas(drawn.labels))
    filled = given.area > 0
    off = ((given.border - drawn.maps["border"][given.ks]).clamp(-_CLIP_MM, _CLIP_MM)) / 4
    zones_off = (given.zones - drawn.maps["zones"][given.ks]).clamp(-_CLIP_MM, _CLIP_MM) / 4 * _column(filled)
    made = torch.zeros(len(ks), CHANNELS, *off.shape[1:])
    _tell_of_slices(made, drawn, ks)

    nearness = np.exp(-np.abs(ks[:, None] - given.ks) * step / 15)
    nearness /= nearness.sum(axis=1, keepdims=True) + 0.5
    weights = torch.from_numpy(nearness.astype(np.float32))
    made[:, 13] = torch.einsum("ns,sji->nji", weights, off)
    made[:, 14] = torch.einsum("ns,sji->nji", weights, zones_off)
    made[:, 15] = len(given.ks) / (len(given.ks) + 3)
    growth = np.clip(np.log((given.area + _LEAST_AREA) / (area + _LEAST_AREA)), -1.5, 1.5)
    made[:, 16] = _column(nearness @ growth)
    shares = given.pz_area / np.maximum(given.area, 1) - pz_area / np.maximum(area, 1)
    made[:, 17] = _column(nearness @ np.where(filled & (area > 0), 2 * shares, 0))

    for place, k in enumerate(ks):
        below, above = np.flatnonzero(given.ks < k)[-1:], np.flatnonzero(given.ks > k)[:1]
        for side, nearest in enumerate((below, above)):
            for s in nearest:
                away = abs(k - given.ks[s]) * step
                near, far = float(np.exp(-away / 4)), float(np.exp(-away / 12))
                at = made[place, _SIDES_FROM + side * _OF_A_SIDE :]
                at[0], at[1], at[2] = near, far, far * float(not filled[s])
                at[3], at[4], at[5], at[6] = off[s] * near, off[s] * far, zones_off[s] * near, zones_off[s] * far
                at[7], at[8] = given.border[s] / 10 * far, given.zones[s] / 10 * far * float(filled[s])
                at[9] = float(away <= step * 1.01)
    return made


def _tell_of_slices(made: Tensor, drawn: Drawn, ks: np.ndarray) -> None:
    """Fill in the maps of the slices themselves, of their neighbours, and of where they lie."""
    count, maps = len(drawn.labels), drawn.maps
    below, above = np.maximum(ks - 1, 0), np.minimum(ks + 1, count - 1)
    own = {"gland": 5, "pz": 3, "border": 10, "zones": 10}
    for channel, (name, scale) in enumerate(own.items()):
        made[:, channel] = maps[name][ks] / scale
    for channel, (name, beside) in enumerate((("gland", below), ("gland", above), ("pz", below), ("pz", above)), 4):
        made[:, channel] = maps[name][beside] / own[name]
    made[:, 8] = maps["image"][ks] / 2
    gland = drawn.labels != BACKGROUND
    weight = gland.sum(axis=0) + 1e-9
    for channel, axis in ((9, 0), (10, 1)):
        size, pixels = weight.shape[axis], made.shape[2 + axis]
        middle = (weight.sum(axis=1 - axis) * np.arange(size)).sum() / weight.sum() / size * pixels
        away = (torch.arange(pixels) - float(middle)) * PIXEL_MM / 30
        made[:, channel] = away[:, None] if axis == 0 else away.abs()[None]
    filled = np.flatnonzero(gland.any(axis=(1, 2)))
    first, last = (filled[0], filled[-1]) if filled.size else (0, count - 1)
    for channel, away in ((11, ks - first), (12, last - ks)):
        made[:, channel] = _column(np.clip(away * drawn.spacing_kji[0] / 20, -1, 1))


def _column(values: np.ndarray) -> Tensor:
    """A value a slice, to be spread over its map."""
    return torch.from_numpy(np.asarray(values, np.float32))[:, None, None]


def _logit(probability: np.ndarray, least: float) -> np.ndarray:
    clipped = np.clip(probability, least, 1 - least)
    return np.log(clipped / (1 - clipped)).astype(np.float32)


def _pixels(shape: tuple[int, int, int], spacing_kji: tuple[float, float, float]) -> tuple[int, int]:
    j, i = (max(8, round(size * step / PIXEL_MM)) for size, step in zip(shape[1:], spacing_kji[1:], strict=True))
    return j, i


def reduced(array: np.ndarray, pixels: tuple[int, int]) -> Tensor:
    """A map of an array (K, J, I) with so many pixels along j and i."""
    volume = torch.from_numpy(np.ascontiguousarray(array, np.float32))[:, None]
    return functional.interpolate(volume, pixels, mode="bilinear", antialias=True, align_corners=False)[:, 0]
