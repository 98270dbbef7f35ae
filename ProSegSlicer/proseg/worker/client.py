"""Start, talk to and kill a worker process (``proseg.worker``), without ever making the caller wait.

Threads read what the worker says; the caller, such as a UI's timer, collects it with ``poll``. Whatever happens to the
process becomes an event there, its death too. docs/worker-protocol.md lists the events.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from proseg.errors import ProSegError
from proseg.worker.death import explain

Event = dict[str, Any]

ENDS = ("done", "failed", "prepared")  # events that answer a request
TAIL_LINES = 40
LONGEST_LINE = 4096  # of what is kept for the log, bytes
PATIENCE_S = 1.0
REAP_S = 5.0  # a process that was killed is gone after milliseconds, unless the system itself hangs

# The folder that holds the packages comes first, whatever PYTHONPATH says, and the current folder not at all.
_BOOTSTRAP = (
    "import sys; sys.path[:] = [{folder}, *filter(None, sys.path)]; "
    "import runpy; runpy.run_module({module!r}, run_name='__main__')"
)
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
_APART: dict[str, Any] = (
    {"creationflags": _NO_WINDOW | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    if os.name == "nt"
    else {"start_new_session": True}
)


class WorkerClient:
    """The worker process as its caller sees it. One thread, a UI's, calls this; no call waits for an answer.

    A process is started by the first ``send``, and again by the first ``send`` after it died or was killed.

    Args:
        command: what to start; ``worker_command()`` by default.
        environment: variables that the process has besides, or instead of, the caller's own.
    """

    def __init__(self, command: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> None:
        self._command = command
        self._environment = {**os.environ, **environment} if environment else None
        self._numbers = itertools.count(1)
        self._events: queue.SimpleQueue[tuple[_Process, Event | None]] = queue.SimpleQueue()
        self._process: _Process | None = None
        self._stillborn: list[Event] = []
        self._last_resort: weakref.finalize | None = None

    @property
    def running(self) -> bool:
        """Whether there is a process that takes requests."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int | None:
        """The process id, or None if none is running."""
        return self._process.popen.pid if self._process is not None and self.running else None

    @property
    def stderr_tail(self) -> list[str]:
        """The last lines that the process, or the last one there was, wrote to stderr: for the log."""
        return list(self._process.tail) if self._process is not None else []

    def send(self, do: str, **fields: Any) -> int:
        """Send a request and return its id; starts a process if there is none.

        Never raises: a process that cannot be started is told by ``poll``, as one that died.

        Args:
            do: what to do, ``"prepare"`` or ``"segment"``.
            fields: the request's other fields.
        """
        number = next(self._numbers)
        if not self.running:
            try:
                self._start()
            except (OSError, ProSegError) as error:
                self._stillborn.append(_not_started(error, number))
                return number
        self._process.send(number, do, fields)
        return number

    def poll(self) -> list[Event]:
        """What has happened since the last call, in order; empty if nothing has. Never waits."""
        found, self._stillborn = self._stillborn, []
        for _ in range(self._events.qsize()):  # what comes meanwhile waits for the next call
            process, event = self._events.get_nowait()
            if not process.unwanted:
                found.append(process.take(event))
        return found

    def kill(self) -> None:
        """End the process and all its children now; what it was doing is lost, and nothing more is heard of it."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """Let the process go: it ends by itself as its stdin closes, and is killed if it does not within a second."""
        if self._process is not None:
            self._process.close()

    def _start(self) -> None:
        if self._last_resort is not None:
            self._last_resort.detach()
        if self._process is not None:
            self._process.let_go()
        self._process = _Process(self._command or worker_command(), self._environment, self._events.put)
        self._last_resort = weakref.finalize(self, self._process.kill)  # also runs when the interpreter exits


class _Process:
    """One worker process: its streams, its threads, and what is known of it. Its threads keep no client alive."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None,
        put: Callable[[tuple[_Process, Event | None]], None],
    ) -> None:
        self._put = put
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.popen = subprocess.Popen(list(command), env=environment, **pipes, **_APART)
        self.unwanted = False  # ended on purpose: nobody wants to hear of it
        self.ready = False
        self.device: str | None = None
        self.unanswered: list[int] = []
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        readers = [
            threading.Thread(target=read, args=(stream,), daemon=True)
            for read, stream in ((self._hear, self.popen.stdout), (self._note, self.popen.stderr))
        ]
        for reader in readers:
            reader.start()
        threading.Thread(target=self._await_end, args=(readers,), daemon=True).start()

    @property
    def running(self) -> bool:
        return not self.unwanted and self.popen.poll() is None

    def send(self, number: int, do: str, fields: dict[str, Any]) -> None:
        line = json.dumps({"id": number, "do": do, **fields}, default=os.fspath)
        self.unanswered.append(number)
        with suppress(OSError):  # it died a moment ago: its death will name this request
            self.popen.stdin.write(line.encode("ascii") + b"\n")
            self.popen.stdin.flush()

    def take(self, event: Event | None) -> Event:
        """The event as the UI gets it, after noting what it says of the process; None is the process's end."""
        if event is None:
            code = self.popen.returncode
            sentence, remedy = explain(code, self.ready, self.device, list(self.tail))
            return _died(self.unanswered, code, self.device, sentence, remedy)
        name = event["event"]
        self.ready = self.ready or name == "ready"
        if name == "device":
            self.device = event.get("device")
        elif name in ENDS:
            self.device = None
            if event.get("id") in self.unanswered:
                self.unanswered.remove(event["id"])
        return event

    def kill(self) -> None:
        self.unwanted = True
        if self.popen.poll() is None:
            _end_tree(self.popen)
        self.let_go()

    def let_go(self) -> None:
        with suppress(OSError):
            self.popen.stdin.close()

    def close(self) -> None:
        self.unwanted = True
        self.let_go()
        try:
            self.popen.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def _hear(self, replies: BinaryIO) -> None:
        with replies:
            for line in replies:
                try:
                    event = json.loads(line)
                except ValueError:
                    event = None
                if isinstance(event, dict) and "event" in event:
                    self._put((self, event))
                else:  # of the interpreter, before the worker took stdout for itself
                    self.tail.append(line[:LONGEST_LINE].decode("utf-8", "replace").rstrip())

    def _note(self, errors: BinaryIO) -> None:
        with errors:
            while line := errors.readline(LONGEST_LINE):
                self.tail.append(line.decode("utf-8", "replace").rstrip())

    def _await_end(self, readers: list[threading.Thread]) -> None:
        self.popen.wait()
        _kill_group(self.popen)  # children that it left behind
        for reader in readers:
            reader.join(PATIENCE_S)  # the last words first; a child that got away may hold the pipes open
        self._put((self, None))


