"""Agreement of a predicted segmentation with the truth, per structure and per third of the gland."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from monai.metrics.utils import get_mask_edges, get_surface_distance

from proseg.labels import CG, PZ
from training.data.labels import GLAND_UNKNOWN_ZONE

STRUCTURES = ("PZ", "CG", "gland")
WHOLE = "whole"
THIRDS = ("apex", "middle", "base")
REGIONS = (WHOLE, *THIRDS)
BETWEEN_READERS = 0
LEAST_ML = 0.5  # of truth, for a volume error in per cent
SLICE_MM = 3.0  # of the usual T2W protocol: what one slice of error at an end of the gland counts


@dataclass(frozen=True)
class MetricRow:
    """How well one structure was found in one region of one case; nan = undefined.

    Attributes:
        case: case id.
        source: data source of the case.
        fold: the fold the case was tested in.
        structure: PZ, CG or gland (both).
        region: whole, or a third of the true gland's slices: apex (inferior), middle, base (superior).
        dice: 2|T∩P| / (|T| + |P|); 0 for a missed or an invented structure, nan if it is in neither.
        recall: |T∩P| / |T|; nan without truth.
        hd95_mm: the larger of the two directed 95th percentiles of the surface distances (MONAI's definition), mm.
        asd_mm: mean of all surface distances in both directions (MONAI's symmetric average), mm.
        volume_error_ml: predicted - true volume, mL.
        volume_error_percent: the same in per cent of the true volume; nan below 0.5 mL of truth, where it says nothing.
        truth_ml: true volume, mL.
        missed: there is truth in the region and no prediction at all.
        reader: whose labels are the truth, 1 or 2; BETWEEN_READERS: reader 2's are judged as if they were a prediction.
        apex_slices: how far above the true first slice the gland begins, in slices of 3 mm; negative: it is begun too
            low. Of the whole gland only, else nan.
        base_slices: how far above the true last slice it ends, likewise; positive: it is ended too high.
    """

    case: str
    source: str
    fold: int
    structure: str
    region: str
    dice: float
    recall: float
    hd95_mm: float
    asd_mm: float
    volume_error_ml: float
    volume_error_percent: float
    truth_ml: float
    missed: bool
    reader: int = 1
    apex_slices: float = math.nan
    base_slices: float = math.nan


def evaluate_case(
    truth: np.ndarray,
    prediction: np.ndarray,
    spacing_kji: tuple[float, float, float],
    *,
    case: str = "",
    source: str = "",
    fold: int = 0,
    reader: int = 1,
) -> list[MetricRow]:
    """Compare a prediction with the truth.

    A structure missed altogether has Dice 0, ``missed`` set and *no* surface distance (nan): there is no honest number
    of millimetres for it, so means of distances leave it out and must be read with the count of missed ones.

    Distances are between boundary voxels' centres. In a third they are those of the boundary voxels lying there to the
    *whole* other surface: cutting the masks instead would add faces that agree by construction. So a structure missed
    in one third only still has a distance there, to the nearest place where it was predicted. The apex takes in all
    that lies below and the base all above the true gland, so that no false positive escapes the thirds.

    Args:
        truth: labels (K, J, I) in the LPS frame (k grows to superior), 0/1/2 or 0/GLAND_UNKNOWN_ZONE; with the latter
            only the gland is evaluated.
        prediction: labels (K, J, I) on the same grid, 0/1/2.
        spacing_kji: voxel size in mm along k, j, i.
        case: case id for the rows.
        source: data source for the rows.
        fold: fold for the rows.
        reader: reader for the rows.

    Returns:
        A row per structure and region; without any truth only the region ``whole``.

    Raises:
        ValueError: the arrays are not 3D or differ in shape.
    """
    if truth.shape != prediction.shape or truth.ndim != 3:
        raise ValueError(f"truth {truth.shape} and prediction {prediction.shape} must be 3D arrays of one shape")
    if not (truth.any() or prediction.any()):
        box: tuple[slice, ...] = (slice(0, 1),) * 3
    else:
        filled = (truth != 0) | (prediction != 0)
        spans = [np.flatnonzero(filled.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
        box = tuple(slice(span[0], span[-1] + 1) for span in spans)
    truth, prediction = truth[box], prediction[box]

    regions = dict(_regions(truth != 0))
    rows = []
    for structure, true, found in structures(truth, prediction):
        surfaces = _surface_distances(true, found, spacing_kji)
        for region, ks in regions.items():
            numbers = _compare(true[ks], found[ks], math.prod(spacing_kji) / 1000)
            hd95_mm, asd_mm = _summary_distances(surfaces, ks)
            numbers |= {"hd95_mm": hd95_mm, "asd_mm": asd_mm, "reader": reader}
            if (structure, region) == ("gland", WHOLE):
                numbers["apex_slices"], numbers["base_slices"] = end_errors(true, found, spacing_kji[0])
            rows.append(MetricRow(case, source, fold, structure, region, **numbers))
    return rows


def structures(truth: np.ndarray, prediction: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Of each structure that the truth knows: its name, its true mask, its predicted mask (see `evaluate_case`)."""
    gland_only = bool((truth == GLAND_UNKNOWN_ZONE).any())
    for structure in STRUCTURES[-1:] if gland_only else STRUCTURES:
        wanted = {"PZ": (PZ,), "CG": (CG,), "gland": (PZ, CG, GLAND_UNKNOWN_ZONE)}[structure]
        yield structure, np.isin(truth, wanted), np.isin(prediction, wanted)


def end_errors(true: np.ndarray, found: np.ndarray, slice_mm: float) -> tuple[float, float]:
    """How far above their true places a mask begins and ends, in slices of 3 mm; nan where either mask is empty.

    Args:
        true: mask (K, J, I), k grows to superior.
        found: the same, as predicted.
        slice_mm: distance between slices.
    """
    ends = [np.flatnonzero(mask.any(axis=(1, 2)))[[0, -1]] for mask in (true, found) if mask.any()]
    if len(ends) < 2:
        return math.nan, math.nan
    apex, base = (ends[1] - ends[0]) * slice_mm / SLICE_MM
    return float(apex), float(base)


def overlap(true: np.ndarray, found: np.ndarray) -> float:
    """Dice of two masks: 2|T∩P| / (|T| + |P|), nan if both are empty."""
    total = np.count_nonzero(true) + np.count_nonzero(found)
    return float(2 * np.count_nonzero(true & found) / total) if total else math.nan


def _regions(gland: np.ndarray) -> Iterator[tuple[str, slice]]:
    """The regions as slices along k."""
    yield WHOLE, slice(0, len(gland))
    ks = np.flatnonzero(gland.any(axis=(1, 2)))
    if ks.size:
        first, extent = int(ks[0]), int(ks[-1] - ks[0]) + 1
        cuts = (0, first + round(extent / 3), first + round(extent * 2 / 3), len(gland))
        for name, (start, stop) in zip(THIRDS, pairwise(cuts), strict=True):
            yield name, slice(start, stop)


def _compare(true: np.ndarray, found: np.ndarray, voxel_ml: float) -> dict[str, float | bool]:
    """The overlap and volume columns of a row for two masks."""
    t, p, both = (int(np.count_nonzero(mask)) for mask in (true, found, true & found))
    return {
        "dice": overlap(true, found),
        "recall": both / t if t else math.nan,
        "volume_error_ml": (p - t) * voxel_ml,
        "volume_error_percent": 100 * (p - t) / t if t * voxel_ml >= LEAST_ML else math.nan,
        "truth_ml": t * voxel_ml,
        "missed": bool(t and not p),
    }


def _surface_distances(
    true: np.ndarray, found: np.ndarray, spacing_kji: tuple[float, float, float]
) -> list[np.ndarray]:
    """Both directions' (2, n) arrays: k index of each boundary voxel, its distance (mm) to the other surface."""
    if not (true.any() and found.any()):
        return []
    # Outside the array counts as background, so the tight crop needs no margin.
    found_edge, true_edge = get_mask_edges(found, true, crop=False)
    pairs = ((found_edge, true_edge), (true_edge, found_edge))
    return [np.stack([np.nonzero(a)[0], get_surface_distance(a, b, spacing=spacing_kji)]) for a, b in pairs]


def _summary_distances(surfaces: list[np.ndarray], ks: slice) -> tuple[float, float]:
    """HD95 and average symmetric distance (mm) of the boundary voxels within a range of slices."""
    within = [mm[(k >= ks.start) & (k < ks.stop)] for k, mm in surfaces]
    within = [mm for mm in within if mm.size]
    if not within:
        return math.nan, math.nan
    return max(float(np.percentile(mm, 95)) for mm in within), float(np.concatenate(within).mean())
