"""What a worse examination would look like: images with noise, coils, motion, thick slices … put into them.

Each takes an image and a strength and gives an image; where it changes the grid, the truth is brought to the new one
by :func:`on_grid`, as the share of each label in a voxel, as a reader would draw on the image that there is.
Images are LPS-oriented; arrays [k, j, i].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

Degrade = Callable[[sitk.Image, float], sitk.Image]
SEED = 2026


def with_noise(image: sitk.Image, strength: float) -> sitk.Image:
    """Rician noise, its deviation a share of the image's 99th percentile."""
    pixels = sitk.GetArrayFromImage(image)
    random = np.random.default_rng(SEED)
    real, imaginary = strength * np.percentile(pixels, 99) * random.standard_normal((2, *pixels.shape))
    return _like(np.hypot(pixels + real, imaginary), image)


def with_bias(image: sitk.Image, strength: float) -> sitk.Image:
    """A surface coil's brightness: up by the strength at the back, down by it in front, and weaker to the left."""
    k, j, i = (np.linspace(-1, 1, n) for n in image.GetSize()[::-1])
    field = np.exp(
        strength * (j[:, None] - 0.4 * i[None, :] ** 2 + 0.3 * i[None, :])[None] * (1 + 0.2 * k[:, None, None])
    )
    return _like(sitk.GetArrayFromImage(image) * field, image)


def with_contrast(image: sitk.Image, gamma: float) -> sitk.Image:
    """Other contrast: intensities from 0 to the 99.5th percentile to the power gamma."""
    pixels = sitk.GetArrayFromImage(image)
    low, high = np.percentile(pixels, [0, 99.5])
    return _like(np.clip((pixels - low) / max(high - low, 1e-6), 0, None) ** gamma * high, image)


