"""A batch on a Dask cluster on this machine: every case once in the table, whatever dies meanwhile."""

from __future__ import annotations

import csv
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
from Testing import made_jobs

import proseg
from proseg.batch.case import Case, Layout
from proseg.batch.cluster import Cluster, ClusterError
from proseg.batch.loop import Batch, Request
from proseg.batch.progress import BatchProgress
from proseg.cli import main as cli
from proseg.errors import WeightsError
from proseg.phantom import make_phantom

pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")

MODULES = Path(__file__).resolve().parents[2]
PATIENCE_S = 60


class Machines:
    """A scheduler and workers, each a process; ended by the fixture."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self.start_scheduler()

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        """A scheduler at this address; a task may take one worker with it, not two."""
        more = ("--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")
        return self._start("scheduler", *more, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1")

    def start_worker(self, *more: str) -> subprocess.Popen[bytes]:
        """A worker with one thread."""
        options = ("--nthreads", "1", "--no-dashboard", "--local-directory", str(self.folder))
        return self._start("worker", self.address, *options, *more)

    def _start(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        paths = os.pathsep.join((str(MODULES), os.environ.get("PYTHONPATH", "")))
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *command],
            env={**os.environ, "PYTHONPATH": paths, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def close(self) -> None:
        """End them all."""
        for process in self.processes:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children at once."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """A scheduler, without workers yet."""
    made = Machines(tmp_path / "scratch")
    yield made
    made.close()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that write and segment nothing."""
    monkeypatch.setattr("proseg.batch.cluster.do", made_jobs.do)
    monkeypatch.setattr("proseg.batch.cluster.prepare", made_jobs.prepare)


