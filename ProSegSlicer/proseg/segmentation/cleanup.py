"""From probabilities to labels: one gland, without holes, without specks of one zone inside the other.

Arrays are indexed [k, j, i] on an LPS-oriented grid; k grows from apex to base. Everything is exact counting but for
one mean, which is taken in double precision, so the same probabilities give the same labels on every machine.
"""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk

from proseg.labels import BACKGROUND, CG, PZ
from proseg.segmentation.measurements import MM3_PER_ML

# Experts leave isolated bits of a zone of up to 0.046 mL (52 development cases); anything this small is a slip of the
# network, or too little to matter to the volumes.
ISLAND_ML = 0.1

# Slices at either end smaller than this share of the widest are specks: of 152 ends drawn by experts 2 are so small.
SPECK_SHARE = 0.02

# Towards the base experts drew PZ in 14 of 43 slices whose PZ has a probability below this on average, in 182 of 195
# above it; towards the apex CG in 8 of 22 and 337 of 371 (training.judge.doubtful_ends; 52 unseen patients).
LEAST_BELIEVED = 0.5

# The Dice that the probabilities have to expect of the gland's first slice. Towards the apex experts drew gland in 14
# of 25 slices of which less was expected, and a Dice of 0.22 was reached: no figure changes without them, and in
# patients kept aside the gland is begun too low more often than too high (training.judge.doubtful_apex; 82 unseen
# patients).
LEAST_EXPECTED = 0.5

# Gland probability below this is haze: tens of thousands of background voxels at a per mille each would otherwise
# outweigh a small apex.
HAZE = 0.1


def raw_labels(probabilities: np.ndarray) -> np.ndarray:
    """Labels straight from the probabilities.

    Gland is where PZ and CG together outweigh the background: a voxel torn between the zones (0.3, 0.3 against 0.4) is
    gland all the same, which a plain argmax would miss. Within it the more probable zone wins, CG on a tie.

    Args:
        probabilities: (3, K, J, I), background, PZ and CG, summing to 1.

    Returns:
        uint8 (K, J, I).
    """
    return np.where(_gland(probabilities), _likelier_zone(probabilities), np.uint8(BACKGROUND))


def clean_up(
    probabilities: np.ndarray,
    spacing_kji: tuple[float, float, float],
    least_believed: float = LEAST_BELIEVED,
    least_expected: float = LEAST_EXPECTED,
) -> np.ndarray:
    """Labels of the largest piece of gland, with its holes filled and its islands gone.

    In its half of the gland PZ ends towards the base, and CG towards the apex, with a slice in which it is believed;
    further ones go to what is likelier without it. Holes are filled slice by slice, which includes those closed in 3D;
    a filled voxel takes the more probable zone. Specks in the slices at either end are dropped, and slices at the apex
    of which too little Dice is to be expected. PZ that CG encloses in a slice joins it. Of each zone, pieces below
    `ISLAND_ML` join the other zone, unless the piece is all there is of that zone.

    Args:
        probabilities: (3, K, J, I), background, PZ and CG, summing to 1.
        spacing_kji: voxel size in mm.
        least_believed: probability that a zone has on average in a slice in which it is believed; 0 ends none.
        least_expected: the Dice to expect of the first slice, at the apex; 0 leaves out none.

    Returns:
        uint8 (K, J, I), 0 = background, 1 = PZ, 2 = CG; all zero if there is no gland.
    """
    gland = _gland(probabilities)
    labels = np.zeros(gland.shape, np.uint8)
    if not gland.any():
        return labels
    box = _bounding_box(gland)
    believed = _without_doubtful_ends(probabilities[(slice(None), *box)], pieces(gland[box]) == 1, least_believed)
    inside = _without_end_specks(_fill_slices(pieces(_gland(believed)) == 1))
    cleaned = np.where(inside, _likelier_zone(believed), np.uint8(BACKGROUND))
    _join_enclosed(cleaned)
    _merge_islands(cleaned, ISLAND_ML * MM3_PER_ML / math.prod(spacing_kji))
    labels[box] = cleaned
    labels[: _first_expected(probabilities, labels, least_expected)] = BACKGROUND
    return labels


def pieces(mask: np.ndarray, diagonal: bool = False) -> np.ndarray:
    """Number the connected pieces of a mask (K, J, I): 1 is the largest, 0 is outside.

    Voxels connect through their faces, with `diagonal` also through edges and corners.
    """
    numbered = np.zeros(mask.shape, np.uint32)
    if mask.any():
        box = _bounding_box(mask)
        components = sitk.ConnectedComponent(sitk.GetImageFromArray(mask[box].astype(np.uint8)), diagonal)
        numbered[box] = sitk.GetArrayFromImage(sitk.RelabelComponent(components))
    return numbered


def slice_belief(probabilities: np.ndarray, gland: np.ndarray, zone: int) -> np.ndarray:
    """How far each slice of a gland is believed to have a zone: the zone's mean probability where it is the likelier.

    Args:
        probabilities: (3, K, J, I), background, PZ and CG.
        gland: (K, J, I), the gland whose slices are judged.
        zone: PZ or CG.

    Returns:
        float64 (K,), nan where the zone is the likelier one nowhere in the slice's gland.
    """
    own = gland & (_likelier_zone(probabilities) == zone)
    sums, size = probabilities[zone].sum(axis=(1, 2), dtype=np.float64, where=own), own.sum(axis=(1, 2))
    return np.divide(sums, size, out=np.full(len(size), np.nan), where=size > 0)


