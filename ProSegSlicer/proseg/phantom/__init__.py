"""A generated T2W examination of the male pelvis with exact zone truth, for demonstrations and tests.

Nothing here comes from a patient. The anatomy is defined in mm in patient space (LPS) and sampled on the requested
grid, so the same seed gives the same pelvis at any field of view, spacing, tilt and orientation; noise belongs to the
grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from proseg.phantom.canvas import Canvas
from proseg.phantom.gland import Gland, paint_gland
from proseg.phantom.pelvis import Pelvis, paint_bowel, paint_pelvis, paint_vesicles

SUB_SAMPLE_MM = 1.6  # slices thicker than this are averaged over several sub-samples
LINEAR_GAIN = 1.5**1.5  # linear interpolation of white noise leaves, on the mean, 2/3 of its variance along each axis
SCANNER_UNITS = 600.0  # T2W signal has no unit; this only sets an everyday magnitude


@dataclass(frozen=True)
class Phantom:
    """A generated examination: `image` (float32) and its true `zones` (uint8: 0, 1 = PZ, 2 = CG) on the same grid."""

    image: sitk.Image
    zones: sitk.Image


def make_phantom(
    seed: int = 0,
    size: tuple[int, int, int] = (256, 256, 24),
    spacing: tuple[float, float, float] = (0.7, 0.7, 3.0),
    orientation: str = "LPS",
    tilt_degrees: float = 0.0,
    gland_offset_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    gland_ml: float = 45.0,
    prostate: bool = True,
) -> Phantom:
    """Generate an axial T2W-like volume of the male pelvis and its zones.

    Args:
        seed: what makes one patient and acquisition differ from another; equal seeds give equal results.
        size: voxels along I, J, K of the LPS-oriented grid, before it is put into `orientation`.
        spacing: mm along the same axes.
        orientation: three-letter DICOM orientation of the result, such as "LPS" or "RAI".
        tilt_degrees: rotation of the sampling grid about the L axis (oblique axial); the anatomy stays where it is.
        gland_offset_mm: where the gland's centre lies relative to the centre of the field of view (L, P, S).
        gland_ml: volume of the prostate, mL (10 to 300).
        prostate: False leaves the prostate and the seminal vesicles out; the zones are then empty.
    """
    # Independent streams keep the anatomy the same whatever the grid.
    shape_rng, texture_rng, scanner_rng = (np.random.default_rng([seed, part]) for part in range(3))
    grid = _grid(size, spacing, tilt_degrees)
    gland = Gland.of_volume(gland_ml, shape_rng)
    pelvis = Pelvis.random(gland.scale, shape_rng)
    canvas = _canvas(grid, gland_offset_mm, texture_rng)

    paint_pelvis(canvas, pelvis)
    x, y, z = _points(grid, gland_offset_mm, sub_samples=1)
    labels = np.zeros(size[::-1], np.uint8)
    if prostate:
        paint_vesicles(canvas, pelvis)
        paint_gland(canvas, gland, shape_rng)
        labels = gland.labels(x[:, 0], y[:, 0], z[:, 0])
    else:
        paint_bowel(canvas, shape_rng)

    image = sitk.GetImageFromArray(_acquire(canvas, x, y, scanner_rng))
    zones = sitk.GetImageFromArray(labels)
    image.CopyInformation(grid)
    zones.CopyInformation(grid)
    return Phantom(sitk.DICOMOrient(image, orientation), sitk.DICOMOrient(zones, orientation))


def _grid(size: tuple[int, int, int], spacing: tuple[float, float, float], tilt_degrees: float) -> sitk.Image:
    """An empty image whose centre is the patient origin and whose J and K axes are tilted about L."""
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    c, s = np.cos(np.radians(tilt_degrees)), np.sin(np.radians(tilt_degrees))
    grid.SetDirection((1, 0, 0, 0, c, -s, 0, s, c))
    middle = grid.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in size])
    grid.SetOrigin([-m for m in middle])
    return grid


def _points(grid: sitk.Image, centre: tuple[float, float, float], sub_samples: int) -> tuple[np.ndarray, ...]:
    """L, P, S (mm from `centre`) of the grid's samples, shaped as in `Canvas`."""
    (di, dj, dk), (ni, nj, nk) = grid.GetSpacing(), grid.GetSize()
    origin = np.subtract(grid.GetOrigin(), centre)
    c, s = grid.GetDirection()[4], grid.GetDirection()[7]
    i, j = np.arange(ni) * di, (np.arange(nj) * dj)[None, None, :, None]
    k = ((np.arange(nk)[:, None] + (np.arange(sub_samples) + 0.5) / sub_samples - 0.5) * dk)[:, :, None, None]
    x, y, z = (origin[0] + i)[None, None, None], origin[1] + c * j - s * k, origin[2] + s * j + c * k
    return x.astype(np.float32), y.astype(np.float32), z.astype(np.float32)


