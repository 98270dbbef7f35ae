"""Run a schedule of trainings one after the other: ablations, normalisations, baselines, sizes of the data set.

``python -m training.fit.ablate --out runs/ablation --folds 0 1 --patches 3000 -- --float32``

Every configuration is trained on every fold with the same budget, in patches, or in minutes where the machine does
nothing else. Each run has a folder, ``OUT/<configuration>/fold<n>``. Stop it at any time; the same command goes on
where it was, and what is finished is left alone. What stands after ``--`` goes to every training.
``training.judge.compare --runs OUT`` makes the table.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from training.command import run_command
from training.networks.baselines import BASELINES

ABLATIONS: dict[str, tuple[str, ...]] = {
    "full": (),
    "no-directional": ("--without", "directional"),
    "no-cross-slice": ("--without", "cross_slice"),
    "no-gate": ("--without", "gate"),
    "no-pyramid": ("--without", "pyramid"),
    "no-focal": ("--focal", "0"),
    "no-partial": ("--no-partial",),
    "norm-group": ("--norm", "group"),
    "norm-batch": ("--norm", "batch"),
    "harsh": ("--harsh",),
}
NETWORKS = {name: ("--network", name) for name in BASELINES}
CURVE = {f"cases-{count}": ("--cases", str(count)) for count in (8, 16, 32, 48)}
CONFIGURATIONS = ABLATIONS | NETWORKS | CURVE


@dataclass(frozen=True)
class Run:
    """One training of a schedule: its folder and its command."""

    out: Path
    command: tuple[str, ...]


def schedule(options: argparse.Namespace) -> Iterator[Run]:
    """The runs in order: fold by fold, so that a schedule cut short has compared everything on a fold."""
    budget = ("--budget-patches", str(options.patches)) if options.patches else ("--minutes", str(options.minutes))
    for fold in options.folds:
        for name in options.only:
            out = options.out / name / f"fold{fold}"
            where = ("--out", str(out), "--fold", str(fold), "--arrays", str(options.arrays), *budget)
            yield Run(out, (sys.executable, "-m", "training.fit.train", *where, *CONFIGURATIONS[name], *options.rest))


def finished(run: Run, options: argparse.Namespace) -> bool:
    """Whether a run has spent its budget."""
    checkpoint = run.out / "checkpoint.pt"
    if not checkpoint.is_file():
        return False
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return state["step"] >= options.patches if options.patches else state["spent"] >= options.minutes * 60


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the schedule")
    parser.add_argument(
        "--arrays", type=Path, default=Path("runs/arrays"), help="folder made by training.data.preprocess"
    )
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1], help="folds to hold out, one after the other")
    parser.add_argument("--only", nargs="+", choices=list(CONFIGURATIONS), default=[*ABLATIONS, *NETWORKS])
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--patches", type=int, help="patches a run learns from")
    budget.add_argument("--minutes", type=float, help="minutes a run trains for")
    parser.add_argument("--parallel", type=int, default=1, help="trainings at a time, as on a GPU; they print mingled")
    parser.add_argument("--dry-run", action="store_true", help="say what would be run")
    arguments = sys.argv[1:] if arguments is None else arguments
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:cut])
    options.rest = arguments[cut + 1 :]
    return options


def main() -> None:
    """Run what is not finished; a training that fails is told at the end and does not stop the others."""
    options = parse()
    todo = []
    for run in schedule(options):
        if finished(run, options):
            print(f"{run.out}: finished", flush=True)
        elif options.dry_run:
            print(shlex.join(run.command), flush=True)
        else:
            todo.append(run)

    def train(run: Run) -> bool:
        print(f"{run.out}: training", flush=True)
        return not subprocess.run(run.command).returncode

    with ThreadPoolExecutor(options.parallel) as pool:
        failed = [run for run, well in zip(todo, pool.map(train, todo), strict=True) if not well]
    for run in failed:
        print(f"{run.out} failed: {shlex.join(run.command)}", file=sys.stderr)
    sys.exit(bool(failed))


if __name__ == "__main__":
    run_command(main)
