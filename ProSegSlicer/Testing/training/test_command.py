"""How the commands of training end."""

from __future__ import annotations

import pytest

from proseg.errors import InputError
from training.command import run_command


def test_a_fault_the_user_can_mend_is_told_in_a_sentence(capsys: pytest.CaptureFixture) -> None:
    def main() -> None:
        raise InputError("cases is not a folder.", "Give another.")

    with pytest.raises(SystemExit) as ended:
        run_command(main)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "cases is not a folder. Give another.\n"


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    def main() -> None:
        raise KeyError("zones")

    with pytest.raises(KeyError):
        run_command(main)


def test_a_command_that_succeeds_goes_on() -> None:
    done = []
    run_command(lambda: done.append(True))
    assert done


def test_a_stopped_command_says_how_to_go_on(capsys: pytest.CaptureFixture) -> None:
    def main() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run_command(main)
    assert ended.value.code == 130
    assert capsys.readouterr().err.startswith("Stopped. Give the same command again")
