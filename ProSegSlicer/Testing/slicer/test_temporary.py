from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from Testing.conftest import ROOT

from proseg.system.temporary import STALE_S
from ProSegSlicerLib.temporary import make_folder, private_folder, remove_left


@pytest.fixture(autouse=True)
def _own_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_nobody_else_can_look_in() -> None:
    assert stat.S_IMODE(make_folder().stat().st_mode) == 0o700


def test_a_folder_is_gone_afterwards_whatever_happens() -> None:
    folders = []

    def fail() -> None:
        with private_folder() as folder:
            (folder / "t2w.nrrd").write_text("image")
            folders.append(folder)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not folders[0].exists()


def made_by_another_process(then: str, tmp_path: Path) -> tuple[subprocess.Popen[str], Path]:
    """A folder with an image in it, of a process that goes on with ``then``."""
    code = f"""
import os, sys, tempfile, time
tempfile.tempdir = {str(tmp_path)!r}
from ProSegSlicerLib.temporary import make_folder
folder = make_folder()
(folder / "t2w.nrrd").write_text("image")
os.utime(folder, (time.time() - 60,) * 2)
print(folder, flush=True)
{then}
"""
    path = os.pathsep.join(map(str, (ROOT / "ProSegSlicer", ROOT)))
    command, environment = [sys.executable, "-c", code], {**os.environ, "PYTHONPATH": path}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, env=environment)
    return process, Path(process.stdout.readline().strip())


@pytest.mark.parametrize("clear", [make_folder, remove_left], ids=["next run", "next start"])
def test_what_a_killed_slicer_left_is_removed_and_nothing_that_has_a_living_owner(
    tmp_path: Path, clear: Callable[[], object]
) -> None:
    process, left = made_by_another_process("sys.stdin.read()", tmp_path)
    mine = make_folder()
    os.utime(mine, (time.time() - 60,) * 2)
    other = tmp_path / "somebody-elses"
    other.mkdir()
    clear()
    assert (left / "t2w.nrrd").exists()  # its owner lives
    process.kill()
    process.communicate()
    clear()
    assert not left.exists()
    assert mine.exists()
    assert other.exists()


def test_where_files_cannot_be_locked_a_day_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_file: object) -> None:
        raise OSError("no locks")

    monkeypatch.setattr("proseg.system.temporary.lock", fail)
    old, young = make_folder(), make_folder()
    os.utime(old, (time.time() - STALE_S - 60,) * 2)
    os.utime(young, (time.time() - 3600,) * 2)
    make_folder()
    assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.skipif(os.name == "nt", reason="needs links")
def test_a_link_planted_in_the_temporary_folder_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    long_ago = time.time() - STALE_S - 60
    os.utime(precious, (long_ago, long_ago))
    (tmp_path / "prosegslicer-planted").symlink_to(precious)
    make_folder()
    assert precious.exists()
