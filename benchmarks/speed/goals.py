"""The goals on two cores, and whether a run reached them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.speed import cold, growth, limit, peers
from benchmarks.speed.volumes import USUAL, name
from benchmarks.tables import percent, seconds, table, times

Results = dict[str, dict[str, Any]]
"""What each section found, by the section's name."""


@dataclass(frozen=True)
class Goal:
    """One line of the table.

    Attributes:
        what: in words.
        bound: the goal's figure.
        most: whether the figure is to stay at or below the bound, or to reach it.
        value: takes the figure from the results; a KeyError or TypeError says that it was not measured.
        write: writes a figure.
    """

    what: str
    bound: float
    most: bool
    value: Callable[[Results], float | None]
    write: Callable[[float], str]

    def found(self, results: Results) -> float | None:
        """The figure, or None if it was not measured."""
        try:
            return self.value(results)
        except (KeyError, TypeError):
            return None

    def reached(self, value: float) -> bool:
        """Whether a figure meets the bound."""
        return value <= self.bound if self.most else value >= self.bound


def _seconds(value: float) -> str:
    return f"{seconds(value)} s"


def _usual(results: Results) -> dict[str, Any]:
    return results["warm"]["volumes"][name(USUAL)]


GOALS = (
    Goal(f"warm, {name(USUAL)}", 0.5, True, lambda r: _usual(r)["total"], _seconds),
    Goal("against lavlab-taps, warm", 50, False, lambda r: peers.ratio(r["peers"], peers.TAPS), times),
    Goal(
        "against the MONAI bundle's pipeline, warm", 40, False, lambda r: peers.ratio(r["peers"], peers.BUNDLE), times
    ),
    Goal(
        "networks, of the measured bfloat16 peak",
        0.35,
        False,
        lambda r: limit.reached(r["limit"], "bfloat16"),
        percent,
    ),
    Goal(
        "networks, of the peak of the arithmetic that ships", 0.35, False, lambda r: limit.reached(r["limit"]), percent
    ),
    Goal("all that is not the networks, of the warm time", 0.25, True, lambda r: _usual(r)["not_network"], percent),
    Goal("`proseg segment`, whole process", 3.0, True, lambda r: _segment(r)["wall_s"], _seconds),
    Goal("peak memory of `proseg segment`", 700, True, lambda r: _segment(r)["peak_mb"], lambda mb: f"{mb:.0f} MB"),
    Goal("second click, volume node to segments", 1.0, True, lambda r: r["click"]["click"]["next"]["total"], _seconds),
    Goal("batch, cases a minute", 100, False, lambda r: _batch(r), lambda n: f"{n:.0f}"),
    Goal("growth, largest exponent", growth.LINEAR, True, lambda r: _exponent(r), lambda n: f"{n:.2f}"),
    Goal("on a GPU, warm", 0.03, True, lambda r: r["gpu"]["case_s"], lambda s: f"{s * 1000:.0f} ms"),
    Goal("worst agreement with float32, Dice", 0.995, False, lambda r: r["agreement"]["worst"], lambda d: f"{d:.4f}"),
)


def _segment(results: Results) -> dict[str, float]:
    return results["cold"]["processes"][cold.SEGMENT]


def _batch(results: Results) -> float:
    return max(case["per_minute"] for case in results["batch"]["workers"].values())


def _exponent(results: Results) -> float:
    return max(fit["exponent"] for fit in results["growth"]["fits"].values())


def describe(results: Results) -> str:
    """The table of goals and what was reached."""
    rows = []
    for goal in GOALS:
        value = goal.found(results)
        bound = f"{'≤' if goal.most else '≥'} {goal.write(goal.bound)}"
        said = ["–", "not measured"] if value is None else [goal.write(value), _verdict(goal.reached(value))]
        rows.append([goal.what, bound, *said])
    return table(["", "Goal", "Measured", ""], rows)


def _verdict(reached: bool) -> str:
    return "reached" if reached else "**missed**"
