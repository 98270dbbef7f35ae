"""The follower: a small network that says how a slice changes when a reader has given others of the same gland.

It sees a slice through feature maps (:mod:`proseg.segmentation.propagation`): what the segmenter thinks of it and of
its neighbours, and what the reader made of the nearest given slices. What it says is added to the segmenter's own
logits. Before it has learned anything it says nothing, so the slice stays as it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from proseg.errors import WeightsError
from proseg.model.weights import MODEL_FOLDERS

FORMAT = "proseg-follower-1"
SHIPPED = "follower-0.1.0.pt"
CHANNELS = 38  # feature maps: proseg.segmentation.features
WIDTH = 24
_OTHER = "Reinstall ProSegSlicer."
_SURE = 4.0  # of the sigmoid that weighs the segmenter's word: at first 98 % of it counts
_STEP = 3.0  # logits that an output of 1 stands for


class Follower(nn.Module):
    """Feature maps (n, CHANNELS, j, i) of n slices in, (n, 4, j, i) out: see :func:`followed`."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(WIDTH if number else CHANNELS, WIDTH, 3, padding=dilation, dilation=dilation)
            for number, dilation in enumerate((1, 2, 4, 1))
        )
        self.head = nn.Conv2d(WIDTH, 4, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, features: Tensor) -> Tensor:
        """The outputs of each slice."""
        first, *others = self.convolutions
        x = functional.leaky_relu(first(features), 0.1)
        for convolution in others:
            x = x + functional.leaky_relu(convolution(x), 0.1)
        return self.head(x)


def followed(said: Tensor, gland: Tensor, pz: Tensor) -> tuple[Tensor, Tensor]:
    """Logits after the follower has spoken.

    Args:
        said: (n, 4, j, i), what it says, on pixels of its own: for gland and for zones how far the logits there count,
            and what is added to them.
        gland: (n, J, I), the segmenter's logits of gland against background, on pixels over the same area.
        pz: (n, J, I), of PZ against CG.

    Returns:
        Both again.
    """
    fine = functional.interpolate(said, gland.shape[1:], mode="bilinear", align_corners=False)
    count, more = torch.sigmoid(fine[:, ::2] + _SURE), fine[:, 1::2] * _STEP
    return count[:, 0] * gland + more[:, 0], count[:, 1] * pz + more[:, 1]


def load_follower(path: Path | None = None) -> Follower:
    """A follower, ready to use; without a path the shipped one, checked against its checksum.

    Raises:
        WeightsError: the file is missing, damaged or of another kind.
    """
    if path is None:
        path = next((found for folder in MODEL_FOLDERS if (found := folder / SHIPPED).is_file()), None)
        if path is None:
            raise WeightsError(f"The weights {SHIPPED} are missing from {MODEL_FOLDERS[0]}.", _OTHER)
    try:
        card = json.loads(path.with_suffix(".json").read_text())
        if hashlib.sha256(path.read_bytes()).hexdigest() != card["sha256"]:
            raise ValueError("another file than the one of the checksum")
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != FORMAT:
            raise ValueError("another format")
        follower = Follower()
        follower.load_state_dict(content["state"])
    except Exception as error:  # torch raises whatever its unpickler or zip reader stumbled on
        raise WeightsError(f"{path} is damaged, or is no follower ({type(error).__name__}).", _OTHER) from None
    return follower.eval()


def save_follower(follower: Follower, path: Path, learned: Sequence[str]) -> None:
    """Write a follower in half precision and the JSON beside it.

    Args:
        follower: the network.
        path: where to; the JSON takes the same name with another ending.
        learned: ids of the cases learned from, so that no evaluation counts them.
    """
    half = {key: value.half() for key, value in follower.state_dict().items()}
    torch.save({"format": FORMAT, "state": half}, path)
    card = {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "learned": list(learned)}
    path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
