"""Whole-image views at 4 mm pixels, from which the locator learns to find the gland.

The development images end 65 mm from their middle, real ones may reach 200 mm and have the gland anywhere. So a real
image is often set, off-centre, into a generated pelvis without a prostate, into black or into nothing; and some views
are generated throughout, with a prostate or without.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import SimpleITK as sitk
import torch
from monai import transforms as mt
from torch import Tensor

from proseg.images.grids import Axis, resample
from proseg.model.preprocessing import LOCATOR_PIXEL_MM, PIXEL_MM, normalise
from proseg.phantom import make_phantom
from training.data.augment import KEYS, MODES, Views
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.data.preprocess import Arrays

# (slices, rows and columns), few for the reason given in training.data.augment
SHAPES = ((24, 32), (14, 48), (20, 64), (14, 96))
PHANTOMS = 40
PHANTOM_PIXELS, PHANTOM_SLICES = 112, 26


@cache
def phantom(seed: int, prostate: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """A generated pelvis, 448 mm wide, and its zones, (26, 112, 112) each, and the distance of its slices in mm."""
    random = np.random.default_rng((7, seed))
    slice_mm = float(random.uniform(2.6, 4.0))
    made = make_phantom(
        seed,
        (PHANTOM_PIXELS, PHANTOM_PIXELS, PHANTOM_SLICES),
        (LOCATOR_PIXEL_MM, LOCATOR_PIXEL_MM, slice_mm),
        gland_ml=float(random.uniform(18, 150)),
        prostate=prostate,
    )
    image = sitk.GetArrayFromImage(made.image)
    return image / np.percentile(image, 99), sitk.GetArrayFromImage(made.zones), slice_mm


def overview(case: Arrays, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A case at about 4 mm pixels, randomly scaled and shifted by less than a pixel: image and labels (K, J, I)."""
    labels = case.labels[random.integers(len(case.labels))]
    shape = case.image.shape
    step = LOCATOR_PIXEL_MM * random.uniform(0.82, 1.2)
    source = (Axis(shape[0], 1.0, 0.0), *(Axis(n, PIXEL_MM, 0.0) for n in shape[1:]))
    target = (
        source[0],
        *(Axis(int(a.extent // step), step, a.start + random.uniform(0, 0.5) * step) for a in source[1:]),
    )
    share = [resample(labels == value, source, target) for value in range(GLAND_UNKNOWN_ZONE + 1)]
    return resample(case.image, source, target), np.argmax(share, axis=0)


class Overviews(Views):
    """Random whole-image views."""

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor, float]:
        """The view of one training step."""
        random = np.random.default_rng((self.seed, 2, step + self.start))
        kind = random.choice(["real", "phantom", "none"], p=[0.7, 0.2, 0.1])
        case = self.cases[random.integers(len(self.cases))]
        slice_mm = case.slice_mm
        if kind == "real":
            slices = case.image.shape[0]
            depth, size = random.choice([s for s in SHAPES if s[0] <= slices] or [(slices, SHAPES[1][1])])
            image, labels = overview(case, random)
            first = int(random.integers(len(image) - depth + 1))
            image, labels, inside = self.placed(image[first:][:depth], labels[first:][:depth], size, random)
        else:
            depth, size = SHAPES[random.integers(len(SHAPES))]
            image, labels, slice_mm = phantom(int(random.integers(PHANTOMS)), kind == "phantom")
            k = int(random.integers(PHANTOM_SLICES - depth + 1))
            middle = (PHANTOM_PIXELS - size) // 2
            j, i = (int(np.clip(middle + random.integers(-8, 9), 0, 2 * middle)) for _ in range(2))
            box = (slice(k, k + depth), slice(j, j + size), slice(i, i + size))
            image, labels, inside = image[box], labels[box], np.ones((depth, size, size))
        sample = {"image": image, "labels": labels, "inside": inside}
        sample = {key: np.asarray(value, np.float32)[None] for key, value in sample.items()}
        turn = mt.RandAffined(
            KEYS,
            prob=0.7,
            rotate_range=(0.3, 0, 0),
            shear_range=(0, 0, 0.3, 0.1, 0.3, 0.1),
            mode=MODES,
            padding_mode="zeros",
        )
        for transform in (flip := mt.RandFlipd(KEYS, prob=0.5, spatial_axis=2), turn, self.intensity):
            transform.set_random_state(int(random.integers(2**31)))
        sample = self.intensity(turn(flip(sample)))
        inside = np.asarray(sample["inside"][0]) > 0.5
        image = normalise(np.asarray(sample["image"][0]), inside)
        return torch.from_numpy(image)[None], torch.as_tensor(np.asarray(sample["labels"])).long(), slice_mm

    @staticmethod
    def placed(
        image: np.ndarray, labels: np.ndarray, size: int, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A view (K, size, size) with the image somewhere in it: image, labels and which voxels are inside an image."""
        depth, *shape = image.shape
        around = random.choice(["pelvis", "black", "nothing"], p=[0.6, 0.2, 0.2])
        view = np.zeros((depth, size, size), np.float32)
        if around == "pelvis":
            pelvis, *_ = phantom(int(random.integers(PHANTOMS)), False)
            k = int(random.integers(PHANTOM_SLICES - depth + 1))
            edge = (PHANTOM_PIXELS - size) // 2
            view[:] = pelvis[k : k + depth, edge : edge + size, edge : edge + size] * random.uniform(0.6, 1.6)
        target = np.zeros((depth, size, size), labels.dtype)
        inside = np.full((depth, size, size), around != "nothing")
        there, here = [slice(None)], [slice(None)]
        for length in shape:
            spare = size - length
            # an image larger than the view is cut; a smaller one lies anywhere, more often near the middle
            offset = spare // 2 if spare <= 0 else round(random.triangular(0, spare / 2, spare))
            there.append(slice(max(0, offset), min(size, offset + length)))
            here.append(slice(max(0, -offset), max(0, -offset) + there[-1].stop - there[-1].start))
        there, here = tuple(there), tuple(here)
        view[there], target[there], inside[there] = image[here], labels[here], True
        return view, target, inside
