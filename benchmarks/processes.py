"""Programs and functions run in processes of their own: their seconds, processor seconds and memory, seen from outside.

This module, and whatever imports it, stays free of numpy and torch: on Linux a process begins with its parent's largest
resident set in its books, so a large parent would hide what its children take.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOOKS_APART_S = 0.2  # between looks at a tree of processes: each look costs it some milliseconds

# Found by every child: this package, and beside it the module's libraries and the tests' stand-ins for Slicer.
PATH = os.pathsep.join(map(str, (ROOT, ROOT / "ProSegSlicer")))
_CALL = (
    "import importlib, json, sys; module, _, name = sys.argv[1].partition(':'); "
    "result = getattr(importlib.import_module(module), name)(*json.loads(sys.argv[2])); "
    "open(sys.argv[3], 'w').write(json.dumps(result))"
)


class RunError(RuntimeError):
    """A program that was to be measured failed; the message holds its last lines."""


@dataclass(frozen=True)
class Ran:
    """What a finished program took.

    Attributes:
        wall_s: seconds from start to end.
        cpu_s: processor seconds of it and the children it waited for.
        peak_mb: largest resident set, MB; of several processes that of the largest.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float

    def to_dict(self) -> dict[str, float]:
        """Plain numbers by name, ready for JSON."""
        return asdict(self)


def run(command: Sequence[str], watch: Callable[[int], None] = lambda pid: None, **environment: str) -> Ran:
    """Run a program to its end.

    Args:
        command: program and arguments.
        watch: called once with the process id while the program runs.
        environment: further environment variables.

    Raises:
        RunError: it failed.
    """
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            list(command), stdout=said, stderr=said, stdin=subprocess.DEVNULL, env=_environment(environment)
        )
        watch(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for: nobody else need do so
        if process.returncode:
            said.seek(0)
            lines = said.read().decode("utf-8", "replace").strip().splitlines()[-8:]
            raise RunError(f"{_name(command)} ended with {process.returncode}: " + " / ".join(lines))
    per_mb = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
    return Ran(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / per_mb)


def median(runs: Sequence[Ran]) -> Ran:
    """Median seconds and the largest memory of several runs of one program."""
    return Ran(
        statistics.median(ran.wall_s for ran in runs),
        statistics.median(ran.cpu_s for ran in runs),
        max(ran.peak_mb for ran in runs),
    )


def alternate(commands: Mapping[str, Sequence[str]], repeats: int) -> dict[str, Ran]:
    """Medians of several programs, run in turn so that a noisy minute meets them all."""
    runs: dict[str, list[Ran]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            runs[name].append(run(command))
    return {name: median(found) for name, found in runs.items()}


def call(target: str, *arguments: Any, python: str | Path = sys.executable, **environment: str) -> Any:
    """Call ``module:function`` in a fresh interpreter.

    Args:
        target: the function; it takes and returns what JSON can hold.
        arguments: its arguments.
        python: the interpreter.
        environment: further environment variables.

    Raises:
        RunError: it raised something.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        run([str(python), "-c", _CALL, target, json.dumps(arguments), str(result)], **environment)
        return json.loads(result.read_text())


class TreeMemory:
    """The memory of a process and all its descendants together, looked at until it ends; Linux only.

    Pages that several of them share are counted once (proportional set size).

    Attributes:
        peak_mb: the largest sum seen, MB, or None where the system does not tell.
    """

    def __init__(self) -> None:
        self.peak_mb: float | None = None

    def __call__(self, pid: int) -> None:
        """Watch this process from now on."""
        threading.Thread(target=self._watch, args=(pid,), daemon=True).start()

    def _watch(self, pid: int) -> None:
        while members := _tree(pid):
            total = sum(map(_proportional_mb, members))
            if total:
                self.peak_mb = max(self.peak_mb or 0.0, total)
            time.sleep(LOOKS_APART_S)


def peak_mb_of(pid: int) -> float | None:
    """Largest resident set so far of a running process, MB; None where the system does not tell."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None


def own_peak_mb() -> float:
    """Largest resident set of this process, MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _name(command: Sequence[str]) -> str:
    """What to call a program: its function, if it is one of ``call``, or its first words, without folders."""
    if _CALL in command:
        return command[3]
    return " ".join(Path(part).name if os.sep in part else part for part in command[:4])


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    theirs = os.environ.get("PYTHONPATH")  # libraries may lie there, as on a machine where nothing can be installed
    return {**os.environ, "PYTHONPATH": os.pathsep.join([PATH, theirs]) if theirs else PATH, **more}


def _tree(pid: int) -> list[int]:
    """A process and its descendants; empty once it has ended, or where the system does not tell."""
    try:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return []
        found = [pid]
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                found += _tree(int(child))
    except OSError:
        return []
    return found


def _proportional_mb(pid: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0
