"""Evaluation results as Markdown tables and CSV."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from proseg.system.atomic import write_text
from training.judge.metrics import BETWEEN_READERS, REGIONS, STRUCTURES, THIRDS, WHOLE, MetricRow

_COLUMNS = (  # heading, attribute, decimals
    ("Dice", "dice", 3),
    ("Recall", "recall", 3),
    ("HD95 (mm)", "hd95_mm", 1),
    ("ASD (mm)", "asd_mm", 2),
    ("Volume error (mL)", "volume_error_ml", 1),
    ("Volume error (%)", "volume_error_percent", 1),
)

THIN_SHARE = 0.13  # of the gland, below which an outlined PZ is a thin rim


def write_csv(rows: Iterable[MetricRow], path: Path) -> None:
    """Write the rows, one line each with a header; undefined values are empty. The file appears whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [column.name for column in fields(MetricRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: cell(value) for name, value in asdict(row).items()} for row in rows)
    write_text(text.getvalue(), path)


def summarise(rows: Sequence[MetricRow]) -> str:
    """Describe the results in Markdown tables: in all, by source, fold and third, thin PZ, readers, worst cases.

    All but the table of readers are about the first reader's labels.

    Numbers are mean ± sample standard deviation over the cases with the structure in truth or prediction, whose number
    is given. Undefined values are left out; so distances do not see missed structures: the column Missed counts those.
    """
    rows = [row for row in rows if not math.isnan(row.dice)]
    rows.sort(key=lambda row: (STRUCTURES.index(row.structure), REGIONS.index(row.region), row.case))
    if not rows:
        return "No results.\n"
    read_twice = [row for row in rows if row.region == WHOLE and row.reader != 1]
    rows = [row for row in rows if row.reader == 1]
    whole = [row for row in rows if row.region == WHOLE]
    thirds = [row for row in rows if row.region in THIRDS]
    zonal = {row.case for row in whole if row.structure != "gland"}
    parts = [
        "## All cases",
        _grouped(
            sorted(whole, key=lambda row: (STRUCTURES.index(row.structure), row.case not in zonal)),
            ("Structure",),
            lambda row: (_known(row, zonal),),
        ),
        "## Per source",
        _grouped(sorted(whole, key=lambda row: row.source), ("Source", "Structure"), lambda r: (r.source, r.structure)),
        "## Per fold",
        _grouped(sorted(whole, key=lambda row: row.fold), ("Fold", "Structure"), lambda r: (str(r.fold), r.structure)),
        "## Per third of the gland",
        _grouped(thirds, ("Structure", "Third"), lambda row: (row.structure, row.region)),
        "## Where the gland begins and ends",
        _ends([row for row in rows if row.structure == "gland"]),
        "## Where the PZ is a thin rim",
        _thin(whole),
        *(("## Against two readers", _readers(whole, read_twice)) if read_twice else ()),
        "## Worst case per structure (lowest Dice)",
        _worst(whole),
    ]
    return "\n\n".join(parts) + "\n"


