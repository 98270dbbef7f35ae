"""What a worker says of a failure: a kind for the program, a sentence and a next step for its user."""

from __future__ import annotations

import pytest

from proseg.errors import DeviceError, InputError, OutputError, WeightsError
from proseg.worker.failures import PackageError, RequestError, failure


@pytest.mark.parametrize(
    ("error", "kind", "remedy"),
    [
        (InputError("It is empty.", "Choose another."), "input", "Choose another."),
        (OutputError("It is full.", "Free some space."), "output", "Free some space."),
        (PackageError("It is broken.", "Install it."), "packages", "Install it."),
        (RequestError("It is none.", "Ask."), "request", "Ask."),
        (WeightsError("They are damaged.", "Use --weights."), "weights", "Install ProSegSlicer again."),
        (DeviceError("There is none.", "Use --device cpu."), "device", "Set the device to auto or CPU and try again."),
    ],
)
def test_a_foreseen_failure_keeps_its_sentence_and_no_option_of_the_command_line(
    error: Exception, kind: str, remedy: str
) -> None:
    assert failure(error) == {"kind": kind, "sentence": error.sentence, "remedy": remedy}


def test_an_unforeseen_one_is_named_and_leaves_its_traceback_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    said = failure(ZeroDivisionError("division by zero"))
    assert said["kind"] == "unforeseen"
    assert "ZeroDivisionError: division by zero" in said["sentence"]
    assert "ZeroDivisionError" in capsys.readouterr().err
