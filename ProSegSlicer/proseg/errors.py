"""What can go wrong in ways the user can mend: one sentence and a next step each."""

from __future__ import annotations

import re

# "could not create": what oneDNN, torch's arithmetic, says where it gets no memory for its working space
_MEMORY_WORDS = re.compile(
    r"allocate memory|not enough memory|out of memory|bad_?alloc|could not create a (primitive|memory)", re.IGNORECASE
)


class ProSegError(Exception):
    """A fault worth telling the user about.

    Args:
        sentence: what is wrong, naming the file or value concerned.
        remedy: what to do next.
    """

    exit_code = 1

    def __init__(self, sentence: str, remedy: str = "") -> None:
        super().__init__(sentence, remedy)
        self.sentence = sentence
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}".strip()


def brief(error: BaseException) -> str:
    """What another library's error says, in one line; its type where it says nothing."""
    lines = str(error).splitlines()
    return lines[0][:160] if lines else type(error).__name__


def printable(text: str) -> str:
    """A text as one line that any terminal can show: line breaks, control characters and broken ones as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, whatever library says so: torch and ITK have no error of their own for it."""
    return isinstance(error, MemoryError) or _MEMORY_WORDS.search(str(error)) is not None


class InputError(ProSegError):
    """The input cannot be segmented; exit code 2."""

    exit_code = 2


class OutputError(ProSegError):
    """The output cannot be written; exit code 2."""

    exit_code = 2


class WeightsError(ProSegError):
    """The weights cannot be used; exit code 2."""

    exit_code = 2


class DeviceError(ProSegError):
    """The requested computing device cannot be used; exit code 2."""

    exit_code = 2
