"""Markdown tables, and figures with as many digits as they deserve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A Markdown table.

    Args:
        heads: the columns' names.
        rows: cells of each row.
        words: how many columns, from the left, hold words; the others hold figures and are set to the right.
    """
    rules = ["---" if column < words else "---:" for column in range(len(heads))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rules, *rows)) + "\n"


def seconds(value: float | None) -> str:
    """Seconds in three significant digits at most."""
    if value is None:
        return "–"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.0f}"


def megabytes(value: float | None) -> str:
    """Whole MB."""
    return "–" if value is None else f"{value:.0f}"


def times(value: float | None) -> str:
    """A ratio."""
    return "–" if value is None else f"{value:.1f} ×" if value < 10 else f"{value:.0f} ×"


def percent(value: float | None) -> str:
    """A share of one as whole per cent."""
    return "–" if value is None else f"{value:.0%}".replace("%", " %")
