"""One table of everything that was tried: accuracy on held-out cases, parameters, seconds a case on this machine.

``python -m training.judge.compare --data ../shared/data --runs runs/ablation --taps runs/peers/bin/python --out
FOLDER``

``--runs`` takes folders of ``training.fit.train`` or folders of such folders, ablations and baselines alike
(``training.fit.ablate`` makes them); runs of the same recipe on several folds are pooled. Every case is judged by
networks that have not learned from it. Writes ``comparison.md`` and ``comparison.csv``, a row a contender, case and
structure.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

from proseg.outputs.report import to_csv
from proseg.system.atomic import OutputSet, write_text
from training.command import run_command
from training.data.datasets import find_cases
from training.judge.contenders import Judged, judge_run, judge_taps, runs_below
from training.judge.metrics import WHOLE, MetricRow
from training.judge.report_tables import cell, mean_sd, table

HELD_OUT = Path(__file__).parents[1] / "held_out"
HEADINGS = (
    *("Contender", "Folds", "Cases", "Gland Dice", "Worst", "CG Dice", "PZ Dice", "Gland HD95 (mm)"),
    *("Parameters (M)", "Patches", "Seconds a case"),
)


def pooled(judged: Sequence[Judged]) -> list[Judged]:
    """Contenders of one name as one, in the order they first appear; patches of the run that learned least."""
    groups: dict[str, list[Judged]] = {}
    for one in judged:
        groups.setdefault(one.name, []).append(one)
    whole = []
    for name, group in groups.items():
        rows = [row for one in group for row in one.rows]
        seconds = [second for one in group for second in one.seconds]
        patches = [one.patches for one in group if one.patches is not None]
        whole.append(Judged(name, group[0].parameters, min(patches, default=None), rows, seconds))
    return whole


def shared_cases(contenders: Sequence[Judged]) -> set[str]:
    """The cases that all contenders were judged on; those of any, if there is none."""
    judged = [{row.case for row in one.rows} for one in contenders]
    return set.intersection(*judged) or set.union(*judged) if judged else set()


def apart(contenders: Sequence[Judged]) -> tuple[list[Judged], list[str]]:
    """Contenders named only by what not all runs have in common, and what these have; a run alone keeps its name."""
    recipes = [one.name.split(", ") for one in contenders if one.patches is not None]
    common = [word for word in recipes[0] if all(word in other for other in recipes)] if len(recipes) > 1 else []
    renamed = []
    for one in contenders:
        own = [word for word in one.name.split(", ") if one.patches is None or word not in common]
        renamed.append(replace(one, name=", ".join(own) or "full"))
    return renamed, common


def line(contender: Judged) -> list[str]:
    """A contender's line of the table."""
    whole = [row for row in contender.rows if row.region == WHOLE and row.reader == 1 and not math.isnan(row.dice)]
    dice = {part: list(whole_dice(contender, part).values()) for part in ("gland", "CG", "PZ")}
    hd95 = [row.hd95_mm for row in whole if row.structure == "gland"]
    folds = sorted({row.fold for row in whole if row.fold >= 0})
    return [
        contender.name,
        ", ".join(map(str, folds)) or "–",
        str(len({row.case for row in whole})),
        mean_sd(dice["gland"], 3),
        f"{min(dice['gland'], default=math.nan):.3f}",
        mean_sd(dice["CG"], 3),
        mean_sd(dice["PZ"], 3),
        mean_sd(hd95, 1),
        f"{contender.parameters / 1e6:.2f}",
        str(contender.patches) if contender.patches is not None else "–",
        f"{statistics.median(contender.seconds):.2f}" if contender.seconds else "–",
    ]


def whole_dice(contender: Judged, structure: str) -> dict[str, float]:
    """Dice of one structure by case, first reader, whole gland; undefined values left out."""
    wanted = (structure, WHOLE, 1)
    rows = [row for row in contender.rows if (row.structure, row.region, row.reader) == wanted]
    return {row.case: row.dice for row in rows if not math.isnan(row.dice)}