def _canvas(grid: sitk.Image, centre: tuple[float, float, float], rng: np.random.Generator) -> Canvas:
    """An empty canvas over the grid, its coordinates and textures relative to `centre` (L, P, S mm)."""
    sub_samples = max(1, round(grid.GetSpacing()[2] / SUB_SAMPLE_MM))
    x, y, z = _points(grid, centre, sub_samples)
    fine = _texture(grid, centre, 1.5, (0.6, 0.8), rng)
    coarse = _texture(grid, centre, 6.0, (0.8, 0.6), rng)
    shape = (y.shape[0], sub_samples, y.shape[2], x.shape[3])
    edge = 0.5 + 0.5 * max(grid.GetSpacing()[:2])
    return Canvas(x, y, z, fine, coarse, np.zeros(shape, np.float32), edge)


def _texture(
    grid: sitk.Image,
    centre: tuple[float, float, float],
    detail_mm: float,
    weights: tuple[float, float],
    rng: np.random.Generator,
) -> np.ndarray:
    """Smooth noise, (K, 1, J, I), of details of `detail_mm` and twice that; fixed to the patient, zero far away."""
    extent = np.array((216.0, 168.0, 132.0))  # mm along L, P, S
    total = np.zeros(grid.GetSize()[::-1], np.float32)
    for factor, weight in zip((1, 2), weights, strict=True):
        step = detail_mm * factor
        counts = (extent / step).astype(int)
        lattice = sitk.GetImageFromArray(rng.standard_normal(counts[::-1], dtype=np.float32))
        lattice.SetSpacing((step,) * 3)
        lattice.SetOrigin((centre - (counts - 1) * step / 2).tolist())
        sampled = sitk.GetArrayFromImage(sitk.Resample(lattice, grid, sitk.Transform(), sitk.sitkLinear))
        total = total + np.float32(weight * LINEAR_GAIN) * sampled
    return total[:, None]


def _acquire(canvas: Canvas, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The scanner's share, (K, J, I) float32: slice profile, contrast, coil sensitivity, gain, Rician noise."""
    signal = np.clip(canvas.signal.mean(axis=1), 0, None)
    np.power(signal, np.float32(rng.uniform(0.85, 1.15)), out=signal)
    x, y = x[:, 0], y[:, 0]
    waves = rng.uniform(-0.08, 0.08, 3)
    bias = 1 + waves[0] * x / 60 + np.float32(waves[1] - 0.05) * -y / 60 - np.float32(0.10 + waves[2]) * (x / 100) ** 2
    gain = rng.normal(1, 0.015, (len(signal), 1, 1))
    signal *= np.clip(bias, 0.3, None).astype(np.float32) * gain.astype(np.float32)
    noise = rng.standard_normal((2, *signal.shape), dtype=np.float32) * np.float32(rng.uniform(0.012, 0.03))
    return np.hypot(signal + noise[0], noise[1]) * np.float32(SCANNER_UNITS)
