"""The worker: segments on behalf of a program that must neither wait for it nor fall with it, such as Slicer.

``python -m proseg.worker`` reads requests from stdin and writes replies to stdout, one JSON object a line;
docs/worker-protocol.md lists them. It stays warm between requests and ends at once when its caller does. Importing
this module costs neither torch nor SimpleITK, so that the worker can say at once that it is there.
"""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from proseg import __version__
from proseg.errors import InputError, brief
from proseg.system.terminal import steady_streams
from proseg.system.threads import share_processor
from proseg.worker.failures import PackageError, RequestError, failure
from proseg.worker.files import write
from proseg.worker.requests import Given, Wanted, field, parse

if TYPE_CHECKING:
    from proseg.images.checks import T2WImage
    from proseg.model.devices import Device
    from proseg.segmentation.pipeline import Progress
    from proseg.segmentation.result import SegmentationResult
    from proseg.segmentation.segmenter import Segmenter

Tell = Callable[..., None]
"""Sends one reply, whose fields are the keyword arguments."""

PARENT_WATCH_S = 0.5
WARM_FROM, COLD_FROM, WRITE_FROM = 0.05, 0.4, 0.9  # fractions at which networks and writing begin


def main(kind: Callable[[Tell], Worker] | None = None) -> NoReturn:
    """Serve requests until the caller closes stdin or dies.

    Args:
        kind: makes the worker that answers; ``Worker`` by default.
    """
    with steady_streams():  # what is printed for the log shall cost no answer
        _serve(kind or Worker)


def _serve(kind: Callable[[Tell], Worker]) -> NoReturn:
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the caller's terminal: the caller decides
    faulthandler.enable()
    share_processor()
    nowhere = os.open(os.devnull, os.O_RDONLY)
    requests, replies = os.fdopen(_claim(0, nowhere), "rb"), os.fdopen(_claim(1, 2), "wb")
    sys.stdout = sys.stderr

    def tell(**reply: Any) -> None:
        try:
            replies.write(json.dumps(reply).encode("ascii") + b"\n")  # escapes keep any path whole, even a broken one
            replies.flush()
        except OSError:  # nobody listens any more
            os._exit(0)

    tell(event="ready", proseg=__version__, pid=os.getpid())
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, lines), daemon=True).start()
    if os.name == "posix":
        threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()
    worker = kind(tell)
    while True:
        worker.handle(lines.get())


def _claim(stream: int, instead: int) -> int:
    """Take a standard stream for the protocol alone: returns a copy of it; to all others it is ``instead`` from now."""
    own = os.dup(stream)
    os.dup2(instead, stream)
    return own


def _listen(requests: BinaryIO, lines: queue.SimpleQueue[bytes]) -> NoReturn:
    """Queue the requests; the caller's end ends the process, whatever it is doing."""
    for line in requests:
        if line.strip():
            lines.put(line)
    os._exit(0)


def _watch_parent(parent: int) -> NoReturn:
    """End the process with its parent, even where somebody else still holds the other end of stdin."""
    while os.getppid() == parent:
        time.sleep(PARENT_WATCH_S)
    os._exit(0)


