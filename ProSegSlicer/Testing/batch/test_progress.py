"""What a batch says of how far it is."""

from __future__ import annotations

import io

import pytest

from proseg.batch.progress import BatchProgress, in_words


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [100.0]
    monkeypatch.setattr("proseg.batch.progress.time.monotonic", lambda: now[0])
    return now


def test_without_a_terminal_every_case_has_a_line_and_there_is_no_bar():
    out, bar = io.StringIO(), io.StringIO()
    with BatchProgress(3, 1, out, bar) as progress:
        progress.end("a", "done in 1.0 s", failed=False, flagged=True)
        progress.end("b", "failed. No.", failed=True, flagged=False)
    assert out.getvalue() == "[2/3] a: done in 1.0 s\n[3/3] b: failed. No.\n"
    assert bar.getvalue() == ""


def test_on_a_terminal_there_is_a_bar_with_rate_and_time_left_and_a_line_for_what_failed(clock):
    out, bar = io.StringIO(), Terminal()
    with BatchProgress(10, 2, out, bar) as progress:
        for name in "abc":
            clock[0] += 2
            progress.end(name, "words", failed=name == "b", flagged=name == "c")
        assert progress.words() == "5/10 · 1 failed · 1 to look at · 30 a minute · 10 s left"
    assert out.getvalue() == "[4/10] b: words\n"
    assert "50%" in bar.getvalue()
    assert bar.getvalue().endswith("\r\x1b[K")  # the line is clean again


def test_the_rate_is_that_of_late(clock):
    progress = BatchProgress(1000, 0, io.StringIO(), io.StringIO())
    assert progress.rate() == 0
    for _ in range(100):
        clock[0] += 10
        progress.end("slow", "", failed=False, flagged=False)
    assert progress.rate() == pytest.approx(0.1)
    for _ in range(100):
        clock[0] += 1
        progress.end("quick", "", failed=False, flagged=False)
    assert progress.rate() == pytest.approx(1)
    clock[0] += 1000  # something hangs: the time left shall not stay as it was
    assert progress.rate() < 0.07


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 s"), (12.4, "12 s"), (720, "12 min"), (12000, "3 h 20 min"), (200000, "2 d 7 h")],
)
def test_durations_are_said_as_people_say_them(seconds, words):
    assert in_words(seconds) == words
