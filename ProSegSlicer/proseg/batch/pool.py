"""A batch's own worker processes on this machine: each with its share of the processor, and expendable.

A worker that dies takes only its own case with it; the next case gets a new one. None outlives the batch, however that
ends.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proseg.batch.case import Answer, Job
from proseg.errors import ProSegError
from proseg.system.threads import threads_of
from proseg.worker.client import WorkerClient, worker_command
from proseg.worker.death import GPUS

WORKER_BYTES = 1200 * 2**20  # of memory: what an image of 1024 x 1024 x 40 voxels takes (docs/speed.md)
POLL_S = 0.01
SILENCE_S = 600.0  # a worker that says nothing for so long is given up
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # a container's own


class WorkerError(ProSegError):
    """What no worker can do; exit code 2."""

    exit_code = 2


@dataclass
class _Slot:
    """A worker, and what it is doing."""

    client: WorkerClient
    job: Job | None = None
    heard: float = 0.0


class Pool:
    """Worker processes.

    Args:
        workers: how many; None for as many as there are processors and memory for, and one on a GPU.
        most: no more than this, the number of cases.
        device: as ``choose_device`` takes it.
        weights: a weights file; None for the shipped one.
    """

    def __init__(self, workers: int | None, most: int, device: str, weights: str | None) -> None:
        self._asked, self._most = workers, max(1, most)
        self._device, self._weights = device, weights
        self._slots = self._start(min(workers or most_workers(), self._most))

    @property
    def capacity(self) -> int:
        """How many jobs it works on at a time."""
        return len(self._slots)

    def prepare(self) -> str:
        """Start the first worker, so that what would stop every case stops the run; returns words on the device.

        Raises:
            WorkerError: weights, device or an installation that cannot be used.
        """
        device, reason = self._prepare(self._slots[0].client)
        if device in GPUS and self._asked is None and self.capacity > 1:
            self.close()
            self._slots = self._start(1)
            device, reason = self._prepare(self._slots[0].client)
        many = f"{self.capacity} workers" if self.capacity > 1 else "1 worker"
        return f"{many} on this machine. Device: {device}. {reason}"

    def submit(self, job: Job) -> None:
        """Give a job to a worker that has none; one that is not running is started."""
        slot = next(slot for slot in self._slots if slot.job is None)
        slot.job, slot.heard = job, time.monotonic()
        slot.client.send("case", job=job.to_dict())

    def wait(self, timeout_s: float) -> list[Answer]:
        """What has come out, at the latest after a timeout; then it may be nothing."""
        until = time.monotonic() + timeout_s
        while not (answers := [answer for slot in self._slots for answer in self._hear(slot)]):
            if time.monotonic() > until:
                break
            time.sleep(POLL_S)
        return answers

    def log(self) -> list[str]:
        """The last lines that the workers, or libraries in them, wrote to stderr."""
        return [line for slot in self._slots for line in slot.client.stderr_tail]

    def close(self) -> None:
        """End all workers; what they are doing is lost."""
        for slot in self._slots:
            slot.client.kill()

    def _start(self, count: int) -> list[_Slot]:
        environment = threads_of(max(1, processors() // count))
        command = worker_command("proseg.batch.worker")
        return [_Slot(WorkerClient(command, environment)) for _ in range(count)]

    def _prepare(self, client: WorkerClient) -> tuple[str, str]:
        client.send("prepare", device=self._device, weights=self._weights)
        until = time.monotonic() + SILENCE_S
        while time.monotonic() < until:
            for event in client.poll():
                if event["event"] == "prepared":
                    return event["device"], event["reason"]
                if event["event"] in ("failed", "died"):
                    raise WorkerError(event["sentence"], event["remedy"])
            time.sleep(POLL_S)
        client.kill()
        raise WorkerError("The segmentation did not start within 10 minutes.", "Try again.")

    def _hear(self, slot: _Slot) -> list[Answer]:
        answers = []
        for event in slot.client.poll():
            slot.heard = time.monotonic()
            if slot.job is not None and (answer := _answer(slot.job, event)):
                answers.append(answer)
                slot.job = None
        if slot.job is not None and time.monotonic() - slot.heard > SILENCE_S:
            slot.client.kill()
            sentence = f"The segmentation did not answer for {SILENCE_S / 60:g} minutes and was stopped."
            answers.append(Answer(slot.job, died=sentence))
            slot.job = None
        return answers


def _answer(job: Job, event: dict[str, Any]) -> Answer | None:
    """The answer in a worker's event, if it is one."""
    if event["event"] == "done":
        return Answer(job, row=event["row"])
    if event["event"] in ("failed", "died"):
        sentence = f"{event['sentence']} {event['remedy']}".strip()
        return Answer(job, died=sentence, again=event["event"] == "died")
    return None


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def most_workers(memory: Callable[[], int | None] | None = None) -> int:
    """As many as there are processors, each with a thread, and memory for; one at least.

    Args:
        memory: says how many bytes are free.
    """
    free = (memory or free_memory)()
    return max(1, min(processors(), processors() if free is None else free // WORKER_BYTES))


def free_memory() -> int | None:
    """Bytes that are free, within a container's limit; None where the system does not say."""
    found = []
    with suppress(OSError, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    for limit in _LIMITS:
        with suppress(OSError, ValueError):
            found.append(int(Path(limit).read_text()))
    return min(found, default=None)