class Worker:
    """Answers requests one after the other, and keeps the networks for the next one.

    Args:
        tell: sends a reply.
    """

    def __init__(self, tell: Tell) -> None:
        self.tell = tell
        self.weights: Path | None = None  # the shipped ones
        self._segmenter: Segmenter | None = None
        self._chosen: tuple[str, Device] | None = None  # a request and the device taken for it
        self._known: SegmentationResult | None = None  # the networks' last, so that refining it runs none again

    def handle(self, line: bytes) -> None:
        """Answer one line; whatever goes wrong becomes a ``failed`` reply."""
        number = None
        try:
            request = parse(line)
            number = request.get("id")
            work = self.abilities().get(str(request.get("do")))
            if work is None:
                raise RequestError(
                    f"A worker cannot do {request.get('do')!r}.",
                    "Ask it to prepare, segment, refine or export.",
                )
            work(number, request)
        except Exception as error:
            self.tell(id=number, event="failed", **failure(error))

    def abilities(self) -> dict[str, Callable[[Any, dict[str, Any]], None]]:
        """What it does, by the word that asks for it; each is called with the request's id and the request."""
        return {"prepare": self._prepare, "segment": self._segment, "refine": self._refine, "export": self._export}

    def _prepare(self, number: Any, request: dict[str, Any]) -> None:
        device = self.ready(field(request, "device", str, "auto"), self._progress(number)).pipeline.device
        self.tell(id=number, event="prepared", device=device.name, reason=device.reason)

    def _segment(self, number: Any, request: dict[str, Any]) -> None:
        self._run(number, Wanted.of(request), self._segmented)

    def _segmented(self, segmenter: Segmenter, t2w: T2WImage, psa: float | None, told: Progress) -> SegmentationResult:
        self._known = segmenter.segment(t2w, psa, told)
        return self._known

    def _refine(self, number: Any, request: dict[str, Any]) -> None:
        path, given = Path(field(request, "labelmap", str)), Given.of(request)

        def refined(segmenter: Segmenter, t2w: T2WImage, psa: float | None, told: Progress) -> SegmentationResult:
            from proseg.images.files import read_image_file
            from proseg.segmentation.refining import same_image

            if not path.is_file():
                raise InputError(f"The labelmap {path} does not exist.", "Try again.")
            labelmap, known = read_image_file(path), self._known
            if known is None or not same_image(known.image, t2w.image):
                known = self._segmented(segmenter, t2w, psa, told)
            return segmenter.refine(t2w, labelmap, given.first, given.last, psa, slices=given.slices, known=known)

        self._run(number, Wanted.of(request), refined)

    def _run(self, number: Any, wanted: Wanted, work: Callable[..., SegmentationResult]) -> None:
        """Read an image, work on it, and hand over what came of it."""
        progress = self._progress(number)
        progress("Reading", 0.0)
        from proseg.reading.t2w import read_t2w

        t2w = read_t2w(wanted.image)
        begin = COLD_FROM if self._segmenter is None else WARM_FROM
        segmenter = self.ready(wanted.device, progress)
        told = None

        def working(stage: str, done: float) -> None:
            nonlocal told
            if told is not (now := segmenter.pipeline.device):  # the CPU takes over from a GPU that fails
                self.tell(id=number, event="device", device=now.name, reason=now.reason)
                told = now
            if done < 1:
                progress(stage, begin + done * (WRITE_FROM - begin))

        result = work(segmenter, t2w, wanted.psa_ng_ml, working)
        progress("Writing", WRITE_FROM)
        from proseg.outputs.report import report, source_name

        files = write(result, wanted.folder, wanted.keep_image)
        progress("Done", 1.0)
        self.tell(id=number, event="done", report=report(result, source_name(t2w)), **files)

    def _export(self, number: Any, request: dict[str, Any]) -> None:
        from proseg.worker.exporting import export

        folder, endings = Path(field(request, "folder", str)), field(request, "endings", list)
        self.tell(id=number, event="done", files=export(folder, endings))

    def _progress(self, number: Any) -> Callable[[str, float], None]:
        return lambda stage, done: self.tell(id=number, event="progress", stage=stage, fraction=round(done, 3))

    def ready(self, request: str, progress: Callable[[str, float], None]) -> Segmenter:
        """The networks on the requested device; loaded once, moved where the request or a failed GPU asks for it."""
        if self._segmenter is None:
            progress("Starting torch", WARM_FROM)
            try:
                from proseg.segmentation.segmenter import Segmenter
            except (ImportError, OSError) as error:  # OSError: a DLL of torch that Windows cannot load
                raise PackageError(
                    f"A package that segmentation needs cannot be loaded ({brief(error)}).", "Install PyTorch again."
                ) from error
            progress("Loading the model", 0.9 * COLD_FROM)
            self._segmenter = Segmenter(self.weights, device="cpu")
        pipeline = self._segmenter.pipeline
        if (request, pipeline.device) != self._chosen:
            from proseg.model.devices import choose_device, cpu_after

            self._chosen = None
            device = choose_device(request)
            try:
                pipeline.use(device)
            except RuntimeError as error:
                if request != "auto" or device.name == "cpu":
                    raise
                pipeline.use(cpu_after(error))
            self._chosen = (request, device)
        return self._segmenter
