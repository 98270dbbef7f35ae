"""Warm: an image in memory to labelmap, measurements and flags, in a process that has done it before, by stage."""

from __future__ import annotations

import statistics
import time
from typing import Any

from benchmarks.processes import call
from benchmarks.speed.plan import Plan
from benchmarks.speed.stages import NAMES, NETWORKS
from benchmarks.speed.volumes import FIELD_MM, LARGE_ML, SIZES, SLICE_MM, USUAL, USUAL_ML, name
from benchmarks.tables import megabytes, percent, seconds, table

TITLE = "Warm"
THIN_PZ = f"{name(USUAL)}, thin PZ"  # which costs one pass more


def measure(plan: Plan) -> dict[str, Any]:
    """Every size in a process of its own, so that each has its own memory."""
    found = {}
    cases = {name(size): (size, USUAL_ML) for size in SIZES} | {THIN_PZ: (USUAL, LARGE_ML)}
    for case, (size, gland_ml) in cases.items():
        found[case] = one(plan, size, gland_ml)
        plan.say(f"{case}: {found[case]['total']:.2f} s")
    return {"volumes": found, "repeats": plan.repeats}


def one(plan: Plan, size: tuple[int, int, int], gland_ml: float = USUAL_ML) -> dict[str, Any]:
    """Medians by stage for one size."""
    return call("benchmarks.speed.warm:repeat", str(plan.volumes.path(size, gland_ml=gland_ml)), plan.repeats)


def repeat(path: str, repeats: int) -> dict[str, Any]:
    """Segment one image again and again.

    Returns:
        Median seconds by stage and ``total``; ``first``, the seconds of the first run; ``peak_mb`` of this process;
        ``device`` in words; ``not_network``, the median share of the time that no network took.
    """
    from proseg.system.threads import share_processor

    share_processor()
    import SimpleITK as sitk

    from benchmarks.processes import own_peak_mb
    from benchmarks.speed.stages import watched
    from proseg.segmentation.segmenter import Segmenter

    image = sitk.ReadImage(path)
    segmenter = Segmenter()
    laps = []
    with watched(segmenter) as stages:
        for _ in range(repeats + 1):
            began = time.perf_counter()
            provenance = segmenter.segment(image).provenance
            laps.append(stages.lap(time.perf_counter() - began))
    rest = [1 - sum(lap[network] for network in NETWORKS) / lap["total"] for lap in laps[1:]]
    return {stage: statistics.median(lap[stage] for lap in laps[1:]) for stage in laps[0]} | {
        "first": laps[0]["total"],
        "not_network": statistics.median(rest),
        "peak_mb": own_peak_mb(),
        "device": f"{provenance.device}, {provenance.dtype}",
    }


def describe(found: dict[str, Any]) -> str:
    """The tables."""
    volumes = found["volumes"]
    device = next(iter(volumes.values()))["device"]
    totals = table(
        ["Voxels", "Seconds", "First run", "Not the networks", "Peak memory (MB)"],
        (
            [
                *(size, seconds(case["total"]), seconds(case["first"])),
                *(percent(case["not_network"]), megabytes(case["peak_mb"])),
            ]
            for size, case in volumes.items()
        ),
    )
    parts = table(
        ["Seconds by stage", *volumes],
        ([stage, *(seconds(case[stage]) for case in volumes.values())] for stage in NAMES),
    )
    return (
        "An image in memory to labelmap on its own grid, volumes and flags, in a process that has done it before: the "
        f"median of {found['repeats']} runs ({device}; field of view {FIELD_MM:.0f} mm, slices {SLICE_MM:.0f} mm; "
        f"a gland of {USUAL_ML:.0f} mL, in the last line one of {LARGE_ML:.0f} mL, whose thin PZ another network "
        f"draws).\n\n{totals}\n{parts}"
    )
