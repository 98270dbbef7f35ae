"""Signals that ask for the end: when they are heard, and when not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest
from Testing.conftest import ROOT

from proseg.system.atomic import OutputSet, write_text
from proseg.system.stopping import STOPS, Stopped, stoppable, uninterrupted

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_becomes_an_exception_that_knows_the_exit_code_and_the_next_one_is_not_heard(number):
    before = [signal.getsignal(one) for one in STOPS]
    cleaned = []

    def work() -> None:
        with stoppable():
            try:
                send(number)
            finally:
                send(number)
                cleaned.append(True)

    with pytest.raises(Stopped) as stop:
        work()
    assert stop.value.exit_code == 128 + number
    assert isinstance(stop.value, KeyboardInterrupt)
    assert cleaned == [True]
    assert [signal.getsignal(one) for one in STOPS] == before


def test_a_signal_while_files_take_their_places_waits_until_all_have(tmp_path, monkeypatch):
    replace = os.replace

    def strike(source, target):
        send(signal.SIGINT)
        replace(source, target)

    monkeypatch.setattr(os, "replace", strike)

    def run() -> None:
        with stoppable(), OutputSet() as outputs:
            for name in ("a.txt", "b.txt"):
                write_text(name, tmp_path / name, outputs)

    with pytest.raises(Stopped):
        run()
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", "b.txt"}


def test_what_must_not_be_interrupted_is_not_and_the_signal_comes_after():
    done = []

    def work() -> None:
        with uninterrupted():
            send(signal.SIGINT)
            done.append("all")
        done.append("too much")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["all"]


def test_in_slicer_ctrl_c_does_afterwards_what_it_did_before(tmp_path):
    """Slicer takes SIGINT back from Python without telling it; ``signal`` goes on to report Python's own handler."""
    code = """
import ctypes, os, signal, sys, types
from pathlib import Path
sys.modules["slicer"] = types.SimpleNamespace(app=object())
ctypes.CDLL(None).signal(signal.SIGINT, 0)  # SIG_DFL, as CTK does
from proseg.system.atomic import write_text
write_text("text", Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGINT)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "a.txt")]
    path = os.pathsep.join(str(ROOT / place) for place in ("ProSegSlicer", "."))
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, b"")  # by the signal itself, no KeyboardInterrupt
    assert (tmp_path / "a.txt").read_text() == "text"


def test_a_failure_there_is_not_hidden():
    with pytest.raises(ZeroDivisionError), uninterrupted():
        _ = 1 / 0


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with stoppable(), uninterrupted():
            send(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_are_left_alone():
    found = []

    def work() -> None:
        with stoppable(), uninterrupted():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]
