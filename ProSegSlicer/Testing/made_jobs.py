"""What workers of a test's cluster do instead of segmenting; imported by them, so it needs nothing but the core."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from proseg.batch.table import DONE, STAMP
from proseg.reading.cases import Found

SLOW_S = 0.3


def prepare(device: str, weights: str | None) -> tuple[str, str]:
    """Ready at once."""
    return device, "Made."


def broken(device: str, weights: str | None) -> tuple[str, str]:
    """Not there."""
    raise ImportError("no torch")


def do(job: dict[str, Any]) -> dict[str, Any]:
    """Write the files slowly, and note it beside them; a job called ``killer`` kills its worker instead."""
    if job["id"] == "killer":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(SLOW_S)
    for target in map(Path, job["targets"]):
        target.write_text(job["id"])
    with Path(job["output"], "..", "done.log").open("a", encoding="utf-8") as log:
        log.write(f"{job['id']} {os.getpid()}\n")
    stamp = Found(job["id"], Path(job["path"])).stamp()
    return {"status": DONE, "seconds": SLOW_S, STAMP: stamp, "gland_found": "yes", "pz_ml": 1.0, "cg_ml": 2.0}
