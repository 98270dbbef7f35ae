"""Random patches of a training case, as another scanner, coil, patient position or protocol might have shown them.

MONAI's transforms do the work. Anatomy is never turned upside down: only left and right may change places.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from monai import transforms as mt
from torch import Tensor
from torch.utils.data import Dataset

from proseg.model.preprocessing import PIXEL_MM, normalise
from training.data.harsh import harsh
from training.data.preprocess import Arrays
from training.data.raw_scans import raw_scan
from training.data.treated import treated

# (slices, rows and columns): sizes vary so that the network does not learn one; few, since every new shape costs a CPU
# about a second of kernel preparation.
SHAPES = ((14, 176), (20, 144), (26, 128))
# Early patches may show as much of the body on fewer, larger pixels, when no fine detail is learned yet: as much
# progress a patch for a third to a half of the work ("progressive resizing"). Each: until which part of the training,
# size of a pixel in the network's own pixels, shapes.
COARSE = ((0.25, 2.0, ((14, 96), (20, 80), (26, 64))), (0.65, 1.4, ((14, 128), (20, 112), (26, 96))))
KEYS = ("image", "labels", "inside")
MODES = ("bilinear", "nearest", "nearest")


def spatial(size: tuple[int, int, int], pixel: float = 1.0) -> mt.Compose:
    """Rotation, scale, tilt, shift, grid distortion and left-right flip, cropped to ``size`` (slices, rows, columns).

    ``pixel`` is the mean in-plane size of the pixels made, in pixels of the case.

    Axes are (k, j, i); shear numbers are voxels per voxel, small between slices and pixels because slices are thick.
    """
    in_plane = (0.8 * pixel - 1, 1.2 * pixel - 1)
    return mt.Compose(
        [
            mt.RandFlipd(KEYS, prob=0.5, spatial_axis=2),
            mt.RandGridDistortiond(KEYS, prob=0.25, num_cells=(2, 5, 5), distort_limit=0.12, mode=MODES),
            mt.RandAffined(
                KEYS,
                prob=1.0,
                rotate_range=(0.3, 0.0, 0.0),
                scale_range=((-0.12, 0.12), in_plane, in_plane),
                shear_range=(0.02, 0.02, 0.5, 0.1, 0.5, 0.1),
                spatial_size=size,
                mode=MODES,
                padding_mode="zeros",
            ),
        ]
    )


def intensity() -> mt.Compose:
    """Contrast, coil brightness, blur, noise and resolution of other scanners, on intensities of about 0 to 1."""
    return mt.Compose(
        [
            mt.RandAdjustContrastd("image", prob=0.4, gamma=(0.6, 1.7)),
            mt.RandHistogramShiftd("image", prob=0.3, num_control_points=(4, 8)),
            mt.RandBiasFieldd("image", prob=0.5, degree=3, coeff_range=(0.0, 0.35)),
            mt.OneOf(
                [
                    mt.RandGaussianSmoothd(
                        "image", prob=1.0, sigma_x=(0.0, 0.1), sigma_y=(0.3, 1.3), sigma_z=(0.3, 1.3)
                    ),
                    mt.RandSimulateLowResolutiond("image", prob=1.0, zoom_range=(0.5, 1.0)),
                    mt.RandGaussianSharpend("image", prob=1.0),
                    mt.Identityd("image"),
                    mt.Identityd("image"),
                    mt.Identityd("image"),
                ]
            ),
            mt.RandRicianNoised("image", prob=0.3, std=0.08, sample_std=True, relative=False, channel_wise=False),
        ]
    )


class Views(Dataset):
    """Random views of cases, one a training step; the same seed and step give the same view.

    Each item: image (1, D, H, W) normalised, labels (1, D, H, W) int64 and the slice distance in mm. Sizes vary, so use
    a batch size of None.
    """

    def __init__(self, cases: list[Arrays], steps: int, seed: int, start: int = 0) -> None:
        self.cases, self.steps, self.seed, self.start = cases, steps, seed, start
        self.intensity = intensity()

    def __len__(self) -> int:
        return self.steps


class Patches(Views):
    """Random augmented patches around the gland, one reader's labels at a time.

    With a ``budget`` of patches the early ones are coarse, as ``COARSE`` says; without, none is. ``harsh``, ``treated``
    and ``raw_scans`` add what the modules of these names in :mod:`training.data` have.
    """

    def __init__(
        self,
        cases: list[Arrays],
        steps: int,
        seed: int,
        start: int = 0,
        budget: int | None = None,
        harsh: bool = False,
        treated: bool = False,
        raw_scans: bool = False,
    ) -> None:
        super().__init__(cases, steps, seed, start)
        self.budget, self.harsh, self.treated, self.raw_scans = budget, harsh, treated, raw_scans

    def case(self, step: int) -> Arrays:
        """The case of which a training step shows a patch: all of them in random order, then in another one."""
        epoch, place = divmod(step + self.start, len(self.cases))
        return self.cases[np.random.default_rng((self.seed, epoch)).permutation(len(self.cases))[place]]

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor, float]:
        """The patch of one training step."""
        case = self.case(step)
        step += self.start
        random = np.random.default_rng((self.seed, 1, step))
        slices = case.labels.shape[1]
        progress = step / self.budget if self.budget else math.inf
        coarse = ((pixel, shapes) for until, pixel, shapes in COARSE if progress < until)
        pixel, shapes = next(coarse, (1.0, SHAPES))
        depth, size = random.choice([shape for shape in shapes if shape[0] <= slices] or [(slices, shapes[0][1])])
        labels = case.labels[random.integers(len(case.labels))]
        box = self.box(labels, depth, pixel * size, random)
        sample = {
            "image": case.image[box].astype(np.float32)[None],
            "labels": labels[box].astype(np.float32)[None],
            "inside": np.ones((1, *labels[box].shape), np.float32),
        }
        warp = spatial((depth, size, size), pixel)
        for transform in (warp, self.intensity):
            transform.set_random_state(int(random.integers(2**31)))
        sample = warp(sample)
        inside = np.asarray(sample["inside"][0]) > 0.5
        gain = 1 + 0.03 * random.standard_normal(depth).astype(np.float32)  # slices differ in gain in some archives
        sample["image"] = sample["image"] * torch.from_numpy(gain)[None, :, None, None]
        shown, drawn = (np.asarray(sample[key][0]) for key in ("image", "labels"))
        if self.treated:
            shown = treated(shown, drawn, (case.slice_mm, pixel * PIXEL_MM, pixel * PIXEL_MM), random)
        if self.harsh:
            shown = harsh(shown, drawn, random)
        if self.raw_scans:
            shown = raw_scan(shown, random)
        sample["image"] = torch.from_numpy(shown)[None]
        sample = self.intensity(sample)
        image = normalise(np.asarray(sample["image"][0]), inside)
        return torch.from_numpy(image)[None], torch.as_tensor(np.asarray(sample["labels"])).long(), case.slice_mm

    @staticmethod
    def box(labels: np.ndarray, depth: int, size: float, random: np.random.Generator) -> tuple[slice, slice, slice]:
        """A box near the gland's centre, half as wide again as the patch, of ``depth`` neighbouring slices."""
        gland = np.argwhere(labels if labels.any() else np.ones_like(labels))
        centre = (gland.min(axis=0) + gland.max(axis=0)) / 2
        shift = random.uniform(-1, 1, 2) * (0.5 * size - 40)  # the gland stays mostly in view
        rows, columns = centre[1:] + shift
        first = int(random.integers(len(labels) - depth + 1))
        half = 0.75 * size
        return (
            slice(first, first + depth),
            slice(max(0, round(rows - half)), round(rows + half)),
            slice(max(0, round(columns - half)), round(columns + half)),
        )
