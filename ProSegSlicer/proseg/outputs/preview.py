"""A picture to judge a result by: axial slices with contours, volumes, and the flags in words.

Radiological convention: the patient's right is on the left of the picture, anterior is up. Needs Pillow only.
"""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageDraw, ImageFont

from proseg.flags import Severity
from proseg.images.geometry import input_slice_indices, superior_mm, to_lps
from proseg.labels import ZONES
from proseg.outputs.contours import Colour, bright, outlined
from proseg.segmentation.quality import LOW_CONFIDENCE, mm
from proseg.segmentation.result import Findings
from proseg.system.atomic import OutputSet, atomic

WIDTH = 1600  # everything below is in pixels unless it says otherwise
COLUMNS, MOST_SLICES = 4, 12
MARGIN, GAP, HEADER, CAPTION = 28, 12, 112, 34
TILE = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) // COLUMNS
CONTEXT_MM, EMPTY_MM = 14.0, 120.0  # shown around the gland; shown of the centre without one
NARROWEST, WIDEST = 1.0, 1.4  # width over height of a tile

BACKDROP, TEXT, DIM, FAINT = (15, 17, 21), (238, 241, 245), (152, 160, 171), (58, 64, 74)
AMBER, RED, BLUE = (255, 186, 84), (255, 102, 102), (122, 172, 232)
SEVERITY_COLOURS = {Severity.INFO: BLUE, Severity.WARNING: AMBER, Severity.CRITICAL: RED}
RESEARCH_USE = "Research use: review before use"


@dataclass(frozen=True)
class Tile:
    """One slice as it is shown.

    Attributes:
        picture: the slice with its contours, RGB; all tiles of a result have the same size.
        index: zero-based along the input's slice axis.
        name: the slice in words, as ``slice_name`` gives it.
        level: where in the gland: "base", "mid", "apex", "above the gland", "below the gland"; empty without a gland.
        confidence: the Dice, 0..1, that the model expects of its contours here; None where it says nothing.
        severity: of the worst flag that asks for a look at this slice; None if there is none.
    """

    picture: Image.Image
    index: int
    name: str
    level: str
    confidence: float | None
    severity: Severity | None


@dataclass(frozen=True)
class _Stack:
    """What is drawn, LPS-oriented and cropped: grey values 0..255 and labels, both [k, j, i]; and how large."""

    grey: np.ndarray
    labels: np.ndarray
    tile: tuple[int, int]  # width, height
    pixels_per_mm: float


def tiles(findings: Findings) -> list[Tile]:
    """The slices to judge a result by: up to twelve axial ones, from base to apex.

    The grey window runs from the 1st to the 99th percentile of the part that is shown. The first has a scale.
    """
    labels = sitk.GetArrayFromImage(to_lps(findings.labelmap))
    gland = np.flatnonzero(labels.any(axis=(1, 2)))
    flagged = input_slice_indices(findings.image, findings.slices_to_check)  # the mapping is its own inverse
    stack = _cropped(findings, labels)
    drawn = []
    for k in _slices_to_show(gland, len(labels), flagged):
        (index,) = input_slice_indices(findings.image, [k])
        worst = {flag.severity for flag in findings.serious_flags if index in flag.slices}
        severity = next((severity for severity in reversed(Severity) if severity in worst), None)
        picture = _picture(stack, k, with_scale=not drawn)
        name = slice_name(findings.image, index)
        drawn.append(Tile(picture, index, name, _level(gland, k), findings.slice_confidence.get(index), severity))
    return drawn


def slice_name(image: sitk.Image, index: int) -> str:
    """A slice by its number and by where it lies: "Slice 3 (S 12.0 mm)"."""
    return f"Slice {index} (S {mm(superior_mm(image, index))} mm)"


def slice_zero(image: sitk.Image) -> str:
    """How slices are counted, and where the first of them lies, in a sentence."""
    end = "inferior" if superior_mm(image, 0) < superior_mm(image, 1) else "superior"
    return f"Slices are counted from 0 along the image's slice axis; slice 0 is the most {end}."


def preview(findings: Findings) -> Image.Image:
    """Draw a result: slices from base to apex, measurements and flags, RGB, 1600 pixels wide.

    Slices are numbered from zero along the input's slice axis, as in the report.
    """
    shown = tiles(findings)
    rows = math.ceil(len(shown) / COLUMNS)
    pitch = shown[0].picture.height + CAPTION + GAP
    footer = _footer_lines(findings)
    height = HEADER + rows * pitch + sum(_line_height(size) for _, _, size in footer) + 2 * MARGIN
    page = Image.new("RGB", (WIDTH, height), BACKDROP)
    draw = ImageDraw.Draw(page)
    _draw_header(draw, findings)
    for place, tile in enumerate(shown):
        left = MARGIN + place % COLUMNS * (TILE + GAP)
        top = HEADER + place // COLUMNS * pitch
        page.paste(tile.picture, (left, top))
        _annotate(draw, tile, left, top)
    _draw_footer(draw, footer, HEADER + rows * pitch + MARGIN - GAP)
    return page


