"""Reliability: what was said against what came true, in numbers and as a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

BINS = 15
SIDE, MARGIN, TOP = 300, 56, 48  # pixels: of a diagram, of what stands around it
INK, GREY, BEFORE, AFTER = (40, 48, 60), (206, 212, 220), (221, 139, 20), (38, 110, 168)


@dataclass(frozen=True)
class Bins:
    """What was said and came true on the mean, and the weight, in each equal bin that holds anything."""

    said: np.ndarray
    true: np.ndarray
    weight: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error (Naeini et al., AAAI 2015): mean gap between said and true; nan of nothing."""
        total = self.weight.sum()
        return float((self.weight * np.abs(self.said - self.true)).sum() / total) if total else float("nan")


@dataclass(frozen=True)
class Judgement:
    """What the doubts were worth.

    Attributes:
        gland, zones: of voxels, the probability of gland and of PZ within the gland.
        slices: of slices with gland, expected and reached Dice.
        checked, errors, found: slices to check, slices in real error, and those that are both.
        warned: cases with a warning about uncertain slices or the whole gland.
        cases: all cases.
    """

    gland: Bins
    zones: Bins
    slices: Bins
    checked: int
    errors: int
    found: int
    warned: int
    cases: int

    def row(self, name: str) -> str:
        """A line of the table."""
        precision = f"{self.found / self.checked:.2f}" if self.checked else "–"
        recall = f"{self.found / self.errors:.2f}" if self.errors else "–"
        numbers = [f"{part.ece:.3f}" for part in (self.gland, self.zones, self.slices)]
        counts = [f"{self.checked / self.cases:.1f}", precision, recall, f"{self.warned} of {self.cases}"]
        return f"| {' | '.join([name, *numbers, *counts])} |"


def bins(said: np.ndarray, true: np.ndarray, weight: np.ndarray) -> Bins:
    """Gather (n,) probabilities, what came true of each, 0 to 1, and their weights."""
    place = np.clip((said * BINS).astype(int), 0, BINS - 1)
    total, sums, hits = (np.bincount(place, w, BINS) for w in (weight, weight * said, weight * true))
    some = total > 0
    return Bins(sums[some] / total[some], hits[some] / total[some], total[some])


def draw(before: Judgement, after: Judgement) -> Image.Image:
    """The three reliability diagrams side by side, before and after calibration.

    On the diagonal what was said came true; above it was better than said. A point's area shows its weight.
    """
    panels = (
        ("Gland, voxels", "probability said", "share of gland", before.gland, after.gland),
        ("PZ within the gland, voxels", "probability said", "share of PZ", before.zones, after.zones),
        ("Slices", "Dice expected", "Dice reached", before.slices, after.slices),
    )
    picture = Image.new("RGB", (len(panels) * (SIDE + MARGIN) + MARGIN // 2, SIDE + TOP + MARGIN), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    for number, (title, across, up, *parts) in enumerate(panels):
        left, top = MARGIN + number * (SIDE + MARGIN), TOP
        pen.text((left, top - 22), title, INK, font)
        pen.text((left + SIDE // 2, top + SIDE + 24), across, INK, font, anchor="mt")
        label = Image.new("L", (SIDE, 18))
        ImageDraw.Draw(label).text((SIDE // 2, 9), up, 255, font, anchor="mm")
        turned = label.rotate(90, expand=True)
        picture.paste(INK, (left - 46, top), turned)
        for tick in range(5):
            x, y = left + tick * SIDE / 4, top + SIDE - tick * SIDE / 4
            pen.line((x, top, x, top + SIDE), GREY)
            pen.line((left, y, left + SIDE, y), GREY)
            pen.text((x, top + SIDE + 5), f"{tick / 4:g}", INK, font, anchor="mt")
            pen.text((left - 5, y), f"{tick / 4:g}", INK, font, anchor="rm")
        pen.line((left, top + SIDE, left + SIDE, top), INK)
        for colour, part in zip((BEFORE, AFTER), parts, strict=True):
            points = [(left + x * SIDE, top + SIDE - y * SIDE) for x, y in zip(part.said, part.true, strict=True)]
            if len(points) > 1:
                pen.line(points, colour, 2)
            for (x, y), share in zip(points, part.weight / part.weight.sum(), strict=True):
                radius = 2 + 9 * float(np.sqrt(share))
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=2)
        for place, (name, colour, part) in enumerate(zip(("before", "after"), (BEFORE, AFTER), parts, strict=True)):
            pen.text((left + 8, top + 8 + 16 * place), f"{name}: ECE {part.ece:.3f}", colour, font)
    return picture