class Run(threading.Thread):
    """A batch in a thread, so that a test can be unkind meanwhile."""

    def __init__(self, folder: Path, scheduler: str, names: list[str]) -> None:
        super().__init__()
        self.out, self.said, self.lines = folder / "out", [], io.StringIO()
        (folder / "a.nii").touch()
        cases = [Case(name, folder / "a.nii") for name in names]
        request = Request(cases, [folder], self.out, Layout((".nii",)))
        engine = lambda most: Cluster(scheduler, self.out, "cpu", None, self.said.append, PATIENCE_S)  # noqa: E731
        self.batch = Batch(request, engine, self.said.append)
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.batch.run(lambda total, before: BatchProgress(total, before, self.lines, io.StringIO()))
        except BaseException as error:
            self.error = error

    def wait_until(self, true: Callable[[], Any]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not true():
            assert self.is_alive(), (self.error, self.said, self.lines.getvalue())
            assert time.monotonic() < until, (self.said, self.lines.getvalue())
            time.sleep(0.02)

    def ended(self) -> int:
        return self.lines.getvalue().count("\n")

    def rows(self) -> dict[str, str]:
        self.join(PATIENCE_S)
        assert not self.is_alive(), (self.said, self.lines.getvalue())
        assert self.error is None, self.error
        with (self.out / "results.csv").open(encoding="utf-8", newline="") as file:
            read = list(csv.DictReader(file))
        assert len({row["id"] for row in read}) == len(read)  # every case once
        return {row["id"]: row["status"] for row in read}


def test_a_killed_worker_and_a_restarted_scheduler_cost_no_case(machines, made, tmp_path):
    names = [f"case{number:02}" for number in range(24)]
    first, second = (machines.start_worker("--no-nanny") for _ in range(2))
    run = Run(tmp_path, machines.address, names)
    run.start()
    run.wait_until(lambda: run.ended() >= 4)
    kill(first)
    run.wait_until(lambda: run.ended() >= 8)
    kill(machines.scheduler)
    kill(second)
    run.wait_until(lambda: any("is lost" in line for line in run.said))
    machines.start_scheduler()
    machines.start_worker("--no-nanny")
    assert run.rows() == dict.fromkeys(names, "done")
    assert "The scheduler is back." in run.said
    assert all((run.out / f"{name}.nii").read_text() == name for name in names)
    workers = {line.split()[1] for line in (tmp_path / "done.log").read_text().splitlines()}
    assert len(workers) >= 2
    assert not any(path.name.startswith(".") for path in run.out.iterdir())


def test_a_case_that_kills_its_workers_is_a_failed_row_and_the_others_are_done(machines, made, tmp_path):
    machines.start_worker()  # with a nanny, which starts it anew
    run = Run(tmp_path, machines.address, ["a", "killer", "b", "c"])
    run.start()
    assert run.rows() == {"a": "done", "killer": "failed", "b": "done", "c": "done"}


def test_a_scheduler_that_does_not_come_back_ends_the_run_and_what_is_done_stays(machines, made, tmp_path, monkeypatch):
    machines.start_worker("--no-nanny")
    run = Run(tmp_path, machines.address, [f"case{number}" for number in range(20)])
    run.batch._make_engine = lambda most: Cluster(machines.address, run.out, "cpu", None, run.said.append, 3.0)
    run.start()
    run.wait_until(lambda: run.ended() >= 3)
    monkeypatch.setattr("proseg.batch.cluster.CONNECT_S", 1.0)
    kill(machines.scheduler)
    run.join(PATIENCE_S)
    assert isinstance(run.error, ClusterError)
    assert (run.error.exit_code, "does not answer" in str(run.error)) == (2, True)
    with (run.out / "results.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) >= 3


@pytest.fixture
def inside() -> Iterator[Any]:
    """A cluster in this process, whose workers are threads: the networks are loaded once."""
    from distributed import LocalCluster

    with LocalCluster(1, threads_per_worker=2, processes=False, dashboard_address=None, protocol="tcp") as cluster:
        yield cluster


def test_the_command_line_does_on_a_cluster_what_it_does_alone(inside, tmp_path, capsys):
    source = tmp_path / "in"
    source.mkdir()
    image = make_phantom(3, size=(112, 112, 10), spacing=(1.2, 1.2, 5.0)).image
    for name in ("a", "b"):
        sitk.WriteImage(image, str(source / f"{name}.mha"))
    (source / "broken.nrrd").write_text("NRRD")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert cli.main(["batch", "in", "-o", "out", "--scheduler", inside.scheduler_address, "--preview"]) == 1
    said = capsys.readouterr().out
    assert f"1 worker on {inside.scheduler_address}. Device: cpu." in said
    with (tmp_path / "out" / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert [row["status"] for row in rows.values()] == ["done", "done", "failed"]
    assert rows["a"]["gland_ml"] == rows["b"]["gland_ml"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("a.seg.nrrd", "b.seg.nrrd", "previews", "results.csv", "summary.html")
    ]


def test_workers_that_do_not_fit_are_told_before_anything_is_done(inside, tmp_path, monkeypatch):
    cluster = Cluster(inside.scheduler_address, tmp_path / "out", "cpu", None, print, 5)
    monkeypatch.setattr(proseg, "__version__", "9.9.9")
    monkeypatch.setattr("proseg.batch.cluster._look", lambda probe: ("0.0.1", True))
    with pytest.raises(ClusterError, match=r"has proseg 0\.0\.1, not 9\.9\.9"):
        cluster.prepare()
    monkeypatch.setattr("proseg.batch.cluster._look", lambda probe: ("9.9.9", False))
    with pytest.raises(ClusterError, match="does not see"):
        cluster.prepare()
    cluster.close()
    assert list((tmp_path / "out").iterdir()) == []


def test_workers_that_cannot_load_the_networks_are_told(inside, tmp_path, monkeypatch):
    cluster = Cluster(inside.scheduler_address, tmp_path, "cpu", str(tmp_path / "gone.pt"), print, 5)
    with pytest.raises(WeightsError, match=r"gone\.pt"):
        cluster.prepare()
    monkeypatch.setattr("proseg.batch.cluster.prepare", made_jobs.broken)
    cluster._run = "another"
    with pytest.raises(ClusterError, match=r"could not load the networks \(ImportError: no torch"):
        cluster.prepare()
    cluster.close()


def test_without_workers_the_run_does_not_wait_for_ever(machines, tmp_path):
    said = []
    cluster = Cluster(machines.address, tmp_path, "cpu", None, said.append, 0.5)
    with pytest.raises(ClusterError, match="No worker came"):
        cluster.prepare()
    cluster.close()
    assert "Waiting for the first worker" in said[0]


@pytest.mark.parametrize(
    ("address", "words"), [("tcp://127.0.0.1:1", "does not answer"), ("x.json", "no scheduler file")]
)
def test_a_scheduler_that_is_not_there_is_told(tmp_path, monkeypatch, address, words):
    monkeypatch.setattr("proseg.batch.cluster.CONNECT_S", 0.5)
    with pytest.raises(ClusterError, match=words):
        Cluster(address, tmp_path, "cpu", None, print)


def test_without_the_package_the_way_to_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"proseg\[cluster\]"):
        Cluster("tcp://127.0.0.1:1", tmp_path, "cpu", None, print)
