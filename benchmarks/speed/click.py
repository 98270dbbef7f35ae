"""The click in Slicer: the worker's answers, and a volume node's way to segments in the scene, on slicer-core."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks.processes import RunError, call, peak_mb_of
from benchmarks.speed.plan import Plan
from benchmarks.speed.volumes import USUAL, name
from benchmarks.tables import megabytes, seconds, table

TITLE = "In Slicer"
PANEL_LOOKS_S = 0.05  # the panel's timer: the time between two looks at a run
WORKER_LOOKS_S = 0.002
PATIENCE_S = 120.0


def measure(plan: Plan) -> dict[str, Any]:
    """The worker by itself, and the whole click."""
    image = str(plan.volumes.path(USUAL))
    found: dict[str, Any] = {"repeats": plan.repeats}
    found["worker"] = call("benchmarks.speed.click:ask_worker", image, str(plan.folder), plan.repeats)
    try:
        found["click"] = call("benchmarks.speed.click:click", image, plan.repeats)
        plan.say(f"second click: {found['click']['next']['total']:.2f} s")
    except RunError as error:
        found["click"] = {"missing": str(error)}
    return found


def ask_worker(image: str, folder: str, repeats: int) -> dict[str, Any]:
    """Start the worker and have it segment a file again and again.

    Returns:
        Seconds from the request that starts it to ``ready``, its first sign, and to its ``first`` result; median
        seconds of a ``next`` result; its ``peak_mb``.

    Raises:
        RuntimeError: it failed, or did not answer.
    """
    from proseg.worker.client import WorkerClient

    client = WorkerClient()
    took, ready = [], None
    try:
        for number in range(repeats + 1):
            results = Path(folder) / f"worker-{number}"
            results.mkdir(exist_ok=True)
            began = time.perf_counter()
            client.send("segment", image=image, folder=str(results), device="auto", psa_ng_ml=None)
            for event in _events(client, began):
                if event["event"] == "ready":
                    ready = time.perf_counter() - began
                elif event["event"] == "done":
                    break
            took.append(time.perf_counter() - began)
        peak = peak_mb_of(client.pid)
    finally:
        client.close()
    return {"ready": ready, "first": took[0], "next": statistics.median(took[1:]), "peak_mb": peak}


def _events(client: Any, began: float) -> Any:
    while time.perf_counter() - began < PATIENCE_S:
        for event in client.poll():
            if event["event"] in ("failed", "died"):
                raise RuntimeError(f"The worker failed: {event['sentence']}")
            yield event
        time.sleep(WORKER_LOOKS_S)
    raise RuntimeError("The worker did not answer in time.")


def click(path: str, repeats: int) -> dict[str, Any]:
    """Do what the panel does at a click, again and again, on slicer-core's scene.

    Returns:
        ``first`` and (medians) ``next``: seconds ``handing over`` the volume, ``until the result``, bringing it
        ``into the scene``, and ``total``; ``peak_mb`` of the worker.

    Raises:
        RuntimeError: a run did not end well.
    """
    import SimpleITK as sitk

    from proseg.worker.client import WorkerClient
    from ProSegSlicerLib import job as jobs
    from ProSegSlicerLib.volumes import add_volume

    volume = add_volume(sitk.ReadImage(path), "T2W")
    client, runs = WorkerClient(), []
    take_in, taken = jobs.take_in, []

    def timed(*args: Any) -> Any:
        began = time.perf_counter()
        result = take_in(*args)
        taken.append(time.perf_counter() - began)
        return result

    jobs.take_in = timed
    try:
        for _ in range(repeats + 1):
            began = time.perf_counter()
            job = jobs.Job(client, volume)
            job.start()
            started = time.perf_counter()
            while job.poll():
                time.sleep(PANEL_LOOKS_S)
            ended = time.perf_counter()
            if job.state is not jobs.JobState.DONE:
                raise RuntimeError(job.message)
            waited = ended - started - taken[-1]
            runs.append(dict(zip(PARTS, (started - began, waited, taken[-1], ended - began), strict=True)))
        peak = peak_mb_of(client.pid)
    finally:
        jobs.take_in = take_in
        client.close()
    return {
        "first": runs[0],
        "next": {part: statistics.median(run[part] for run in runs[1:]) for part in PARTS},
        "peak_mb": peak,
    }


PARTS = ("handing over", "until the result", "into the scene", "total")


def describe(found: dict[str, Any]) -> str:
    """The tables."""
    worker, clicked = found["worker"], found["click"]
    answers = table(
        ["The worker", "Seconds"],
        [
            ["says that it is there", seconds(worker["ready"])],
            ["its first result, from the request that starts it", seconds(worker["first"])],
            ["a further result", seconds(worker["next"])],
        ],
    )
    text = f"{name(USUAL)}; the worker's memory reaches {megabytes(worker['peak_mb'])} MB.\n\n{answers}\n"
    if "missing" in clicked:
        return text + f"The click itself was not measured: {clicked['missing']}\n"
    rows = ([part, *(seconds(clicked[which][part]) for which in ("first", "next"))] for part in PARTS)
    return (
        text
        + "A click, from volume node to segments in the scene (slicer-core; drawing on the screen is Slicer's own and "
        f"not in it; the panel looks every {PANEL_LOOKS_S * 1000:.0f} ms; further clicks are the median of "
        f"{found['repeats']}):\n\n" + table(["Seconds", "First click", "Second click"], rows)
    )
