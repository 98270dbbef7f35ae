"""Reasons to look at a result before using it, in words.

Arrays are indexed [k, j, i] on an LPS-oriented grid: k grows to superior, j to posterior, i to the patient's left. They
may cover only a box of the image; slices are then still counted by k of the whole LPS-oriented image, and are turned
into indices along the input's own slice axis where a flag names them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np

from proseg.flags import QualityFlag, Severity
from proseg.labels import CG, PZ
from proseg.model.calibration import Calibration
from proseg.segmentation.cleanup import HAZE, pieces
from proseg.segmentation.measurements import MM3_PER_ML

ToInputSlices = Callable[[Iterable[int]], tuple[int, ...]]
Superior = Callable[[int], float]
"""Where a slice of the input lies: mm to the patient's superior."""

# Whole glands of the development cases (52 zonal, 30 gland-only) measure 16-315 mL, PZ 5-42 mL, CG 8-304 mL, the PZ
# 4-67 % of its gland: the limits leave room for honest extremes beyond these.
GLAND_ML = (10.0, 400.0)
LEAST_ZONE_ML = 1.0
PZ_SHARE = (0.02, 0.85)
# Of 52 patients that the networks had not seen, ten were given less PZ than this: a mean PZ Dice of 0.63 in these, of
# 0.79 in the others.
FLAGGED_PZ_SHARE = 0.2
# Expert glands have no stray bits above 0.002 mL; what a network adds at the levator or the seminal vesicles is specks
# below this, what a bad slice tears off the gland is more.
PIECE_ML = 0.5
# Of the ends of glands that lie inside the image, half are smaller than 22 % of the gland's widest slice (152 ends): an
# end slice smaller than this is most likely just where the gland ends, a larger one may well be a cut.
CUT_OFF_SHARE = 0.25
# Two experts' Dice over both zones of a slice is 0.88 in the median; it is below 0.7 in 16 % of slices, all of them
# near the apex or the base (14 cases read twice, 214 slices).
LOW_CONFIDENCE = 0.7
# At either end of the gland so many slices are uncertain to readers too: in all of 17 held-out patients one of them was
# below 0.7. They are slices to check, but no warning, unless next to nothing of a contour is believed.
END_SLICES = 2
NO_CONFIDENCE = 0.2

DOUBTFUL = QualityFlag(
    "doubtful_gland",
    Severity.WARNING,
    "The network is unsure of the whole gland: if this is an axial T2W image of a prostate, check every contour.",
)
AS_THEY_ARE = Calibration()

BORDERS = (("inferior", "superior"), ("anterior", "posterior"), ("right", "left"))  # low and high end of k, j, i


def slice_confidence(
    probabilities: np.ndarray, labels: np.ndarray, first_slice: int = 0, calibration: Calibration = AS_THEY_ARE
) -> dict[int, float]:
    """How much of each slice's contours to believe, 0..1: the Dice that the probabilities themselves expect.

    In a slice with gland: twice the probability of the labels given, summed over the gland, divided by the gland's
    size plus the summed probability of both zones (the Soft Dice Confidence of Borges et al., arXiv:2402.10665, with
    the sums running over both zones). Unlike a mean of voxel confidences it falls, as Dice does, where the gland is
    small and its border long: the apex and the base; and it falls too where the network saw gland that the labels lack.

    A slice without gland next to one with gland is listed only where the network is undecided about it: where its mean
    background probability, over the neighbour's gland, is below `LOW_CONFIDENCE`. That mean is its confidence. A
    calibration turns both into what they have turned out to be worth.

    Args:
        probabilities: (3, K, J, I), background, PZ and CG, summing to 1.
        labels: uint8 (K, J, I), the cleaned labels.
        first_slice: k of the arrays' first slice in the whole image.
        calibration: what such a Dice, and such a mean, have turned out to be worth.

    Returns:
        Confidence by k of the whole LPS-oriented image, ascending.
    """
    gland = labels > 0
    believed, expected, size = _believed(probabilities, labels)
    dice = np.minimum(2 * believed / np.maximum(size + expected, 1), 1)  # at most 1 but for rounding
    zones = probabilities[PZ] + probabilities[CG]
    confidence = {int(k): calibration.slice_dice(float(dice[k])) for k in np.flatnonzero(size)}
    for k in np.flatnonzero(size == 0):
        beside = [gland[n] for n in (k - 1, k + 1) if 0 <= n < len(size) and size[n]]
        if beside:
            absent = calibration.absence(float(1 - zones[k][np.any(beside, axis=0)].mean()))
            if absent < LOW_CONFIDENCE:
                confidence[int(k)] = absent
    return {first_slice + k: confidence[k] for k in sorted(confidence)}


