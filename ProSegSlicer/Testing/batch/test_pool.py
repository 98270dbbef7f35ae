"""The batch's own worker processes: made ones, that do what a test has them do, dying included."""

from __future__ import annotations

import os
import sys
import time

import pytest

from proseg.batch.case import Job
from proseg.batch.pool import WORKER_BYTES, Pool, WorkerError, free_memory, most_workers
from proseg.worker import client as worker_client

MADE = """
import json, os, signal, sys, time
say = lambda **reply: print(json.dumps(reply), flush=True)
say(event="ready")
for line in sys.stdin:
    ask = json.loads(line)
    if ask["do"] == "prepare":
        if ask["device"] == "mps":
            say(id=ask["id"], event="failed", sentence="No Apple GPU.", remedy="Use the CPU.")
        else:
            say(id=ask["id"], event="prepared", device=ask["device"], reason="Made.")
        continue
    name = ask["job"]["id"]
    if name == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if name == "hang":
        time.sleep(60)
    if name == "odd":
        say(id=ask["id"], event="failed", sentence="It is odd.", remedy="")
        continue
    row = {"status": "done", "pid": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"]}
    say(id=ask["id"], event="done", row=row)
"""


@pytest.fixture
def pool(monkeypatch):
    """Makes pools of made workers, and ends them."""
    monkeypatch.setattr("proseg.batch.pool.worker_command", lambda module: [sys.executable, "-c", MADE])
    monkeypatch.delenv("OMP_NUM_THREADS")
    pools = []

    def make(workers: int | None = 2, most: int = 100, device: str = "cpu") -> Pool:
        pools.append(Pool(workers, most, device, None))
        return pools[-1]

    yield make
    for made in pools:
        made.close()


def job(name: str) -> Job:
    return Job(name, f"{name}.nii", [], "out")


def answers(pool: Pool, count: int) -> dict:
    found = {}
    until = time.monotonic() + 60
    while len(found) < count:
        assert time.monotonic() < until
        found |= {answer.job.id: answer for answer in pool.wait(1)}
    return found


def test_jobs_are_done_by_as_many_processes_as_there_are_and_these_stay(pool):
    two = pool()
    assert "2 workers on this machine. Device: cpu." in two.prepare()
    seen = set()
    for turn in range(3):
        for name in "ab":
            two.submit(job(f"{name}{turn}"))
        seen |= {answer.row["pid"] for answer in answers(two, 2).values()}
    assert len(seen) == 2


def test_each_has_its_share_of_the_processors(pool, monkeypatch):
    monkeypatch.setattr("proseg.batch.pool.processors", lambda: 8)
    two = pool()
    two.submit(job("a"))
    assert answers(two, 1)["a"].row["threads"] == "4"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # who sets it knows better
    other = pool()
    other.submit(job("a"))
    assert answers(other, 1)["a"].row["threads"] == "3"


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_crash_takes_only_its_own_job_and_the_next_has_a_new_worker(pool):
    two = pool()
    two.submit(job("crash"))
    two.submit(job("a"))
    found = answers(two, 2)
    assert found["a"].row["status"] == "done"
    assert (found["crash"].row, found["crash"].again) == (None, True)
    assert "crashed (SIGSEGV)" in found["crash"].died
    two.submit(job("b"))
    two.submit(job("c"))
    assert {answer.row["status"] for answer in answers(two, 2).values()} == {"done"}


def test_what_a_worker_refuses_is_not_tried_again(pool):
    one = pool(1)
    one.submit(job("odd"))
    answer = answers(one, 1)["odd"]
    assert (answer.died, answer.again) == ("It is odd.", False)


def test_a_worker_that_falls_silent_is_given_up(pool, monkeypatch):
    monkeypatch.setattr("proseg.batch.pool.SILENCE_S", 1.0)
    one = pool(1)
    one.submit(job("hang"))
    answer = answers(one, 1)["hang"]
    assert "did not answer" in answer.died
    assert not answer.again
    one.submit(job("a"))
    assert answers(one, 1)["a"].row


def test_what_would_stop_every_case_is_told_at_the_start(pool):
    with pytest.raises(WorkerError, match=r"No Apple GPU\. Use the CPU\.") as error:
        pool(device="mps").prepare()
    assert error.value.exit_code == 2


def test_on_a_gpu_one_worker_is_enough_unless_more_are_asked_for(pool, monkeypatch):
    monkeypatch.setattr("proseg.batch.pool.processors", lambda: 4)
    monkeypatch.setattr("proseg.batch.pool.free_memory", lambda: None)
    assert pool(None, device="cpu").capacity == 4
    alone = pool(None, device="cuda")
    alone.prepare()
    assert alone.capacity == 1
    asked = pool(2, device="cuda")
    asked.prepare()
    assert asked.capacity == 2


def test_there_are_no_more_workers_than_cases(pool):
    assert pool(8, most=3).capacity == 3


def test_memory_and_processors_bound_the_workers(monkeypatch):
    monkeypatch.setattr("proseg.batch.pool.processors", lambda: 8)
    assert most_workers(lambda: None) == 8
    assert most_workers(lambda: 3 * WORKER_BYTES + 1) == 3
    assert most_workers(lambda: 1000) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_containers_limit_bounds_the_memory(monkeypatch, tmp_path):
    free = free_memory()
    assert free > 2**20
    (tmp_path / "memory.max").write_text("1000\n")
    monkeypatch.setattr("proseg.batch.pool._LIMITS", (str(tmp_path / "memory.max"), str(tmp_path / "gone")))
    assert free_memory() == 1000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() > 2**20


def test_no_worker_is_started_that_nobody_needs(pool, monkeypatch):
    started = []
    real = worker_client._Process.__init__
    monkeypatch.setattr(worker_client._Process, "__init__", lambda *a: (started.append(1), real(*a))[1])
    four = pool(4)
    four.prepare()
    four.submit(job("a"))
    answers(four, 1)
    assert len(started) == 1
