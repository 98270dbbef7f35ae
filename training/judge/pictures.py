"""Pictures of cases against what experts drew, and in a sentence how they differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from proseg.labels import ZONES
from proseg.outputs.contours import bright, outlined
from training.judge.metrics import THIRDS, WHOLE, MetricRow

COLUMNS, SLICES, TILE, GAP = 4, 8, 300, 6  # the last two in pixels
CONTEXT_MM = 12.0  # shown around the gland
EXPERT = (255, 255, 255)
BACKDROP, TEXT = (15, 17, 21), (238, 241, 245)


def worst(rows: Sequence[MetricRow], count: int, structure: str = "gland") -> list[str]:
    """The cases with the lowest Dice of a structure against the first reader, the lowest first, undefined ones not."""
    of = structure, WHOLE, 1
    whole = [row for row in rows if (row.structure, row.region, row.reader) == of and not math.isnan(row.dice)]
    return [row.case for row in sorted(whole, key=lambda row: (row.dice, row.case))[:count]]


def difference(rows: Sequence[MetricRow], structure: str = "gland") -> str:
    """How one case's contours differ from the first reader's: how alike, how much too large or small, and where most.

    Args:
        rows: the rows of the case, as of :func:`training.judge.metrics.evaluate_case`.
        structure: of which sizes and the third of the gland are told.
    """
    found = {(row.structure, row.region): row for row in rows if row.reader == 1}
    whole = found[structure, WHOLE]
    dice = ", ".join(
        f"{name} {found[name, WHOLE].dice:.3f}" for name in ("PZ", "CG", "gland") if (name, WHOLE) in found
    )
    size = f"{whole.volume_error_percent:+.0f} % of its {whole.truth_ml:.0f} mL"
    least = min((found[structure, third] for third in THIRDS), key=lambda row: np.nan_to_num(row.dice, nan=1.0))
    kind = "too small" if least.volume_error_ml < 0 else "too large"
    return (
        f"Dice {dice}; the {structure}'s volume is off by {size}. Least alike at the {least.region} "
        f"(Dice {least.dice:.2f}), where it is drawn {abs(least.volume_error_ml):.1f} mL {kind}."
    )


def picture(
    image: np.ndarray | None, truth: np.ndarray, found: np.ndarray, spacing_kji: tuple[float, float, float]
) -> Image.Image:
    """Slices from base to apex: the experts' contours in white below the network's in the colours of the zones.

    Radiological convention: the patient's right is on the left, anterior is up.

    Args:
        image: grey values (K, J, I) in the LPS frame, or None to show the contours alone.
        truth: the expert's labels on the same grid; all that is not 0 and no zone is gland.
        found: the network's labels, likewise.
        spacing_kji: voxel size in mm.

    Raises:
        ValueError: neither has a gland.
    """
    either = (truth != 0) | (found != 0)
    if not either.any():
        raise ValueError("There is no gland to show.")
    ks = np.flatnonzero(either.any(axis=(1, 2)))
    rows, columns = (
        around(np.flatnonzero(either.any(axis=(0, axis))), CONTEXT_MM / spacing_kji[3 - axis], either.shape[3 - axis])
        for axis in (2, 1)
    )
    shown = np.unique(np.linspace(ks[0], ks[-1], min(SLICES, len(ks))).round().astype(int))[::-1]
    grey = window(np.zeros(truth.shape) if image is None else image)[:, rows, columns]
    high, wide = grey.shape[1] * spacing_kji[1], grey.shape[2] * spacing_kji[2]
    size = (TILE, max(1, round(TILE * high / wide)))
    sheet = Image.new(
        "RGB",
        (COLUMNS * (TILE + GAP) - GAP, -(-len(shown) // COLUMNS) * (size[1] + GAP) - GAP),
        BACKDROP,
    )
    font = ImageFont.load_default(16)
    zonal = bool(np.isin(truth, (0, *(zone.label for zone in ZONES))).all())
    for place, k in enumerate(shown):
        expert, network = truth[k, rows, columns], found[k, rows, columns]
        masks = [expert == zone.label for zone in ZONES] if zonal else [expert != 0]
        contours = [(mask, EXPERT) for mask in masks]
        contours += [(network == zone.label, bright(zone.colour)) for zone in ZONES]
        tile = outlined(grey[k], contours, size, fill=0.0)
        ImageDraw.Draw(tile).text((6, 4), f"{k}", TEXT, font, stroke_width=2, stroke_fill=BACKDROP)
        row, column = divmod(place, COLUMNS)
        sheet.paste(tile, (column * (TILE + GAP), row * (size[1] + GAP)))
    return sheet


def around(line: np.ndarray, margin: float, size: int) -> slice:
    """Indices with a margin on either side, within 0..size."""
    return slice(max(0, round(line[0] - margin)), min(size, round(line[-1] + margin) + 1))


def window(image: np.ndarray) -> np.ndarray:
    """Grey values between the 1st and 99th percentile as 0..255."""
    low, high = np.percentile(image, (1, 99))
    return (np.clip((image - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)
