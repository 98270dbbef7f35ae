"""The worker's client: what the UI hears of a worker that works, dies, is killed, or was never there."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk

from proseg.errors import ProSegError
from proseg.phantom import Phantom
from proseg.worker import client as worker_client
from proseg.worker.client import WorkerClient, python_executable, worker_command

MODULES = Path(__file__).resolve().parents[2]
PATIENCE_S = 60  # for what takes two seconds on a machine that has nothing else to do

posix = pytest.mark.skipif(os.name != "posix", reason="signals and process groups as POSIX has them")

READY = 'import json, os, signal, subprocess, sys, time\nprint(json.dumps({"event": "ready"}), flush=True)\n'
WAIT = "line = json.loads(sys.stdin.readline())\n"
CHILD = (
    'child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])\n'
    'print(json.dumps({"event": "child", "pid": child.pid}), flush=True)\n'
)
SLEEP = "time.sleep(60)\n"


def fake(program: str) -> WorkerClient:
    """A client whose worker is a small Python program."""
    return WorkerClient([sys.executable, "-c", program])


def until(client: WorkerClient, *names: str) -> list[dict[str, Any]]:
    """Poll as a UI would, until one of these events; everything heard."""
    heard: list[dict[str, Any]] = []
    deadline = time.monotonic() + PATIENCE_S
    while not any(event["event"] in names for event in heard):
        assert time.monotonic() < deadline, heard
        time.sleep(0.01)
        heard += client.poll()
    return heard


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


def gone(pid: int, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while alive(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def client() -> Iterator[WorkerClient]:
    """The real worker's."""
    client = WorkerClient()
    yield client
    client.kill()


@pytest.fixture(scope="module")
def t2w(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("Fälle") / "t2w.nrrd"
    sitk.WriteImage(phantom.image, str(path))
    return path


def test_it_imports_neither_slicer_nor_qt_nor_anything_heavy() -> None:
    program = (
        "import sys, proseg.worker.client\n"
        "print([m for m in ('slicer', 'qt', 'vtk', 'torch', 'numpy', 'SimpleITK') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=MODULES, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_worker_killed_in_the_middle_of_a_run_is_one_event_and_the_next_request_gets_a_new_one(
    client: WorkerClient, t2w: Path, tmp_path: Path
) -> None:
    request = {"image": t2w, "folder": tmp_path, "device": "cpu"}
    first = client.send("segment", **request)
    heard = until(client, "device")
    assert heard[0]["event"] == "ready"
    assert not any(path.suffix == ".nrrd" for path in tmp_path.iterdir())
    victim = client.pid
    os.kill(victim, getattr(signal, "SIGKILL", signal.SIGTERM))
    died = until(client, "died")[-1]
    assert died["id"] == first
    assert died["device"] == "cpu"
    assert died["sentence"].endswith(".")
    assert died["remedy"].endswith(".")
    assert not client.running
    assert client.pid is None
    assert list(tmp_path.iterdir()) == []

    second = client.send("segment", **request)
    heard = until(client, "done", "failed", "died")
    assert client.pid != victim
    assert heard[-1]["event"] == "done"
    assert heard[-1]["id"] == second
    assert Path(heard[-1]["labelmap"]).is_file()
    assert client.running


@posix
def test_kill_ends_the_worker_with_its_children_and_nothing_more_is_heard_of_it() -> None:
    talk = "while True: print(json.dumps({'event': 'progress'}), flush=True); time.sleep(0.001)"
    client = fake(READY + CHILD + talk)
    client.send("segment")
    child = next(event["pid"] for event in until(client, "child") if event["event"] == "child")
    worker = client.pid
    assert alive(child)
    client.kill()
    assert client.poll() == []
    assert not client.running
    assert gone(worker)
    assert gone(child)
    time.sleep(0.2)
    assert client.poll() == []
    client.kill()  # once more changes nothing


@posix
def test_a_worker_that_dies_takes_its_children_along() -> None:
    client = fake(READY + CHILD + WAIT + "os._exit(1)")
    client.send("segment")
    heard = until(client, "died")
    assert gone(next(event["pid"] for event in heard if event["event"] == "child"))


def test_after_a_kill_the_next_request_starts_a_new_worker_with_ids_going_on() -> None:
    client = fake(READY + WAIT + 'print(json.dumps({"event": "done", "id": line["id"]}), flush=True)\n' + SLEEP)
    first = client.send("segment")
    client.kill()
    second = client.send("segment")
    done = until(client, "done", "died")[-1]
    assert (done["event"], done["id"]) == ("done", second)
    assert second > first
    client.kill()


@posix
@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        (READY + WAIT + "os.kill(os.getpid(), signal.SIGKILL)", -9, "memory ran out"),
        (READY + WAIT + "os.kill(os.getpid(), signal.SIGSEGV)", -11, "crashed (SIGSEGV)"),
        (READY + WAIT + "os.kill(os.getpid(), signal.SIGTERM)", -15, "ended from outside (SIGTERM)"),
        (READY + WAIT + "print('terminate: std::bad_alloc', file=sys.stderr); os.abort()", -6, "out of memory"),
        (READY + WAIT + "sys.exit('No licence')", 1, "exit code 1 (No licence)"),
        (READY + WAIT + "os._exit(0)", 0, "exit code 0"),
        ("import no_such_module", 1, "could not start (ModuleNotFoundError: No module named 'no_such_module')"),
    ],
)
def test_a_death_is_told_once_and_in_words(program: str, code: int, words: str) -> None:
    client = fake(program)
    number = client.send("segment")
    died = until(client, "died")[-1]
    assert (died["id"], died["unanswered"], died["code"]) == (number, [number], code)
    assert words in died["sentence"]
    assert "\n" not in died["sentence"]
    assert died["remedy"].endswith(".")
    time.sleep(0.1)
    assert client.poll() == []


