"""Faults injected into ``proseg segment`` as it runs: signals at any moment, full disks, little memory, bad weights.

Each trial says what went wrong in a few words, or nothing. What must hold in all of them: the output is whole or not
there at all, what was there before stays, no temporary file remains, and one sentence says why. POSIX only.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import SimpleITK as sitk

from benchmarks.reliability import sources
from benchmarks.reliability.damage import BYTE_EDITS
from benchmarks.reliability.sandbox import ENVIRONMENT, ROOT, Nursery, is_a_sentence
from proseg.model.weights import shipped_weights

PATIENCE_S = 60.0
EARLIER = b"an earlier result"
# How a run that is told to stop may end: with the code that shells use, or, where Python itself has not begun or has
# ended already, by the signal.
ENDS = {signal.SIGINT: (130, -2), signal.SIGTERM: (143, -15), signal.SIGKILL: (-9,)}
EXTRAS = (("--report", "report.json"), ("--preview", "look.png"), ("--uncertainty", "uncertainty.nrrd"))


@dataclass
class Tally:
    """Trials of one kind of fault.

    Attributes:
        name: of the fault.
        ends: how many trials ended how, e.g. ``{"finished": 3}``.
        lost: what went wrong in those that did not end as they must.
    """

    name: str
    ends: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """How many trials there were."""
        return sum(self.ends.values()) + len(self.lost)

    def add(self, end: str, fault: str | None) -> None:
        """Count a trial."""
        if fault is not None:
            self.lost.append(fault)
        else:
            self.ends[end] = self.ends.get(end, 0) + 1


def command(source: Path, out: Path, *options: str) -> list[str]:
    """``proseg segment`` with every output there is."""
    extras = [word for option, name in EXTRAS for word in (option, str(out / name))]
    return [
        sys.executable,
        "-m",
        "proseg",
        "segment",
        str(source),
        "-o",
        str(out / "zones.seg.nrrd"),
        *extras,
        *options,
    ]


def environment(temporary: Path) -> dict[str, str]:
    """The environment of a run whose temporary files go to a folder of their own."""
    return os.environ | ENVIRONMENT | {"PYTHONPATH": str(ROOT / "ProSegSlicer"), "TMPDIR": str(temporary)}


def signals(number: signal.Signals, count: int, folder: Path, start: int) -> Tally:
    """Send a signal at so many moments, spread evenly and at random over a run and a little longer."""
    tally, chance = Tally(f"{number.name} at any moment"), random.Random(f"{start} {number.name}")
    source = sources.write("zip", fresh(folder / "in"))
    began = time.monotonic()
    if fault := trial(source, fresh(folder / "first"), None, 0)[1]:
        raise RuntimeError(f"A run fails without any fault injected: {fault}.")
    length = 1.1 * (time.monotonic() - began)
    for index in range(count):
        moment = length * (index + chance.random()) / count
        tally.add(*trial(source, fresh(folder / "trial"), number, moment))
    return tally


def trial(source: Path, folder: Path, number: signal.Signals | None, moment: float) -> tuple[str, str | None]:
    """Run once, send a signal after so many seconds; returns how it ended, and what is wrong with that."""
    out, temporary = folder / "out", folder / "tmp"
    out.mkdir()
    temporary.mkdir()
    (out / "zones.seg.nrrd").write_bytes(EARLIER)
    process = subprocess.Popen(
        command(source, out),
        env=environment(temporary),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_signals,
    )
    late = False
    try:
        process.wait(moment if number else PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.send_signal(number or signal.SIGKILL)
    try:
        _, said = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        late, (_, said) = True, process.communicate()
    code = process.returncode
    if late:
        return "", f"no end after {number.name} at {moment:.2f} s"
    fault = _fault_of_files(out, temporary, number is signal.SIGKILL)
    where = f"{number.name if number else 'no signal'} at {moment:.2f} s"
    if fault is None and code != 0 and (number is None or code not in ENDS[number]):
        fault = f"exit code {code}"
    if fault is None and code > 0 and not is_a_sentence(said):
        fault = f"said {said[-200:]!r}"
    end = "finished" if code == 0 else "stopped, nothing changed" if _is_earlier(out) else "stopped, outputs whole"
    if any(temporary.iterdir()) or any(path.name.startswith(".") for path in out.iterdir()):  # a fault but for kill -9
        end += ", a temporary file left"
    return end, fault and f"{where}: {fault}"


def _heed_signals() -> None:
    """Undo in the child what shells do to programs in the background: to let them ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _fault_of_files(out: Path, temporary: Path, killed: bool) -> str | None:
    """What is wrong with what a run left: all of the outputs and whole, or none and the earlier one as it was."""
    names = {path.name for path in out.iterdir() if not (killed and path.name.startswith("."))}
    if _is_earlier(out):
        if names != {"zones.seg.nrrd"} and not killed:  # kill -9 between two renames: each file is whole, not the set
            return f"left {sorted(names)} beside the earlier result"
    else:
        if not killed and names != {"zones.seg.nrrd", *(name for _, name in EXTRAS)}:
            return f"wrote only {sorted(names)}"
        try:
            sitk.ReadImage(str(out / "zones.seg.nrrd"))
        except RuntimeError:
            return "half a result"
    if not killed and any(temporary.iterdir()):
        return f"left temporary {sorted(path.name for path in temporary.iterdir())}"
    return None


