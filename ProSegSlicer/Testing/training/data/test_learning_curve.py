"""Fewer cases to learn from: in proportion, one inside the other, the same each time."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from proseg.errors import InputError
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.data.learning_curve import subset
from training.data.preprocess import Arrays

NOTHING = np.zeros((1, 1, 1), np.float16)


def make_cases() -> list[Arrays]:
    """40 zonal cases of A, 20 of B, 20 gland-only ones of B."""
    kinds = [("A", 1)] * 40 + [("B", 1)] * 20 + [("B", GLAND_UNKNOWN_ZONE)] * 20
    return [
        Arrays(f"c{number:02}", source, f"p{number}", NOTHING, np.full((1, 1, 1, 1), label, np.uint8), 3.0)
        for number, (source, label) in enumerate(kinds)
    ]


@pytest.mark.parametrize("count", [8, 20, 40])
def test_every_source_and_kind_of_label_keeps_its_share(count: int) -> None:
    taken = Counter((case.source, case.zonal) for case in subset(make_cases(), count))
    for stratum, share in ((("A", True), 0.5), (("B", True), 0.25), (("B", False), 0.25)):
        assert abs(taken[stratum] - share * count) <= 2


def test_a_smaller_subset_lies_inside_a_larger_one() -> None:
    sets = [{case.id for case in subset(make_cases(), count)} for count in (1, 5, 17, 60, 80)]
    assert [len(one) for one in sets] == [1, 5, 17, 60, 80]
    assert all(small < large for small, large in pairwise(sets))


def test_the_draw_depends_on_the_seed_and_not_on_the_order() -> None:
    cases = make_cases()
    ids = [case.id for case in subset(cases, 10)]
    assert ids == sorted(case.id for case in subset(cases[::-1], 10))
    assert ids != [case.id for case in subset(cases, 10, seed=1)]


@pytest.mark.parametrize("count", [0, 81])
def test_more_than_there_are_or_none_is_refused(count: int) -> None:
    with pytest.raises(InputError, match="80 cases"):
        subset(make_cases(), count)