def write_preview(findings: Findings, path: str | os.PathLike[str], outputs: OutputSet | None = None) -> None:
    """Write the picture of a result as PNG, whole or not at all (with ``outputs``, together with that set)."""
    with atomic(path, outputs) as temporary:
        preview(findings).save(temporary, format="PNG", compress_level=4)


def _slices_to_show(gland: np.ndarray, count: int, flagged: Sequence[int]) -> list[int]:
    """LPS slice indices, base first: the gland and its neighbours, or an even choice that has the flagged slices."""
    if len(gland) > MOST_SLICES:
        shown = {round(k) for k in np.linspace(gland[0], gland[-1], MOST_SLICES)}
        wanted = set(flagged) & set(gland.tolist())
        if len(wanted) <= MOST_SLICES:
            for k in wanted - shown:
                shown.remove(min(shown - wanted, key=lambda other: (abs(other - k), other)))
                shown.add(k)
        return sorted(shown, reverse=True)
    first, last = (gland[0], gland[-1]) if len(gland) else (count // 2, count // 2)
    spare = min(count, MOST_SLICES) - (last - first + 1)
    low = max(0, min(first - spare // 2, count - MOST_SLICES))
    return list(range(min(low + MOST_SLICES, count) - 1, low - 1, -1))


def _cropped(findings: Findings, labels: np.ndarray) -> _Stack:
    image = to_lps(findings.image)
    grey = sitk.GetArrayFromImage(image).astype(np.float32)
    across, down = image.GetSpacing()[:2]
    within = labels.any(axis=0)
    if within.any():
        rows, columns = (np.flatnonzero(within.any(axis=axis)) for axis in (1, 0))
        middle = [(line[0] + line[-1] + 1) / 2 for line in (rows, columns)]
        extent = [len(range(line[0], line[-1] + 1)) * step for line, step in ((rows, down), (columns, across))]
        high, wide = (length + 2 * CONTEXT_MM for length in extent)
    else:
        middle, high, wide = [size / 2 for size in within.shape], EMPTY_MM, EMPTY_MM
    wide = min(max(wide, NARROWEST * high), within.shape[1] * across)
    high = min(max(high, wide / WIDEST), within.shape[0] * down)
    j, i = (
        _window(centre, length / step, size)
        for centre, length, step, size in zip(middle, (high, wide), (down, across), within.shape, strict=True)
    )
    part = np.nan_to_num(grey[:, j, i])
    used = part[np.unique(np.nonzero(labels)[0])] if within.any() else part
    low, top = np.percentile(used[:, ::2, ::2], (1, 99))
    part = np.clip((part - low) / max(top - low, 1e-6), 0, 1) * 255
    high, wide = part.shape[1] * down, part.shape[2] * across
    scale = min(TILE / wide, TILE / NARROWEST / high)
    size = (max(1, round(wide * scale)), max(1, round(high * scale)))
    return _Stack(part.astype(np.uint8), labels[:, j, i], size, scale)


def _window(centre: float, length: float, size: int) -> slice:
    """The slice of about ``length`` voxels around ``centre``, moved to lie inside 0..size."""
    count = max(1, min(round(length), size))
    start = min(max(round(centre - count / 2), 0), size - count)
    return slice(start, start + count)


def _picture(stack: _Stack, k: int, with_scale: bool) -> Image.Image:
    contours = [(stack.labels[k] == zone.label, bright(zone.colour)) for zone in ZONES]
    tile = outlined(stack.grey[k], contours, stack.tile)
    framed = Image.new("RGB", (TILE, stack.tile[1]))
    framed.paste(tile, ((TILE - stack.tile[0]) // 2, 0))
    draw = ImageDraw.Draw(framed)
    for letter, x, anchor in (("R", 8, "lm"), ("L", TILE - 8, "rm")):
        draw.text((x, framed.height / 2), letter, TEXT, _font(18), anchor, stroke_width=2, stroke_fill=BACKDROP)
    if with_scale:
        _draw_scale(draw, stack)
    return framed


def _annotate(draw: ImageDraw.ImageDraw, tile: Tile, left: int, top: int) -> None:
    """The frame of a flagged slice, and the line below it."""
    bottom = top + tile.picture.height
    if tile.severity:
        draw.rectangle((left, top, left + TILE - 1, bottom - 1), outline=SEVERITY_COLOURS[tile.severity], width=2)
    baseline = bottom + 8
    name = _spelt(tile.name)
    draw.text((left, baseline), name, TEXT, _font(17))
    draw.text((left + _font(17).getlength(name) + 10, baseline), tile.level.removesuffix(" the gland"), DIM, _font(17))
    if tile.confidence is not None:
        colour = AMBER if tile.confidence < LOW_CONFIDENCE else DIM
        right = left + TILE
        draw.text((right, baseline), f"{tile.confidence:.0%}", colour, _font(17), "ra")
        start, end, y = right - 110, right - 48, baseline + 8
        draw.line((start, y, end, y), FAINT, 4)
        draw.line((start, y, start + round((end - start) * min(max(tile.confidence, 0), 1)), y), colour, 4)


def _level(gland: np.ndarray, k: int) -> str:
    if not len(gland):
        return ""
    if k < gland[0] or k > gland[-1]:
        return "below the gland" if k < gland[0] else "above the gland"
    third = 3 * (k - gland[0] + 0.5) / (gland[-1] - gland[0] + 1)
    return ("apex", "mid", "base")[int(third)]


def _draw_header(draw: ImageDraw.ImageDraw, findings: Findings) -> None:
    if not findings.has_gland:
        draw.text((MARGIN, 26), "No prostate found", AMBER, _font(34))
        draw.text((MARGIN, 72), "The middle slices of the image are shown.", DIM, _font(17))
        return
    m = findings.measurements
    figures: list[tuple[str, str, Colour | None]] = [
        (zone.name, f"{volume:.1f} mL", bright(zone.colour))
        for zone, volume in zip(ZONES, (m.pz_ml, m.cg_ml), strict=True)
    ]
    figures += [
        ("Whole gland", f"{m.gland_ml:.1f} mL", None),
        ("Width x height x length", f"{m.width_mm:.0f} x {m.height_mm:.0f} x {m.length_mm:.0f} mm", None),
        ("Ellipsoid estimate", f"{m.ellipsoid_ml:.1f} mL", None),
    ]
    if m.psa_density is not None:
        figures.append(("PSA density", f"{m.psa_density:.2f} ng/mL/mL", None))
    x = float(MARGIN)
    for name, value, colour in figures:
        indent = 0
        if colour:
            draw.bitmap((x, 33), _dot(), colour)
            indent = 19
        draw.text((x + indent, 28), name, DIM, _font(17))
        draw.text((x, 54), value, TEXT, _font(30))
        x += max(indent + _font(17).getlength(name), _font(30).getlength(value)) + 46


def _draw_scale(draw: ImageDraw.ImageDraw, stack: _Stack) -> None:
    length, x, y = 20 * stack.pixels_per_mm, 12, stack.tile[1] - 14
    draw.line((x - 1, y, x + length + 1, y), BACKDROP, 4)
    draw.line((x, y, x + length, y), TEXT, 2)
    draw.text((x + length / 2, y - 6), "20 mm", TEXT, _font(17), "mb", stroke_width=2, stroke_fill=BACKDROP)


def _footer_lines(findings: Findings) -> list[tuple[str, Colour | None, int]]:
    """Lines of text with the colour of the dot before them, if any, and their size."""
    lines: list[tuple[str, Colour | None, int]] = []
    for flag in sorted(findings.flags, key=lambda flag: list(Severity).index(flag.severity), reverse=True):
        colour: Colour | None = SEVERITY_COLOURS[flag.severity]
        for line in _wrapped(flag.sentence, 19):
            lines.append((line, colour, 19))
            colour = None
    model = findings.provenance
    origin = f"{model.model} {model.version}" if model else "drawn by hand"
    about = (
        f"{RESEARCH_USE}  \u00b7  {origin}  \u00b7  pictures from superior to inferior  \u00b7  "
        f"{slice_zero(findings.image).rstrip('.')}  \u00b7  S: mm to the patient's superior  \u00b7  "
        "R, L: the patient's right and left  \u00b7  bars: the Dice the model expects"
    )
    return [*lines, *((line, None, 16) for line in _wrapped(about, 16))]


def _draw_footer(draw: ImageDraw.ImageDraw, lines: list[tuple[str, Colour | None, int]], y: float) -> None:
    for line, dot, size in lines:
        if dot:
            draw.bitmap((MARGIN, y + 6), _dot(), dot)
        small = size < 19
        draw.text((MARGIN if small else MARGIN + 22, y + 8 * small), line, DIM if small else TEXT, _font(size))
        y += _line_height(size)


def _line_height(size: int) -> int:
    return round(1.5 * size)


def _wrapped(text: str, size: int) -> list[str]:
    lines = [""]
    for word in _spelt(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _font(size).getlength(longer) > WIDTH - 2 * MARGIN - 22:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _spelt(text: str) -> str:
    """Text in the letters that Pillow's own font has."""
    for sign, letters in zip("\u2212\u2013\u2014\u00d7\u2265\u2264", ("-", "-", "-", "x", ">=", "<="), strict=True):
        text = text.replace(sign, letters)
    folded = unicodedata.normalize("NFKD", text)
    kept = (c for c in folded if not unicodedata.combining(c))
    return "".join(c if c.isascii() or c in "\u00b7\u00b0\u201c\u201d\u2019\u2026" else "?" for c in kept)


@cache
def _dot() -> Image.Image:
    """A smooth disc, 12 pixels wide, to stencil with."""
    large = Image.new("L", (48, 48))
    ImageDraw.Draw(large).ellipse((0, 0, 47, 47), 255)
    return large.resize((12, 12), Image.Resampling.BOX)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
