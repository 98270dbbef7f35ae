"""The gland between a first and a last slice that a reader names: cut where it went on, grown where it ended too early.

Apex and base are where contours and experts differ most, and where a reader sees at once what is right. Two slice
numbers mend that without another run: what lies beyond them goes, and slices in between that have no gland yet get
one, slice after slice outwards, from the shape of the slice before and from what the networks thought likely there.
Everything else stays voxel for voxel. Arrays are indexed [k, j, i] on an LPS-oriented grid; k grows from apex to base.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.labels import BACKGROUND, CG, PZ

# Of the area of the slice before: experts' end slices are about that large, and trials between 0.7 and 0.85 differed by
# next to nothing (training.judge.refinement).
AREA_SHARE = 0.7

# How far outside the slice before a voxel must lie to count as little likely as one that the networks give odds of
# 1 : e less; likewise hardly of consequence between 1 and 5 mm.
MM_PER_LOGIT = 5.0
REACH_MM = 3.0  # a grown slice leaves the one before by no more than this
LEAST_ODDS = 1e-4  # networks' certainty beyond this, and what lies outside their box, counts as this
UNSEEN = 0.05  # where the networks see less gland than this, they know nothing of zones: those of the slice before stay


def check_slices(count: int, *indices: int | None) -> None:
    """Refuse slices that an image of ``count`` slices does not have; None is no slice.

    Raises:
        InputError: there is one.
    """
    for index in indices:
        if index is not None and not 0 <= index < count:
            raise InputError(f"There is no slice {index}: the image has {count}.", f"Give 0 to {count - 1}.")


def with_ends(
    labels: np.ndarray,
    probabilities: np.ndarray,
    box: tuple[slice, slice, slice],
    spacing_kji: tuple[float, float, float],
    first: int | None = None,
    last: int | None = None,
) -> np.ndarray:
    """Labels whose gland begins and ends with the given slices.

    Args:
        labels: uint8 (K, J, I), 0, PZ and CG, of the whole image.
        probabilities: (3, k, j, i) inside ``box``, background, PZ and CG; outside it background is certain.
        box: where the probabilities lie in the image.
        spacing_kji: voxel size in mm.
        first: the first slice with gland, at the apex; None leaves that end as it is.
        last: the last slice with gland, at the base; likewise.

    Returns:
        uint8 (K, J, I); slices that had gland and lie between the two are untouched.

    Raises:
        InputError: the slices are not in the image, or there is no gland between them to begin with.
    """
    check_slices(len(labels), first, last)
    changed = labels.copy()
    changed[: first or 0] = BACKGROUND
    if last is not None:
        changed[last + 1 :] = BACKGROUND
    filled = np.flatnonzero(changed.any(axis=(1, 2)))
    if not filled.size:
        raise InputError(
            "There is no gland between the given slices.", "Give ends that have some of the gland between them."
        )
    low, high = int(filled[0]), int(filled[-1])
    for ks in (
        range(low - 1, (low if first is None else first) - 1, -1),
        range(high + 1, (high if last is None else last) + 1),
    ):
        for k in ks:
            zones = _zones_of(probabilities, box, k, changed.shape[1:])
            changed[k] = _next_slice(changed[k - ks.step], zones, spacing_kji[1:])
    return changed


def _zones_of(probabilities: np.ndarray, box: tuple[slice, slice, slice], k: int, shape: tuple[int, ...]) -> np.ndarray:
    """Probabilities of PZ and CG, float32 (2, J, I), in a slice of the image; 0 outside the box."""
    zones = np.zeros((2, *shape), np.float32)
    if box[0].start <= k < box[0].stop:
        zones[(slice(None), *box[1:])] = probabilities[PZ:, k - box[0].start]
    return zones


def _next_slice(before: np.ndarray, zones: np.ndarray, spacing_ji: tuple[float, float]) -> np.ndarray:
    """Labels (J, I) of the slice that follows ``before`` on the way outwards."""
    gland = before > 0
    image = sitk.GetImageFromArray(gland.astype(np.uint8))
    image.SetSpacing(spacing_ji[::-1])
    depth = -sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True))
    likely = np.clip(zones.sum(axis=0), LEAST_ODDS, 1 - LEAST_ODDS)
    score = depth / MM_PER_LOGIT + np.log(likely / (1 - likely))
    score[depth < -REACH_MM] = -np.inf
    count = max(1, round(AREA_SHARE * np.count_nonzero(gland)))
    best = np.argsort(score, axis=None, kind="stable")[::-1][:count]
    drawn = np.zeros(gland.size, bool)
    drawn[best] = True
    zone = np.where(zones[0] > zones[1], np.uint8(PZ), np.uint8(CG))
    zone = np.where(gland & (zones.sum(axis=0) < UNSEEN), before, zone)
    return np.where(drawn.reshape(gland.shape), zone, np.uint8(BACKGROUND))
