"""Why a worker died, in words, from its exit code and its last lines."""

from __future__ import annotations

import pytest

from proseg.worker.death import explain


@pytest.mark.parametrize(
    ("code", "device", "tail", "sentence", "remedy"),
    [
        (-11, "cuda", [], "crashed (SIGSEGV) while computing on the GPU", "device to CPU"),
        (-11, "cpu", [], "crashed (SIGSEGV).", "Try again"),
        (-9, "cuda", [], "memory ran out", "Close other programs"),
        (139, "cpu", [], "crashed (SIGSEGV)", "Try again"),
        (137, None, [], "memory ran out", "Close other programs"),
        (0xC0000005, "mps", [], "crashed (0xc0000005) while computing on the GPU", "device to CPU"),
        (0xC0000017, "cpu", [], "ran out of memory", "Close other programs"),
        (1, "cpu", ["[python-real] exit abnormally - Report the problem."], "crashed, or the system ended it", "Close"),
        (1, "cuda", ["[python-real] exit abnormally - Report the problem."], "crashed, or", "device to CPU"),
        (1, "cpu", ["Traceback:", "OSError: gone", "  at the end", ""], "exit code 1 (OSError: gone)", "report it"),
    ],
)
def test_deaths_that_cannot_be_staged_here_have_their_words_too(
    code: int, device: str | None, tail: list[str], sentence: str, remedy: str
) -> None:
    told = explain(code, True, device, tail)
    assert sentence in told[0]
    assert remedy in told[1]
