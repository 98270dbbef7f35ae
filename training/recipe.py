"""Make what is missing of the shipped weights, step by step.

``python -m training.recipe`` (``make weights``)

The steps stand in ``recipe.toml``. Stop it at any time; the same command goes on with the step that was stopped. What
is present stays: delete a file that a step makes, and it is made anew.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from proseg.errors import InputError
from training.command import run_command

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPE = Path(__file__).with_name("recipe.toml")
UNFINISHED = Path("runs") / "unfinished"  # a mark for each step that was begun, or is to follow one


@dataclass(frozen=True)
class Step:
    """One command of a recipe; paths are relative to the folder it is run in.

    Attributes:
        name: of the step, unique.
        command: as in a shell, but without one; ``python`` is the running interpreter.
        needs: files and folders that it reads.
        makes: files and folders that it writes.
    """

    name: str
    command: str
    needs: tuple[str, ...]
    makes: tuple[str, ...]

    @property
    def mark(self) -> Path:
        """The file that is there while the step is not finished."""
        return UNFINISHED / self.name

    def present(self) -> bool:
        """Whether all that it makes is there, and finished."""
        return not self.mark.exists() and all(Path(made).exists() for made in self.makes)


def read(path: Path) -> list[Step]:
    """The steps of a recipe, in its order, which is also that of their needs.

    Raises:
        InputError: it is no recipe.
    """
    try:
        steps = tomllib.loads(path.read_text(encoding="utf-8"))["step"]
        return [Step(s["name"], s["command"], tuple(s["needs"]), tuple(s["makes"])) for s in steps]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no recipe: {error!r}.", "Each [[step]] has name, command, needs, makes.") from None


def missing(steps: Sequence[Step]) -> list[Step]:
    """The steps to run for the last one's sake: those not present, those they need, and what builds on them."""
    maker = {made: step for step in steps for made in step.makes}
    wanted: set[Step] = set()

    def visit(step: Step) -> None:
        before = [maker[need] for need in step.needs if need in maker]
        if step is steps[-1] or not step.present():
            for earlier in before:
                visit(earlier)
        if not step.present() or wanted.intersection(before):
            wanted.add(step)

    visit(steps[-1])
    return [step for step in steps if step in wanted]


def run(step: Step) -> None:
    """Run a step to its end.

    Raises:
        InputError: something it needs is not there, it failed, or it did not make what it should.
    """
    again = "Mend it and give the same command again: finished steps are kept."
    if absent := [need for need in step.needs if not Path(need).exists()]:
        raise InputError(f"The step {step.name} needs {absent[0]}, which is not there.", again)
    first, *rest = shlex.split(step.command)
    code = subprocess.run([sys.executable if first == "python" else first, *rest], check=False).returncode
    if code:
        raise InputError(f"The step {step.name} failed with exit code {code}: {step.command}.", again)
    if absent := [made for made in step.makes if not Path(made).exists()]:
        raise InputError(f"The step {step.name} ended without making {absent[0]}.", again)
    step.mark.unlink()


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--dry-run", action="store_true", help="print the commands that are missing, run none")
    options = parser.parse_args()
    steps = missing(read(options.recipe))
    if not steps:
        print("Nothing is missing. Delete a file that a step makes, and it is made anew.")
    if not options.dry_run:
        UNFINISHED.mkdir(parents=True, exist_ok=True)
        for step in steps:  # all at once: a stop between two steps must not leave the second one's old files as new
            step.mark.touch()
    for number, step in enumerate(steps, 1):
        print(f"{number}/{len(steps)} {step.name}: {step.command}", flush=True)
        if not options.dry_run:
            run(step)


if __name__ == "__main__":
    run_command(main)
