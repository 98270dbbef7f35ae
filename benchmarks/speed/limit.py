"""The machine's limit: operations of one pass of each network over the peak that this processor is measured to have."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.processes import call
from benchmarks.speed.plan import Plan
from benchmarks.speed.volumes import USUAL, name
from benchmarks.tables import percent, seconds, table

TITLE = "The limit"
PEAK_S = 0.5  # seconds to look for a peak in each shape
MATMULS = (1024, 2048)  # sides of square matrices
CONVOLUTIONS = ((64, 96), (128, 48), (192, 24))  # channels and in-plane size of 3 × 3 convolutions over 20 slices
SHOWN = 8  # operations named in the profile


def measure(plan: Plan) -> dict[str, Any]:
    """Peak, operations, passes and profile, all in one process."""
    found = call("benchmarks.speed.limit:look", str(plan.volumes.path(USUAL)), plan.repeats)
    plan.say(f"segmenter: {found['networks']['segmenter']['gflops']:.0f} GFLOP/s")
    return found


def look(path: str, repeats: int) -> dict[str, Any]:
    """Measure the processor, and what the networks make of it.

    Returns:
        ``peaks``: by arithmetic and kind of operation, GFLOP/s; ``networks``: of each the operations of one case
        (``gflop``), its ``seconds``, ``passes``, and the ``gflops`` reached; ``dtype``, the arithmetic that ships;
        ``profile``: the operations that take most of the segmenter's time, with their share of it.
    """
    from proseg.system.threads import share_processor

    share_processor()
    import SimpleITK as sitk
    import torch

    from benchmarks.speed.stages import watched
    from proseg.segmentation.segmenter import Segmenter

    image, segmenter = sitk.ReadImage(path), Segmenter(device="cpu")
    laps = []
    with watched(segmenter) as stages:
        for _ in range(repeats + 1):
            stages.shapes.clear()
            began = time.perf_counter()
            segmenter.segment(image)
            laps.append(stages.lap(time.perf_counter() - began))
    networks = {}
    for network, passes in stages.shapes.items():
        gflop = sum(operations(getattr(segmenter.model, network), *passed) for passed in passes) / 1e9
        took = statistics.median(lap[network] for lap in laps[1:])
        shapes = [shape for shape, _ in passes]
        networks[network] = {"gflop": gflop, "seconds": took, "gflops": gflop / took, "shapes": shapes}
    return {
        "peaks": {str(dtype).removeprefix("torch."): peaks(dtype) for dtype in (torch.float32, torch.bfloat16)},
        "networks": networks,
        "dtype": str(segmenter.pipeline.device.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "profile": profile(lambda: segmenter.segment(image)),
    }


def operations(network: Any, shape: tuple[int, ...], arguments: tuple[Any, ...] = ()) -> int:
    """Floating-point operations of one pass, multiplications and additions counted apart.

    Convolutions, matrix products and attention are counted, as torch does; the rest is small. Counted on the network as
    it was trained, whatever it is turned into for speed.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    # Not in inference mode, in which torch does not tell the counter about convolutions.
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(shape), *arguments)
    return counter.get_total_flops()


def peaks(dtype: Any) -> dict[str, float]:
    """The most GFLOP/s seen in matrix products and in convolutions as large as the networks' own."""
    import torch
    from torch.nn import functional as F

    found = {"matrix products": 0.0, "convolutions": 0.0}
    with torch.inference_mode():
        for side in MATMULS:
            a, b = (torch.randn(side, side).to(dtype) for _ in range(2))
            rate = 2 * side**3 / best(lambda a=a, b=b: a @ b, PEAK_S) / 1e9
            found["matrix products"] = max(found["matrix products"], rate)
        for channels, size in CONVOLUTIONS:
            x = torch.randn(20, channels, size, size).to(dtype).to(memory_format=torch.channels_last)
            w = torch.randn(channels, channels, 3, 3).to(dtype).to(memory_format=torch.channels_last)
            flops = 2 * 20 * size**2 * channels**2 * 9
            rate = flops / best(lambda x=x, w=w: F.conv2d(x, w, padding=1), PEAK_S) / 1e9
            found["convolutions"] = max(found["convolutions"], rate)
    return found


def best(work: Callable[[], Any], patience_s: float) -> float:
    """The shortest time that some work took, tried for so many seconds and thrice at least."""
    work()
    took: list[float] = []
    until = time.perf_counter() + patience_s
    while len(took) < 3 or time.perf_counter() < until:
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took)


def profile(work: Callable[[], Any]) -> list[dict[str, Any]]:
    """The operations of torch that take most of the time: name, share of all of torch's, and calls."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as watch

    work()
    with watch(activities=[ProfilerActivity.CPU]) as seen:
        work()
    found = sorted(seen.key_averages(), key=lambda entry: -entry.self_cpu_time_total)
    whole = sum(entry.self_cpu_time_total for entry in found)
    return [
        {"name": entry.key, "share": entry.self_cpu_time_total / whole, "calls": entry.count} for entry in found[:SHOWN]
    ]


def reached(found: dict[str, Any], dtype: str | None = None) -> float:
    """How much of an arithmetic's peak the networks together reach, by default of the one that ships."""
    networks = found["networks"].values()
    rate = sum(network["gflop"] for network in networks) / sum(network["seconds"] for network in networks)
    return rate / peak(found, dtype)


def peak(found: dict[str, Any], dtype: str | None = None) -> float:
    """The highest GFLOP/s measured in an arithmetic, by default the one that ships."""
    return max(found["peaks"].get(dtype or found["dtype"], found["peaks"]["float32"]).values())


def describe(found: dict[str, Any]) -> str:
    """The tables."""
    kinds = list(next(iter(found["peaks"].values())))
    machine = table(
        ["Measured peak, GFLOP/s", *kinds],
        ([dtype, *(f"{rates[kind]:.0f}" for kind in kinds)] for dtype, rates in found["peaks"].items()),
    )
    rows = []
    for network, case in found["networks"].items():
        least = case["gflop"] / peak(found)
        shares = (percent(case["gflops"] / peak(found, dtype)) for dtype in found["peaks"])
        rows.append([network, f"{case['gflop']:.1f}", seconds(case["seconds"]), seconds(least), *shares])
    heads = ["Network", "GFLOP", "Seconds", "At the peak (s)", *(f"Of the {dtype} peak" for dtype in found["peaks"])]
    slowest = table(
        ["Operation of torch", "Share of torch's time", "Calls"],
        ([f"`{entry['name']}`", percent(entry["share"]), str(entry["calls"])] for entry in found["profile"]),
    )
    return (
        f"{name(USUAL)} on {found['threads']} threads, arithmetic as shipped: {found['dtype']}. The networks together "
        f"reach {percent(reached(found))} of its peak.\n\n{machine}\n{table(heads, rows)}\n"
        f"Where torch's time goes in one case:\n\n{slowest}"
    )
