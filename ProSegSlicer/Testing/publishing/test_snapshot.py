from __future__ import annotations

from pathlib import Path

import pytest

from proseg.errors import InputError, OutputError, ProSegError
from publishing.snapshot import clone, git, make_snapshot


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with two commits, a program, an ignored file that is tracked and one that is not."""
    for variable, value in (("NAME", "Ann"), ("EMAIL", "ann@example.org")):
        monkeypatch.setenv(f"GIT_AUTHOR_{variable}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{variable}", value)
    folder = tmp_path / "source ü"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "old weights").write_bytes(b"\0" * 1000)
    commit(folder, "old weights")
    (folder / "old weights").unlink()
    (folder / ".gitignore").write_text("*.log\n")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    (folder / "kept.log").write_text("kept\r\n")
    commit(folder, "now")
    (folder / "left.log").write_text("left")
    return folder


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message", message)


def test_the_copy_is_one_commit_of_the_same_files(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "dist" / "SlicerX"
    make_snapshot(source, copy, "X 1.0")
    assert git(copy, "log", "--all", "--format=%s by %an on %D") == "X 1.0 by Ann on HEAD -> main"
    assert git(copy, "rev-parse", "HEAD^{tree}") == git(source, "rev-parse", "HEAD^{tree}")
    assert sorted(path.name for path in copy.iterdir()) == [".git", ".gitignore", "kept.log", "run"]
    assert git(copy, "status", "--porcelain") == ""
    assert [path.name for path in copy.parent.iterdir()] == ["SlicerX"]


def test_a_clone_of_the_copy_has_its_one_commit(source: Path, tmp_path: Path) -> None:
    make_snapshot(source, tmp_path / "SlicerX", "X 1.0")
    clone(tmp_path / "SlicerX", tmp_path / "clone")
    assert git(tmp_path / "clone", "rev-list", "--count", "--all") == "1"


@pytest.mark.parametrize("name", ["run", "new"])
def test_what_is_not_committed_is_not_left_out_silently(source: Path, tmp_path: Path, name: str) -> None:
    (source / name).write_text("changed")
    with pytest.raises(InputError, match=rf"1 files are not committed \({name}, …\)"):
        make_snapshot(source, tmp_path / "SlicerX", "X 1.0")
    assert not (tmp_path / "SlicerX").exists()


def test_a_copy_that_exists_stays(source: Path, tmp_path: Path) -> None:
    (tmp_path / "SlicerX").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        make_snapshot(source, tmp_path / "SlicerX", "X 1.0")
    assert list((tmp_path / "SlicerX").iterdir()) == []


def test_an_unpacked_archive_cannot_be_copied(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no git clone"):
        make_snapshot(tmp_path, tmp_path / "SlicerX", "X 1.0")


def test_where_git_fails_its_words_are_told_and_nothing_is_left(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "")
    with pytest.raises(ProSegError, match=r"git commit failed: .*empty ident"):
        make_snapshot(source, tmp_path / "dist" / "SlicerX", "X 1.0")
    assert list((tmp_path / "dist").iterdir()) == []
