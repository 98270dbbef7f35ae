"""A batch's jobs on a Dask cluster: workers write the files to storage that all share, and send back only the row.

The scheduler tries a job again whose worker died, and the batch submits anew what a lost scheduler had forgotten. So a
job may run twice; it then writes the same files again, and the table, which only the batch writes, has it once.
"""

from __future__ import annotations

import logging
import os
import queue
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import proseg
from proseg.batch.case import Answer, Job
from proseg.batch.worker import do, prepare
from proseg.errors import ProSegError, brief

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_S, PATIENCE_S, LOOK_S, POLL_S = 30.0, 900.0, 2.0, 0.1
PROBE = ".proseg-probe-"


class ClusterError(ProSegError):
    """The cluster cannot be used; exit code 2."""

    exit_code = 2


class Cluster:
    """Workers of a Dask cluster that somebody else has started.

    Args:
        scheduler: its address, ``tcp://HOST:PORT``, or the JSON file that ``dask scheduler --scheduler-file`` writes.
        output: the output folder, which all workers must see at the same place.
        device: as ``choose_device`` takes it, on the workers.
        weights: a weights file that all workers see; None for the shipped one.
        tell: says a line to the user.
        patience_s: how long to wait for a scheduler that is lost, and for the first worker.

    Raises:
        ClusterError: the package ``distributed`` is missing, or the scheduler does not answer.
    """

    def __init__(
        self,
        scheduler: str,
        output: Path,
        device: str,
        weights: str | None,
        tell: Callable[[str], None],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._scheduler, self._output = scheduler, output
        self._device, self._weights = device, weights
        self._tell, self._patience_s = tell, patience_s
        self._run = uuid.uuid4().hex[:8]
        self._submitted = 0
        self._futures: dict[str, tuple[Future, Job]] = {}
        self._forgotten: list[Job] = []
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._threads, self._looked = 0, 0.0
        try:
            import distributed
        except ImportError as error:
            raise ClusterError(
                "A cluster needs the package distributed, which is not installed.",
                'Install it with: pip install "proseg[cluster]"',
            ) from error
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is told in our own words
        self._dask = distributed
        self._client = self._connect()

    @property
    def capacity(self) -> int:
        """How many jobs the cluster shall have at a time; it follows the cluster as that grows and shrinks.

        One a thread: jobs that only wait at a worker would be suspected with the one that kills it.
        """
        if time.monotonic() - self._looked > LOOK_S and self._client.status == "running":
            with suppress(OSError, self._dask.TimeoutError):
                self._threads = sum(self._client.nthreads().values())
            self._looked = time.monotonic()
        return self._threads

    def prepare(self) -> str:
        """Wait for a worker, see that it can do the work, and load its networks; returns words on it.

        Raises:
            ClusterError: there is none, or the workers lack something.
            ProSegError: weights or device cannot be used.
        """
        if not self._client.nthreads():
            self._tell(f"Waiting for the first worker of {self._scheduler} ...")
        try:
            self._client.wait_for_workers(1, timeout=self._patience_s)
        except self._dask.TimeoutError as error:
            raise ClusterError(f"No worker came to {self._scheduler}.", "Start some with: dask worker") from error
        self._see_that_workers_fit()
        job = self._client.submit(prepare, self._device, self._weights, pure=False, key=f"proseg-prepare-{self._run}")
        try:
            device, reason = job.result()
        except ProSegError:
            raise
        except Exception as error:
            raise ClusterError(
                f"A worker could not load the networks ({type(error).__name__}: {brief(error)}).",
                "See the workers' logs; they need what proseg needs, and 1.2 GB of memory each.",
            ) from error
        count = len(self._client.nthreads())
        many = f"{count} workers" if count > 1 else "1 worker"
        return f"{many} on {self._scheduler}. Device: {device}. {reason}"

    def submit(self, job: Job) -> None:
        """Give a job to the cluster."""
        if self._client.status != "running":
            self._forgotten.append(job)
            return
        self._submitted += 1
        key = f"proseg-{self._run}-{self._submitted}"
        future = self._client.submit(do, job.to_dict(), key=key, pure=False)
        self._futures[key] = (future, job)
        future.add_done_callback(lambda ended: self._ended.put(ended.key))

    def wait(self, timeout_s: float) -> list[Answer]:
        """What has come out, at the latest after a timeout; then it may be nothing.

        Raises:
            ClusterError: the scheduler is lost and does not come back.
        """
        answers: list[Answer] = []
        try:
            keys = [self._ended.get(timeout=timeout_s)]
            keys += [self._ended.get_nowait() for _ in range(self._ended.qsize())]
        except queue.Empty:
            keys = []
        for key in keys:
            if key not in self._futures:  # of before the scheduler was lost
                continue
            future, job = self._futures.pop(key)
            if (answer := self._answer(future, job)) is None:
                self._forgotten.append(job)
            else:
                answers.append(answer)
        if self._client.status != "running":
            self._find_scheduler_again()
        if self._forgotten:
            forgotten, self._forgotten = self._forgotten, []
            for job in forgotten:
                self.submit(job)
        return answers

    def log(self) -> list[str]:
        """Nothing: the workers have logs of their own."""
        return []

    def close(self) -> None:
        """Let go of the cluster; it drops what was not done."""
        with suppress(Exception):
            self._client.close(timeout=2)

    def _connect(self) -> Client:
        """A connection to the scheduler.

        Raises:
            ClusterError: it does not answer.
        """
        given = Path(self._scheduler).expanduser()
        try:
            if "://" not in self._scheduler and given.is_file():
                return self._dask.Client(scheduler_file=str(given), timeout=CONNECT_S, set_as_default=False)
            if "://" not in self._scheduler and not _is_address(self._scheduler):
                raise ClusterError(
                    f"There is no scheduler file {self._scheduler}.",
                    "Give tcp://HOST:PORT, or the file that dask scheduler --scheduler-file has written.",
                )
            return self._dask.Client(self._scheduler, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError, self._dask.TimeoutError) as error:
            raise ClusterError(
                f"The scheduler {self._scheduler} does not answer ({brief(error)}).",
                "Check the address, and that dask scheduler runs there.",
            ) from error

    def _see_that_workers_fit(self) -> None:
        self._output.mkdir(parents=True, exist_ok=True)
        probe = self._output / f"{PROBE}{self._run}"
        probe.touch()
        try:
            seen = self._client.run(_look, os.path.abspath(probe))
        except (ImportError, AttributeError) as error:
            raise ClusterError(
                f"The workers cannot load proseg ({brief(error)}).", f"Install proseg {proseg.__version__} for them."
            ) from error
        finally:
            probe.unlink(missing_ok=True)
        for address, (version, sees) in seen.items():
            if version != proseg.__version__:
                raise ClusterError(
                    f"The worker {address} has proseg {version}, not {proseg.__version__}.",
                    "Install the same version everywhere.",
                )
            if not sees:
                raise ClusterError(
                    f"The worker {address} does not see {self._output}.",
                    "Inputs and outputs must lie on storage that all workers see at the same place.",
                )

    def _answer(self, future: Future, job: Job) -> Answer | None:
        """What became of a job; None if nobody knows, and it must be done again."""
        if future.status == "finished":
            try:
                return Answer(job, row=future.result(timeout=CONNECT_S))
            except Exception:  # the worker that held it, or the scheduler, has gone since
                return None
        if future.status != "error":
            return None
        try:
            error = future.exception(timeout=CONNECT_S)
        except Exception:
            return None
        if isinstance(error, self._dask.KilledWorker):
            sentence = "Workers of the cluster died of this case, one after the other. See their logs."
            return Answer(job, died=sentence, again=True)
        sentence = f"A worker of the cluster could not do it ({type(error).__name__}: {brief(error)})."
        return Answer(job, died=sentence)

    def _find_scheduler_again(self) -> None:
        """Wait until the scheduler answers again; what it had to do is forgotten there, and kept here."""
        self._tell(f"The scheduler {self._scheduler} is lost; waiting for it. What is done stays.")
        until = time.monotonic() + self._patience_s
        while self._client.status == "connecting" and time.monotonic() < until:
            time.sleep(POLL_S)
        while self._client.status != "running":
            with suppress(Exception):
                self._client.close(timeout=1)
            try:
                self._client = self._connect()
            except ClusterError:
                if time.monotonic() > until:
                    raise
                time.sleep(1)
        self._forgotten += [job for _, job in self._futures.values()]
        self._futures.clear()
        self._looked = 0.0
        self._tell("The scheduler is back.")


def _look(probe: str) -> tuple[str, bool]:
    """What a worker has and sees: its version of proseg, and whether a file is there for it."""
    parent = os.path.dirname(probe)
    with suppress(OSError):
        os.listdir(parent)  # a network file system may otherwise remember that the file was not there
    return proseg.__version__, os.path.exists(probe)


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdigit()
