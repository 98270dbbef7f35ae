"""Signals that ask for the end: when they are heard, and when not."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import ModuleType

import pytest

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


def test_inside_slicer_ctrl_c_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    application = ModuleType("slicer")
    application.app = object()
    monkeypatch.setitem(sys.modules, "slicer", application)
    changed = []
    monkeypatch.setattr(signal, "signal", lambda *change: changed.append(change))
    with uninterrupted():
        pass
    assert changed == []
