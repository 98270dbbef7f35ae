"""Networks of others, trained like ProSeg, to compare it with; they never ship.

``python -m training.fit.train --network unet --out runs/unet0 --fold 0``

Same data, patches, loss and optimiser; only the network differs. Slices are about 3 mm apart and pixels 0.7 mm, so
every one of them halves the plane before it halves the slices: by strides of its own, or, where the architecture fixes
its strides, by a stem that folds 2 x 2 pixels into channels, as ProSeg's own does. Sizes were chosen so that a patch
takes two CPU cores seconds, not minutes; parameters are those of the sizes below.

- ``unet``: MONAI's residual U-Net, strides 1 x 2 x 2 twice, then 2 x 2 x 2; 7.6 million parameters.
- ``dynunet``: MONAI's DynUNet, the U-Net of nnU-Net, kernels and strides as nnU-Net plans them for such spacings: 1 x 3
  x 3 kernels while slices are much thicker than pixels; 5.6 million parameters.
- ``swin_unetr``: MONAI's Swin UNETR, 24 features, after the folding stem; 15.7 million parameters.
- ``segmamba``: our re-implementation of SegMamba, see :mod:`training.networks.segmamba`; 13.0 million parameters.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import torch
from monai.networks.nets import DynUNet, SwinUNETR, UNet
from torch import Tensor, nn
from torch.nn import functional as F

from proseg.labels import CLASS_COUNT
from proseg.model.network import NetworkConfig, ProSeg
from training.networks.segmamba import SegMamba

PROSEG = "proseg"
IN_PLANE = (1, 2, 2)


class Baseline(nn.Module):
    """A 3D network behind the interface of :class:`proseg.model.network.ProSeg`.

    Args:
        network: takes (B, fold², D, H, W) and gives (B, 3 fold², D, H, W).
        multiple: what its input's D, H and W must divide by.
        fold: pixels of a side that are folded into channels, and unfolded from the logits.
        least: how many times ``multiple`` rows and columns must be at least.
    """

    config = None  # no weights file has one of these to start from

    def __init__(self, network: nn.Module, multiple: tuple[int, int, int], fold: int = 1, least: int = 1) -> None:
        super().__init__()
        self.network, self.multiple, self.fold, self.least = network, multiple, fold, least

    def forward(self, volume: Tensor, spacing_mm: float = 3.0) -> Tensor:
        """Logits (B, 3, D, H, W) of a normalised volume (B, 1, D, H, W) of any size.

        The volume is padded at its far ends with zeros, its mean, to what the network can take. ``spacing_mm`` is not
        used: none of these networks asks how far apart slices are.
        """
        size = volume.shape[-3:]
        steps = [m * f for m, f in zip(self.multiple, (1, self.fold, self.fold), strict=True)]
        least = (steps[0], *(step * self.least for step in steps[1:]))
        spare = [max(n + -n % step, low) - n for n, step, low in zip(size, steps, least, strict=True)]
        x = F.pad(volume, [width for more in reversed(spare) for width in (0, more)])
        if self.fold > 1:
            x = F.pixel_unshuffle(x.transpose(1, 2), self.fold).transpose(1, 2).contiguous()
        x = self.network(x).float()
        if self.fold > 1:
            x = F.pixel_shuffle(x.transpose(1, 2), self.fold).transpose(1, 2)
        return x[..., : size[0], : size[1], : size[2]]


def unet() -> Baseline:
    """MONAI's U-Net with two residual units a level."""
    strides = (IN_PLANE, IN_PLANE, (2, 2, 2), (2, 2, 2))
    network = UNet(3, 1, CLASS_COUNT, (24, 48, 96, 192, 256), strides, num_res_units=2, norm="INSTANCE")
    return Baseline(network, (4, 16, 16))


def dynunet() -> Baseline:
    """MONAI's DynUNet, planned as nnU-Net would for 3 mm slices and 0.7 mm pixels."""
    kernels = ((1, 3, 3), (1, 3, 3), 3, 3, 3)
    strides = (1, IN_PLANE, IN_PLANE, 2, 2)
    network = DynUNet(3, 1, CLASS_COUNT, kernels, strides, strides[1:], filters=(16, 32, 64, 128, 256))
    return Baseline(network, (4, 16, 16))


def swin_unetr() -> Baseline:
    """MONAI's Swin UNETR; it halves all axes five times, so thin stacks are padded to 32 slices.

    Small patches are padded to twice as many pixels: its coarsest level, normalised over places, needs more than one.
    """
    network = SwinUNETR(4, 4 * CLASS_COUNT, feature_size=24, spatial_dims=3)
    return Baseline(network, (32, 32, 32), fold=2, least=2)


def segmamba() -> Baseline:
    """Our SegMamba; after the folding stem it halves the plane once more before it halves the slices too."""
    return Baseline(SegMamba(4, 4 * CLASS_COUNT), SegMamba.multiple, fold=2)


BASELINES: dict[str, Callable[[], Baseline]] = {
    "unet": unet,
    "dynunet": dynunet,
    "swin_unetr": swin_unetr,
    "segmamba": segmamba,
}


def parameters_of(network: nn.Module) -> int:
    """How many numbers the network has learned."""
    return sum(math.prod(parameter.shape) for parameter in network.parameters())


def network_of_run(run: Path) -> nn.Module:
    """The network of a run of ``training.fit.train``, ProSeg or a baseline, weights averaged over its steps."""
    made = json.loads((run / "run.json").read_text())
    name = made["options"].get("network", PROSEG)
    network = ProSeg(NetworkConfig.from_dict(made["network"])) if name == PROSEG else BASELINES[name]()
    averaged = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)["average"]
    network.load_state_dict({key.removeprefix("module."): v for key, v in averaged.items() if key != "n_averaged"})
    return network.eval()
