"""The batch's journal and lock: what they still know after the worst, and what they keep apart."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from proseg.batch.journal import Journal, Lock
from proseg.errors import OutputError
from proseg.system import locks

MODULES = Path(__file__).resolve().parents[2]
HOLD = "import sys, time; from pathlib import Path; from proseg.batch.journal import Lock\n" + (
    "lock = Lock(Path(sys.argv[1])); lock.acquire(); print('locked', flush=True); time.sleep(60)\n"
)


def test_what_has_begun_and_what_has_ended_is_read_back(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.begin({"a": ["a.nii"], "b": ["b.png", "b.nii"], "ü": ["ü.nii"]})
    journal.end([{"id": "a", "status": "done", "pz_ml": 1.5}, {"id": "b", "status": "failed"}], unsettled=["b"])
    again = Journal(tmp_path / "j")
    assert again.rows == {"a": {"id": "a", "status": "done", "pz_ml": 1.5}, "b": {"id": "b", "status": "failed"}}
    assert again.begun == journal.begun == {"b": {"b.nii", "b.png"}, "ü": {"ü.nii"}}


def test_wherever_it_is_cut_off_the_lines_before_that_count(tmp_path):
    path = tmp_path / "j"
    journal = Journal(path)
    journal.begin({"a": ["a.nii"], "b": ["b.nii"]})
    journal.end([{"id": "a", "status": "done"}])
    whole = path.read_bytes()
    ends = [0, *(place + 1 for place, byte in enumerate(whole) if byte == 10)]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        read = Journal(path)
        lines = sum(end <= cut for end in ends) - 1
        assert (len(read.begun), len(read.rows)) == [(0, 0), (1, 0), (2, 0), (1, 1)][lines]
        read.begin({"c": ["c.nii"]})
        assert "c" in Journal(path).begun
        assert all(json.loads(line) for line in path.read_text().splitlines())


@pytest.mark.parametrize("rubbish", [b"\x00" * 40, b"[1]\n", b"nonsense\n", b'{"row": {}}\n'])
def test_rubbish_at_its_end_is_dropped(tmp_path, rubbish):
    path = tmp_path / "j"
    Journal(path).begin({"a": ["1"]})
    path.write_bytes(path.read_bytes() + rubbish)
    Journal(path).begin({"b": ["2"]})
    assert Journal(path).begun == {"a": {"1"}, "b": {"2"}}


def test_a_new_beginning_keeps_only_what_has_begun_and_without_that_no_file(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.begin({"a": ["a.nii"], "b": ["b.nii"]})
    journal.end([{"id": "a", "status": "done"}])
    journal.restart()
    assert (Journal(tmp_path / "j").begun, Journal(tmp_path / "j").rows) == ({"b": {"b.nii"}}, {})
    journal.end([{"id": "b", "status": "done"}])
    journal.restart()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "j")
    journal.begin({"a": ["1"]})
    before = (tmp_path / "j").read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        journal.begin({"b": ["2"]})
    assert (tmp_path / "j").read_bytes() == before


def test_a_second_run_is_refused_and_told_who_has_the_lock(tmp_path):
    first = Lock(tmp_path / "lock")
    first.acquire()
    with pytest.raises(OutputError, match=f"process {os.getpid()} on .*is writing into"):
        Lock(tmp_path / "lock").acquire()
    first.release()
    assert list(tmp_path.iterdir()) == []
    again = Lock(tmp_path / "lock")
    again.acquire()
    again.release()


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_lock_ends_with_its_process_however_that_ends(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=MODULES)
    assert holder.stdout.readline() == "locked\n"
    with pytest.raises(OutputError, match=f"process {holder.pid} on"):
        Lock(tmp_path / "lock").acquire()
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    lock = Lock(tmp_path / "lock")
    lock.acquire()
    lock.release()


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch):
    def without(_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("proseg.batch.journal.lock", without)
    with pytest.raises(OutputError, match=r"cannot lock files.*--no-lock"):
        Lock(tmp_path / "lock").acquire()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_that_is_removed_meanwhile_is_not_the_lock(tmp_path, monkeypatch):
    real, calls = locks.lock, []

    def late(file):
        real(file)
        calls.append(file)
        if len(calls) == 1:
            (tmp_path / "lock").unlink()

    monkeypatch.setattr("proseg.batch.journal.lock", late)
    lock = Lock(tmp_path / "lock")
    lock.acquire()
    assert len(calls) == 2
    with pytest.raises(OutputError):
        Lock(tmp_path / "lock").acquire()
    lock.release()
