"""The batch's rules: what is done, done again, kept and refused; on an engine that segments nothing."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from Testing.made_engine import MadeEngine, done, failed

from proseg.batch.case import Answer, Case, Job, Layout
from proseg.batch.loop import Batch, BrokenEngineError, Request
from proseg.batch.progress import BatchProgress
from proseg.errors import OutputError

NAMES = ("a", "b", "c")


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    """Three cases, whose files exist."""
    (tmp_path / "in").mkdir()
    for name in NAMES:
        (tmp_path / "in" / f"{name}.nii").write_text(name)
    return [Case(name, tmp_path / "in" / f"{name}.nii") for name in NAMES]


@pytest.fixture
def batch(tmp_path: Path, cases: list[Case]) -> Callable[..., dict[str, int]]:
    """Runs a batch of the cases into ``out``; what may be changed are the request's fields."""

    def run(engine: MadeEngine, **changes) -> dict[str, int]:
        fields = {"cases": cases, "inputs": [tmp_path / "in"], "output": tmp_path / "out", "layout": Layout((".nii",))}
        request = Request(**(fields | changes))
        made = Batch(request, engine, lambda line: None)
        ends = made.run(lambda total, before: BatchProgress(total, before, io.StringIO(), io.StringIO()))
        return {end: count for end, count in ends.items() if count}

    return run


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert len({row["id"] for row in read}) == len(read)  # every case once
    return {row["id"]: row for row in read}


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_every_case_becomes_files_and_a_row_and_there_is_a_summary(batch, tmp_path):
    engine = MadeEngine()
    assert batch(engine) == {"done": 3}
    assert list(rows(tmp_path / "out")) == list(NAMES)
    assert files(tmp_path / "out") == {"a.nii", "b.nii", "c.nii", "results.csv", "summary.html"}
    assert (engine.most_at_once, engine.closed) == (2, True)


def test_a_bad_case_is_a_row_and_the_next_run_does_only_that(batch, tmp_path):
    first = MadeEngine(lambda job: failed(job) if job.id == "b" else done(job))
    assert batch(first) == {"done": 2, "failed": 1}
    assert rows(tmp_path / "out")["b"]["sentence"] == "b is bad."
    second = MadeEngine()
    assert batch(second) == {"done": 1, "done before": 2}
    assert [job.id for job in second.jobs] == ["b"]
    third = MadeEngine()
    assert batch(third) == {"done before": 3}
    assert third.jobs == []


def test_a_worker_that_dies_costs_its_case_one_more_try_last_of_all(batch, tmp_path):
    died = []

    def what(job: Job):
        if job.id == "a" and not died:
            died.append(job)
            return Answer(job, died="The worker was ended.", again=True)
        return done(job)

    engine = MadeEngine(what)
    assert batch(engine) == {"done": 3}
    assert [job.id for job in engine.jobs] == ["a", "b", "c", "a"]


def test_a_case_that_kills_its_worker_twice_fails_and_what_it_left_may_be_replaced(batch, tmp_path):
    def what(job: Job):
        if job.id == "a":
            (tmp_path / "out" / "a.nii").write_text("half of the files")
            return Answer(job, died=f"The worker crashed at {job.path}.", again=True)
        return done(job)

    engine = MadeEngine(what)
    assert batch(engine) == {"done": 2, "failed": 1}
    assert [job.id for job in engine.jobs].count("a") == 2
    assert rows(tmp_path / "out")["a"]["sentence"] == "The worker crashed at a."
    assert batch(MadeEngine()) == {"done": 1, "done before": 2}
    assert (tmp_path / "out" / "a.nii").read_text() == "a"
    assert not any(name.startswith(".") for name in files(tmp_path / "out"))


def test_workers_that_only_die_end_the_run(batch, tmp_path, cases):
    many = [Case(f"case{number}", cases[0].path) for number in range(100)]
    engine = MadeEngine(lambda job: Answer(job, died="It could not start.", again=True))
    with pytest.raises(BrokenEngineError, match="It could not start"):
        batch(engine, cases=many)
    assert len(engine.jobs) < 20


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, MemoryError])
def test_an_interrupt_keeps_what_is_done_and_the_next_run_goes_on(batch, tmp_path, interrupt):
    def what(job: Job):
        if job.id == "b":
            (tmp_path / "out" / "b.nii").write_text("just appeared")
            raise interrupt
        return done(job)

    with pytest.raises(interrupt):
        batch(MadeEngine(what))
    assert list(rows(tmp_path / "out")) == ["a"]
    assert batch(MadeEngine()) == {"done": 2, "done before": 1}
    assert list(rows(tmp_path / "out")) == list(NAMES)
    assert (tmp_path / "out" / "b.nii").read_text() == "b"


