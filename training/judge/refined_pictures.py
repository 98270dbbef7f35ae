"""Pictures of slices before and after a reader's word reached them, against what the expert drew."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from proseg.labels import ZONES
from proseg.outputs.contours import bright, outlined
from training.judge.pictures import BACKDROP, CONTEXT_MM, EXPERT, TEXT, around, window
from training.judge.simulated_reader import Examination

SLICES, TILE, GAP, COLOURS = 5, 220, 4, 96  # the middle two in pixels


def before_and_after(examination: Examination, given: list[int], labels: np.ndarray) -> Image.Image:
    """Slices that were not given, from base to apex: above as the networks had them, below as refined.

    Those whose labels changed most are shown. The expert's contours are white, below those in the colours of the zones.

    Args:
        examination: the case; its image may be shown.
        given: slices that the reader gave.
        labels: uint8 (K, J, I), what came of it.
    """
    seen, truth = examination.seen, examination.truths[0]
    changed = np.count_nonzero(labels != seen.labels, axis=(1, 2))
    changed[given] = -1
    shown = np.sort(np.argsort(changed)[-SLICES:])[::-1]
    gland = ((truth > 0) | (seen.labels > 0) | (labels > 0))[shown].any(axis=0)
    rows, columns = (
        around(np.flatnonzero(gland.any(axis=axis)), CONTEXT_MM / seen.spacing_kji[2 - axis], gland.shape[1 - axis])
        for axis in (1, 0)
    )
    grey = window(seen.voxels)[:, rows, columns]
    high, wide = grey.shape[1] * seen.spacing_kji[1], grey.shape[2] * seen.spacing_kji[2]
    size = (TILE, max(1, round(TILE * high / wide)))
    sheet = Image.new("RGB", (len(shown) * (TILE + GAP) - GAP, 2 * (size[1] + GAP) - GAP), BACKDROP)
    font = ImageFont.load_default(14)
    for column, k in enumerate(shown):
        for row, drawn in enumerate((seen.labels, labels)):
            expert, found = truth[k, rows, columns], drawn[k, rows, columns]
            masks = [expert == zone.label for zone in ZONES] if examination.zonal else [expert != 0]
            contours = [(mask, EXPERT) for mask in masks]
            contours += [(found == zone.label, bright(zone.colour)) for zone in ZONES]
            tile = outlined(grey[k], contours, size, fill=0.0)
            ImageDraw.Draw(tile).text((5, 3), f"{k}", TEXT, font, stroke_width=2, stroke_fill=BACKDROP)
            sheet.paste(tile, (column * (TILE + GAP), row * (size[1] + GAP)))
    return sheet.quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
