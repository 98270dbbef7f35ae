"""The same on a GPU, where torch finds one: latency, throughput and memory, with and without graphs and compilation."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.processes import RunError, call
from benchmarks.speed.plan import Plan
from benchmarks.speed.volumes import USUAL, name
from benchmarks.tables import megabytes, table

TITLE = "On a GPU"
RUNS = 30  # a pass takes milliseconds
TOGETHER = 8  # cases in one pass, for the throughput
NONE = "no GPU here"


def measure(plan: Plan) -> dict[str, Any]:
    """Whole cases and bare passes of the segmenter, each way."""
    try:
        return call("benchmarks.speed.gpu:look", str(plan.volumes.path(USUAL)))
    except RunError as error:
        return {"device": None, "why": str(error)}


def look(path: str) -> dict[str, Any]:
    """Measure on the GPU.

    Returns:
        ``device``, its name, or None where there is none; ``case_s``, median seconds of a whole case, and ``peak_mb``
        of the GPU's memory it took; ``passes``: of each way to run the segmenter milliseconds, cases a minute and MB.
    """
    import torch

    if not torch.cuda.is_available():
        return {"device": None, "why": NONE}
    import SimpleITK as sitk

    from benchmarks.speed.stages import watched
    from proseg.segmentation.segmenter import Segmenter

    image, segmenter = sitk.ReadImage(path), Segmenter(device="cuda")
    torch.cuda.reset_peak_memory_stats()
    took = []
    with watched(segmenter) as stages:
        for _ in range(RUNS + 2):
            began = time.perf_counter()
            segmenter.segment(image)
            took.append(time.perf_counter() - began)
    shape, arguments = stages.shapes["segmenter"][-1]
    return {
        "device": torch.cuda.get_device_name(),
        "case_s": statistics.median(took[2:]),
        "peak_mb": torch.cuda.max_memory_allocated() / 2**20,
        "passes": [
            passes(segmenter.model.segmenter, shape, arguments, dtype, way, "cuda")
            for dtype in ("bfloat16", "float16")
            for way in WAYS
        ],
    }


def passes(network: Any, shape: Any, arguments: Any, dtype: str, way: str, device: str) -> dict[str, Any]:
    """Bare passes of a network in one way.

    Args:
        network: on the CPU; it is copied.
        shape: of its input, (1, 1, D, H, W).
        arguments: further arguments of its ``forward``.
        dtype: the arithmetic.
        way: one of ``WAYS``.
        device: where to compute.

    Returns:
        ``dtype``, ``way``, ``ms`` of one case, ``per_minute`` with several in a pass, ``peak_mb``; or why it failed.
    """
    import copy

    import torch

    found: dict[str, Any] = {"dtype": dtype, "way": way}
    try:
        placed = copy.deepcopy(network).to(device)
        for cases in (1, TOGETHER):
            if device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            volume = torch.randn(cases, *shape[1:], device=device)
            # Without the cache of cast weights, which would not outlive the recording of a graph.
            with torch.inference_mode(), torch.autocast(device, getattr(torch, dtype), cache_enabled=False):
                step = WAYS[way](placed, volume, arguments)
                took = _median_seconds(step, device)
            if cases == 1:
                found["ms"] = took * 1000
                found["peak_mb"] = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None
            else:
                found["per_minute"] = 60 * cases / took
    except Exception as error:  # whatever a compiler or a driver stumbles over costs this row alone
        found["failed"] = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
    return found


def _plain(network: Any, volume: Any, arguments: Any) -> Callable[[], Any]:
    return lambda: network(volume, *arguments)


def _compiled(network: Any, volume: Any, arguments: Any) -> Callable[[], Any]:
    import torch

    compiled = torch.compile(network)
    return lambda: compiled(volume, *arguments)


def _graph(network: Any, volume: Any, arguments: Any) -> Callable[[], Any]:
    """The pass recorded once as a CUDA graph and replayed."""
    import torch

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # libraries choose their kernels before anything is recorded
        for _ in range(3):
            network(volume, *arguments)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        network(volume, *arguments)
    return graph.replay


WAYS: dict[str, Callable[[Any, Any, Any], Callable[[], Any]]] = {
    "as it is": _plain,
    "CUDA graph": _graph,
    "torch.compile": _compiled,
}


def _median_seconds(step: Callable[[], Any], device: str) -> float:
    import torch

    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    took = []
    for run in range(RUNS + 3):
        wait()
        began = time.perf_counter()
        step()
        wait()
        if run >= 3:
            took.append(time.perf_counter() - began)
    return statistics.median(took)


def describe(found: dict[str, Any]) -> str:
    """The table; without a GPU it says so."""
    heads = ["Segmenter on a GPU", "Arithmetic", "Milliseconds", "Cases a minute", "GPU memory (MB)"]
    if not found["device"]:
        return table(heads, [[found["why"], *["–"] * 4]], words=2)
    rows = []
    for case in found["passes"]:
        if "failed" in case:
            rows.append([f"{case['way']}: {case['failed']}", case["dtype"], *["–"] * 3])
        else:
            figures = [f"{case['ms']:.1f}", f"{case['per_minute']:.0f}", megabytes(case["peak_mb"])]
            rows.append([case["way"], case["dtype"], *figures])
    return (
        f"{found['device']}, {name(USUAL)}: an image in memory to labelmap takes {found['case_s'] * 1000:.0f} ms and "
        f"{megabytes(found['peak_mb'])} MB of the GPU's memory. Bare passes of the segmenter, throughput with "
        f"{TOGETHER} cases in one pass:\n\n" + table(heads, rows, words=2)
    )
