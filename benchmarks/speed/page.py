"""The page: goals, picture and the sections' tables, as Markdown."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any

from benchmarks.speed import batch, click, cold, goals, gpu, growth, limit, peers, warm

SECTIONS = {
    "warm": warm,
    "peers": peers,
    "cold": cold,
    "click": click,
    "batch": batch,
    "growth": growth,
    "limit": limit,
    "gpu": gpu,
}
MODELS = Path(__file__).parents[2] / "ProSegSlicer" / "Resources" / "Models"
AGREEMENT = "agreement"  # what benchmarks.agreement leaves beside the sections' results


def machine() -> dict[str, Any]:
    """This machine in words, and now."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    said = f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return {"machine": said, "at": time.time()}


def write(results: goals.Results, picture: str | None) -> str:
    """The page.

    Args:
        results: by section; each also holds ``machine`` and ``at``.
        picture: the picture's file name beside the page, or None.
    """
    parts = [
        "# Speed and memory",
        'Made by `make benchmark ARGS="--out docs/speed.md"`; `benchmarks/speed` says what is measured and how. '
        f"Generated examinations, whose size alone matters. {_where(results)} Compare within one run only: machines "
        "are noisy.",
        "## Goals on two cores",
        goals.describe(results),
    ]
    if picture:
        parts.append(f"![Beside others; where the time goes; how the cost grows]({picture})")
    for name, section in SECTIONS.items():
        if name in results:
            parts += [f"## {section.TITLE}", _section(section, results[name])]
    if AGREEMENT in results:
        parts += ["## Accuracy of the fast arithmetic", _agreement(results[AGREEMENT])]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _section(section: Any, found: dict[str, Any]) -> str:
    return f"Not measured: {found['failed']}\n" if "failed" in found else section.describe(found)


def _where(results: goals.Results) -> str:
    """The machine, and whether all of it was measured in one go."""
    machines = sorted({found["machine"] for name, found in results.items() if name != AGREEMENT})
    runs = {found["run"] for name, found in results.items() if name != AGREEMENT}
    weights = max((path.stat().st_size for path in MODELS.glob("*.pt")), default=0) / 2**20
    once = "" if len(runs) == 1 else " **The sections come from different runs.**"
    return f"{'; '.join(machines)}.{once} The weights file has {weights:.2f} MiB."


def _agreement(found: dict[str, Any]) -> str:
    return (
        f"Labels of {found['cases']} real examinations, computed in {found['dtype']}, overlap those of "
        f"{found['reference']} with Dice {found['worst']:.4f} in the worst case ({found['worst_case']}) and "
        f"{found['mean']:.4f} on average over the zones; the labelmaps are identical in {found['identical']} "
        "examinations (`python -m benchmarks.agreement`)."
    )
