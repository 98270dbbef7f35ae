"""Dice + focal loss that also learns from cases where only the whole gland is outlined."""

from __future__ import annotations

import torch
from monai.losses import DiceLoss, FocalLoss
from torch import Tensor, nn

from proseg.labels import CLASS_COUNT
from training.data.labels import GLAND_UNKNOWN_ZONE

END_SLICES = 2  # on each side of an end
LITTLE_GLAND = 50.0  # pixels of 0.7 mm, 25 mm²: a fifth of experts' usual end slices


def merge_zones(logits: Tensor) -> Tensor:
    """Logits (B, 3, ...) of background, PZ, CG to logits (B, 2, ...) of background and gland.

    The log-sum-exp of the zones' logits makes softmax give exactly p(PZ) + p(CG).
    """
    return torch.cat([logits[:, :1], torch.logsumexp(logits[:, 1:], dim=1, keepdim=True)], dim=1)


def ends_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """How far the gland is from beginning and ending where it should: Dice loss, slice by slice, around its ends.

    The slices are those within ``END_SLICES`` on both sides of where gland begins or ends within the view. Each counts
    alike, however small its gland; one without any costs 1 - s / (s + the gland's probabilities in it), with
    s = ``LITTLE_GLAND``. So it asks "is there gland in this slice", where Dice over the whole volume hardly does.

    Args:
        logits: (1, 3, D, H, W).
        labels: (1, 1, D, H, W), 0 outside the gland.

    Returns:
        Their mean, 0 where no end is in view.
    """
    found, true = merge_zones(logits).softmax(dim=1)[0, 1].flatten(1), (labels[0, 0] > 0).flatten(1).float()
    has = true.amax(dim=1)
    change = (has[1:] - has[:-1]).abs()  # between slice k and k + 1
    padded = torch.nn.functional.pad(change, (END_SLICES, END_SLICES))[None]
    near = torch.nn.functional.max_pool1d(padded, 2 * END_SLICES, stride=1)[0]  # (D,)
    both = 2 * (found * true).sum(dim=1) + LITTLE_GLAND
    dice = both / (found.sum(dim=1) + true.sum(dim=1) + LITTLE_GLAND)
    return ((1 - dice) * near).sum() / near.sum().clamp(min=1)


class ZonalLoss(nn.Module):
    """Dice + focal loss over the zones where they are known, and over the gland for every case.

    A gland-only case says PZ u CG = gland and nothing about where the zones meet (partial supervision). Both terms are
    MONAI's, each on the softmax; its ``DiceFocalLoss`` would put the focal term on a sigmoid of each channel, for which
    the merged logits mean nothing.

    Args:
        gland_weight: weight of the gland's term beside the zones'.
        focal: weight of the focal term; 0 leaves Dice alone.
        ends: weight of :func:`ends_loss`.
    """

    def __init__(self, gland_weight: float = 0.5, focal: float = 10.0, ends: float = 0.0) -> None:
        super().__init__()
        self.gland_weight, self.focal_weight, self.ends_weight = gland_weight, focal, ends
        self.dice = DiceLoss(softmax=True, to_onehot_y=True)
        self.focal = FocalLoss(use_softmax=True, to_onehot_y=True, gamma=2.0)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Loss of one case: logits (1, 3, D, H, W), labels (1, 1, D, H, W) with 3 = gland of unknown zone."""
        gland = self._dice_focal(merge_zones(logits), (labels > 0).long())
        zones = self._dice_focal(logits, labels.clamp(max=CLASS_COUNT - 1).long())
        # Both, then a choice: a GPU would have to be waited for before Python could decide which one to compute.
        known = (labels != GLAND_UNKNOWN_ZONE).all()
        loss = torch.where(known, zones, gland) + self.gland_weight * gland
        return loss + self.ends_weight * ends_loss(logits, labels) if self.ends_weight else loss

    def _dice_focal(self, logits: Tensor, labels: Tensor) -> Tensor:
        dice = self.dice(logits, labels)
        return dice + self.focal_weight * self.focal(logits, labels) if self.focal_weight else dice
