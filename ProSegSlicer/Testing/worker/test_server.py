"""The worker process: what it says, what it writes, and that it ends with its caller."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from proseg import __version__
from proseg.model.devices import Device
from proseg.phantom import Phantom
from proseg.segmentation.pipeline import Pipeline
from proseg.segmentation.segmenter import Segmenter
from proseg.worker.server import PARENT_WATCH_S, Worker

CORE = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "proseg.worker"]
NOISY = """
import os, proseg.worker.server
handle = proseg.worker.server.Worker.handle
def noisy(self, line):
    print("a print")
    os.write(1, b"a C library's print\\n")
    os.system("echo a child process")
    handle(self, line)
proseg.worker.server.Worker.handle = noisy
proseg.worker.server.main()
"""
posix = pytest.mark.skipif(os.name != "posix", reason="signals and parents as POSIX has them")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into a process as only Linux can")


class Conversation:
    """A worker process and what it says."""

    def __init__(self, command: list[str] = COMMAND) -> None:
        self.process = subprocess.Popen(
            command, cwd=CORE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.errors: list[bytes] = []
        threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True).start()
        self.first = self.hear()

    def say(self, line: bytes | dict[str, Any]) -> None:
        line = line if isinstance(line, bytes) else json.dumps(line).encode()
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        assert line, "the worker ended"
        return json.loads(line)

    def ask(self, line: bytes | dict[str, Any]) -> list[dict[str, Any]]:
        """Everything it says up to the answer."""
        self.say(line)
        replies = [self.hear()]
        while replies[-1]["event"] not in ("done", "failed", "prepared"):
            replies.append(self.hear())
        return replies

    def end(self) -> int:
        self.process.stdin.close()
        return self.process.wait(10)


@pytest.fixture(scope="module")
def worker() -> Iterator[Conversation]:
    """One worker for all tests that do not end it."""
    conversation = Conversation()
    yield conversation
    assert conversation.end() == 0


@pytest.fixture(scope="module")
def t2w(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("Fälle 病例") / "größer é.nrrd"
    sitk.WriteImage(phantom.image, str(path))
    return path


@pytest.fixture(scope="module")
def segmented(worker: Conversation, t2w: Path) -> list[dict[str, Any]]:
    """What a worker that has just started says of its first image."""
    request = {"id": 7, "do": "segment", "image": str(t2w), "folder": str(t2w.parent), "device": "cpu"}
    return worker.ask(request)


def segment(t2w: Path, folder: Path, /, **changes: Any) -> dict[str, Any]:
    request = {"id": 1, "do": "segment", "image": str(t2w), "folder": str(folder), "device": "cpu"} | changes
    return {name: value for name, value in request.items() if value is not ...}


def in_process(*lines: dict[str, Any]) -> list[dict[str, Any]]:
    """What a worker says that lives in this process."""
    said: list[dict[str, Any]] = []
    worker = Worker(lambda **reply: said.append(json.loads(json.dumps(reply))))
    for line in lines:
        worker.handle(json.dumps(line).encode())
    return said


def of(event: str, replies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [reply for reply in replies if reply["event"] == event]


def same_grid(image: sitk.Image, other: sitk.Image) -> bool:
    return all(
        getattr(image, get)() == getattr(other, get)() for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection")
    )


def test_importing_the_worker_imports_nothing_heavy() -> None:
    program = (
        "import sys, proseg.worker.server; print([m for m in ('torch', 'SimpleITK', 'numpy') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=CORE, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_first_thing_it_says_is_that_it_is_ready(worker: Conversation) -> None:
    assert worker.first == {"event": "ready", "proseg": __version__, "pid": worker.process.pid}


@linux
def test_it_is_ready_before_torch_is_loaded() -> None:
    fresh = Conversation()
    assert "libtorch" not in Path(f"/proc/{fresh.process.pid}/maps").read_text()
    fresh.end()


def test_a_run_tells_its_stages_and_a_fraction_that_only_grows(segmented: list[dict[str, Any]]) -> None:
    assert {reply["id"] for reply in segmented} == {7}
    told = of("progress", segmented)
    fractions = [reply["fraction"] for reply in told]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    stages = [reply["stage"] for reply in told]
    assert stages[:3] == ["Reading", "Starting torch", "Loading the model"]
    assert stages[-2:] == ["Writing", "Done"]
    assert "Segmenting" in stages


def test_the_device_is_told_before_the_networks_run(segmented: list[dict[str, Any]]) -> None:
    (device,) = of("device", segmented)
    assert device["device"] == "cpu"
    assert device["reason"]
    stages = [reply.get("stage") for reply in segmented]
    assert segmented.index(device) < stages.index("Locating the prostate")


def test_the_files_are_the_segmenters_own_result_on_the_inputs_grid(
    segmented: list[dict[str, Any]], t2w: Path, phantom: Phantom
) -> None:
    done = segmented[-1]
    assert done["event"] == "done"
    assert done["image"] is None
    expected = Segmenter(device="cpu").segment(sitk.ReadImage(str(t2w)))
    labelmap, uncertainty = (sitk.ReadImage(done[name]) for name in ("labelmap", "uncertainty"))
    for image in (labelmap, uncertainty):
        assert image.GetPixelID() == sitk.sitkUInt8
        assert same_grid(image, phantom.image)
    assert np.array_equal(sitk.GetArrayFromImage(labelmap), sitk.GetArrayFromImage(expected.labelmap))
    percent = sitk.GetArrayFromImage(expected.uncertainty_image()) * 100
    assert np.abs(sitk.GetArrayFromImage(uncertainty) - percent).max() <= 0.51
    assert done["report"]["measurements"]["gland_ml"] == pytest.approx(expected.measurements.gland_ml, abs=1e-3)
    assert done["report"]["input"]["name"] == t2w.name


def test_the_second_run_is_warm_and_knows_the_psa_and_the_image(
    worker: Conversation, segmented: list[dict[str, Any]], t2w: Path, tmp_path: Path
) -> None:
    replies = worker.ask(segment(t2w, tmp_path, id=8, psa_ng_ml=6.5, keep_image=True))
    assert [reply["stage"] for reply in of("progress", replies)][:2] == ["Reading", "Locating the prostate"]
    done = replies[-1]
    assert {path.name for path in tmp_path.iterdir()} == {"labelmap.nrrd", "uncertainty.nrrd", "image.nrrd"}
    image, original = sitk.ReadImage(done["image"]), sitk.ReadImage(str(t2w))
    assert same_grid(image, original)
    assert np.array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(original))
    assert done["report"]["measurements"]["psa_density"] > 0


def test_prepare_answers_with_the_device_and_why(worker: Conversation) -> None:
    prepared = worker.ask({"id": "any", "do": "prepare"})[-1]
    assert prepared["event"] == "prepared"
    assert prepared["id"] == "any"
    assert prepared["device"] in ("cpu", "cuda", "mps")
    assert prepared["reason"].endswith(".")


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"image": "nowhere.nrrd"}, "input", "nowhere.nrrd does not exist"),
        ({"image": "broken \udce9.nrrd"}, "input", "does not exist"),
        ({"image": __file__}, "input", "is not an image"),
        ({"psa_ng_ml": -1}, "input", "PSA"),
        ({"folder": "no such folder"}, "output", "no such folder"),
        ({"device": "abacus"}, "device", "abacus"),
        ({"image": ...}, "request", "'image'"),
        ({"folder": 3}, "request", "'folder'"),
        ({"psa_ng_ml": "6.5"}, "request", "'psa_ng_ml'"),
        ({"psa_ng_ml": True}, "request", "'psa_ng_ml'"),
        ({"keep_image": 1}, "request", "'keep_image'"),
        ({"do": "dance"}, "request", "'dance'"),
        ({"do": ...}, "request", "None"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_a_next_step(
    worker: Conversation, t2w: Path, tmp_path: Path, changes: dict[str, Any], kind: str, words: str
) -> None:
    failed = worker.ask(segment(t2w, tmp_path, **changes))[-1]
    assert (failed["event"], failed["kind"], failed["id"]) == ("failed", kind, 1)
    assert words in failed["sentence"]
    assert "\n" not in failed["sentence"]
    assert failed["remedy"].endswith(".")
    assert "--" not in failed["remedy"]  # options of the command line are no help here
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", [b"segment please", b"[1, 2]", b'{"id": 3', b"\xff\xfe\x00", b"[" * 100_000, b"null"])
def test_a_line_that_is_no_request_is_answered_and_survived(worker: Conversation, line: bytes) -> None:
    (failed,) = worker.ask(line)
    assert (failed["event"], failed["kind"], failed["id"]) == ("failed", "request", None)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("CUDA error: an illegal memory access was encountered\nmore"), "gpu"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "gpu"),
        (MemoryError(), "memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"), "memory"),
        (RuntimeError("Exception thrown in SimpleITK: Failed to allocate memory for image."), "memory"),
        (ZeroDivisionError("division by zero"), "unforeseen"),
    ],
)
def test_faults_of_libraries_get_a_kind_and_leave_their_traceback_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, error: Exception, kind: str
) -> None:
    def broken(_: Path) -> None:
        raise error

    monkeypatch.setattr("proseg.reading.t2w.read_t2w", broken)
    failed = in_process(segment(Path("x.nrrd"), tmp_path))[-1]
    assert failed["kind"] == kind
    assert "\n" not in failed["sentence"]
    assert "Traceback" in capsys.readouterr().err


def test_a_package_that_cannot_be_loaded_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "proseg.segmentation.segmenter", None)
    failed = in_process({"id": 1, "do": "prepare"})[-1]
    assert failed["kind"] == "packages"
    assert "PyTorch" in failed["remedy"]


def test_the_model_is_loaded_once_whatever_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    loads, uses = [], []
    load, use = Segmenter.__init__, Pipeline.use
    monkeypatch.setattr(Segmenter, "__init__", lambda self, *a, **k: (loads.append(1), load(self, *a, **k))[1])
    monkeypatch.setattr(Pipeline, "use", lambda self, device: (uses.append(device.name), use(self, device))[1])
    monkeypatch.setattr("proseg.model.devices.choose_device", lambda name: Device(name, "It works.", torch.float32))
    prepared = of("prepared", in_process(*({"do": "prepare", "device": name} for name in ("cpu", "meta", "meta"))))
    assert [reply["device"] for reply in prepared] == ["cpu", "meta", "meta"]
    assert len(loads) == 1
    assert uses == ["cpu", "cpu", "meta"]  # the Segmenter's own, then once for each device


def test_where_a_gpu_fails_in_the_middle_the_cpu_goes_on_and_the_gpu_is_tried_anew(
    monkeypatch: pytest.MonkeyPatch, t2w: Path, tmp_path: Path
) -> None:
    chosen = []

    def choose(name: str) -> Device:
        chosen.append(name)  # torch's device "meta" computes nothing: its results cannot be fetched
        return Device("meta", "The GPU works.", torch.float32)

    monkeypatch.setattr("proseg.model.devices.choose_device", choose)
    replies = in_process(segment(t2w, tmp_path, device="auto"), {"id": 2, "do": "prepare", "device": "auto"})
    assert [reply["device"] for reply in of("device", replies)] == ["meta", "cpu"]
    assert "The GPU failed" in of("device", replies)[1]["reason"]
    assert of("done", replies)[0]["report"]["provenance"]["device"] == "cpu"
    assert chosen == ["auto", "auto"]
    assert replies[-1]["device"] == "meta"


@pytest.mark.parametrize(("request_", "event"), [("auto", "prepared"), ("cuda", "failed")])
def test_a_gpu_without_room_is_replaced_by_the_cpu_unless_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, request_: str, event: str
) -> None:
    use = Pipeline.use

    def full(self: Pipeline, device: Device) -> None:
        if device.name == "cuda":
            raise RuntimeError("CUDA out of memory.")
        use(self, device)

    monkeypatch.setattr(Pipeline, "use", full)
    monkeypatch.setattr("proseg.model.devices.choose_device", lambda _: Device("cuda", "The GPU works.", torch.float16))
    answer = in_process({"do": "prepare", "device": request_})[-1]
    assert answer["event"] == event
    assert answer.get("device") == ("cpu" if event == "prepared" else None)
    assert answer.get("kind") == ("gpu" if event == "failed" else None)


@linux
def test_a_full_disk_leaves_nothing_behind(worker: Conversation, t2w: Path, tmp_path: Path) -> None:
    import resource

    size, process = resource.RLIMIT_FSIZE, worker.process.pid
    before = resource.prlimit(process, size, (100_000, resource.RLIM_INFINITY))
    try:
        failed = worker.ask(segment(t2w, tmp_path))[-1]
    finally:
        resource.prlimit(process, size, before)
    assert (failed["event"], failed["kind"]) == ("failed", "output")
    assert "labelmap.nrrd" in failed["sentence"]
    assert list(tmp_path.iterdir()) == []
    assert worker.ask(segment(t2w, tmp_path))[-1]["event"] == "done"


def test_what_others_print_never_gets_between_the_replies() -> None:
    noisy = Conversation([sys.executable, "-c", NOISY])
    assert noisy.ask(b"{}")[-1]["event"] == "failed"
    assert noisy.ask(b"{}")[-1]["event"] == "failed"
    noisy.process.stdin.close()
    assert noisy.process.stdout.read() == b""
    noisy.process.wait(10)
    printed = b"".join(noisy.errors)
    assert all(printed.count(words) == 2 for words in (b"a print", b"a C library's print", b"a child process"))


@posix
def test_ctrl_c_in_the_callers_terminal_does_not_end_it(worker: Conversation) -> None:
    worker.process.send_signal(signal.SIGINT)
    assert worker.ask(b"{}")[-1]["event"] == "failed"


def test_it_ends_at_once_in_the_middle_of_a_run_when_its_caller_hangs_up(t2w: Path, tmp_path: Path) -> None:
    fresh = Conversation()
    fresh.say(segment(t2w, tmp_path))
    while fresh.hear().get("stage") != "Locating the prostate":
        pass
    began = time.monotonic()
    assert fresh.end() == 0
    assert time.monotonic() - began < 2
    assert not (tmp_path / "labelmap.nrrd").exists()


@posix
def test_it_ends_with_its_parent_even_if_stdin_stays_open() -> None:
    program = (
        "import subprocess, sys, time\n"
        f"worker = subprocess.Popen({COMMAND!r}, stdin=int(sys.argv[1]), stdout=int(sys.argv[2]))\n"
        "time.sleep(60)"
    )
    to_worker, from_worker = os.pipe(), os.pipe()
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(to_worker[0]), str(from_worker[1])],
        cwd=CORE,
        pass_fds=(to_worker[0], from_worker[1]),
    )
    os.close(from_worker[1])
    with os.fdopen(from_worker[0], "rb") as replies:
        assert json.loads(replies.readline())["event"] == "ready"
        parent.kill()
        parent.wait()
        # Nobody but the worker has the other end, so that it closes as the worker ends.
        assert select.select([replies], [], [], 4 * PARENT_WATCH_S + 2)[0]
        assert replies.read() == b""
    os.close(to_worker[0])
    os.close(to_worker[1])
