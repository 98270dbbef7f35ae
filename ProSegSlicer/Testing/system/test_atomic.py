"""Files that appear whole or not at all, alone and together."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from proseg.errors import OutputError
from proseg.system.atomic import OutputSet, atomic, ending_of, write_text

posix_only = pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX systems")


@pytest.mark.parametrize(
    ("name", "ending"),
    [("a.b.nii.gz", ".nii.gz"), ("A.Seg.NRRD", ".seg.nrrd"), ("x.nrrd", ".nrrd"), ("dir.x/none", "")],
)
def test_compound_endings_are_seen_whole(name: str, ending: str) -> None:
    assert ending_of(name) == ending


@pytest.mark.parametrize("trouble", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(tmp_path: Path, trouble: type[BaseException]) -> None:
    out = tmp_path / "x.json"
    out.write_text("before")

    def fail() -> None:
        with atomic(out) as temporary:
            assert temporary.parent == tmp_path
            assert temporary.suffix == ".json"
            temporary.write_text("half")
            raise trouble

    with pytest.raises(trouble):
        fail()
    assert out.read_text() == "before"
    assert list(tmp_path.iterdir()) == [out]


@posix_only
def test_a_file_is_private_until_it_is_whole_and_then_as_the_user_wants(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        with atomic(tmp_path / "x.txt") as temporary:
            assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "x.txt").stat().st_mode) == 0o640
        (tmp_path / "x.txt").chmod(0o604)
        write_text("again", tmp_path / "x.txt")
        assert stat.S_IMODE((tmp_path / "x.txt").stat().st_mode) == 0o604
    finally:
        os.umask(mask)


@posix_only
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    link.symlink_to(real)
    write_text("text", link)
    assert link.is_symlink()
    assert real.read_text() == "text"


def test_a_disk_that_fills_up_is_told_in_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"x\.txt cannot be written: the disk is full\. Free"),
        atomic(tmp_path / "x.txt"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_if_one_output_cannot_take_its_place_none_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old.txt").write_text("before")
    replace = os.replace

    def refuse_last(source: Path, target: Path) -> None:
        if Path(target).name == "last.txt":
            raise PermissionError(errno.EACCES, "in use by another program")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse_last)

    def run() -> None:
        with OutputSet() as outputs:
            for name in ("old.txt", "new.txt", "last.txt"):
                write_text("after", tmp_path / name, outputs)

    with pytest.raises(OutputError, match=r"last\.txt cannot be written: permission is denied"):
        run()
    assert [path.name for path in tmp_path.iterdir()] == ["old.txt"]
    assert (tmp_path / "old.txt").read_text() == "before"


def test_one_output_cannot_be_written_twice(tmp_path: Path) -> None:
    def run() -> None:
        with OutputSet() as outputs:
            write_text("a", tmp_path / "x.txt", outputs)
            write_text("b", tmp_path / "sub" / ".." / "x.txt", outputs)

    with pytest.raises(OutputError, match="twice"):
        run()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
