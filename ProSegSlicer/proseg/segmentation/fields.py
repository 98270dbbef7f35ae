"""Signed distances in the slice: shapes as fields that can be compared, moved and mixed.

Arrays are indexed [k, j, i] on an LPS-oriented grid; distances are in mm, counted from the middle of the step between
pixels, within the slice alone.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from proseg.labels import CG, PZ

FAR_MM = 15.0  # distances beyond this, and those to what a slice has nothing of, count as this


def inside_mm(mask: np.ndarray, spacing_kji: tuple[float, float, float]) -> np.ndarray:
    """How far inside a mask (K, J, I) each voxel lies, mm, float32; negative outside. Exact distances (Maurer 2003)."""
    depth = np.full(mask.shape, -FAR_MM, np.float32)
    for k in np.flatnonzero(mask.any(axis=(1, 2))):
        image = sitk.GetImageFromArray(mask[k].astype(np.uint8))
        image.SetSpacing(spacing_kji[:0:-1])
        distance = sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
        depth[k] = 0.5 * spacing_kji[2] - sitk.GetArrayViewFromImage(distance)  # which is 0 at the rim's pixels
    return np.clip(depth, -FAR_MM, FAR_MM)


def towards_pz_mm(labels: np.ndarray, spacing_kji: tuple[float, float, float]) -> np.ndarray:
    """Half of how much nearer PZ is than CG, mm, float32 (K, J, I); 0 where the zones meet."""
    return (inside_mm(labels == PZ, spacing_kji) - inside_mm(labels == CG, spacing_kji)) / 2
