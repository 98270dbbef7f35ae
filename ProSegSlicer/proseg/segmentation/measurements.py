"""Volumes, extents and PSA density of a zonal labelmap."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.images.geometry import to_lps
from proseg.labels import CG, PZ

MM3_PER_ML = 1000.0


@dataclass(frozen=True)
class Measurements:
    """What a prostate report asks for.

    Attributes:
        pz_ml: volume of the peripheral zone, mL; voxels counted.
        cg_ml: volume of the central gland, mL; voxels counted.
        gland_ml: both zones together, mL.
        width_mm: left-right extent of the gland, mm, along the image axis nearest to left-right.
        height_mm: anterior-posterior extent of the gland, mm, likewise.
        length_mm: superior-inferior extent of the gland, mm, likewise.
        ellipsoid_ml: width x height x length x pi/6, mL, for comparison with hand-measured volumes.
        psa_ng_ml: serum PSA as given, ng/mL, or None.
        psa_density: PSA / gland_ml, ng/mL per mL; None without PSA or without a gland.
    """

    pz_ml: float
    cg_ml: float
    gland_ml: float
    width_mm: float
    height_mm: float
    length_mm: float
    ellipsoid_ml: float
    psa_ng_ml: float | None
    psa_density: float | None

    def to_dict(self) -> dict[str, float | None]:
        """Plain numbers by name, ready for JSON."""
        return asdict(self)


def measure(labelmap: sitk.Image, psa_ng_ml: float | None = None) -> Measurements:
    """Measure a zonal labelmap.

    Extents run between outer voxel edges, along the image's own axes: in an oblique image they follow the slices, as
    a reader's callipers would. The ellipsoid estimate uses the formula of PI-RADS v2.1 (American College of Radiology,
    2019): anterior-posterior x longitudinal x transverse diameter x 0.52 (= pi/6). PI-RADS measures the diameters by
    hand, two of them on the mid-sagittal image; here they are the sides of the box around the gland.

    Args:
        labelmap: 3D image, 0 = background, 1 = PZ, 2 = CG, any orientation; spacing in mm.
        psa_ng_ml: serum PSA in ng/mL, if known.

    Returns:
        The measurements; all zeros for an empty labelmap.

    Raises:
        InputError: if the PSA is negative or not a finite number.
    """
    if psa_ng_ml is not None and not (math.isfinite(psa_ng_ml) and psa_ng_ml >= 0):
        raise InputError(f"PSA must be zero or more, not {psa_ng_ml}.", "Give it in ng/mL, or leave it out.")
    lps = to_lps(labelmap)
    labels = sitk.GetArrayViewFromImage(lps)
    voxel_ml = math.prod(lps.GetSpacing()) / MM3_PER_ML
    labels = labels[box_around(labels)]  # of a large image a hundredth
    pz, cg = labels == PZ, labels == CG
    pz_ml, cg_ml = (float(np.count_nonzero(zone)) * voxel_ml for zone in (pz, cg))
    gland_ml = pz_ml + cg_ml
    width, height, length = _extents_mm(pz | cg, lps.GetSpacing())
    return Measurements(
        pz_ml=pz_ml,
        cg_ml=cg_ml,
        gland_ml=gland_ml,
        width_mm=width,
        height_mm=height,
        length_mm=length,
        ellipsoid_ml=width * height * length * math.pi / 6 / MM3_PER_ML,
        psa_ng_ml=psa_ng_ml,
        psa_density=psa_ng_ml / gland_ml if psa_ng_ml is not None and gland_ml > 0 else None,
    )


def box_around(labels: np.ndarray) -> tuple[slice, ...]:
    """The smallest box around all labels [k, j, i]; empty where there are none."""
    found = [np.flatnonzero(labels.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    return tuple(slice(where[0], where[-1] + 1) if len(where) else slice(0, 0) for where in found)


def _extents_mm(mask: np.ndarray, spacing_xyz: tuple[float, ...]) -> list[float]:
    """Sides (x, y, z) in mm of the box around a mask indexed [k, j, i]; zeros for an empty mask."""
    extents = []
    for axis, spacing in zip((2, 1, 0), spacing_xyz, strict=True):
        filled = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        extents.append(float(filled[-1] - filled[0] + 1) * spacing if filled.size else 0.0)
    return extents
