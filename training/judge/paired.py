"""What a change is worth on the same cases: two tables of ``training.judge.evaluate``, case by case.

``python -m training.judge.paired before/cases.csv after/cases.csv``

Prints Markdown: means of both, and the mean difference with its standard error, of Dice by structure and third and of
how far the gland's ends are off. The difference of a case counts only where both tables have it, against reader 1.
"""

from __future__ import annotations

import argparse
import csv
import math
import statistics
from collections.abc import Mapping
from pathlib import Path

from proseg.errors import InputError
from training.command import run_command
from training.judge.metrics import REGIONS, STRUCTURES, WHOLE
from training.judge.report_tables import mean_and_error, table

Key = tuple[str, str]
"""What is measured, and the case."""

GLANDS = ("gland, cases with zones", "gland, other cases")


def read(path: Path) -> dict[Key, float]:
    """The figures of a table: Dice, and of the ends the distance without and with sign; undefined ones are left out.

    Raises:
        InputError: it is no such table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["reader"] == "1"]
        zonal = {row["case"] for row in rows if row["structure"] == "PZ"}
        figures: dict[Key, float] = {}
        for row in rows:
            case, structure, region = row["case"], row["structure"], row["region"]
            name = f"{structure}, {region} third"
            if region == WHOLE:
                name = GLANDS[case not in zonal] if structure == "gland" else structure
            figures[name, case] = _number(row["dice"])
            if (structure, region) == ("gland", WHOLE):
                for end in ("apex", "base"):
                    error = _number(row[f"{end}_slices"])
                    figures[f"{end} off by (slices)", case] = abs(error)
                    figures[f"{end} too high (slices)", case] = error
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise InputError(f"{path} is no table of training.judge.evaluate: {error!r}.", "Give its cases.csv.") from None
    return {key: value for key, value in figures.items() if not math.isnan(value)}


def comparison(before: Mapping[Key, float], after: Mapping[Key, float]) -> str:
    """A table of all that both have measured."""
    order = [
        *GLANDS,
        *STRUCTURES[:2],
        *(f"{structure}, {region} third" for structure in reversed(STRUCTURES) for region in REGIONS[1:]),
        *(f"{end} {error} (slices)" for end in ("apex", "base") for error in ("off by", "too high")),
    ]
    lines = []
    for name in order:
        pairs = [(before[key], after[key]) for key in sorted(before.keys() & after.keys()) if key[0] == name]
        if pairs:
            means = (f"{statistics.mean(values):.3f}" for values in zip(*pairs, strict=True))
            gains = [new - old for old, new in pairs]
            lines.append(
                [name, str(len(pairs)), *means, mean_and_error(gains), f"{min(gains):+.3f}", f"{max(gains):+.3f}"]
            )
    return table(["", "Cases", "Before", "After", "Difference", "Lowest", "Highest"], lines, 1)


def _number(text: str) -> float:
    return float(text) if text else math.nan


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="cases.csv")
    parser.add_argument("after", type=Path, help="cases.csv")
    options = parser.parse_args()
    print(comparison(read(options.before), read(options.after)))


if __name__ == "__main__":
    run_command(main)