def worker_command(module: str = "proseg.worker") -> list[str]:
    """The command that starts the worker that lies beside this module; ASCII, wherever that is.

    Slicer 5.10's launcher on Windows mangles anything else, such as the folder of a user with an umlaut.

    Args:
        module: which; one that speaks the worker's protocol.

    Raises:
        ProSegError: there is no Python to run it with.
    """
    folder = ascii(str(Path(__file__).resolve().parents[2]))
    return [python_executable(), "-c", _BOOTSTRAP.format(module=module, folder=folder)]


def python_executable() -> str:
    """The Python that runs this code: in Slicer its launcher PythonSlicer, which knows Slicer's libraries.

    Raises:
        ProSegError: this program is no Python, and PythonSlicer is not on the PATH.
    """
    own = sys.executable or ""
    inside_slicer = hasattr(sys.modules.get("slicer"), "app")  # an embedded Python may name any other as executable
    is_python = Path(own).name.lower().startswith("python")
    if is_python and not inside_slicer:
        return own
    if found := shutil.which("PythonSlicer"):
        return found
    if is_python:
        return own
    raise ProSegError(
        "No Python was found to run the segmentation with: PythonSlicer is not on the PATH.",
        "Start Slicer with its own launcher, or install it again.",
    )


def _end_tree(process: subprocess.Popen) -> None:
    """Kill a process and its children, and wait for it briefly."""
    if os.name == "nt":
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                ["taskkill", "/T", "/F", "/PID", str(process.pid)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                creationflags=_NO_WINDOW,
                timeout=REAP_S,
                check=False,
            )
        process.kill()
    _kill_group(process)
    with suppress(subprocess.TimeoutExpired):
        process.wait(REAP_S)


def _kill_group(process: subprocess.Popen) -> None:
    if os.name == "posix":
        with suppress(ProcessLookupError, PermissionError):  # none left; macOS says the latter of zombies
            os.killpg(process.pid, signal.SIGKILL)


def _not_started(error: OSError | ProSegError, number: int) -> Event:
    if isinstance(error, ProSegError):
        return _died([number], None, None, error.sentence, error.remedy)
    sentence, remedy = explain(None, False, None, [f"{error.strerror or error}"])
    return _died([number], None, None, sentence, remedy)


def _died(unanswered: list[int], code: int | None, device: str | None, sentence: str, remedy: str) -> Event:
    return {
        "event": "died",
        "id": unanswered[-1] if unanswered else None,  # the one that somebody waits for
        "unanswered": list(unanswered),
        "code": code,
        "device": device,
        "sentence": sentence,
        "remedy": remedy,
    }