def gland_confidence(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The Dice that the probabilities expect of all slices together, as of each in `slice_confidence`; 1 of nothing.

    Where there is no prostate, networks draw what they half believe: this tells them apart better than any slice does.
    """
    believed, expected, size = (part.sum() for part in _believed(probabilities, labels))
    return float(min(2 * believed / (size + expected), 1)) if size else 1.0


def _believed(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By slice: summed probability of the labels, of both zones where gland is likely, and the gland's voxels."""
    gland = labels > 0
    zones = probabilities[PZ] + probabilities[CG]
    believed = np.where(labels == PZ, probabilities[PZ], probabilities[CG]).sum(axis=(1, 2), where=gland)
    return believed, zones.sum(axis=(1, 2), where=gland | (zones > HAZE)), gland.sum(axis=(1, 2))


def assess(
    labels: np.ndarray,
    raw_labels: np.ndarray,
    confidence: dict[int, float],
    *,
    believed: bool = True,
    spacing_kji: tuple[float, float, float],
    box: tuple[slice, slice, slice],
    image_shape: tuple[int, int, int],
    to_input_slices: ToInputSlices,
    superior: Superior | None = None,
) -> tuple[QualityFlag, ...]:
    """Everything about a result that asks for a look.

    Args:
        labels: uint8 (K, J, I), the labels handed out, inside `box`.
        raw_labels: the labels before clean-up, same shape; `labels` itself where there are none.
        confidence: as `slice_confidence` returns it, by k of the whole LPS-oriented image.
        believed: whether `gland_confidence` is that of a prostate.
        spacing_kji: voxel size in mm.
        box: where the arrays lie in the whole LPS-oriented image, slices (start, stop) along k, j, i.
        image_shape: size of the whole LPS-oriented image along k, j, i.
        to_input_slices: turns ks of the whole LPS-oriented image into ascending slice indices of the input.
        superior: where such a slice of the input lies; without it flags name only its number.

    Returns:
        Flags in a fixed order; only `nothing_found` if there is no gland.
    """
    if not labels.any():
        return (QualityFlag("nothing_found", Severity.CRITICAL, "No prostate was found in this image."),)
    gland = labels > 0
    voxel_ml = math.prod(spacing_kji) / MM3_PER_ML
    strays, strays_ml = _strays(raw_labels > 0, voxel_ml)

    def inputs(ks: Iterable[int]) -> tuple[int, ...]:
        return to_input_slices(box[0].start + int(k) for k in ks)

    return (
        *_pieces_flags(strays, strays_ml, inputs, superior),
        *_gap_flags(gland | strays, inputs, superior),
        *_border_flags(gland, box, image_shape, inputs, superior),
        *_volume_flags(labels, voxel_ml),
        *_orientation_flags(labels, spacing_kji[1]),
        *(() if believed else (DOUBTFUL,)),
        *_confidence_flags(confidence, gland, box[0].start, to_input_slices, superior),
    )


def _strays(raw_gland: np.ndarray, voxel_ml: float) -> tuple[np.ndarray, float]:
    """Pieces of the uncleaned gland other than the largest that are too large to ignore: mask and summed mL."""
    numbered = pieces(raw_gland)
    sizes_ml = np.bincount(numbered.ravel()) * voxel_ml
    large = sizes_ml > PIECE_ML
    large[:2] = False  # the outside and the largest piece
    return large[numbered], float(sizes_ml[large].sum())


def _pieces_flags(
    strays: np.ndarray, strays_ml: float, inputs: ToInputSlices, superior: Superior | None
) -> Iterator[QualityFlag]:
    if strays_ml > 0:
        slices = inputs(_filled_slices(strays))
        where = f"{strays_ml:.1f} mL lies apart from the largest, in {name_slices(slices, superior)}"
        sentence = f"The gland was found in more than one piece: {where}."
        yield QualityFlag("more_than_one_piece", Severity.WARNING, sentence, slices)


def _gap_flags(gland: np.ndarray, inputs: ToInputSlices, superior: Superior | None) -> Iterator[QualityFlag]:
    filled = _filled_slices(gland)
    missing = np.setdiff1d(np.arange(filled[0], filled[-1]), filled)
    if missing.size:
        slices = inputs(missing)
        sentence = f"The gland is missing from {name_slices(slices, superior)}, though it is found above and below."
        yield QualityFlag("slice_gap", Severity.WARNING, sentence, slices)


def _border_flags(
    gland: np.ndarray,
    box: tuple[slice, slice, slice],
    image_shape: tuple[int, int, int],
    inputs: ToInputSlices,
    superior: Superior | None,
) -> Iterator[QualityFlag]:
    areas = gland.sum(axis=(1, 2))
    sides: list[str] = []
    ks: set[int] = set()
    cut_off = False
    for axis, names in enumerate(BORDERS):
        at_edge = (box[axis].start == 0, box[axis].stop == image_shape[axis])
        for name, index, reached in zip(names, (0, -1), at_edge, strict=True):
            contact = np.zeros_like(gland)
            plane = (slice(None),) * axis + (index,)
            contact[plane] = gland[plane]
            if reached and contact.any():
                sides.append(name)
                ks.update(_filled_slices(contact).tolist())
                cut_off |= axis > 0 or areas[index] > CUT_OFF_SHARE * areas.max()
    if sides:
        slices = inputs(sorted(ks))
        edges = f"{_listed(sides)} {'edge' if len(sides) == 1 else 'edges'}"
        where = name_slices(slices, superior)
        sentence = f"The gland touches the {edges} of the image in {where}: part of it may lie outside."
        yield QualityFlag("touches_border", Severity.WARNING if cut_off else Severity.INFO, sentence, slices)


def _volume_flags(labels: np.ndarray, voxel_ml: float) -> Iterator[QualityFlag]:
    pz_ml, cg_ml = (float(np.count_nonzero(labels == zone)) * voxel_ml for zone in (PZ, CG))
    gland_ml = pz_ml + cg_ml
    sentences = []
    if not GLAND_ML[0] <= gland_ml <= GLAND_ML[1]:
        size = "small" if gland_ml < GLAND_ML[0] else "large"
        sentences.append(f"The gland is implausibly {size}: {gland_ml:.1f} mL.")
    for name, volume in (("peripheral zone", pz_ml), ("central gland", cg_ml)):
        if volume < LEAST_ZONE_ML:
            sentences.append(f"The {name} is implausibly small: {volume:.1f} mL.")
    share = pz_ml / gland_ml
    if min(pz_ml, cg_ml) >= LEAST_ZONE_ML and not PZ_SHARE[0] <= share <= PZ_SHARE[1]:
        sentences.append(f"The peripheral zone is an implausible {share:.0%} of the gland.")
    for sentence in sentences:
        yield QualityFlag("implausible_volume", Severity.WARNING, sentence)
    if PZ_SHARE[0] <= share < FLAGGED_PZ_SHARE and pz_ml >= LEAST_ZONE_ML:
        sentence = (
            f"The peripheral zone is a thin rim, {share:.0%} of the gland: check where it meets the central gland."
        )
        yield QualityFlag("thin_pz", Severity.WARNING, sentence)


def _orientation_flags(labels: np.ndarray, spacing_j: float) -> Iterator[QualityFlag]:
    pz_j, cg_j = (np.nonzero(labels == zone)[1] for zone in (PZ, CG))
    if not (pz_j.size and cg_j.size):
        return
    behind_mm = float(pz_j.mean() - cg_j.mean()) * spacing_j
    if behind_mm <= 0:
        sentence = (
            f"The peripheral zone lies {-behind_mm:.0f} mm in front of the central gland instead of behind it: "
            "the orientation in the image's header may be wrong."
        )
        yield QualityFlag("pz_not_behind_cg", Severity.CRITICAL, sentence)


def _confidence_flags(
    confidence: dict[int, float],
    gland: np.ndarray,
    first: int,
    to_input_slices: ToInputSlices,
    superior: Superior | None,
) -> Iterator[QualityFlag]:
    low = sorted(k for k, value in confidence.items() if value < LOW_CONFIDENCE)
    if not low:
        return
    filled = _filled_slices(gland)
    start, third = first + filled[0], (filled[-1] - filled[0] + 1) / 3

    def region(k: int) -> str:
        return "apex" if k < start + third else "mid-gland" if k < start + 2 * third else "base"

    places = [name_slices(to_input_slices(ks), superior, place) for place, ks in groupby(low, region)]
    lowest = min(confidence[k] for k in low)
    sentence = f"The contours are uncertain in {_listed(places)}: confidence down to {lowest:.2f}."
    inner = range(start + END_SLICES, first + filled[-1] - END_SLICES + 1)
    severity = Severity.WARNING if lowest < NO_CONFIDENCE or any(k in inner for k in low) else Severity.INFO
    yield QualityFlag("low_confidence_slices", severity, sentence, to_input_slices(low))


def _filled_slices(mask: np.ndarray) -> np.ndarray:
    """Indices of the slices where a mask (K, J, I) is not empty."""
    return np.flatnonzero(mask.any(axis=(1, 2)))


def name_slices(slices: Sequence[int], superior: Superior | None = None, place: str = "") -> str:
    """Ascending indices in words, with where they lie: "slices 4 to 7 and 12 (S 10.5 to 19.5 and 34.5 mm, base)".

    Args:
        slices: the indices.
        superior: where each lies; without it only the numbers are named.
        place: what else to say of all of them.
    """
    runs = [[s for _, s in run] for _, run in groupby(enumerate(slices), lambda pair: pair[1] - pair[0])]
    # of two neighbours both are named
    ends = [end for run in runs for end in ([(run[0], run[-1])] if len(run) > 2 else [(s, s) for s in run])]
    named = _listed([str(low) if low == high else f"{low} to {high}" for low, high in ends])
    where = [place] if place else []
    if superior:
        lie = [f"{mm(superior(low))}" + (f" to {mm(superior(high))}" if low != high else "") for low, high in ends]
        where.insert(0, f"S {_listed(lie)} mm")
    return f"{'slice' if len(slices) == 1 else 'slices'} {named}" + (f" ({', '.join(where)})" if where else "")


def mm(length: float) -> str:
    """A signed length to a tenth, with a minus sign as it is printed."""
    return f"{round(length, 1) + 0.0:.1f}".replace("-", "\u2212")


def _listed(words: Sequence[str]) -> str:
    """Words joined by commas and a final "and"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
