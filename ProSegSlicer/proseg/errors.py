"""What can go wrong in ways the user can mend: one sentence and a next step each."""

from __future__ import annotations


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
