"""A batch on several workers: how it scales, and what it survives. The long form of the batch's tests.

``python -m benchmarks.cluster --work /tmp/cluster scaling`` times the same cases with one worker and more, as processes
of the batch's own and on a Dask cluster on this machine. ``... faults`` has workers killed and the scheduler restarted,
over and over, while a batch runs, and kills the batch itself; then every case must be in the table once, with its file.
``... queue`` times the start of a batch of many cases.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODULES = Path(__file__).parents[1] / "ProSegSlicer"
WAIT_S = 120


def start(*command: str, **environment: str) -> subprocess.Popen[str]:
    """A process in a group of its own, which finds the core; what it says to stdout can be read."""
    paths = os.pathsep.join((str(MODULES), os.environ.get("PYTHONPATH", "")))
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        env={**os.environ, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def kill(process: subprocess.Popen[str]) -> None:
    """End a process and its children at once."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


class Cluster:
    """A scheduler and workers on this machine, that can be killed and started again."""

    def __init__(self, work: Path, workers: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address, self.work = f"tcp://127.0.0.1:{self.port}", work
        self.scheduler = self._scheduler()
        self.workers = [self._worker() for _ in range(workers)]

    def _scheduler(self) -> subprocess.Popen[str]:
        return start("dask", "scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")

    def _worker(self) -> subprocess.Popen[str]:
        options = ("--nthreads", "1", "--no-dashboard", "--local-directory", str(self.work / "scratch"))
        return start("dask", "worker", self.address, *options)

    def restart_worker(self, place: int) -> None:
        """Kill a worker, its nanny with it, and start another."""
        kill(self.workers[place])
        self.workers[place] = self._worker()

    def restart_scheduler(self) -> None:
        """Kill the scheduler and start it again; its workers, which end without it, as well."""
        kill(self.scheduler)
        self.scheduler = self._scheduler()
        for place in range(len(self.workers)):
            self.restart_worker(place)

    def close(self) -> None:
        """End everything."""
        for process in (*self.workers, self.scheduler):
            kill(process)


@contextmanager
def cluster(work: Path, workers: int) -> Iterator[Cluster]:
    """A cluster for the body of a ``with`` statement."""
    made = Cluster(work, workers)
    try:
        yield made
    finally:
        made.close()


def manifest(work: Path, cases: int, broken: int = 0) -> Path:
    """A manifest of generated examinations, the same files again and again, and some that are broken."""
    import SimpleITK as sitk

    from proseg.phantom import make_phantom

    work.mkdir(parents=True, exist_ok=True)
    for seed in range(4):
        if not (path := work / f"t2w{seed}.nii.gz").exists():
            sitk.WriteImage(make_phantom(seed, (256, 256, 20), (0.7, 0.7, 3.5)).image, str(path))
    (work / "broken.nii").write_text("nothing")
    names = ["broken.nii" if number < broken else f"t2w{number % 4}.nii.gz" for number in range(cases)]
    random.Random(0).shuffle(names)
    lines = [f"{name},case{number:06}" for number, name in enumerate(names)]
    path = work / f"manifest{cases}.csv"
    path.write_text("\n".join(["path,id", *lines]))
    return path


def run(listed: Path, out: Path, *more: str) -> tuple[int, float, float]:
    """A batch from start to end: exit code, seconds, and seconds from the end of the first case to that of the last."""
    shutil.rmtree(out, ignore_errors=True)
    began, first, last = time.perf_counter(), 0.0, 0.0
    batch = start("proseg", "batch", str(listed), "-o", str(out), *more)
    for line in batch.stdout:
        if line.startswith("["):
            last = time.perf_counter()
            first = first or last
    return batch.wait(), time.perf_counter() - began, last - first


def scaling(options: argparse.Namespace) -> None:
    """One worker and more, of both kinds, one after the other."""
    listed = manifest(options.work, options.cases)
    for count in (1, options.workers):
        _, whole, between = run(listed, options.work / "out", "--workers", str(count))
        rate = (options.cases - 1) / between * 60
        print(f"processes, {count} workers: {whole:.1f} s, {rate:.1f} cases a minute", flush=True)
        with cluster(options.work, count) as made:
            _, whole, between = run(listed, options.work / "out", "--scheduler", made.address)
        rate = (options.cases - 1) / between * 60
        print(f"Dask, {count} workers: {whole:.1f} s, {rate:.1f} cases a minute", flush=True)


def faults(options: argparse.Namespace) -> None:
    """Kill workers, scheduler and the batch, in turn, until a batch comes through; then count."""
    broken = options.cases // 20
    listed, out = manifest(options.work, options.cases, broken), options.work / "out"
    shutil.rmtree(out, ignore_errors=True)
    killed = dict.fromkeys(("worker", "scheduler", "batch"), 0)
    told: list[str] = []
    turn = 0
    with cluster(options.work, options.workers) as made:
        code = None
        while code is None:
            batch = start("proseg", "batch", str(listed), "-o", str(out), "--scheduler", made.address)
            ended = 0
            for line in batch.stdout:
                told += re.findall(r"^\[\d+/\d+\] (\w+): done", line)
                ended += line.startswith("[")
                if not line.startswith("[") or ended % options.every:
                    continue
                victim = ("worker", "worker", "scheduler", "worker", "batch")[turn % 5]
                turn += 1
                if turn > options.kills:
                    continue
                killed[victim] += 1
                print(f"killing: {victim}, after {len(told)} cases", flush=True)
                if victim == "worker":
                    made.restart_worker(turn % options.workers)
                elif victim == "scheduler":
                    made.restart_scheduler()
                else:
                    kill(batch)
                    break
            else:
                code = batch.wait()
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    done = [row["id"] for row in rows if row["status"] == "done"]
    problems = {
        "rows missing": options.cases - len(rows),
        "rows twice": len(rows) - len({row["id"] for row in rows}),
        "cases lost": options.cases - broken - len(done),
        "cases told twice": len(told) - len(set(told)),
        "files missing": sum(not (out / f"{name}.seg.nrrd").exists() for name in done),
        "files left behind": sum(path.name.startswith(".") for path in out.iterdir()),
    }
    print(f"exit code {code}; killed: {killed}; {len(done)} done, {len(rows) - len(done)} failed of {broken} broken")
    print(", ".join(f"{name}: {count}" for name, count in problems.items()))
    if any(problems.values()) or code != (1 if broken else 0):
        raise SystemExit("Something was lost.")


def queue(options: argparse.Namespace) -> None:
    """Seconds until a batch of many, that all are broken, has begun and is through."""
    listed = manifest(options.work, options.cases, options.cases)
    for words in ("begun anew", "started again"):
        began, first = time.perf_counter(), 0.0
        if words == "begun anew":
            shutil.rmtree(options.work / "out", ignore_errors=True)
        batch = start("proseg", "batch", str(listed), "-o", str(options.work / "out"))
        for line in batch.stdout:
            if line.startswith("[") and not first:
                first = time.perf_counter() - began
        whole = time.perf_counter() - began
        print(f"{options.cases} cases, {words}: first case after {first:.1f} s, all after {whole:.1f} s", flush=True)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("scaling", "faults", "queue"))
    parser.add_argument("--work", type=Path, required=True, help="a folder for inputs and results")
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--every", type=int, default=4, help="cases between two kills")
    options = parser.parse_args()
    {"scaling": scaling, "faults": faults, "queue": queue}[options.what](options)


if __name__ == "__main__":
    main()
