"""The worker of a batch: answers like ``proseg.worker``, and does whole cases, files and row.

``python -m proseg.batch.worker`` is one of a batch's own processes. Workers of a cluster call ``do`` instead; they keep
the networks from case to case as well, one copy a process.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from proseg.batch.case import Job, attempt
from proseg.worker.requests import field
from proseg.worker.server import Worker, main


class BatchWorker(Worker):
    """A worker that also does ``case``: the request's fields are those of ``Job``, the answer has the ``row``."""

    def abilities(self) -> dict[str, Any]:
        """Those of a worker, with the weights that the batch asks for, and ``case``."""
        return {"prepare": self._prepare_for_batch, "case": self._case}

    def prepare(self, device: str, weights: str | None) -> tuple[str, str]:
        """Load the networks; returns the device and why it was taken.

        Raises:
            WeightsError: the weights cannot be used.
            DeviceError: the device cannot be used.
        """
        self._use(weights)
        chosen = self.ready(device, _silent).pipeline.device
        return chosen.name, chosen.reason

    def do(self, job: Job, turn: Any = None) -> dict[str, Any]:
        """Do a job; returns its row."""
        self._use(job.weights)
        row = attempt(job, lambda: self.ready(job.device, _silent), turn)
        give_memory_back()
        return row

    def _use(self, weights: str | None) -> None:
        path = Path(weights) if weights else None
        if path != self.weights:
            self.weights, self._segmenter = path, None

    def _prepare_for_batch(self, number: Any, request: dict[str, Any]) -> None:
        weights = field(request, "weights", (str, type(None)), None)
        device, reason = self.prepare(field(request, "device", str, "auto"), weights)
        self.tell(id=number, event="prepared", device=device, reason=reason)

    def _case(self, number: Any, request: dict[str, Any]) -> None:
        job = Job(**field(request, "job", dict))
        self.tell(id=number, event="done", row=self.do(job))


def prepare(device: str, weights: str | None) -> tuple[str, str]:
    """Load the networks into this process; returns the device and why it was taken."""
    with _TURN:
        return _HERE.prepare(device, weights)


def do(job: dict[str, Any]) -> dict[str, Any]:
    """Do a job, of which the fields are given, in this process; returns its row.

    Threads of one process take turns on the networks, and read and write meanwhile.
    """
    return _HERE.do(Job(**job), _TURN)


def give_memory_back() -> None:
    """Hand memory that was freed back to the system, where the C library would keep it: glibc.

    Cases differ in size, so freed memory comes in pieces that the next case does not fit into; without this a worker
    grows from case to case.
    """
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def _silent(*_: Any, **__: Any) -> None:
    pass


_HERE, _TURN = BatchWorker(_silent), threading.Lock()

if __name__ == "__main__":
    main(BatchWorker)
