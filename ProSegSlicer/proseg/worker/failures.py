"""What a worker says when something went wrong: a kind for the program, a sentence and a next step for its user."""

from __future__ import annotations

import re
import sys
import traceback

from proseg.errors import DeviceError, InputError, OutputError, ProSegError, WeightsError, brief, is_out_of_memory

_GPU_WORDS = re.compile(r"cuda|cudnn|cublas|nvidia|\bhip|\bmps\b|\bgpu\b", re.IGNORECASE)


class RequestError(ProSegError):
    """The caller sent something that is no request: a fault in the caller, not in what its user gave it."""


class PackageError(ProSegError):
    """A package that segmentation needs is missing or broken."""


# The kind of each error, and the next step where the error's own speaks of the command line.
KINDS: dict[type[ProSegError], tuple[str, str | None]] = {
    RequestError: ("request", None),
    PackageError: ("packages", None),
    InputError: ("input", None),
    OutputError: ("output", None),
    WeightsError: ("weights", "Install ProSegSlicer again."),
    DeviceError: ("device", "Set the device to auto or CPU and try again."),
}


def failure(error: Exception) -> dict[str, str]:
    """Kind, sentence and next step of what went wrong; what was not foreseen leaves its traceback on stderr."""
    if isinstance(error, ProSegError):
        kind, remedy = next((found for of, found in KINDS.items() if isinstance(error, of)), ("unforeseen", None))
        return {"kind": kind, "sentence": error.sentence, "remedy": remedy or error.remedy}
    traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, RuntimeError) and _GPU_WORDS.search(str(error)):
        said = "gpu", f"The GPU failed ({brief(error)}).", "Set the device to CPU and try again."
    elif is_out_of_memory(error):
        said = "memory", "There is not enough memory for this image.", "Close other programs and try again."
    else:
        what = f"Something unforeseen happened ({type(error).__name__}: {brief(error)})."
        said = "unforeseen", what, "Try again; if it happens again, report it with the log."
    return dict(zip(("kind", "sentence", "remedy"), said, strict=True))