def test_a_death_between_requests_names_none() -> None:
    client = fake(READY + WAIT + 'print(json.dumps({"event": "done", "id": line["id"]}), flush=True)\nsys.exit(3)')
    client.send("segment")
    died = until(client, "died")[-1]
    assert (died["id"], died["unanswered"], died["code"]) == (None, [], 3)


def test_a_death_names_the_request_that_is_waited_for_and_all_that_got_no_answer() -> None:
    client = fake(READY + WAIT + WAIT + "sys.exit(3)")
    numbers = [client.send("prepare"), client.send("segment")]
    died = until(client, "died")[-1]
    assert (died["id"], died["unanswered"]) == (numbers[-1], numbers)


def test_a_death_names_the_device_of_the_run_and_not_that_of_an_earlier_one() -> None:
    tell = 'print(json.dumps({{"event": "{}", "id": line["id"], "device": "cuda"}}), flush=True)\n'
    in_a_run = fake(READY + WAIT + tell.format("device") + "sys.exit(3)")
    after_it = fake(READY + WAIT + tell.format("device") + tell.format("done") + WAIT + "sys.exit(3)")
    for client, expected in ((in_a_run, "cuda"), (after_it, None)):
        client.send("segment")
        client.send("segment")
        assert until(client, "died")[-1]["device"] == expected


def test_a_program_that_cannot_be_started_is_told_like_a_death(tmp_path: Path) -> None:
    client = WorkerClient([str(tmp_path / "no such program")])
    number = client.send("segment")
    (died,) = client.poll()
    assert (died["event"], died["id"], died["code"]) == ("died", number, None)
    assert "could not start (No such file" in died["sentence"]


def test_without_any_python_that_is_told_like_a_death(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_client.sys, "executable", "SlicerApp-real")
    monkeypatch.setenv("PATH", "")
    client = WorkerClient()
    client.send("segment")
    (died,) = client.poll()
    assert "PythonSlicer" in died["sentence"]
    assert died["remedy"]


def test_what_is_not_of_the_protocol_goes_to_the_log_with_stderr() -> None:
    client = fake("print('a greeting')\nprint('[]')\n" + READY + "print('x' * 9, file=sys.stderr)\n" + SLEEP)
    client.send("segment")
    assert [event["event"] for event in until(client, "ready")] == ["ready"]
    deadline = time.monotonic() + PATIENCE_S
    while len(client.stderr_tail) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(client.stderr_tail) == ["[]", "a greeting", "x" * 9]
    client.kill()
    assert len(client.stderr_tail) == 3  # still there to be looked at


def test_only_the_last_lines_of_stderr_are_kept() -> None:
    client = fake(READY + WAIT + "for i in range(5000): print(i, file=sys.stderr)\nsys.exit(1)")
    client.send("segment")
    until(client, "died")
    assert client.stderr_tail[-1] == "4999"
    assert len(client.stderr_tail) == worker_client.TAIL_LINES


def test_polling_never_waits() -> None:
    client = fake("import time\n" + SLEEP)
    client.send("segment")
    began = time.monotonic()
    for _ in range(100):
        assert client.poll() == []
    assert time.monotonic() - began < 0.5
    client.kill()
    assert client.poll() == []


