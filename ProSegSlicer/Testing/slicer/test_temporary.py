from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from proseg.system.temporary import STALE_S, _here
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


def test_what_a_killed_run_left_is_removed_but_nothing_newer_or_of_others(tmp_path: Path) -> None:
    left, running = make_folder(), make_folder()
    (left / "t2w.nrrd").write_text("image")
    other = tmp_path / "somebody-elses"
    other.mkdir()
    long_ago = time.time() - STALE_S - 60
    for folder in (left, other):
        os.utime(folder, (long_ago, long_ago))
    make_folder()
    assert not left.exists()
    assert running.exists()
    assert other.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell whether a process is alive")
def test_the_next_start_removes_what_a_killed_program_left_and_nothing_of_the_living() -> None:
    script = "from ProSegSlicerLib.temporary import make_folder; print(make_folder()); import os; os._exit(1)"
    environment = os.environ | {"TMPDIR": tempfile.gettempdir(), "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    left = Path(ended.stdout.strip())
    mine = Path(tempfile.mkdtemp(prefix=f"prosegslicer-{_here()}-{os.getpid()}-"))
    elsewhere = Path(tempfile.mkdtemp(prefix="prosegslicer-otherpc1-999999-"))
    assert left.exists()
    remove_left()
    assert not left.exists()
    assert mine.exists()
    assert elsewhere.exists()


@pytest.mark.skipif(os.name == "nt", reason="needs links")
def test_a_link_planted_in_the_temporary_folder_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    long_ago = time.time() - STALE_S - 60
    os.utime(precious, (long_ago, long_ago))
    (tmp_path / "prosegslicer-planted").symlink_to(precious)
    make_folder()
    assert precious.exists()
