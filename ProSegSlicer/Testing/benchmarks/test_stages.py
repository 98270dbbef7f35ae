"""Stages are told apart, and the core is left as it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.speed import stages
from benchmarks.speed.stages import NAMES, NETWORKS, OTHER, STAGES, Stages, find, watched


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock that goes on only when it is told to."""
    now = [0.0]
    monkeypatch.setattr(stages.time, "perf_counter", lambda: now[0])

    def go_on(seconds: float) -> None:
        now[0] += seconds

    return go_on


@pytest.mark.parametrize("target", [target for targets in STAGES.values() for target in targets])
def test_every_stage_finds_the_functions_it_consists_of(target: str) -> None:
    owner, name = find(target)
    assert callable(getattr(owner, name))


def test_every_stage_has_a_name_in_the_tables() -> None:
    assert {*STAGES, *NETWORKS, OTHER} == set(NAMES)


def test_what_runs_within_a_stage_belongs_to_it(clock: Callable[[float], None]) -> None:
    seen = Stages()
    inner = seen.timed("resample", lambda: clock(2))
    seen.timed("resample back", lambda: (clock(1), inner()))()
    lap = seen.lap(total=4)
    assert (lap["resample back"], lap["resample"], lap[OTHER]) == (3, 0, 1)


def test_a_network_within_a_stage_is_counted_as_the_network_alone(clock: Callable[[float], None]) -> None:
    seen = Stages()
    network = seen.timed("segmenter", lambda: clock(5), always=True)
    seen.timed("normalise", lambda: (clock(1), network()))()
    lap = seen.lap(total=6)
    assert (lap["normalise"], lap["segmenter"], lap[OTHER]) == (1, 5, 0)


def test_a_lap_begins_anew(clock: Callable[[float], None]) -> None:
    seen = Stages()
    work = seen.timed("normalise", lambda: clock(1))
    work()
    assert seen.lap(1)["normalise"] == 1
    assert seen.lap(0)["normalise"] == 0


def test_a_case_is_watched_from_outside_and_everything_is_as_before(phantom: Any) -> None:
    from proseg.segmentation.segmenter import Segmenter

    before = {target: getattr(*find(target)) for targets in STAGES.values() for target in targets}
    segmenter = Segmenter(device="cpu")
    networks = segmenter.pipeline.locator, segmenter.pipeline.segmenter
    with watched(segmenter) as seen:
        began = time.perf_counter()
        segmenter.segment(phantom.image)
        lap = seen.lap(time.perf_counter() - began)
    assert all((lap[stage] > 0) == (stage != "thin_pz") for stage in NAMES)  # its PZ is no thin rim
    assert lap[OTHER] < 0.5 * lap["total"]
    assert sum(lap[stage] for stage in NAMES) == pytest.approx(lap["total"])
    shape, _ = seen.shapes["segmenter"][0]
    assert shape[:2] == (1, 1)
    assert {target: getattr(*find(target)) for targets in STAGES.values() for target in targets} == before
    assert (segmenter.pipeline.locator, segmenter.pipeline.segmenter) == networks