def test_only_overwrite_replaces_a_result(batch, tmp_path):
    batch(MadeEngine())
    (tmp_path / "out" / "b.nii").write_text("edited by a reader")
    batch(MadeEngine())
    assert (tmp_path / "out" / "b.nii").read_text() == "edited by a reader"
    assert batch(MadeEngine(), overwrite=True) == {"done": 3}
    assert (tmp_path / "out" / "b.nii").read_text() == "b"


def test_a_result_outlives_a_failure_to_make_it_again(batch, tmp_path):
    batch(MadeEngine())
    assert batch(MadeEngine(failed), overwrite=True) == {"failed": 3}
    row = rows(tmp_path / "out")["a"]
    assert (row["status"], row["gland_ml"]) == ("done", "40.0")
    assert row["sentence"] == "This result is from before; doing it again failed: a is bad."


def test_a_file_that_is_gone_is_made_again_and_a_new_kind_is_added_without_touching_the_others(batch, tmp_path):
    batch(MadeEngine())
    (tmp_path / "out" / "a.nii").unlink()
    (tmp_path / "out" / "b.nii").write_text("edited by a reader")
    engine = MadeEngine()
    assert batch(engine, layout=Layout((".nii",), (".json",), previews=True)) == {"done": 3}
    names = {job.id: sorted(Path(target).name for target in job.targets) for job in engine.jobs}
    assert names["a"] == ["a.jpg", "a.json", "a.nii", "a.png"]
    assert names["b"] == ["b.jpg", "b.json", "b.png"]
    assert (tmp_path / "out" / "b.nii").read_text() == "edited by a reader"
    assert (tmp_path / "out" / "reports" / "c.json").exists()


def test_other_images_under_the_same_names_stop_the_run(batch, tmp_path):
    batch(MadeEngine())
    os.utime(tmp_path / "in" / "b.nii", (1, 1))
    engine = MadeEngine()
    with pytest.raises(OutputError, match=r"already holds b\.nii, not made from these images"):
        batch(engine)
    assert engine.jobs == []
    assert batch(engine, overwrite=True) == {"done": 3}


def test_another_psa_changes_the_row_and_not_the_contours(batch, tmp_path, cases):
    batch(MadeEngine())
    known = [Case(case.id, case.path, psa_ng_ml=6.0) for case in cases]
    engine = MadeEngine()
    assert batch(engine, cases=known) == {"done before": 3}
    row = rows(tmp_path / "out")["a"]
    assert (engine.jobs, row["psa_ng_ml"], row["psa_density"]) == ([], "6.0", "0.15")


def test_what_a_manifest_could_not_be_used_for_stands_in_the_row_until_it_is_mended(batch, tmp_path, cases):
    spoilt = [Case(case.id, case.path, note="A PSA of <0.1 is a limit.") for case in cases[:1]] + cases[1:]
    batch(MadeEngine(), cases=spoilt)
    row = rows(tmp_path / "out")["a"]
    assert (row["status"], row["sentence"]) == ("done", "Manifest: A PSA of <0.1 is a limit.")
    batch(MadeEngine(), cases=spoilt)
    assert rows(tmp_path / "out")["a"]["sentence"] == "Manifest: A PSA of <0.1 is a limit."
    batch(MadeEngine(), cases=[Case("a", cases[0].path, psa_ng_ml=6.0), *cases[1:]])
    row = rows(tmp_path / "out")["a"]
    assert (row["sentence"], row["psa_ng_ml"]) == ("", "6.0")


def test_results_never_replace_an_input_nor_become_one(batch, tmp_path, cases):
    for layout in (Layout((".nii",)), Layout((".seg.nrrd", ".mha"))):
        with pytest.raises(OutputError, match="is the input folder"):
            batch(MadeEngine(), output=tmp_path / "in", layout=layout, overwrite=True)
    with pytest.raises(OutputError, match=r"a\.nii is an input"):
        batch(MadeEngine(), output=tmp_path / "in", inputs=[cases[0].path], overwrite=True)
    assert [case.path.read_text() for case in cases] == list(NAMES)
    assert batch(MadeEngine(), output=tmp_path / "in", layout=Layout((".seg.nrrd",))) == {"done": 3}


def test_a_second_run_into_the_folder_is_refused_while_the_first_works(batch, tmp_path):
    refused = []

    def what(job: Job):
        with pytest.raises(OutputError, match="Another run") as error:
            batch(MadeEngine())
        refused.append(error.value.exit_code)
        return done(job)

    assert batch(MadeEngine(what)) == {"done": 3}
    assert refused == [2, 2, 2]


def test_what_the_engine_cannot_do_stops_the_run_before_anything_is_made(batch, tmp_path):
    engine = MadeEngine()
    engine.prepare = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        batch(engine)
    assert engine.closed
    assert not (tmp_path / "out").exists()
