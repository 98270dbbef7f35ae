"""The pipeline of MONAI's model zoo bundle ``prostate_mri_anatomy``, with untrained weights: speed needs no others.

From the bundle's published ``configs/inference.json``: the UNet and all its settings, orientation to RAS, 0.5 mm voxels
by bilinear interpolation, both intensity scalings, windows of 96 × 96 × 96 four at a time with an overlap of half, arg
max, the largest component of both labels, and the inversion of the transforms. Its mixed precision is for GPUs only, so
it computes in float32. This project's own: the image comes from memory, and as an untrained network labels
noise, the components are those of an ellipsoid of 45 mL. Its README would have images centre-cropped before; that is
the user's work and no part of the pipeline, so the whole field of view is segmented.
"""

from __future__ import annotations

import math
import time
from typing import Any

SPACING_MM, WINDOW, AT_ONCE, OVERLAP = 0.5, 96, 4, 0.5
GLAND_ML = 45.0
WHAT = "PZ and CG; 0.5 mm voxels, windows of 96³ overlapping by half"


def measure(path: str) -> dict[str, Any]:
    """Segment one file's image.

    Returns:
        ``seconds`` from the image in memory to labels on its grid, after the network has computed a batch of windows;
        ``windows``; ``peak_mb``; ``version`` of MONAI.
    """
    import monai
    import torch
    from monai.inferers import SlidingWindowInferer

    from benchmarks.processes import own_peak_mb

    volume = _load(path)
    network, windows = make_network(), 0
    inferer = SlidingWindowInferer(roi_size=(WINDOW,) * 3, sw_batch_size=AT_ONCE, overlap=OVERLAP)
    preprocess, finish = _transforms()

    def counted(batch: Any) -> Any:
        nonlocal windows
        windows += len(batch)
        return network(batch)

    with torch.inference_mode():
        network(torch.zeros(AT_ONCE, 1, *(WINDOW,) * 3))
        began = time.perf_counter()
        data = preprocess({"image": volume})
        data["pred"] = inferer(data["image"][None], counted)[0]
        finish(data)
        took = time.perf_counter() - began
    return {"seconds": took, "windows": windows, "peak_mb": own_peak_mb(), "version": monai.__version__, "note": ""}


def make_network() -> Any:
    """The bundle's UNet, untrained."""
    from monai.networks.nets import UNet

    return UNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=3,
        channels=(16, 32, 64, 128, 256, 512),
        strides=(2, 2, 2, 2, 2),
        num_res_units=4,
        norm="batch",
        act="prelu",
        dropout=0.15,
    ).eval()


def _load(path: str) -> Any:
    """The image as MONAI holds it in memory: channel first, with its affine."""
    from monai.transforms import LoadImage

    return LoadImage(image_only=True, ensure_channel_first=True)(path)


def _transforms() -> tuple[Any, Any]:
    from monai.transforms import (
        AsDiscreted,
        Compose,
        EnsureTyped,
        Invertd,
        KeepLargestConnectedComponentd,
        Lambdad,
        NormalizeIntensityd,
        Orientationd,
        ScaleIntensityd,
        Spacingd,
    )

    preprocess = Compose(
        [
            Orientationd(keys="image", axcodes="RAS", labels=None),
            Spacingd(keys="image", pixdim=(SPACING_MM,) * 3, mode="bilinear"),
            ScaleIntensityd(keys="image", minv=0, maxv=1),
            NormalizeIntensityd(keys="image"),
            EnsureTyped(keys="image"),
        ]
    )
    finish = Compose(
        [
            AsDiscreted(keys="pred", argmax=True),
            Lambdad(keys="pred", func=_gland_instead, track_meta=True),
            KeepLargestConnectedComponentd(keys="pred", applied_labels=[1, 2]),
            Invertd(keys="pred", transform=preprocess, orig_keys="image", nearest_interp=False, to_tensor=True),
        ]
    )
    return preprocess, finish


def _gland_instead(labels: Any) -> Any:
    """Labels of the same shape, an ellipsoid's front half 1 and its back half 2, in the middle."""
    import torch

    radius = (GLAND_ML * 1000 * 3 / 4 / math.pi) ** (1 / 3) / SPACING_MM
    x, y, z = (torch.arange(n) - n / 2 for n in labels.shape[1:])
    squares = x[:, None, None] ** 2 + y[:, None] ** 2 + z**2
    gland = (squares < radius**2).to(labels.dtype)
    labels[0] = gland * (1 + (y > 0).to(labels.dtype)[:, None])
    return labels
