"""How a cost grows: a straight line and a power through measured points."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def line(sizes: Sequence[float], costs: Sequence[float]) -> tuple[float, float]:
    """Slope and intercept of the least-squares line through points."""
    slope, intercept = statistics.linear_regression(sizes, costs)
    return slope, intercept


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The power of size that cost follows: the slope of the least-squares line through the logarithms.

    1 is linear, 0 means that the cost does not grow. All values must be positive.
    """
    return statistics.linear_regression([math.log(size) for size in sizes], [math.log(cost) for cost in costs])[0]
