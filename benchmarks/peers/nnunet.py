"""What nnU-Net's default prediction would cost: a plain 3D U-Net in a sliding window, averaged over all 8 mirrorings.

Not nnU-Net itself, which needs a trained model, but its arithmetic. As its publication and code have it: tiles overlap
by half with Gaussian weights, mirroring along every axis is on by default, two convolutions with instance normalisation
and leaky ReLU a stage, 32 features doubling to 320 at most, kernels of 1 × 3 × 3 and no pooling across slices while
these are more than twice as far apart as pixels, intensities of zero mean and unit variance, cubic interpolation in
the plane. Assumed here: voxels of 3 × 0.625 × 0.625 mm and a patch of 20 × 320 × 320, so that a field of view of 200 mm
is a single tile, the least work there can be; one model instead of the five folds that are usually averaged; float32.
The network is MONAI's implementation of that U-Net, untrained.
"""

from __future__ import annotations

import itertools
import time
from typing import Any

SPACING_MM = (3.0, 0.625, 0.625)  # k, j, i
PATCH = (20, 320, 320)
OVERLAP = 0.5
STRIDES = ((1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2), (1, 2, 2), (1, 2, 2))
KERNELS = ((1, 3, 3), (1, 3, 3), *[(3, 3, 3)] * 5)
FEATURES = (32, 64, 128, 256, 320, 320, 320)
WHAT = "3D U-Net, 20 × 320 × 320 patch, 8 mirrorings, one model"


def measure(path: str) -> dict[str, Any]:
    """Segment one file's image.

    Returns:
        ``seconds`` from the image in memory to labels on its grid, after the network has computed a patch; ``windows``,
        passes of the network; ``peak_mb``; ``version`` of MONAI.
    """
    import monai
    import nibabel
    import numpy as np
    import torch

    from benchmarks.processes import own_peak_mb

    image = nibabel.load(path)
    array = np.asarray(image.dataobj, np.float32).transpose(2, 1, 0)
    spacing = image.header.get_zooms()[2::-1]
    network, windows = make_network(), 0
    with torch.inference_mode():
        network(torch.zeros(1, 1, *PATCH))
        began = time.perf_counter()
        factors = [own / wanted for own, wanted in zip(spacing, SPACING_MM, strict=True)]
        pixels = resize(array, [round(n * f) for n, f in zip(array.shape, factors, strict=True)], order=3)
        pixels = (pixels - pixels.mean()) / max(float(pixels.std()), 1e-8)
        logits, windows = predict(network, torch.from_numpy(pixels))
        labels = np.stack([resize(channel, array.shape, order=1) for channel in logits.numpy()]).argmax(axis=0)
        took = time.perf_counter() - began
    assert labels.shape == array.shape
    return {"seconds": took, "windows": windows, "peak_mb": own_peak_mb(), "version": monai.__version__, "note": ""}


def make_network() -> Any:
    """The U-Net, untrained."""
    from monai.networks.nets import DynUNet

    return DynUNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=3,
        kernel_size=KERNELS,
        strides=STRIDES,
        upsample_kernel_size=STRIDES[1:],
        filters=FEATURES,
        norm_name=("INSTANCE", {"affine": True}),
        act_name=("leakyrelu", {"negative_slope": 0.01, "inplace": True}),
        deep_supervision=False,
    ).eval()


def predict(network: Any, pixels: Any) -> tuple[Any, int]:
    """Mean logits (3, k, j, i) of all mirrorings in a sliding window, and how many passes it took."""
    from monai.inferers import SlidingWindowInferer

    passes = 0

    def mirrored(batch: Any) -> Any:
        nonlocal passes
        total = 0
        for axes in itertools.chain.from_iterable(itertools.combinations((2, 3, 4), n) for n in range(4)):
            total = total + network(batch.flip(axes)).flip(axes)
            passes += 1
        return total / 8

    inferer = SlidingWindowInferer(roi_size=PATCH, sw_batch_size=1, overlap=OVERLAP, mode="gaussian")
    return inferer(pixels[None, None], mirrored)[0], passes


def resize(array: Any, shape: Any, order: int) -> Any:
    """Interpolate (k, j, i) to another shape: splines of this order in the plane, the nearest slice across it."""
    import numpy as np
    from scipy import ndimage

    count, *plane = shape
    nearest = np.minimum((np.arange(count) + 0.5) * len(array) / count, len(array) - 1).astype(int)
    factors = [wanted / own for wanted, own in zip(plane, array.shape[1:], strict=True)]
    resized = [ndimage.zoom(slab, factors, order=order, mode="nearest", grid_mode=True) for slab in array[nearest]]
    return np.stack(resized).astype(np.float32)
