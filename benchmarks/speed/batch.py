"""Batch: a folder of examinations through ``proseg batch``, in cases a minute."""

from __future__ import annotations

import shutil
import sys
from typing import Any

from benchmarks.processes import RunError, TreeMemory, run
from benchmarks.speed.plan import Plan
from benchmarks.speed.volumes import USUAL, name
from benchmarks.tables import megabytes, seconds, table

TITLE = "Batch"
SEEDS = 4  # different examinations, each several times
FEW, MANY = 4, 40  # cases: what both take tells the start from the work
WORKERS = (1, 2)


def measure(plan: Plan) -> dict[str, Any]:
    """Two folders with each number of workers."""
    command = [sys.executable, "-m", "proseg", "batch"]
    try:
        run([*command, "--help"])
    except RunError:
        return {"missing": "this version has no `proseg batch`"}
    folders = {}
    for cases in (FEW, MANY):
        folders[cases] = plan.folder / f"batch-{cases}"
        folders[cases].mkdir(exist_ok=True)
        for number in range(cases):
            source = plan.volumes.path(USUAL, number % SEEDS)
            shutil.copyfile(source, folders[cases] / f"case{number:03}.nii.gz")
    found: dict[str, Any] = {"cases": MANY, "workers": {}}
    for workers in WORKERS:
        took, memory = {}, TreeMemory()
        for cases, folder in folders.items():
            out = plan.folder / f"batch-{cases}-{workers}-out"
            told = [*command, str(folder), "-o", str(out), "--workers", str(workers)]
            took[cases] = run(told, memory if cases == MANY else lambda pid: None).wall_s
            if len(list(out.rglob("*.nii.gz")) + list(out.rglob("*.nrrd"))) < cases:
                return {"missing": f"`proseg batch` left fewer files than the {cases} cases it was given"}
            shutil.rmtree(out)
        found["workers"][str(workers)] = rates(took, memory.peak_mb)
        plan.say(f"{workers} workers: {found['workers'][str(workers)]['per_minute']:.0f} cases a minute")
    return found


def rates(took: dict[int, float], peak_mb: float | None) -> dict[str, float | None]:
    """Cases a minute of the whole command, and once it runs.

    Args:
        took: wall seconds by number of cases, two of them.
        peak_mb: memory of all its processes together.
    """
    (few, short), (many, long) = sorted(took.items())
    each = (long - short) / (many - few)
    return {
        "wall_s": long,
        "per_minute": 60 * many / long,
        "running_per_minute": 60 / each if each > 0 else None,
        "start_s": max(0.0, short - few * each),
        "peak_mb": peak_mb,
    }


def describe(found: dict[str, Any]) -> str:
    """The table."""
    if "missing" in found:
        return f"Not measured: {found['missing']}.\n"
    rows = []
    for workers, case in found["workers"].items():
        running = case["running_per_minute"]
        figures = [f"{case['per_minute']:.0f}", "–" if running is None else f"{running:.0f}"]
        rows.append([workers, seconds(case["wall_s"]), *figures, seconds(case["start_s"]), megabytes(case["peak_mb"])])
    heads = ["Workers", "Seconds", "Cases a minute", "Once it runs", "Start (s)", "Memory of all processes (MB)"]
    return (
        f"`proseg batch` over {found['cases']} examinations of {name(USUAL)} voxels, from file to file, its start "
        "included:\n\n" + table(heads, rows)
    )
