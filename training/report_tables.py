"""Evaluation results as Markdown tables and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from proseg.writing import write_text
from training.metrics import REGIONS, STRUCTURES, THIRDS, WHOLE, MetricRow

_COLUMNS = (  # heading, attribute, decimals
    ("Dice", "dice", 3),
    ("Recall", "recall", 3),
    ("HD95 (mm)", "hd95_mm", 1),
    ("ASD (mm)", "asd_mm", 2),
    ("Volume error (mL)", "volume_error_ml", 1),
    ("Volume error (%)", "volume_error_percent", 1),
)


def write_csv(rows: Iterable[MetricRow], path: Path) -> None:
    """Write the rows, one line each with a header; undefined values are empty. The file appears whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [column.name for column in fields(MetricRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in asdict(row).items()} for row in rows)
    write_text(text.getvalue(), path)


def summarise(rows: Sequence[MetricRow]) -> str:
    """Describe the results in Markdown tables: in all, per source, per fold, per third and the worst cases.

    Numbers are mean ± sample standard deviation over the cases with the structure in truth or prediction, whose number
    is given. Undefined values are left out; so distances do not see missed structures: the column Missed counts those.
    """
    rows = [row for row in rows if not math.isnan(row.dice)]
    rows.sort(key=lambda row: (STRUCTURES.index(row.structure), REGIONS.index(row.region), row.case))
    if not rows:
        return "No results.\n"
    whole = [row for row in rows if row.region == WHOLE]
    thirds = [row for row in rows if row.region in THIRDS]
    parts = [
        "## All cases",
        _grouped(whole, ("Structure",), lambda row: (row.structure,)),
        "## Per source",
        _grouped(sorted(whole, key=lambda row: row.source), ("Source", "Structure"), lambda r: (r.source, r.structure)),
        "## Per fold",
        _grouped(sorted(whole, key=lambda row: row.fold), ("Fold", "Structure"), lambda r: (str(r.fold), r.structure)),
        "## Per third of the gland",
        _grouped(thirds, ("Structure", "Third"), lambda row: (row.structure, row.region)),
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
        numbers = [_mean_sd([getattr(row, attribute) for row in group], places) for _, attribute, places in _COLUMNS]
        lines.append([*name, str(len(group)), *numbers, str(sum(row.missed for row in group))])
    return _table([*headings, "Cases", *(column[0] for column in _COLUMNS), "Missed"], lines, len(headings))


def _worst(whole: Sequence[MetricRow]) -> str:
    lines = []
    for structure in STRUCTURES:
        if scored := [row for row in whole if row.structure == structure]:
            row = min(scored, key=lambda row: row.dice)
            numbers = [_mean_sd([getattr(row, attribute)], places) for _, attribute, places in _COLUMNS]
            lines.append([structure, row.case, row.source, f"{row.truth_ml:.1f}", *numbers])
    return _table(["Structure", "Case", "Source", "Truth (mL)", *(column[0] for column in _COLUMNS)], lines, 3)


def _mean_sd(values: Sequence[float], places: int) -> str:
    defined = [value for value in values if not math.isnan(value)]
    if not defined:
        return "–"
    mean = f"{np.mean(defined):.{places}f}"
    return f"{mean} ± {np.std(defined, ddof=1):.{places}f}" if len(defined) > 1 else mean


def _table(headings: Sequence[str], lines: Iterable[Sequence[str]], text_columns: int) -> str:
    """A Markdown table; the columns after the text ones are aligned right."""
    rule = ["---"] * text_columns + ["---:"] * (len(headings) - text_columns)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rule, *lines))


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value
