"""A reader who corrects the worst slice first, and stops when the others will do."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
from Testing.made_examinations import make_examination

from proseg.labels import CG, PZ
from training.judge.refinement import left_alone
from training.judge.simulated_reader import Examination, content, corrected, unfit, wrong_mm2


def wrong_in(*ks: int) -> Examination:
    """An examination that is right but for some slices, of which nothing was drawn."""
    made = make_examination()
    labels = made.truths[0].copy()
    labels[list(ks)] = 0
    return replace(made, seen=replace(made.seen, labels=labels))


def test_the_slice_with_the_largest_area_wrong_is_corrected_first() -> None:
    made = wrong_in(3, 5)
    area = wrong_mm2(made.truths[0], made.seen.labels, made.seen.spacing_kji)
    assert np.flatnonzero(area).tolist() == [3, 5]
    first, second = sorted((3, 5), key=lambda k: -area[k])
    steps = [(given, labels.copy()) for given, labels in corrected(made, left_alone)]
    assert [given for given, _ in steps] == [[], [first], sorted([first, second])]
    assert np.array_equal(steps[-1][1], made.truths[0])


def test_a_reader_is_content_when_every_other_slice_will_do() -> None:
    made = wrong_in(3, 5)
    told = [content(made.truths[0], given, labels) for given, labels in corrected(made, left_alone)]
    assert told == [False, False, True]


def test_a_slice_is_unfit_for_too_little_of_one_zone_and_for_gland_where_there_is_none() -> None:
    truth = np.zeros((4, 10, 10), np.uint8)
    truth[:3, :, :8], truth[:3, :, 8:] = CG, PZ
    drawn = truth.copy()
    drawn[1, :7, 8:] = CG
    drawn[3, 0, 0] = CG
    assert unfit(truth, drawn).tolist() == [False, True, False, True]


def test_of_a_gland_without_zones_the_reader_gives_the_networks_zones_and_judges_the_gland() -> None:
    made = make_examination(gland_only=True)
    said = made.said()
    assert np.array_equal(said > 0, made.truths[0] > 0)
    assert set(np.unique(said)) == {0, PZ, CG}
    assert wrong_mm2(made.truths[0], said, made.seen.spacing_kji).sum() == 0
    assert not unfit(made.truths[0], said).any()


def test_the_second_reader_is_followed_by_what_the_second_reader_drew() -> None:
    made = make_examination(second=True)
    _, (given, labels) = islice(corrected(made, left_alone, reader=1), 2)
    assert np.array_equal(labels[given], made.truths[1][given])
