"""The batch's output folder: what it knows from run to run, what it cleans away, and what it will not replace."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from proseg.batch.folder import OutputFolder
from proseg.batch.table import DONE, FAILED, STAMP
from proseg.errors import InputError, OutputError
from proseg.reading.cases import Found


@pytest.fixture
def cases(tmp_path: Path) -> list[Found]:
    """Two cases, whose files exist."""
    found = [Found(name, tmp_path / "in" / f"{name}.nii") for name in ("a", "b")]
    (tmp_path / "in").mkdir()
    for case in found:
        case.path.write_text(case.id)
    return found


def rows(folder: Path) -> dict[str, str]:
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: row["status"] for row in csv.DictReader(file)}


def killed(folder: OutputFolder) -> None:
    """Let go as the system does when a process is killed: nothing is folded."""
    folder._journal.close()
    folder._lock._file.close()


def done(case: Found) -> dict[str, str]:
    return {"status": DONE, STAMP: case.stamp()}


def test_a_killed_run_loses_no_row_and_its_unfinished_files_are_its_own(tmp_path, cases):
    out, (a, b) = tmp_path / "out", cases
    first = OutputFolder(out, cases).__enter__()
    first.begin((case, [out / f"{case.id}.nii"]) for case in cases)
    (out / "a.nii").write_text("whole")
    first.end([(a, done(a))])
    (out / "b.nii").write_text("appeared just before the kill")
    killed(first)
    assert not (out / "results.csv").exists()
    with OutputFolder(out, cases) as again:
        assert rows(out) == {"a": DONE}
        again.refuse_to_replace([(a, [out / "a.nii"]), (b, [out / "b.nii"])])
        assert again.to_make(a, [out / "a.nii"], overwrite=False) == []
        assert again.to_make(b, [out / "b.nii"], overwrite=False) == [out / "b.nii"]
        again.begin([(b, [out / "b.nii"])])
        again.end([(b, done(b))])
    assert rows(out) == {"a": DONE, "b": DONE}
    assert {path.name for path in out.iterdir()} == {"a.nii", "b.nii", "results.csv"}


def test_what_was_begun_again_and_killed_is_made_again_and_nothing_else(tmp_path, cases):
    out, (a, b) = tmp_path / "out", cases
    with OutputFolder(out, cases) as first:
        first.begin((case, [out / f"{case.id}.nii"]) for case in cases)
        first.end([(case, done(case)) for case in cases])
    second = OutputFolder(out, cases).__enter__()
    for name in ("a.nii", "b.nii", "b.png"):
        (out / name).touch()
    second.begin([(b, [out / "b.nii"])])
    killed(second)
    with OutputFolder(out, cases) as third:
        assert third.to_make(a, [out / "a.nii"], overwrite=False) == []
        assert third.to_make(b, [out / "b.nii", out / "b.png"], overwrite=False) == [out / "b.nii"]
    assert rows(out) == {"a": DONE, "b": DONE}  # what it was before still stands, and was not lost


def test_what_a_dead_worker_may_have_left_is_remembered(tmp_path, cases):
    out, (a, _) = tmp_path / "out", cases
    with OutputFolder(out, cases) as first:
        first.begin([(a, [out / "a.nii"])])
        (out / "a.nii").write_text("half of the files")
        first.end([(a, {"status": FAILED})], unsettled=[a])
    with OutputFolder(out, cases) as second:
        second.refuse_to_replace([(a, [out / "a.nii"])])
        second.begin([(a, [out / "a.nii"])])
        second.end([(a, done(a))])
    assert {path.name for path in out.iterdir()} == {"a.nii", "results.csv"}


def test_what_no_row_tells_of_is_not_replaced(tmp_path, cases):
    out, (a, b) = tmp_path / "out", cases
    out.mkdir()
    (out / "a.nii").write_text("somebody's")
    with OutputFolder(out, cases) as folder, pytest.raises(OutputError, match=r"already holds a\.nii, not made from"):
        folder.refuse_to_replace([(a, [out / "a.nii"]), (b, [out / "b.nii"])])
    assert {path.name for path in out.iterdir()} == {"a.nii"}


def test_hidden_leftovers_of_killed_runs_are_removed_and_nothing_else(tmp_path, cases):
    from proseg.system.atomic import OutputSet

    out = tmp_path / "out"
    (out / "previews").mkdir(parents=True)
    kept = [out / ".hidden.tmp", out / ".x.abc.tmp.png", out / "a.tmp.nii", out / ".notes.abcdefgh.tmpx"]
    for path in kept:
        path.touch()
    (out / ".a.abcd1234.tmp.d").mkdir()
    outputs = OutputSet()  # left without its end, as a kill leaves it
    for name in ("a.seg.nrrd", "ein Fall é.nii.gz", "previews/a.png", "results.csv", ".proseg-batch.journal"):
        with outputs.file(out / name) as temporary:
            temporary.write_text("half")
    assert sum(1 for _ in out.rglob("*.tmp*")) > len(kept)
    with OutputFolder(out, cases, rooms=("previews",)):
        pass
    assert sorted(out.rglob("*")) == sorted([*kept, out / "previews", out / ".a.abcd1234.tmp.d"])


def test_two_runs_do_not_write_into_one_folder(tmp_path, cases):
    with OutputFolder(tmp_path / "out", cases):
        with pytest.raises(OutputError, match="Another run"), OutputFolder(tmp_path / "out", cases):
            pass
        with OutputFolder(tmp_path / "elsewhere", cases):
            pass
    with OutputFolder(tmp_path / "out", cases):
        pass


def test_a_table_of_somebody_elses_is_refused_and_stays(tmp_path, cases):
    (tmp_path / "results.csv").write_text("patient,psa\nann,4\n")
    with pytest.raises(InputError, match="is not a table of results"), OutputFolder(tmp_path, cases):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"in", "results.csv"}


def test_a_folder_made_for_nothing_goes_again(tmp_path, cases):
    with pytest.raises(ZeroDivisionError), OutputFolder(tmp_path / "out", cases):
        raise ZeroDivisionError
    assert not (tmp_path / "out").exists()


def test_a_row_costs_the_same_however_many_there_are(tmp_path):
    many = [Found(f"case{number}", tmp_path / f"{number}.nii") for number in range(3000)]
    out = tmp_path / "out"
    with OutputFolder(out, many) as folder:
        folder.end([(case, {"status": FAILED, "sentence": "No."}) for case in many[:-1]])
        before = (out / ".proseg-batch.journal").stat().st_size
        folder.end([(many[-1], {"status": FAILED, "sentence": "No."})])
        assert (out / ".proseg-batch.journal").stat().st_size - before < 200
        assert not (out / "results.csv").exists()
    assert len(rows(out)) == 3000


def test_sentences_for_the_table_name_no_folder(tmp_path, cases):
    from proseg.batch.folder import without_folders

    said = f"{cases[0].path} is bad; {tmp_path}/out/a.nii too; {cases[0].path}/IM1 as well."
    assert without_folders(said, cases[0], tmp_path / "out") == "a is bad; a.nii too; a/IM1 as well."
