"""The fits find what made the points."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.speed.fits import exponent, line
from benchmarks.speed.growth import fitted, linear

SIZES = (10.0, 20.0, 40.0, 80.0)


@given(power=st.floats(0, 3), factor=st.floats(1e-3, 1e3))
def test_the_exponent_is_that_of_the_power_that_made_the_points(power: float, factor: float) -> None:
    assert exponent(SIZES, [factor * size**power for size in SIZES]) == pytest.approx(power, abs=1e-6)


def test_a_line_is_found_by_its_slope_and_intercept() -> None:
    assert line(SIZES, [0.3 + 0.02 * size for size in SIZES]) == pytest.approx((0.02, 0.3))


@pytest.mark.parametrize(("power", "holds"), [(0.3, True), (1.0, True), (1.2, False)])
def test_what_grows_faster_than_linearly_is_told(power: float, holds: bool) -> None:
    growing = fitted([[size, 0.1 * size**power] for size in SIZES])
    constant = fitted([[size, 2.0] for size in SIZES])
    assert linear({"fits": {"slices": growing, "cases": constant}}) is holds