def difference(contender: Judged, reference: Judged) -> list[str]:
    """A contender's line of the table of differences from the reference, over the cases that both were judged on."""
    cells = [contender.name]
    for structure in ("gland", "CG", "PZ"):
        own, other = whole_dice(contender, structure), whole_dice(reference, structure)
        more = [own[case] - other[case] for case in sorted(own.keys() & other.keys())]
        if len(more) > 1:
            cells.append(f"{statistics.mean(more):+.3f} ± {statistics.stdev(more) / math.sqrt(len(more)):.3f}")
        else:
            cells.append("–")
    return cells


def page(contenders: Sequence[Judged]) -> str:
    """The whole page in Markdown."""
    contenders, common = apart(contenders)
    alike = f" All runs had in common: {', '.join(common)}." if common else ""
    return (
        "# Comparison\n\n"
        f"Made by `python -m training.judge.compare` on a machine of {os.cpu_count()} cores. Every case is judged by "
        "networks that have not learned from it, from file to labels on its own grid; runs stand in the segmenter's "
        "place, behind the same locator and clean-up. Dice and distances are mean ± standard deviation over cases; "
        "*worst* is the lowest gland Dice; *patches* is the training budget, to be the same for all that are compared; "
        "*seconds* is the median, image in memory to labels, for TAPS file to file. `segmamba` is this project's "
        "re-implementation. What `lavlab-taps` has learned from is not stated in its package: public cases may be "
        f"among it.{alike}\n\n"
        f"{table(HEADINGS, [line(contender) for contender in contenders], 2)}\n"
        f"{differences(contenders)}"
    )


def differences(contenders: Sequence[Judged]) -> str:
    """The section on differences from the full network, if it is among the contenders and not alone."""
    reference = next((one for one in contenders if one.name == "full"), None)
    if reference is None or len(contenders) < 2:
        return ""
    lines = [difference(one, reference) for one in contenders if one is not reference]
    return (
        f"\n## Differences from {reference.name}\n\n"
        "Dice minus that of the full network on the same case, mean ± standard error over the cases both were judged "
        "on. Cases are what varies here, not the random start of a training: each was trained once a fold.\n\n"
        f"{table(('Contender', 'Gland', 'CG', 'PZ'), lines, 1)}\n"
    )


def main() -> None:
    """Judge everything and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a data set's folder")
    parser.add_argument("--runs", type=Path, nargs="*", default=[], help="folders of runs, or of folders of runs")
    parser.add_argument(
        "--locator", type=Path, nargs="+", help="weights files or runs; default: those in training/held_out"
    )
    parser.add_argument("--taps", type=Path, help="Python interpreter that has lavlab-taps; for cases all share")
    parser.add_argument("--taps-cache", type=Path, default=Path("runs/taps"), help="folder of its masks")
    parser.add_argument("--again", action="store_true", help="judge runs again that were judged before, to time them")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, required=True, help="folder for comparison.md and comparison.csv")
    options = parser.parse_args()
    cases = find_cases(options.data)
    locators = options.locator or sorted(HELD_OUT.glob("*.pt"))
    judged = []
    for run in (run for folder in options.runs for run in runs_below(folder)):
        judged.append(judge_run(run, cases, locators, options.device, options.again))
    if options.taps:
        shared = shared_cases(pooled(judged)) or {case.id for case in cases}
        judged.append(judge_taps(options.taps, [case for case in cases if case.id in shared], options.taps_cache))
    contenders = pooled(judged)
    rows = [(one.name, row) for one in contenders for row in one.rows if row.region == WHOLE]  # as the page has them
    columns = ("contender", *(field.name for field in fields(MetricRow)))
    lines = [{"contender": name, **{key: cell(value) for key, value in asdict(row).items()}} for name, row in rows]
    with OutputSet() as outputs:
        write_text(to_csv(lines, columns), options.out / "comparison.csv", outputs)
        write_text(page(contenders), options.out / "comparison.md", outputs)
    print(page(contenders))


if __name__ == "__main__":
    run_command(main)
