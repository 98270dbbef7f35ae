"""Runs of the real command line in processes that may crash, hang or eat memory without taking anything along.

A *nursery* is a process that has imported what ``proseg segment`` needs and forks a child for each run, so that a run
costs milliseconds and not the seconds that importing torch takes. The child has its own folders, its own temporary
folder and its own limits; what it says, how it ends and what it leaves is the outcome. POSIX only.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 10.0  # longer is a hang
MEMORY_MB = 2048.0  # more is too much
ADDRESS_SPACE = 12 << 30  # bytes at which a runaway is stopped before it takes the machine along
POLL_S = 0.005
ADDRESS = re.compile(r"[\s(=<]0x[0-9a-f]")  # of memory; a temporary folder's random name may hold "0x" as well
DONE, NEEDS_A_LOOK, REFUSED = 0, 3, 2
# What a run imports, so that its children need not.
PRELOADED = (
    "proseg.segmentation.segmenter",
    "proseg.reading.t2w",
    "proseg.outputs.writing",
    "proseg.reading.archives",
    "proseg.dicom.series",
)
ROOT = Path(__file__).parents[2]
# One thread each: the children are many, and a process that has started threads cannot be forked safely.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


@dataclass(frozen=True)
class Outcome:
    """How a run of the command line ended.

    Attributes:
        code: exit code; negative: the signal that ended it; None: it was stopped because it took too long.
        seconds: wall time.
        peak_mb: the largest resident set.
        out, err: what it printed.
        left: files it left outside the output folder, or in it unless asked for.
        wrote: whether the output it was asked for is there.
    """

    code: int | None
    seconds: float
    peak_mb: float
    out: str
    err: str
    left: tuple[str, ...]
    wrote: bool

    @property
    def kind(self) -> str:
        """``result``, ``refused`` or, if anything is not as it must be, ``lost``."""
        if self.fault is not None:
            return "lost"
        return "refused" if self.code == REFUSED else "result"

    @property
    def fault(self) -> str | None:
        """What is not as it must be, in a few words; None if all is well."""
        if self.code is None:
            return f"no end after {self.seconds:.0f} s"
        if self.code < 0:
            return f"ended by {signal.Signals(-self.code).name}"
        if self.code not in (DONE, NEEDS_A_LOOK, REFUSED):
            return f"exit code {self.code}"
        if "Traceback" in self.err:
            return "a traceback"
        if self.left:
            return f"left behind: {', '.join(self.left)}"
        if self.peak_mb > MEMORY_MB:
            return f"{self.peak_mb:.0f} MB"
        if self.wrote != (self.code != REFUSED):
            return "no result" if not self.wrote else "refused, and yet a result"
        if self.code == REFUSED and not is_a_sentence(self.err):
            return "refused, but not in one sentence"
        if self.code != REFUSED and self.err:
            return "a result, but with words on stderr"
        return None


def is_a_sentence(said: str) -> bool:
    """Whether stderr holds one line from proseg, with a sentence to read and no marks of a library's own error."""
    line = said.removesuffix("\n")
    foreign = ("itk::", "ITK ERROR", "Error:", "Exception", "std::")
    return (
        line.startswith("proseg: ")
        and line.endswith(".")
        and line.isprintable()
        and not any(word in line for word in foreign)
        and not ADDRESS.search(line)
    )


class Nursery:
    """A process that runs ``proseg`` in children of its own; a context manager.

    Args:
        scratch: a folder for what the runs need and make; each run's part is removed after it.
        seconds: how long a run may take.
    """

    def __init__(self, scratch: Path, seconds: float = SECONDS) -> None:
        self.scratch, self.seconds = scratch, seconds
        self._process: subprocess.Popen[str] | None = None
        self._runs = 0

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait()
            self._process = None

    def segment(self, source: Path, options: Sequence[str] = (), spare_mb: int | None = None) -> Outcome:
        """Run ``proseg segment`` on a file or folder and judge what comes of it.

        Args:
            source: the input; it and its neighbours must be the same afterwards.
            options: more options.
            spare_mb: address space that it may take beyond that of the libraries; as much as is sane by default.
        """
        self._runs += 1
        folder = self.scratch / f"run {self._runs}"
        for name in ("out", "tmp"):
            (folder / name).mkdir(parents=True)
        for name in ("stdout", "stderr"):  # it may be stopped before it opens them
            (folder / name).touch()
        output = folder / "out" / "zones.nii.gz"
        before = listing(source.parent)
        arguments = ["segment", str(source), "-o", str(output), *options]
        found = self._ask(
            {"arguments": arguments, "folder": str(folder), "seconds": self.seconds, "spare_mb": spare_mb}
        )
        wrote = output.is_file()
        left = {path.name for part in ("out", "tmp") for path in (folder / part).iterdir()} - {output.name}
        left |= {f"{name} (beside the input)" for name in listing(source.parent) ^ before}
        said = {name: (folder / name).read_text("utf-8", "replace") for name in ("stdout", "stderr")}
        shutil.rmtree(folder)
        return Outcome(**found, out=said["stdout"], err=said["stderr"], left=tuple(sorted(left)), wrote=wrote)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-m", "benchmarks.reliability.sandbox"]
            path = os.pathsep.join([str(ROOT), str(ROOT / "ProSegSlicer")])
            environment = os.environ | ENVIRONMENT | {"PYTHONPATH": path}
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        reply = self._process.stdout.readline()
        if not reply:  # the nursery itself is gone: most likely memory ran out
            return {"code": -signal.SIGKILL, "seconds": 0.0, "peak_mb": 0.0}
        return json.loads(reply)


def listing(folder: Path) -> set[str]:
    """Names, sizes and times of the entries of a folder and of those in it, links not followed."""
    found = set()
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            state = os.lstat(os.path.join(root, name))
            moment = "" if name in folders else f", {state.st_size} bytes, {state.st_mtime_ns}"
            found.add(f"{os.path.relpath(os.path.join(root, name), folder)}{moment}")
    return found


def serve() -> None:
    """The nursery: a request a line on stdin, a reply a line on stdout; ends with its caller."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for module in PRELOADED:
        importlib.import_module(module)
    from proseg.cli.main import main

    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(main, request["arguments"], Path(request["folder"]), request["spare_mb"])
        print(json.dumps(_watch(child, request["seconds"])), file=replies, flush=True)


def _run(main: Any, arguments: list[str], folder: Path, spare_mb: int | None) -> None:
    """Be the child: never returns."""
    code = 70
    try:
        os.setsid()
        most = ADDRESS_SPACE if spare_mb is None else _address_space() + (spare_mb << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for stream, name, how in ((0, os.devnull, os.O_RDONLY), (1, "stdout", 0), (2, "stderr", 0)):
            flags = how or (os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            opened = os.open(name if name == os.devnull else folder / name, flags, 0o600)
            os.dup2(opened, stream)
            os.close(opened)
        os.environ["TMPDIR"] = str(folder / "tmp")
        os.chdir(folder)
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            sys.excepthook(*sys.exc_info())
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _address_space() -> int:
    """Bytes that this process has reserved; Linux only."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _watch(child: int, seconds: float) -> dict[str, Any]:
    """Wait for a child, but not longer than it may take."""
    began = time.monotonic()
    late = False
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            break
        if not late and time.monotonic() - began > seconds:
            late = True
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
        time.sleep(POLL_S)
    unit = 2**10 if sys.platform == "linux" else 2**20  # ru_maxrss is in KiB on Linux, in bytes on macOS
    return {
        "code": None if late else os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - began,
        "peak_mb": usage.ru_maxrss / unit,
    }


if __name__ == "__main__":
    serve()
