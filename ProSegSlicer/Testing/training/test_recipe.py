"""A recipe runs what is missing, goes on where it was stopped, and says which step failed."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from proseg.errors import InputError
from training import recipe
from training.fit import train

WRITE = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.argv[2]); open('log', 'a').write(sys.argv[1])"


def write_recipe(last: str = WRITE) -> None:
    """Three steps, a, b of a, c of b; each writes its file and a letter into the log."""
    text = ""
    for name, need, program in (("a", [], WRITE), ("b", ["a"], WRITE), ("c", ["b"], last)):
        command = f"python -c {shlex.quote(program)} {name} new"
        text += f'[[step]]\nname = "{name}"\ncommand = """{command}"""\nneeds = {need}\nmakes = ["{name}"]\n'
    Path("recipe.toml").write_text(text)


def log() -> str:
    return Path("log").read_text() if Path("log").exists() else ""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["recipe", "--recipe", "recipe.toml"])
    write_recipe()


def test_what_is_missing_is_made_in_order_and_once() -> None:
    recipe.main()
    assert log() == "abc"
    recipe.main()
    assert log() == "abc"


def test_what_is_present_is_skipped_and_so_is_what_only_that_needed() -> None:
    Path("b").write_text("old")
    recipe.main()
    assert log() == "c"
    assert Path("b").read_text() == "old"


def test_what_was_deleted_is_made_anew_with_the_goal_that_builds_on_it() -> None:
    recipe.main()
    Path("b").unlink()
    recipe.main()
    assert log() == "abcbc"


def test_a_step_that_was_stopped_goes_on_though_its_file_is_there() -> None:
    write_recipe(last=WRITE + "; raise KeyboardInterrupt")
    with pytest.raises(InputError, match="step c failed"):
        recipe.main()
    assert Path("c").exists()
    write_recipe()
    recipe.main()
    assert log() == "abcc"


def test_a_step_that_fails_stops_the_recipe_in_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    Path("recipe.toml").write_text(Path("recipe.toml").read_text().replace("b new", "nowhere/b new"))
    with pytest.raises(InputError, match="The step b failed with exit code 1") as caught:
        recipe.main()
    assert "same command again" in caught.value.remedy
    assert log() == "a"
    assert not Path("c").exists()


def test_a_step_that_makes_nothing_is_no_success() -> None:
    write_recipe(last="pass")
    with pytest.raises(InputError, match="without making c"):
        recipe.main()


def test_a_dry_run_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--dry-run"])
    recipe.main()
    assert log() == ""
    assert not recipe.UNFINISHED.exists()


def test_a_file_that_is_no_recipe_is_refused() -> None:
    Path("recipe.toml").write_text("step = 3")
    with pytest.raises(InputError, match="no recipe"):
        recipe.main()


def test_the_shipped_recipe_needs_only_what_earlier_steps_make_and_its_trainings_take_their_options() -> None:
    made = {"../shared/data"}
    for step in recipe.read(recipe.RECIPE):
        assert set(step.needs) <= made
        made |= set(step.makes)
        module, *arguments = shlex.split(step.command)[2:]
        if module == "training.fit.train":
            assert f"{train.parse(arguments).out.as_posix()}/checkpoint.pt" in step.makes
    assert "ProSegSlicer/Resources/Models/proseg-0.1.0.pt" in made