@pytest.mark.parametrize(("program", "slow"), [(READY + "sys.stdin.read()", False), (READY + SLEEP, True)])
def test_close_lets_it_end_by_itself_and_kills_it_if_it_does_not(program: str, slow: bool) -> None:
    client = fake(program)
    client.send("segment")
    until(client, "ready")
    process, began = client._process.popen, time.monotonic()
    client.close()
    took = time.monotonic() - began
    assert process.returncode is not None
    assert (process.returncode != 0) is slow
    assert took < worker_client.PATIENCE_S + 2
    assert not client.running
    time.sleep(0.1)
    assert client.poll() == []


def test_a_client_that_is_forgotten_takes_its_worker_along() -> None:
    client = fake(READY + SLEEP)
    client.send("segment")
    until(client, "ready")
    process = client._process.popen
    del client
    gc.collect()
    assert process.poll() is not None


def run_program(body: str, *arguments: str) -> tuple[subprocess.Popen, int]:
    """Another process that has the real worker, and the worker's pid, which it prints when it is in ``body``."""
    program = (
        "import sys, time\n"
        "from proseg.worker.client import WorkerClient\n"
        "client = WorkerClient()\n"
        "def until(name):\n"
        "    while not any(name in (event['event'], event.get('stage')) for event in client.poll()):\n"
        "        time.sleep(0.01)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program + body, *arguments], cwd=MODULES, stdout=subprocess.PIPE, text=True
    )
    return process, int(process.stdout.readline())


IDLE = "client.send('hello')\nuntil('failed')\nprint(client.pid, flush=True)\n"
BUSY = (
    "client.send('segment', image=sys.argv[1], folder=sys.argv[2], device='cpu')\n"
    "until('Segmenting')\nprint(client.pid, flush=True)\n"
)


@posix
@pytest.mark.parametrize("body", [IDLE, BUSY], ids=["idle", "busy"])
def test_no_worker_outlives_a_program_that_is_killed(body: str, t2w: Path, tmp_path: Path) -> None:
    program, worker = run_program(body + "time.sleep(60)", str(t2w), str(tmp_path))
    assert alive(worker)
    program.kill()
    program.wait()
    assert gone(worker, within_s=2.0)
    assert not (tmp_path / "labelmap.nrrd").exists()


@posix
def test_no_worker_outlives_a_program_that_ends() -> None:
    program, worker = run_program(IDLE)
    assert program.wait(10) == 0
    assert gone(worker, within_s=0.5)


def test_neither_the_current_folder_nor_pythonpath_can_replace_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path / "here", tmp_path / "path"):
        folder.mkdir()
        for name in ("proseg.py", "json.py", "runpy.py"):
            if folder.name == "here" or name == "proseg.py":
                (folder / name).write_text("raise SystemExit('a stranger')")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    client = WorkerClient()
    client.send("hello")
    assert until(client, "failed", "died")[-1]["event"] == "failed"
    client.close()


@pytest.mark.parametrize(
    ("executable", "inside", "on_path", "expected"),
    [
        ("/opt/env/bin/python3.11", False, None, "own"),
        ("/opt/env/bin/python3.11", False, "/opt/Slicer/bin/PythonSlicer", "own"),
        ("C:/env/Python.exe", False, None, "own"),
        ("/opt/Slicer/bin/SlicerApp-real", True, "/opt/Slicer/bin/PythonSlicer", "launcher"),
        ("/usr/bin/python3", True, "/opt/Slicer/bin/PythonSlicer", "launcher"),
        ("/usr/bin/python3", True, None, "own"),
        ("/opt/Slicer/bin/SlicerApp-real", True, None, None),
        ("", False, None, None),
    ],
)
def test_the_python_is_slicers_launcher_inside_slicer_and_its_own_elsewhere(
    monkeypatch: pytest.MonkeyPatch, executable: str, inside: bool, on_path: str | None, expected: str | None
) -> None:
    class Slicer:
        pass

    if inside:
        Slicer.app = object()
    monkeypatch.setitem(sys.modules, "slicer", Slicer)
    monkeypatch.setattr(worker_client.sys, "executable", executable)
    which: Callable[[str], str | None] = lambda name: on_path if name == "PythonSlicer" else None  # noqa: E731
    monkeypatch.setattr(worker_client.shutil, "which", which)
    if expected is None:
        with pytest.raises(ProSegError, match="PythonSlicer"):
            python_executable()
    else:
        assert python_executable() == {"own": executable, "launcher": on_path}[expected]
        assert ascii(str(MODULES)) in worker_command()[-1]
