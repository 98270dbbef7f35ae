"""Damaged files by the hundred, and what file systems hold besides files: a result or a sentence, and nothing else.

The short form of ``python -m benchmarks.reliability``; docs/reliability.md has the figures of the long one.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace

import pydicom  # noqa: F401 - whole before threads import parts of it
import pytest

if sys.platform == "win32":
    pytest.skip("the runs are forked", allow_module_level=True)

import SimpleITK as sitk

from benchmarks.reliability import damage, sources
from benchmarks.reliability.__main__ import table_of_inputs
from benchmarks.reliability.campaign import again, by_hand, damaged, run
from benchmarks.reliability.damage import Recipe
from benchmarks.reliability.hostile import MAKERS
from benchmarks.reliability.sandbox import Nursery, Outcome, is_a_sentence

GOOD = Outcome(code=0, seconds=1.0, peak_mb=300, out="PZ 1 mL\n", err="", left=(), wrote=True)
REFUSED = Outcome(code=2, seconds=0.1, peak_mb=200, out="", err="proseg: It is damaged. Retry.\n", left=(), wrote=False)


def test_a_damaged_file_gives_a_result_or_a_sentence():
    tried = run(damaged(66, 0), workers=2)
    assert len(tried) >= 66
    assert [(one.fault, one.job.what, one.outcome.err) for one in tried if one.fault] == []
    assert {one.end for one in tried} == {"result", "refused"}


def test_what_is_made_by_hand_is_refused_or_read_as_it_should_be():
    tried = run(by_hand(), workers=2)
    assert [(one.fault, one.job.what, one.outcome.err) for one in tried if one.fault] == []


@pytest.mark.parametrize("kind", sources.KINDS)
def test_the_undamaged_sources_are_all_the_same_examination(tmp_path, kind):
    from proseg.reading.t2w import read_t2w

    with read_t2w(sources.write(kind, tmp_path)) as t2w:
        assert (
            sitk.GetArrayViewFromImage(t2w.image).tolist() == sitk.GetArrayViewFromImage(sources.examination()).tolist()
        )


def test_the_same_seed_makes_the_same_files(tmp_path):
    first, second = (damaged(22, 3) for _ in range(2))
    assert [job.what for job in first] == [job.what for job in second]
    assert [job.what for job in damaged(22, 4)] != [job.what for job in first]
    for number, job in enumerate(first[:8]):
        paths = []
        for name, made in (("a", job), ("b", again(job.what))):
            folder = tmp_path / f"{number}{name}"
            folder.mkdir()
            paths.append(made.make(folder))
        assert paths[0].is_dir() or paths[0].read_bytes() == paths[1].read_bytes()


def test_an_edit_changes_what_it_names(tmp_path):
    path = Recipe("nii", (["field", "dim3", 7.0], ["field", "pixdim2", float("nan")])).make(tmp_path)
    header = path.read_bytes()[:352]
    assert header[46:48] == b"\x07\x00"
    good = (sources.write("nrrd", tmp_path)).read_bytes()
    assert b"\nsizes: 1 2 3\n" in damage.line(good, "sizes", "1 2 3")
    assert b"sizes" not in damage.no_line(good, "sizes")
    slice_ = sources.main_file(sources.write("dicom", tmp_path)).read_bytes()
    assert damage.split(slice_)[-1] == (b"", b"", b"")
    assert damage.no_element(slice_, "08006000") == slice_.replace(b"\x08\x00\x60\x00CS\x02\x00MR", b"")
    assert b"\x08\x00\x60\x00CS\x09\x00CT" in damage.element(slice_, "08006000", b"CT".hex(), 9)


@pytest.mark.parametrize(
    ("outcome", "fault"),
    [
        (GOOD, None),
        (replace(GOOD, code=3), None),
        (REFUSED, None),
        (replace(REFUSED, code=None, seconds=10.0), "no end after 10 s"),
        (replace(REFUSED, code=-signal.SIGSEGV), "ended by SIGSEGV"),
        (replace(REFUSED, code=1), "exit code 1"),
        (replace(GOOD, peak_mb=3000), "3000 MB"),
        (replace(GOOD, left=(".zones.tmp",)), "left behind: .zones.tmp"),
        (replace(GOOD, wrote=False), "no result"),
        (replace(REFUSED, wrote=True), "refused, and yet a result"),
        (replace(GOOD, err="warning"), "a result, but with words on stderr"),
        (replace(REFUSED, err="Traceback (most recent call last):\n"), "a traceback"),
        (replace(REFUSED, err=REFUSED.err * 2), "refused, but not in one sentence"),
        (replace(REFUSED, err="proseg: itk::ERROR: NiftiImageIO.\n"), "refused, but not in one sentence"),
    ],
)
def test_what_is_not_as_it_must_be_counts_as_lost(outcome, fault):
    assert outcome.fault == fault
    assert outcome.kind == ("lost" if fault else "refused" if outcome.code == 2 else "result")


def test_a_run_without_end_is_stopped_and_the_next_one_works(tmp_path):
    (tmp_path / "in").mkdir()
    path = sources.write("nii", tmp_path / "in")
    with Nursery(tmp_path / "runs", seconds=0.0) as nursery:
        assert "no end after" in nursery.segment(path).fault
        nursery.seconds = 60.0
        assert nursery.segment(path).fault is None
        os.kill(nursery._process.pid, signal.SIGKILL)
        nursery._process.wait()
        assert nursery.segment(path.with_name("gone.nii")).kind == "refused"


def test_what_is_lost_is_counted_and_kept_with_the_line_that_makes_it_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(MAKERS, "text", ("result", MAKERS["text"][1]))
    (tried,) = run([again("text")], 1, tmp_path)
    assert tried.fault == "refused instead of result", tried
    assert (tmp_path / "00000" / "input" / "t2.nii.gz").read_bytes().startswith(b"This is no image")
    assert '"what": "text"' in (tmp_path / "00000" / "lost.json").read_text()
    assert table_of_inputs([tried])[-1].startswith("| **all** | 1 | 0 | 0 | 1 |")
    assert "lost: refused instead of result: text" in capsys.readouterr().err


def test_a_sentence_is_one_line_without_a_library_s_own_words():
    assert is_a_sentence("proseg: x is damaged. Export it again.\n")
    assert is_a_sentence("proseg: /tmp/reliability-a0xb1/t2.nii is damaged. Export it again.\n")
    for said in ("", "x is damaged.", "proseg: x\n is damaged.", "proseg: std::bad_alloc.\n", "proseg: a\x1b[0m.\n"):
        assert not is_a_sentence(said)
    for said in ("proseg: PyCapsule at 0x7f60 is damaged.\n", "proseg: Reader (0x55d0): x is damaged.\n"):
        assert not is_a_sentence(said)
