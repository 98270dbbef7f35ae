"""A lock keeps other processes out, and ends with the file or with the process that holds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from proseg.system.locks import lock

# Stands in for another process: it needs neither torch nor SimpleITK.
HOLDER = """
import sys
from proseg.system.locks import lock
file = open(sys.argv[1], "r+b")
lock(file)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "lock").write_bytes(b"who")
    return tmp_path / "lock"


def test_a_locked_file_cannot_be_locked_again_until_it_is_closed(path: Path) -> None:
    with path.open("r+b") as first, path.open("r+b") as second:
        lock(first)
        with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
            lock(second)
        first.close()
        lock(second)


def test_a_locked_file_can_be_read_by_all(path: Path) -> None:
    with path.open("r+b") as file:
        lock(file)
        assert path.read_bytes() == b"who"


def test_a_lock_ends_with_its_process_even_if_that_is_killed(path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(path)]
    folder = Path(sys.modules["proseg"].__file__).parents[1]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with path.open("r+b") as file, pytest.raises(OSError):  # noqa: PT011
            lock(file)
        holder.kill()
        holder.wait()
    with path.open("r+b") as file:
        lock(file)
