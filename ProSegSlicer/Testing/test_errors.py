"""Errors in plain words: a sentence, a next step, an exit code."""

from __future__ import annotations

import pytest

from proseg.errors import (
    DeviceError,
    InputError,
    OutputError,
    ProSegError,
    WeightsError,
    brief,
    is_out_of_memory,
    printable,
)


def test_an_error_says_what_is_wrong_and_what_to_do() -> None:
    assert str(ProSegError("It broke.", "Mend it.")) == "It broke. Mend it."
    assert str(ProSegError("It broke.")) == "It broke."


def test_what_the_user_can_mend_exits_with_2_and_the_rest_with_1() -> None:
    assert {kind.exit_code for kind in (InputError, OutputError, WeightsError, DeviceError)} == {2}
    assert ProSegError.exit_code == 1


def test_another_librarys_error_becomes_one_short_line() -> None:
    assert brief(ValueError("first\nsecond")) == "first"
    assert len(brief(ValueError("x" * 999))) == 160
    assert brief(KeyError()) == "KeyError"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("café 前立腺", "café 前立腺"), ("a\nb", r"a\nb"), ("a\x1b[2Jb", r"a\x1b[2Jb"), ("a\udcffb", r"a\udcffb")],
)
def test_a_printed_text_is_one_line_that_cannot_steer_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("Failed to allocate memory for image."), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("could not open the file"), False),
    ],
)
def test_memory_that_ran_out_is_known_whoever_says_so(error: Exception, memory: bool) -> None:
    assert is_out_of_memory(error) is memory
