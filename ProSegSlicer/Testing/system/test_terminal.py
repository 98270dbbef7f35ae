"""What is printed fails no run, whatever the terminal lacks: letters, readers, room, or being there at all."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from proseg.system.terminal import spelt, steady_streams


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("\u201ct2\u201d \u2013 3 \u00d7 4 \u2026", "ascii", '"t2" - 3 x 4 ...'),
        ("\u2588\u2588\u2591", "cp1252", "##."),
        ("\u2264 1 \u2192 2", "latin-1", "<= 1 -> 2"),
        ("S \u221242.5 mm", "ascii", "S -42.5 mm"),
        ("M\u00fcller \u2013 T2", "latin-1", "M\u00fcller - T2"),
        ("\u6a2a\u65ad\u4f4d T2", "cp1252", r"\u6a2a\u65ad\u4f4d T2"),
        ("\u6a2a\u65ad\u4f4d T2", "gb18030", "\u6a2a\u65ad\u4f4d T2"),
        ("\u0441\u0440\u0435\u0437", "cp437", r"\u0441\u0440\u0435\u0437"),
        ("a\udcff", "utf-8", r"a\udcff"),
        ("\U0001f9e0", "shift_jis", r"\U0001f9e0"),
        ("\u6a2a \u201ct2\u201d", "utf-8", "\u6a2a \u201ct2\u201d"),
    ],
)
def test_letters_that_an_encoding_lacks_are_spelt_in_those_that_it_has(monkeypatch, text, encoding, shown):
    assert spelt(text, encoding) == shown
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    with steady_streams():
        print(text)
    assert out.buffer.getvalue().decode(encoding) == shown + os.linesep
    assert sys.stdout is out


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_program_without_a_console_has_streams_while_it_works(monkeypatch, name):
    monkeypatch.setattr(sys, name, None)
    with steady_streams():
        print("a flag", file=getattr(sys, name), flush=True)
        assert not getattr(sys, name).isatty()
    assert getattr(sys, name) is None


def test_a_stream_that_somebody_has_closed_takes_what_is_printed(monkeypatch):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    with steady_streams():
        print("a flag", flush=True)


CODE = """
import os, sys
from proseg.system.terminal import steady_streams
with steady_streams():
    for _ in range(5000):
        print("a flag \\u2264", flush=True)
        print("a word \\u2264", file=sys.stderr)
    descriptor = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
    os.write(2, b"a library complains")
    os.write(descriptor, b"whole")
sys.exit(3)
"""


@pytest.mark.skipif(os.name != "posix", reason="a shell's ways to close streams")
@pytest.mark.parametrize(
    "how", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-", "| true", "2>&1 | head -1", ">/dev/full", "2>/dev/full"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii:strict"])
def test_whatever_becomes_of_the_streams_the_exit_code_and_the_file_are_those_of_the_work(tmp_path, how, encoding):
    line = f'"$0" -c "$1" "{tmp_path}/result" {how}; exit "${{PIPESTATUS[0]}}"'
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    ran = subprocess.run(["bash", "-c", line, sys.executable, CODE], env=environment, capture_output=True, check=False)
    assert ran.returncode == 3
    assert (tmp_path / "result").read_bytes() == b"whole"
    assert b"Error" not in ran.stderr