def with_pixels(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    """Pixels of at least this size, each the mean over its area."""
    return coarser(image, [max(spacing_mm, s) for s in image.GetSpacing()[:2]] + [image.GetSpacing()[2]])


def with_slices(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    """Slices at least this far apart, each the mean over its thickness."""
    return coarser(image, [*image.GetSpacing()[:2], max(spacing_mm, image.GetSpacing()[2])])


def with_ghosts(image: sitk.Image, amplitude_mm: float) -> sitk.Image:
    """Periodic motion from front to back during the acquisition: ghosts along the phase-encoding direction j.

    A shift by d multiplies a line of k-space at spatial frequency f by exp(-2πi f d); here d goes to and fro from line
    to line, with a period of 8 of them, as with breathing.
    """
    pixels = sitk.GetArrayFromImage(image)
    lines = np.fft.fftfreq(pixels.shape[1], image.GetSpacing()[1])
    order = np.argsort(np.argsort(lines))  # acquired from one edge of k-space to the other
    shift = amplitude_mm * np.sin(2 * np.pi * order / 8)
    moved = np.fft.fft(pixels, axis=1) * np.exp(-2j * np.pi * lines * shift)[None, :, None]
    return _like(np.abs(np.fft.ifft(moved, axis=1)), image)


def cropped(image: sitk.Image, side_mm: float) -> sitk.Image:
    """The middle of the field of view, at most this long and wide."""
    size = image.GetSize()
    keep = [min(n, math.ceil(side_mm / s)) for n, s in zip(size[:2], image.GetSpacing()[:2], strict=True)]
    first = [(n - k) // 2 for n, k in zip(size[:2], keep, strict=True)]
    return image[first[0] : first[0] + keep[0], first[1] : first[1] + keep[1], :]


def rotated(image: sitk.Image, degrees: float) -> sitk.Image:
    """The patient lies turned about the long axis: the grid turns about the image's middle, corners become black.

    The image stays where it was in its own frame; what it shows has turned by ``degrees``, head still up.
    """
    turned = sitk.Image(image)
    axes = np.reshape(image.GetDirection(), (3, 3))
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
    turned.SetDirection((axes @ turn).ravel().tolist())
    middle = [(n - 1) / 2 for n in image.GetSize()]
    there = np.array(image.TransformContinuousIndexToPhysicalPoint(middle))
    here = np.array(turned.TransformContinuousIndexToPhysicalPoint(middle))
    turned.SetOrigin((np.array(turned.GetOrigin()) + there - here).tolist())
    return sitk.Resample(image, turned, sitk.Transform(), sitk.sitkLinear, 0.0)


def coarser(image: sitk.Image, spacing: list[float]) -> sitk.Image:
    """The image on voxels of this size, each the mean over itself, as partial volume has it."""
    old, size = np.array(image.GetSpacing()), np.array(image.GetSize())
    new_size = np.maximum(1, np.floor(size * old / spacing + 1e-6)).astype(int)
    smooth = image
    for axis, (have, want) in enumerate(zip(old, spacing, strict=True)):
        if want > have * 1.001:
            weights = _mean_over(int(new_size[axis]), want, int(size[axis]), have)
            array = np.tensordot(weights, sitk.GetArrayFromImage(smooth), (1, 2 - axis))
            made = sitk.GetImageFromArray(np.moveaxis(array, 0, 2 - axis).astype(np.float32))
            steps = list(smooth.GetSpacing())
            steps[axis] = want
            made.SetSpacing(steps)
            made.SetDirection(image.GetDirection())
            start = np.zeros(3)
            start[axis] = (size[axis] - 1) / 2 - (new_size[axis] - 1) / 2 * want / have
            made.SetOrigin(smooth.TransformContinuousIndexToPhysicalPoint(start.tolist()))
            smooth = made
    return smooth


def _mean_over(count: int, step: float, old_count: int, old_step: float) -> np.ndarray:
    """Share, (count, old_count), of each old sample's width in each new one's, both centred on the same middle."""
    new = (np.arange(count) - (count - 1) / 2) * step
    old = (np.arange(old_count) - (old_count - 1) / 2) * old_step
    low = np.maximum(new[:, None] - step / 2, old[None] - old_step / 2)
    high = np.minimum(new[:, None] + step / 2, old[None] + old_step / 2)
    share = np.clip(high - low, 0, None)
    return share / share.sum(axis=1, keepdims=True)


def on_grid(labels: sitk.Image, image: sitk.Image, degrade: Degrade, strength: float) -> sitk.Image:
    """Labels on the grid of a degraded image: in every voxel the label that fills most of it."""
    if labels.GetSize() == image.GetSize() and _same_place(labels, image):
        return labels
    values = [int(v) for v in np.unique(sitk.GetArrayViewFromImage(labels))]
    share = [
        sitk.GetArrayFromImage(degrade(sitk.Cast(labels == value, sitk.sitkFloat32), strength)) for value in values
    ]
    made = sitk.GetImageFromArray(np.array(values, np.uint8)[np.argmax(share, axis=0)])
    made.CopyInformation(image)
    return made


def _same_place(a: sitk.Image, b: sitk.Image) -> bool:
    pairs = zip(
        (*a.GetOrigin(), *a.GetSpacing(), *a.GetDirection()),
        (*b.GetOrigin(), *b.GetSpacing(), *b.GetDirection()),
        strict=True,
    )
    return all(abs(x - y) < 1e-6 for x, y in pairs)


def _like(array: np.ndarray, image: sitk.Image) -> sitk.Image:
    made = sitk.GetImageFromArray(array.astype(np.float32))
    made.CopyInformation(image)
    return made


def enlarged(image: sitk.Image, volume: float) -> sitk.Image:
    """The whole patient larger or smaller: every spacing times the cube root of the volume's factor."""
    made = sitk.Image(image)
    made.SetSpacing([side * volume ** (1 / 3) for side in image.GetSpacing()])
    return made


@dataclass(frozen=True)
class Degradation:
    """One kind of harm and how strong it is tried: in words with a place for the strength."""

    name: str
    degrade: Degrade
    strengths: tuple[float, ...]


DEGRADATIONS = (
    Degradation("noise of {:.0%} of the brightest tissue", with_noise, (0.04, 0.08, 0.12)),
    Degradation("coil brightness from e^-{0:g} in front to e^{0:g} behind", with_bias, (0.4, 0.8, 1.2)),
    Degradation("contrast, gamma {:g}", with_contrast, (0.5, 0.7, 1.5, 2.0)),
    Degradation("pixels of {:g} mm", with_pixels, (1.0, 1.5, 2.0)),
    Degradation("slices of {:g} mm", with_slices, (4.0, 4.5, 5.0)),
    Degradation("ghosts of motion by {:g} mm", with_ghosts, (0.5, 1.0, 2.0)),
    Degradation("field of view of {:g} mm", cropped, (110.0, 90.0, 80.0)),
    Degradation("{:g} times the volume", enlarged, (0.5, 2.0, 4.0, 6.0)),
    Degradation("patient turned by {:g}°", rotated, (10.0, 20.0, -20.0)),
)
