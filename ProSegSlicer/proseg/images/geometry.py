"""Where things are in the patient: one canonical orientation for every input, and the way there and back.

Inside, every image is LPS-oriented (``sitk.DICOMOrient``): a numpy array [k, j, i] whose k grows to superior, j to
posterior and i to the patient's left, along the image's own axes nearest to those directions. Oblique images stay
oblique; no interpolation happens on the way, so it is exact.
"""

from __future__ import annotations

from collections.abc import Iterable

import SimpleITK as sitk

from proseg.images.grids import Axis, Grid

SUPERIOR_AXES = frozenset("IS")


def orientation_code(image: sitk.Image) -> str:
    """Three letters naming where the i, j and k axes grow to, e.g. ``"LPS"`` (nearest patient axes)."""
    return sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())


def to_lps(image: sitk.Image) -> sitk.Image:
    """The same voxels with axes permuted and flipped to grow to left, posterior and superior."""
    return sitk.DICOMOrient(image, "LPS")


def from_lps(image: sitk.Image, like: sitk.Image) -> sitk.Image:
    """Bring an image on the grid of ``to_lps(like)`` back to the exact grid of ``like``."""
    back = sitk.DICOMOrient(image, orientation_code(like))
    back.CopyInformation(like)  # the same grid to the last bit; raises if the sizes differ
    return back


def input_slice_indices(like: sitk.Image, ks: Iterable[int]) -> tuple[int, ...]:
    """Indices along the slice axis of ``like`` (the one nearest to S) of the slices ``ks`` of ``to_lps(like)``."""
    code = orientation_code(like)
    axis = next(axis for axis, letter in enumerate(code) if letter in SUPERIOR_AXES)
    last = like.GetSize()[axis] - 1
    return tuple(sorted(k if code[axis] == "S" else last - k for k in (int(k) for k in ks)))


def superior_mm(like: sitk.Image, index: int) -> float:
    """How far to the patient's superior a slice of ``like`` lies, mm: what Slicer's axial view shows of it.

    Args:
        like: the image; of an oblique one the middle of the slice counts.
        index: along its slice axis, the one nearest to S, counted from 0; it need not lie within.
    """
    return slice_middle(like, index)[2]


def slice_middle(like: sitk.Image, index: int) -> tuple[float, float, float]:
    """Where the middle of a slice of ``like`` lies, LPS, mm; counted as for ``superior_mm``."""
    code = orientation_code(like)
    axis = next(axis for axis, letter in enumerate(code) if letter in SUPERIOR_AXES)
    place = [(size - 1) / 2 for size in like.GetSize()]
    place[axis] = index
    return like.TransformContinuousIndexToPhysicalPoint(place)


def grid_of(lps_image: sitk.Image) -> Grid:
    """The grid of an LPS-oriented image."""
    size, spacing = lps_image.GetSize(), lps_image.GetSpacing()
    k, j, i = (Axis(size[axis], spacing[axis], 0.0) for axis in (2, 1, 0))
    return k, j, i
