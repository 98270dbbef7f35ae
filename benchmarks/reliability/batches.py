"""Faults injected into ``proseg batch``: it, or one of its workers, is killed at any moment. Linux only.

What must hold: started again it finishes, every case has one row, every good case its segmentation, the bad one its
sentence, and nothing half written lies about.
"""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import SimpleITK as sitk

from benchmarks.reliability import sources
from benchmarks.reliability.faults import Tally, environment, fresh
from benchmarks.reliability.sandbox import REFUSED, is_a_sentence

GOOD_CASES = 6
SOME_FAILED = 1  # the exit code, since one case is bad
PATIENCE_S = 240.0
POLL_S = 0.01


def killed(victim: str, count: int, folder: Path, start: int) -> Tally:
    """Kill ``victim`` (``"batch"`` or ``"worker"``) at so many moments, spread evenly and at random over a run."""
    name = {"batch": "SIGKILL of a batch, then started again", "worker": "SIGKILL of a worker of a batch"}[victim]
    tally, chance = Tally(name), random.Random(f"{start} {victim}")
    images = _inputs(fresh(folder / "in"))
    began = time.monotonic()
    if fault := _trial(images, fresh(folder / "first"), None, 0)[1]:
        raise RuntimeError(f"A batch fails without any fault injected: {fault}.")
    length = time.monotonic() - began
    for index in range(count):
        moment = length * (index + chance.random()) / count
        end, fault = _trial(images, fresh(folder / "trial"), victim, moment)
        tally.add(end, fault and f"after {moment:.2f} s: {fault}")
    return tally


def _inputs(folder: Path) -> Path:
    """Several good cases and one that is none."""
    images = folder / "images"
    images.mkdir()
    for number in range(GOOD_CASES):
        sources.write("nii.gz", folder).rename(images / f"case{number}.nii.gz")
    (images / "bad.nii.gz").write_bytes(b"This is no image.")
    return images


def _trial(images: Path, folder: Path, victim: str | None, moment: float) -> tuple[str, str | None]:
    out, temporary = folder / "out", folder / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "proseg", "batch", str(images), "-o", str(out), "--workers", "2"]
    errors = folder / "stderr"
    quiet = {"env": environment(temporary), "stdout": subprocess.DEVNULL}
    with errors.open("wb") as stderr:
        process = subprocess.Popen(command, stderr=stderr, **quiet)
    end = "finished before"
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment if victim else PATIENCE_S)
    if process.poll() is None:
        workers = _children(process.pid)
        if victim == "batch":
            process.kill()
            end = "finished when started again"
        elif workers:
            with suppress(ProcessLookupError):
                os.kill(workers[0], signal.SIGKILL)
            end = "finished all the same"
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return "", "no end"
        if victim == "batch":
            if late := _survivors(workers):
                return "", f"{late} workers outlive it"
        elif process.returncode == REFUSED and is_a_sentence(errors.read_text("utf-8", "replace")):
            end = "told that no worker could start, finished when started again"
        else:
            return end, _fault(out, process.returncode)
        process = subprocess.run(command, stderr=subprocess.DEVNULL, **quiet, timeout=PATIENCE_S)
    return end, _fault(out, process.returncode)


def _fault(out: Path, code: int) -> str | None:
    """What is wrong with what a finished batch left."""
    if code != SOME_FAILED:
        return f"exit code {code}"
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = sorted((row["id"], row["status"], row["sentence"]) for row in csv.DictReader(file))
    told = [(name, status, bool(sentence)) for name, status, sentence in rows]
    if told != [("bad", "failed", True), *((f"case{number}", "done", False) for number in range(GOOD_CASES))]:
        return f"rows {rows}"
    names = {path.name for path in out.rglob("*")}
    if strays := names - {"results.csv", "summary.html", *(f"case{number}.seg.nrrd" for number in range(GOOD_CASES))}:
        return f"left {sorted(strays)}"
    for number in range(GOOD_CASES):
        try:
            sitk.ReadImage(str(out / f"case{number}.seg.nrrd"))
        except RuntimeError:
            return f"case{number} has half a result, or none"
    return None


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:  # it has just ended
        return []


def _survivors(pids: list[int], patience_s: float = 5.0) -> int:
    """How many of these processes are still there after some seconds."""
    began = time.monotonic()
    while (left := sum(map(_is_alive, pids))) and time.monotonic() - began < patience_s:
        time.sleep(POLL_S)
    return left


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False
