"""A batch's worker: whole cases in its own process, its networks kept until other weights are asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proseg.batch import worker as batch_worker
from proseg.batch.case import Job
from proseg.batch.worker import BatchWorker


@pytest.fixture
def told() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def worker(told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> BatchWorker:
    """One whose cases take no time: their row is the job's id and weights."""
    monkeypatch.setattr(batch_worker, "attempt", lambda job, ready, turn: {"case": job.id, "weights": job.weights})
    return BatchWorker(lambda **reply: told.append(reply))


def job(name: str, weights: str | None = None) -> dict[str, Any]:
    return {"id": name, "path": f"{name}.nrrd", "targets": [], "output": "out", "weights": weights}


def test_a_case_is_answered_with_its_row(worker: BatchWorker, told: list[dict[str, Any]]) -> None:
    worker.handle(json.dumps({"id": 7, "do": "case", "job": job("a")}).encode())
    assert told[-1] == {"id": 7, "event": "done", "row": {"case": "a", "weights": None}}


def test_a_request_without_a_job_is_refused_and_the_worker_goes_on(
    worker: BatchWorker, told: list[dict[str, Any]]
) -> None:
    worker.handle(b'{"id": 8, "do": "case"}')
    assert (told[-1]["id"], told[-1]["event"], told[-1]["kind"]) == (8, "failed", "request")
    worker.handle(json.dumps({"id": 9, "do": "case", "job": job("b")}).encode())
    assert told[-1]["event"] == "done"


def test_networks_stay_until_other_weights_are_asked_for(worker: BatchWorker) -> None:
    worker._segmenter = networks = object()
    worker.do(Job(**job("a")))
    assert worker._segmenter is networks
    worker.do(Job(**job("b", "other.pt")))
    assert worker._segmenter is None
    assert worker.weights == Path("other.pt")


def test_memory_is_given_back_after_each_case(worker: BatchWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    monkeypatch.setattr(batch_worker, "give_memory_back", lambda: given.append(1))
    for name in "ab":
        worker.do(Job(**job(name)))
    assert len(given) == 2


def test_giving_memory_back_is_no_error_where_the_c_library_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def __init__(self, name: None) -> None: ...

    monkeypatch.setattr(batch_worker.ctypes, "CDLL", Other)
    monkeypatch.setattr(batch_worker.sys, "platform", "linux")
    batch_worker.give_memory_back()