def _grouped(rows: Iterable[MetricRow], headings: Sequence[str], key: Callable[[MetricRow], tuple[str, ...]]) -> str:
    groups: dict[tuple[str, ...], list[MetricRow]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    lines = []
    for name, group in groups.items():
        numbers = [mean_sd([getattr(row, attribute) for row in group], places) for _, attribute, places in _COLUMNS]
        numbers.insert(1, f"{min(row.dice for row in group):.3f}")
        lines.append([*name, str(len(group)), *numbers, str(sum(row.missed for row in group))])
    columns = [column[0] for column in _COLUMNS]
    columns.insert(1, "Lowest Dice")
    return table([*headings, "Cases", *columns, "Missed"], lines, len(headings))


def _known(row: MetricRow, zonal: set[str]) -> str:
    """The structure; of the gland also whether its case has zones."""
    if row.structure != "gland":
        return row.structure
    return "gland, cases with zones" if row.case in zonal else "gland, other cases"


def _ends(glands: Sequence[MetricRow]) -> str:
    """How far apex and base are from where they should be, and the Dice of the end thirds: in all and by source."""
    sources = sorted({row.source for row in glands})
    groups = [("all", list(glands)), *((name, [row for row in glands if row.source == name]) for name in sources)]
    lines = []
    for name, group in groups:
        whole = [row for row in group if row.region == WHOLE]
        cells = [name, str(len(whole))]
        for third in ("apex", "base"):
            errors = [getattr(row, f"{third}_slices") for row in whole]
            dice = [row.dice for row in group if row.region == third]
            cells += [mean_sd(errors, 2), mean_sd([abs(error) for error in errors], 2), mean_sd(dice, 3)]
        lines.append(cells)
    names = ("{} too high (slices)", "{} off by", "dice of the {} third")
    headings = [name.format(end).capitalize() for end in ("apex", "base") for name in names]
    return table(["Source", "Cases", *headings], lines, 1) + (
        "\n\nA slice is 3 mm here. Negative: the gland begins, or ends, too low (inferior). "
        "The second column of each end is the mean without sign."
    )


def _thin(whole: Sequence[MetricRow]) -> str:
    """PZ apart for cases where it is outlined as a thin rim, and for the others."""
    gland = {row.case: row.truth_ml for row in whole if row.structure == "gland"}
    outlined = [row for row in whole if row.structure == "PZ" and row.truth_ml and row.case in gland]
    outlined.sort(key=lambda row: row.truth_ml / gland[row.case])
    names = f"below {THIN_SHARE:.0%} of the gland", f"{THIN_SHARE:.0%} or more"
    return _grouped(outlined, ("PZ",), lambda row: (names[row.truth_ml >= THIN_SHARE * gland[row.case]],))


def _readers(first: Sequence[MetricRow], second: Sequence[MetricRow]) -> str:
    """How close the contours are to each of two readers, and these to each other, on the cases that both have drawn."""
    twice = {row.case for row in second}
    groups = (
        ("contours and reader 1", [row for row in first if row.case in twice]),
        ("contours and reader 2", [row for row in second if row.reader == 2]),
        ("reader 2 and reader 1", [row for row in second if row.reader == BETWEEN_READERS]),
    )
    lines = []
    for structure in STRUCTURES:
        for name, group in groups:
            rows = [row for row in group if row.structure == structure]
            dice, hd95 = ([getattr(row, column) for row in rows] for column in ("dice", "hd95_mm"))
            worst = f"{min(dice):.3f}" if dice else "–"
            lines.append([structure, name, str(len(rows)), mean_sd(dice, 3), worst, mean_sd(hd95, 1)])
    return table(["Structure", "Between", "Cases", "Dice", "Lowest Dice", "HD95 (mm)"], lines, 2)


def _worst(whole: Sequence[MetricRow]) -> str:
    lines = []
    for structure in STRUCTURES:
        if scored := [row for row in whole if row.structure == structure]:
            row = min(scored, key=lambda row: row.dice)
            numbers = [mean_sd([getattr(row, attribute)], places) for _, attribute, places in _COLUMNS]
            lines.append([structure, row.case, row.source, f"{row.truth_ml:.1f}", *numbers])
    return table(["Structure", "Case", "Source", "Truth (mL)", *(column[0] for column in _COLUMNS)], lines, 3)


def mean_sd(values: Sequence[float], places: int) -> str:
    """Mean ± sample standard deviation of the defined values, a dash where there are none."""
    defined = [value for value in values if not math.isnan(value)]
    if not defined:
        return "–"
    mean = f"{np.mean(defined):.{places}f}"
    return f"{mean} ± {np.std(defined, ddof=1):.{places}f}" if len(defined) > 1 else mean


def mean_and_error(gains: Sequence[float]) -> str:
    """Mean ± standard error."""
    if len(gains) < 2:
        return "–"
    return f"{statistics.mean(gains):+.4f} ± {statistics.stdev(gains) / len(gains) ** 0.5:.4f}"


def table(headings: Sequence[str], lines: Iterable[Sequence[str]], text_columns: int) -> str:
    """A Markdown table; the columns after the text ones are aligned right."""
    rule = ["---"] * text_columns + ["---:"] * (len(headings) - text_columns)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rule, *lines))


def cell(value: object) -> object:
    """A value as the CSV has it: undefined ones empty, six digits."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value
