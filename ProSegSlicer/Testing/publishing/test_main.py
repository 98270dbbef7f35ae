from __future__ import annotations

from pathlib import Path

import pytest
from Testing.made_repository import make_repository

from proseg import __version__
from publishing import rules
from publishing.__main__ import main
from publishing.snapshot import git


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of one commit that keeps every rule."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ann")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ann@example.org")
    folder = make_repository(tmp_path / "source")
    (folder / ".gitignore").write_text("dist/\n")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")
    return folder


def test_a_copy_that_keeps_every_rule_may_be_published(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], repository) == 0
    said = capsys.readouterr().out
    assert len([line for line in said.splitlines() if line.startswith("ok ")]) == 11
    assert "NO " not in said
    assert git(repository / "dist" / "SlicerProSeg", "log", "--format=%s") == f"ProSeg {__version__}"


def test_a_copy_that_is_too_large_is_made_and_may_not_be_published(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rules, "TREE_MB", 0)
    assert main(["--out", str(tmp_path / "copy")], repository) == 1
    said = capsys.readouterr().out
    (broken,) = [line for line in said.splitlines() if line.startswith("NO ")]
    assert broken.startswith("NO  size of the tree: ")
    assert "Not to be published yet" in said
    assert (tmp_path / "copy" / ".git").is_dir()


def test_what_cannot_be_copied_is_one_sentence(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "new").touch()
    assert main([], repository) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
