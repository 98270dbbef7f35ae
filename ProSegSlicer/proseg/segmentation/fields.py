"""Signed distances in the slice: shapes as fields that can be compared, moved and mixed.

Arrays are indexed [k, j, i] on an LPS-oriented grid; distances are in mm, counted from the middle of the step between
pixels, within the slice alone.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from proseg.labels import CG, PZ

FAR_MM = 15.0  # distances beyond this, and those to what a slice has nothing of, count as this
_APART_MM = 1000.0  # between slices, so that none is the nearest to another


def inside_mm(mask: np.ndarray, spacing_kji: tuple[float, float, float]) -> np.ndarray:
    """How far inside a mask (K, J, I) each voxel lies, mm, float32; negative outside. Exact distances (Maurer 2003)."""
    if not mask.any():
        return np.full(mask.shape, -FAR_MM, np.float32)
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing((float(spacing_kji[2]), float(spacing_kji[1]), _APART_MM))
    distance = sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)  # 0 at the rim's pixels
    return np.clip(0.5 * spacing_kji[2] - sitk.GetArrayFromImage(distance), -FAR_MM, FAR_MM).astype(np.float32)


def towards_pz_mm(labels: np.ndarray, spacing_kji: tuple[float, float, float]) -> np.ndarray:
    """Half of how much nearer PZ is than CG, mm, float32 (K, J, I); 0 where the zones meet."""
    return (inside_mm(labels == PZ, spacing_kji) - inside_mm(labels == CG, spacing_kji)) / 2
