"""The picture: this program beside its peers, where its time goes, and how the cost grows."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.speed.goals import Results
from benchmarks.speed.stages import NAMES
from benchmarks.speed.svg import GRID, QUIET, Svg
from benchmarks.speed.volumes import USUAL, name
from benchmarks.tables import seconds, times

WIDTH, LEFT, RIGHT, BAR, STEP = 860.0, 250.0, 110.0, 20.0, 30.0
OWN, OTHERS = "#2f6db5", "#a9b4c4"
COLOURS = dict(
    zip(
        NAMES,
        (
            "#8d99ae",
            "#e9b44c",
            "#d98c5f",
            "#7fb2e5",
            "#2f6db5",
            "#174a7c",
            "#c9a0dc",
            "#e07a5f",
            "#81b29a",
            "#3d8b7d",
            "#d5d9e0",
        ),
        strict=True,
    )
)
GROWTHS = {"slices": ("slices", "#2f6db5"), "pixels": ("field of view", "#d98c5f"), "cases": ("cases", "#3d8b7d")}


def draw(results: Results) -> str | None:
    """The picture as SVG, of what was measured; None if nothing of it was."""
    panels = [
        (height, draw_it)
        for section, draw_it, height in (
            ("peers", _peers, 3 * STEP + 4 * STEP),
            ("warm", _warm, 9.5 * STEP),
            ("growth", _growth, 330.0),
        )
        if section in results and "missing" not in results[section] and "failed" not in results[section]
    ]
    if not panels:
        return None
    sheet, top = Svg(WIDTH, sum(height for height, _ in panels) + 20), 10.0
    for height, draw_it in panels:
        draw_it(sheet, top, results)
        top += height
    return str(sheet)


def _peers(sheet: Svg, top: float, results: Results) -> None:
    """Bars on a logarithmic scale, seconds of one case."""
    found = results["peers"]
    bars = [("ProSegSlicer", found["own"]["seconds"], OWN)]
    bars += [(peer, case["seconds"], OTHERS) for peer, case in found["peers"].items() if "seconds" in case]
    low, high = 0.1, 10 ** math.ceil(math.log10(max(value for _, value, _ in bars)))
    sheet.title(20, top + 20, f"One case of {name(USUAL)} voxels, warm, on the CPU: seconds (logarithmic)")
    y = top + 40
    base = y + len(bars) * STEP
    decades = round(math.log10(high / low))

    def place(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log10(max(value, low) / low) / decades

    for decade in range(decades + 1):
        tick = low * 10**decade
        sheet.line([(place(tick), y), (place(tick), base)])
        sheet.text(place(tick), base + 16, f"{tick:g}", "middle", 11, QUIET)
    for number, (label, value, colour) in enumerate(bars):
        row = y + number * STEP + 4
        sheet.text(LEFT - 10, row + 15, label.replace("`", ""), "end")
        sheet.box(LEFT, row, place(value) - LEFT, BAR, colour)
        ratio = "" if not number else f"  ({times(value / bars[0][1])})"
        sheet.text(place(value) + 6, row + 15, f"{seconds(value)} s{ratio}")


def _warm(sheet: Svg, top: float, results: Results) -> None:
    """Stacked bars, seconds by stage."""
    volumes = results["warm"]["volumes"]
    high = max(case["total"] for case in volumes.values())
    sheet.title(20, top + 20, "Where the time of a warm case goes: seconds by stage")
    scale, y = (WIDTH - LEFT - RIGHT) / high, top + 34
    for number, (size, case) in enumerate(volumes.items()):
        row, x = y + number * STEP, LEFT
        sheet.text(LEFT - 10, row + 15, size, "end")
        for stage in NAMES:
            sheet.box(x, row, case[stage] * scale, BAR, COLOURS[stage])
            x += case[stage] * scale
        sheet.text(x + 6, row + 15, f"{seconds(case['total'])} s")
    x, y = LEFT, y + len(volumes) * STEP + 12
    for number, stage in enumerate(NAMES):
        column, row = number % 4, number // 4
        sheet.box(x + column * 140, y + row * 20, 12, 12, COLOURS[stage])
        sheet.text(x + column * 140 + 18, y + row * 20 + 11, stage, size=11, colour=QUIET)


def _growth(sheet: Svg, top: float, results: Results) -> None:
    """Lines on logarithmic scales, both relative to their first point; grey is linear."""
    sheet.title(20, top + 20, "How the cost grows: times as long as the first point (both axes logarithmic)")
    bottom, left, height, width = top + 290, LEFT - 60, 240.0, 400.0
    lines = {what: _relative(fit["points"]) for what, fit in results["growth"]["fits"].items()}
    octaves = math.ceil(math.log2(max(value for points in lines.values() for point in points for value in point)))

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x, y = (math.log2(max(value, 0.5)) for value in point)
        return left + width * x / octaves, bottom - height * y / octaves

    for octave in range(octaves + 1):
        tick = 2.0**octave
        sheet.line([place((tick, 1)), place((tick, 2.0**octaves))], GRID)
        sheet.line([place((1, tick)), place((2.0**octaves, tick))], GRID)
        sheet.text(place((tick, 1))[0], bottom + 16, f"{tick:g} ×", "middle", 11, QUIET)
        sheet.text(left - 8, place((1, tick))[1] + 4, f"{tick:g} ×", "end", 11, QUIET)
    sheet.line([place((1, 1)), place((2.0**octaves, 2.0**octaves))], "#9aa3b2", 1.5)
    sheet.text(left + width / 2, bottom + 34, "times as much", "middle", 11, QUIET)
    x, y = left + width + 40, top + 60
    for number, (what, points) in enumerate(lines.items()):
        label, colour = GROWTHS[what]
        sheet.line([place(point) for point in points], colour, 2.5)
        for point in points:
            sheet.dot(*place(point), colour)
        sheet.dot(x, y + number * 22 - 4, colour)
        exponent = results["growth"]["fits"][what]["exponent"]
        sheet.text(x + 12, y + number * 22, f"{label}: exponent {exponent:.2f}")
    sheet.line([(x - 6, y + 62), (x + 6, y + 62)], "#9aa3b2", 1.5)
    sheet.text(x + 12, y + 66, "linear: exponent 1", colour=QUIET)


def _relative(points: list[list[float]]) -> list[tuple[float, float]]:
    first: Any = points[0]
    return [(size / first[0], cost / first[1]) for size, cost in points]
