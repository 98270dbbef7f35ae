"""How the cost grows with slices, field of view and cases; no worse than linearly, or something is wrong."""

from __future__ import annotations

import statistics
import time
from typing import Any

from benchmarks.processes import call
from benchmarks.speed.fits import exponent, line
from benchmarks.speed.plan import Plan
from benchmarks.tables import seconds, table

TITLE = "Growth"
PIXEL_MM, SLICE_MM = 0.625, 3.0
PIXELS, SLICES = 320, 20  # where they do not vary: a field of view of 200 mm, a gland seen whole
VARIED = {"slices": (10, 20, 40, 80), "pixels": (208, 320, 448, 640), "cases": (1, 2, 4)}
LINEAR = 1.05  # the largest exponent that is called linear: a measured one is never exact
WHAT = {
    "slices": f"slices, of {PIXELS} × {PIXELS} pixels",
    "pixels": f"voxels: the field of view, {' to '.join(f'{n * PIXEL_MM:.0f}' for n in (208, 640))} mm, "
    f"{SLICES} slices",
    "cases": "cases, one after the other",
}


def measure(plan: Plan) -> dict[str, Any]:
    """Each growth in a process of its own."""
    fits = {}
    for what, counts in VARIED.items():
        fits[what] = fitted(call("benchmarks.speed.growth:grow", what, counts, plan.few))
        plan.say(f"{what}: exponent {fits[what]['exponent']:.2f}")
    return {"fits": fits}


def grow(what: str, counts: list[int], repeats: int) -> list[list[float]]:
    """Median seconds by size: [size, seconds] of each count, where the size of a field of view is its voxels."""
    from proseg.system.threads import share_processor

    share_processor()
    from proseg.phantom import make_phantom
    from proseg.segmentation.segmenter import Segmenter

    segmenter, points = Segmenter(), []
    spacing = (PIXEL_MM, PIXEL_MM, SLICE_MM)
    for count in counts:
        pixels, slices = count if what == "pixels" else PIXELS, count if what == "slices" else SLICES
        cases = count if what == "cases" else 1
        image = make_phantom(0, (pixels, pixels, slices), spacing).image
        took = []
        for run in range(repeats + 1):
            began = time.perf_counter()
            for _ in range(cases):
                segmenter.segment(image)
            if run:  # the first of each size prepares memory and kernels
                took.append(time.perf_counter() - began)
        points.append([pixels * pixels * slices if what == "pixels" else count, statistics.median(took)])
    return points


def fitted(points: list[list[float]]) -> dict[str, Any]:
    """The points with the power and the line through them."""
    sizes, costs = zip(*points, strict=True)
    slope, intercept = line(sizes, costs)
    return {"points": points, "exponent": exponent(sizes, costs), "slope": slope, "intercept": intercept}


def describe(found: dict[str, Any]) -> str:
    """The table."""
    rows = []
    for what, fit in found["fits"].items():
        points = ", ".join(f"{_count(size)}: {seconds(cost)}" for size, cost in fit["points"])
        rows.append([WHAT[what], points, _line(what, fit), f"{fit['exponent']:.2f}"])
    verdict = "None grows faster than linearly." if linear(found) else "**One grows faster than linearly.**"
    return (
        "Seconds as one thing grows and all else stays. The exponent is that of the power through the points: 1 is "
        f"linear, 0 is constant. {verdict}\n\n"
        + table(["What grows", "Measured (s)", "Line (s)", "Exponent"], rows, words=3)
    )


def linear(found: dict[str, Any]) -> bool:
    """Whether nothing grows faster than linearly."""
    return all(fit["exponent"] <= LINEAR for fit in found["fits"].values())


def _line(what: str, fit: dict[str, Any]) -> str:
    unit, per = {"slices": ("slice", 1), "pixels": ("million voxels", 1e6), "cases": ("case", 1)}[what]
    sign = "+" if fit["slope"] >= 0 else "−"
    return f"{fit['intercept']:.2f}".replace("-", "−") + f" {sign} {abs(fit['slope']) * per:.3f} a {unit}"


def _count(size: float) -> str:
    return f"{size / 1e6:.1f} million" if size >= 1e5 else f"{size:.0f}"