def expected_dice(gland: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The Dice that the gland's probability expects of each slice of a mask, as ``quality.slice_confidence`` has it.

    Args:
        gland: probability (K, J, I) of either zone.
        inside: mask (K, J, I).

    Returns:
        float64 (K,), 1 where a slice of the mask is empty.
    """
    hits, total = (gland.sum(axis=(1, 2), dtype=np.float64, where=part) for part in (inside, inside | (gland > HAZE)))
    size = inside.sum(axis=(1, 2))
    return np.divide(2 * hits, total + size, out=np.ones(len(size)), where=size > 0)


def _gland(probabilities: np.ndarray) -> np.ndarray:
    """Where PZ and CG together outweigh the background."""
    return probabilities[PZ] + probabilities[CG] > probabilities[BACKGROUND]


def _likelier_zone(probabilities: np.ndarray) -> np.ndarray:
    """PZ or CG everywhere, whichever is more probable."""
    return np.where(probabilities[PZ] > probabilities[CG], np.uint8(PZ), np.uint8(CG))


def _bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """The box around a mask that is not empty."""
    box = []
    for axis in range(mask.ndim):
        filled = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        box.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return tuple(box)


def _fill_slices(mask: np.ndarray, diagonal: bool = False) -> np.ndarray:
    """Fill the holes of each slice; a cavity closed in 3D is closed in each of its slices, so it goes too.

    What opens through the faces of pixels is no hole, with `diagonal` neither what opens through their corners.

    The slices are filled as one picture, one below the other with a frame of background around each, since calling the
    filter costs more than its work.
    """
    framed = np.pad(mask.astype(np.uint8), ((0, 0), (1, 1), (1, 1)))
    picture = sitk.GetImageFromArray(framed.reshape(-1, framed.shape[2]))
    filled = sitk.GetArrayFromImage(sitk.BinaryFillhole(picture, diagonal)).reshape(framed.shape)
    return filled[:, 1:-1, 1:-1].astype(bool)


def _without_doubtful_ends(probabilities: np.ndarray, gland: np.ndarray, least: float) -> np.ndarray:
    """The probabilities (3, K, J, I), without PZ above, or CG below, the slices in which it is believed.

    The base of a gland is mostly CG and its apex mostly PZ, and where the other zone peters out the network believes
    in it too readily: half believed in a slice, it is mostly not there. Such a slice is left with what else it may be.
    Between slices in which a zone is believed, and where it is believed in none, it stays: a hole would be worse.
    So it does beyond the middle of the gland, where its end is not: in a gland of 315 mL the PZ was just not believed
    from two fifths of the height upwards, and went. Arguments are those of `slice_belief` and `clean_up`.
    """
    kept = probabilities.copy()
    filled = np.flatnonzero(gland.any(axis=(1, 2)))
    above = (filled[0] + filled[-1]) // 2 + 1  # the first slice of the half towards the base
    for zone in (PZ, CG):
        believed = np.flatnonzero(slice_belief(probabilities, gland, zone) >= least)
        if believed.size:
            beyond = np.s_[max(believed[-1] + 1, above) :] if zone == PZ else np.s_[: min(believed[0], above)]
            kept[zone, beyond] = 0
    return kept


def _without_end_specks(mask: np.ndarray) -> np.ndarray:
    """The mask without its first and last slices as long as these are smaller than `SPECK_SHARE` of the widest."""
    areas = mask.sum(axis=(1, 2))
    large = np.flatnonzero(areas >= SPECK_SHARE * areas.max())
    trimmed = np.zeros_like(mask)
    trimmed[large[0] : large[-1] + 1] = mask[large[0] : large[-1] + 1]
    return trimmed


def _first_expected(probabilities: np.ndarray, labels: np.ndarray, least: float) -> int:
    """The first slice of the labels' half towards the apex of which so much Dice is expected; 0 where none is.

    Arguments are those of `clean_up`, and what it has come to.
    """
    inside, gland = labels > 0, probabilities[PZ] + probabilities[CG]
    filled = np.flatnonzero(inside.any(axis=(1, 2)))
    half = filled[: len(filled) // 2]
    enough = half[expected_dice(gland[half], inside[half]) >= least]
    return int(enough[0]) if enough.size else 0


def _join_enclosed(labels: np.ndarray) -> None:
    """Give PZ that CG encloses in its slice to CG, in place, unless that is all the PZ there is.

    PZ reaches the capsule: in none of 52 development cases have experts drawn it otherwise.
    """
    enclosed = _fill_slices(labels == CG, diagonal=True) & (labels == PZ)
    if enclosed.sum() < (labels == PZ).sum():
        labels[enclosed] = CG


def _merge_islands(labels: np.ndarray, least_voxels: float) -> None:
    """Give pieces of a zone smaller than this to the other zone, in place; the largest piece of a zone stays.

    Pieces connect diagonally here: the thin PZ is often one voxel wide, and stepping sideways does not break it.
    """
    for zone, other in ((PZ, CG), (CG, PZ)):
        numbered = pieces(labels == zone, diagonal=True)
        small = np.bincount(numbered.ravel()) < least_voxels
        small[:2] = False  # the outside and the largest piece
        labels[small[numbered]] = other