def _is_earlier(out: Path) -> bool:
    return (out / "zones.seg.nrrd").read_bytes() == EARLIER


def full_disk(count: int, folder: Path, start: int) -> Tally:
    """Write to disks that fill up: at once, after some of the outputs, nearly not."""
    tally, chance = Tally("disk full, from at once to nearly not"), random.Random(start)
    source = sources.write("nii.gz", fresh(folder / "in"))
    whole = fresh(folder / "first")
    if fault := trial(source, whole, None, 0)[1]:
        raise RuntimeError(f"A run fails without any fault injected: {fault}.")
    needed = sum(path.stat().st_size for path in (whole / "out").iterdir()) / 1024
    for index in range(count):
        room = round(8 + 1.1 * needed * (index + chance.random()) / count)  # KiB; no disk is smaller than 8
        with disk(fresh(folder / "disk"), f"size={room}k") as out:
            tally.add(*_written(source, out, folder, f"{room} KiB", "the disk is full"))
    return tally


def read_only(folder: Path) -> Tally:
    """Write to a disk that is read-only."""
    tally = Tally("read-only disk")
    source = sources.write("nii.gz", fresh(folder / "in"))
    with disk(fresh(folder / "disk"), "ro") as out:
        tally.add(*_written(source, out, folder, "read-only", "cannot be written"))
    return tally


def _written(source: Path, out: Path, folder: Path, what: str, reason: str) -> tuple[str, str | None]:
    temporary = fresh(folder / "tmp")
    ran = subprocess.run(
        command(source, out), env=environment(temporary), capture_output=True, text=True, timeout=PATIENCE_S
    )
    left = sorted(path.name for path in (*out.iterdir(), *temporary.iterdir()))
    if ran.returncode == 0:
        return "finished", None if len(left) == 1 + len(EXTRAS) else f"{what}: wrote only {left}"
    if ran.returncode != 2 or reason not in ran.stderr or not is_a_sentence(ran.stderr):
        return "", f"{what}: exit code {ran.returncode}, said {ran.stderr[-200:]!r}"
    return "refused", f"{what}: left {left}" if left else None


@contextmanager
def disk(place: Path, options: str) -> Iterator[Path]:
    """A small file system of its own, in memory.

    Raises:
        PermissionError: only the superuser of Linux can mount one.
    """
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode:
        raise PermissionError(mounted.stderr.strip())
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def little_memory(count: int, folder: Path) -> Tally:
    """Run with room for so few more megabytes than the libraries take, from none to enough."""
    tally = Tally("memory runs out, from at once to nearly not")
    source = sources.write("nii.gz", fresh(folder / "in"))
    with Nursery(fresh(folder / "runs")) as nursery:
        for index in range(count):
            spare = 2 * index
            outcome = nursery.segment(source, spare_mb=spare)
            told = outcome.code == 1 and "not enough memory" in outcome.err and is_a_sentence(outcome.err)
            fault = outcome.fault if not told else None if not (outcome.left or outcome.wrote) else "left a file"
            said = f"{spare} MB: {fault}, said {outcome.err[-200:]!r}" if fault else None
            tally.add("told so" if told else "finished", said)
    return tally


def bad_weights(count: int, folder: Path, start: int) -> Tally:
    """Weights with some bytes changed, and no checksum beside them to tell."""
    tally, chance = Tally("damaged weights without a checksum"), random.Random(start)
    source, good = sources.write("nii.gz", fresh(folder / "in")), shipped_weights().read_bytes()
    edits: tuple[Callable[[], bytes], ...] = (
        lambda: BYTE_EDITS["flip"](good, chance.randrange(len(good)), chance.randrange(8)),
        lambda: BYTE_EDITS["cut"](good, chance.randrange(len(good))),
        lambda: BYTE_EDITS["fill"](good, chance.randrange(len(good)), 4096, chance.randrange(256)),
        lambda: BYTE_EDITS["set"](good, -chance.randrange(1, 20_000), chance.randbytes(8).hex()),
    )
    with Nursery(fresh(folder / "runs")) as nursery:
        for index in range(count):
            weights = folder / "bad.pt"
            weights.write_bytes(edits[index % len(edits)]())
            outcome = nursery.segment(source, ["--weights", str(weights)])
            tally.add(outcome.kind, outcome.fault and f"number {index}: {outcome.fault}, said {outcome.err[-200:]!r}")
    return tally


def fresh(folder: Path) -> Path:
    """An empty folder in the place of whatever is there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
