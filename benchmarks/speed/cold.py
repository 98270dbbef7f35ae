"""Cold: whole processes, from the shell's return key to their end, and what of it is the import of torch."""

from __future__ import annotations

import statistics
import sys
from typing import Any

from benchmarks.processes import Ran, RunError, alternate, call
from benchmarks.speed.plan import Plan
from benchmarks.speed.volumes import USUAL, name
from benchmarks.tables import megabytes, seconds, table

TITLE = "Cold"
BARE, TORCH, HELP, SEGMENT = "an empty Python", "`import torch`", "`proseg --help`", f"`proseg segment`, {name(USUAL)}"


def measure(plan: Plan) -> dict[str, Any]:
    """Processes in turn, and the module's own import."""
    image, outputs = str(plan.volumes.path(USUAL)), plan.folder / "cold"
    outputs.mkdir(exist_ok=True)
    segment = ["-m", "proseg", "segment", image, "-o", str(outputs / "zones.nii.gz")]
    extras = ["--preview", str(outputs / "look.png"), "--report", str(outputs / "report.json")]
    programs = {
        BARE: ["-c", "pass"],
        TORCH: ["-c", "import torch"],
        "`import SimpleITK`": ["-c", "import SimpleITK"],
        HELP: ["-m", "proseg", "--help"],
        SEGMENT: segment,
        "the same with preview and report": [*segment, *extras],
    }
    commands = {what: [sys.executable, *arguments] for what, arguments in programs.items()}
    found = {what: ran.to_dict() for what, ran in alternate(commands, plan.few).items()}
    plan.say(f"proseg segment: {found[SEGMENT]['wall_s']:.2f} s")
    return {"processes": found, "repeats": plan.few, "module": _module(plan)}


def torch_seconds(found: dict[str, Any]) -> float:
    """What importing torch takes, without starting Python."""
    processes = found["processes"]
    return processes[TORCH]["wall_s"] - processes[BARE]["wall_s"]


def _module(plan: Plan) -> dict[str, Any]:
    try:
        runs = [call("benchmarks.speed.cold:load_module") for _ in range(plan.few)]
    except RunError as error:
        return {"missing": str(error)}
    return {"wall_s": statistics.median(run["wall_s"] for run in runs), "loads": runs[0]["loads"]}


def load_module() -> dict[str, Any]:
    """Load ProSegSlicer.py as Slicer does, on slicer-core with the tests' stand-ins for the rest of Slicer.

    Returns:
        ``wall_s``, without Slicer's own libraries, which Slicer has long loaded; ``loads``, those of torch, SimpleITK
        and numpy that it brought along.
    """
    import sys
    import time

    from Testing.slicer import standins

    with standins.installed():
        before = set(sys.modules)
        began = time.perf_counter()
        standins.load_module()
        wall = time.perf_counter() - began
        new = set(sys.modules) - before
    return {"wall_s": wall, "loads": sorted(new & {"torch", "SimpleITK", "numpy"})}


def describe(found: dict[str, Any]) -> str:
    """The table."""
    rows = []
    for what, values in found["processes"].items():
        ran = Ran(**values)
        rows.append([what, seconds(ran.wall_s), seconds(ran.cpu_s), megabytes(ran.peak_mb)])
    module = found["module"]
    if "missing" in module:
        said = f"The module's import was not measured: {module['missing']}"
    else:
        brings = f", with {', '.join(module['loads'])}" if module["loads"] else ", without torch, SimpleITK or numpy"
        said = (
            f"Loading the Slicer module takes {seconds(module['wall_s'])} s{brings} (on slicer-core with stand-ins for "
            "the application)."
        )
    segment = found["processes"][SEGMENT]["wall_s"]
    return (
        f"Whole processes, the median of {found['repeats']}, run in turn. Of the {seconds(segment)} s of "
        f"`proseg segment`, importing torch takes {seconds(torch_seconds(found))} s.\n\n"
        + table(["Process", "Seconds", "Processor seconds", "Peak memory (MB)"], rows)
        + f"\n{said}\n"
    )
