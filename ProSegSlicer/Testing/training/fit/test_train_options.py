"""The command line of a training: what does not go together is refused before anything is read."""

from __future__ import annotations

import pytest

from training.fit.train import parse


@pytest.mark.parametrize(
    "arguments",
    [[], ["--without", "everything"], ["--norm", "layer"], ["--thin-pz", "0"], ["--thin-pz", "5", "--store", "s"]],
)
def test_a_wrong_command_line_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--out", "x", *arguments] if arguments else [])
    assert "usage" in capsys.readouterr().err


def test_coarse_pixels_first_need_to_know_how_far_the_training_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--out", "run", "--progressive"])
    assert "--budget-patches" in capsys.readouterr().err
    assert parse(["--out", "run", "--progressive", "--budget-patches", "10"]).progressive


LOOKS = [("--harsh",), ("--treated",), ("--raw-scans",), ("--progressive", "--budget-patches", "10")]


@pytest.mark.parametrize("option", LOOKS)
def test_a_store_has_looks_of_its_own(option: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--out", "run", "--store", "patches", *option])
    assert "when a store is made" in capsys.readouterr().err


@pytest.mark.parametrize("option", [*LOOKS, ("--thin-pz", "5"), ("--ends", "1")])
def test_what_the_locator_cannot_do_is_refused(option: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--out", "run", "--task", "locate", *option])
    assert "--task segment" in capsys.readouterr().err
