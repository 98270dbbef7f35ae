"""The worker: segments on behalf of a program that must neither wait for it nor fall with it, such as Slicer.

``python -m proseg.worker`` reads requests from stdin and writes replies to stdout, one JSON object a line;
docs/worker-protocol.md lists them. It stays warm between requests and ends at once when its caller does. Importing
this module costs neither torch nor SimpleITK, so that the worker can say at once that it is there.
"""

from __future__ import annotations

import errno
import faulthandler
import json
import os
import queue
import re
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from proseg import __version__
from proseg.errors import DeviceError, InputError, OutputError, ProSegError, WeightsError, brief, is_out_of_memory
from proseg.system.terminal import steady_streams
from proseg.system.threads import share_processor

if TYPE_CHECKING:
    import SimpleITK as sitk

    from proseg.model.devices import Device
    from proseg.segmentation.result import SegmentationResult
    from proseg.segmentation.segmenter import Segmenter

Tell = Callable[..., None]
"""Sends one reply, whose fields are the keyword arguments."""

PARENT_WATCH_S = 0.5
WARM_FROM, COLD_FROM, WRITE_FROM = 0.05, 0.4, 0.9  # fractions at which networks and writing begin

_GPU_WORDS = re.compile(r"cuda|cudnn|cublas|nvidia|\bhip|\bmps\b|\bgpu\b", re.IGNORECASE)


class RequestError(ProSegError):
    """The caller sent something that is no request: a fault in the caller, not in what its user gave it."""


class PackageError(ProSegError):
    """A package that segmentation needs is missing or broken."""


# The kind of each error, and the next step where the error's own speaks of the command line.
KINDS: dict[type[ProSegError], tuple[str, str | None]] = {
    RequestError: ("request", None),
    PackageError: ("packages", None),
    InputError: ("input", None),
    OutputError: ("output", None),
    WeightsError: ("weights", "Install ProSegSlicer again."),
    DeviceError: ("device", "Set the device to auto or CPU and try again."),
}


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

    def handle(self, line: bytes) -> None:
        """Answer one line; whatever goes wrong becomes a ``failed`` reply."""
        number = None
        try:
            request = _parse(line)
            number = request.get("id")
            work = self.abilities().get(str(request.get("do")))
            if work is None:
                raise RequestError(
                    f"A worker cannot do {request.get('do')!r}.", "Ask it to prepare, to segment or to export."
                )
            work(number, request)
        except Exception as error:
            self.tell(id=number, event="failed", **failure(error))

    def abilities(self) -> dict[str, Callable[[Any, dict[str, Any]], None]]:
        """What it does, by the word that asks for it; each is called with the request's id and the request."""
        return {"prepare": self._prepare, "segment": self._segment, "export": self._export}

    def _prepare(self, number: Any, request: dict[str, Any]) -> None:
        device = self.ready(field(request, "device", str, "auto"), self._progress(number)).pipeline.device
        self.tell(id=number, event="prepared", device=device.name, reason=device.reason)

    def _segment(self, number: Any, request: dict[str, Any]) -> None:
        image, folder = (Path(field(request, name, str)) for name in ("image", "folder"))
        device = field(request, "device", str, "auto")
        psa = field(request, "psa_ng_ml", (int, float, type(None)), None)
        keep_image = field(request, "keep_image", bool, False)
        if psa is not None and not 0 <= psa < float("inf"):
            raise InputError(f"A PSA of {psa:g} ng/mL is impossible.", "Give a number of ng/mL, 0 or more.")
        if not folder.is_dir():
            raise OutputError(f"The folder {folder} for the results does not exist.", "Try again.")

        progress = self._progress(number)
        progress("Reading", 0.0)
        from proseg.reading.t2w import read_t2w

        t2w = read_t2w(image)
        begin = COLD_FROM if self._segmenter is None else WARM_FROM
        segmenter = self.ready(device, progress)
        told = None

        def segmenting(stage: str, done: float) -> None:
            nonlocal told
            if told is not (now := segmenter.pipeline.device):  # the CPU takes over from a GPU that fails
                self.tell(id=number, event="device", device=now.name, reason=now.reason)
                told = now
            if done < 1:
                progress(stage, begin + done * (WRITE_FROM - begin))

        result = segmenter.segment(t2w, psa, segmenting)
        progress("Writing", WRITE_FROM)
        from proseg.outputs.report import report, source_name

        files = write(result, folder, keep_image)
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


def write(result: SegmentationResult, folder: Path, keep_image: bool) -> dict[str, str | None]:
    """Write what a run found as NRRD files, uncompressed since they are read once and deleted; all appear or none.

    Args:
        result: the segmentation.
        folder: where to; it exists.
        keep_image: whether the image goes with them, as it was read (float32).

    Returns:
        The files: ``labelmap`` (UInt8 0, 1, 2), ``uncertainty`` (UInt8, percent) and ``image`` (or None), all on the
        input's exact grid.

    Raises:
        OutputError: the disk is full, or the folder cannot be written to.
    """
    import SimpleITK as sitk

    from proseg.system.atomic import OutputSet

    images = {
        "labelmap": result.labelmap,
        "uncertainty": sitk.Cast(sitk.Round(result.uncertainty_image() * 100), sitk.sitkUInt8),
    } | ({"image": result.image} if keep_image else {})
    files = {name: folder / f"{name}.nrrd" for name in images}
    with OutputSet() as outputs:
        for name, path in files.items():
            with outputs.file(path) as temporary:
                _write(images[name], temporary)
    return {"image": None} | {name: str(path) for name, path in files.items()}


def _write(image: sitk.Image, path: Path) -> None:
    import SimpleITK as sitk

    size = image.GetNumberOfPixels() * image.GetSizeOfPixelComponent()
    with suppress(RuntimeError):
        sitk.WriteImage(image, str(path), useCompression=False)
        if path.stat().st_size > size:
            return
    reason = errno.ENOSPC if shutil.disk_usage(path.parent).free < size else errno.EIO
    raise OSError(reason, os.strerror(reason))


def _parse(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        raise RequestError("A request was not understood.", "A request is a line with one JSON object.")
    return request


def field(request: dict[str, Any], name: str, kind: type | tuple[type, ...], *default: Any) -> Any:
    """A request's field, if it is of this kind.

    Raises:
        RequestError: it is not, or is missing where there is no default.
    """
    value = request.get(name, *default)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise RequestError(f"The request's field {name!r} cannot be {value!r}.", "See the description of the protocol.")
    return value


def failure(error: Exception) -> dict[str, str]:
    """Kind, sentence and next step of what went wrong; what was not foreseen leaves its traceback on stderr."""
    if isinstance(error, ProSegError):
        kind, remedy = next((found for of, found in KINDS.items() if isinstance(error, of)), ("unforeseen", None))
        return {"kind": kind, "sentence": error.sentence, "remedy": remedy or error.remedy}
    traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, RuntimeError) and _GPU_WORDS.search(str(error)):
        said = "gpu", f"The GPU failed ({brief(error)}).", "Set the device to CPU and try again."
    elif is_out_of_memory(error):
        said = "memory", "There is not enough memory for this image.", "Close other programs and try again."
    else:
        what = f"Something unforeseen happened ({type(error).__name__}: {brief(error)})."
        said = "unforeseen", what, "Try again; if it happens again, report it with the log."
    return dict(zip(("kind", "sentence", "remedy"), said, strict=True))
