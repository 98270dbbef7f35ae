"""What went wrong is told by its kind, in a sentence and a next step that fit where the worker is used."""

from __future__ import annotations

import pytest

from proseg.errors import DeviceError, InputError, OutputError, ProSegError, WeightsError
from proseg.worker.failures import PackageError, RequestError, failure


@pytest.mark.parametrize(
    ("error", "kind", "remedy"),
    [
        (InputError("It is a CT.", "Give a T2W image."), "input", "Give a T2W image."),
        (OutputError("The disk is full.", "Free some space."), "output", "Free some space."),
        (RequestError("There is no such request.", "Ask again."), "request", "Ask again."),
        (PackageError("No torch.", "Install it."), "packages", "Install it."),
        (WeightsError("They are damaged.", "Give others with --weights."), "weights", "Install ProSegSlicer again."),
        (DeviceError("No GPU.", "Take --device cpu."), "device", "Set the device to auto or CPU and try again."),
        (ProSegError("Something else.", "Do something."), "unforeseen", "Do something."),
    ],
)
def test_an_error_of_ours_keeps_its_sentence_and_no_remedy_speaks_of_options(
    error: ProSegError, kind: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failure(error) == {"kind": kind, "sentence": error.sentence, "remedy": remedy}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (RuntimeError("CUDA error: the launch timed out"), "gpu", "The GPU failed (CUDA error: the launch timed out)."),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"), "gpu", "The GPU failed"),
        (RuntimeError("MPS backend out of memory"), "gpu", "The GPU failed"),
        (MemoryError(), "memory", "There is not enough memory for this image."),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "memory", "not enough memory"),
        (KeyError("a"), "unforeseen", "Something unforeseen happened (KeyError"),
        (ValueError("no cuda here"), "unforeseen", "ValueError: no cuda here"),  # libraries raise RuntimeError
    ],
)
def test_a_fault_of_a_library_is_put_in_words_and_leaves_its_traceback(
    error: Exception, kind: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = failure(error)
    assert told["kind"] == kind
    assert words in told["sentence"]
    assert told["remedy"].endswith(".")
    assert type(error).__name__ in capsys.readouterr().err
