"""The follower's training: what is given to it, and that it learns what carries from slice to slice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from Testing.made_examinations import make_examination

from proseg.model.follower import Follower
from proseg.segmentation.propagation import follow
from training.judge.follower import COUNTS, Lesson, loss_of, train
from training.judge.simulated_reader import Examination


def shifted() -> Examination:
    """An examination in which the expert draws everything two rows further back than the networks."""
    made = make_examination()
    return replace(made, truths=(np.roll(made.seen.labels, 2, axis=1),))


def test_slices_are_given_in_order_within_the_gland_and_its_neighbours_and_some_are_left() -> None:
    lesson = Lesson.of(make_examination(), 0)
    rng = np.random.default_rng(0)
    for given in (lesson.some(rng) for _ in range(200)):
        assert given == sorted(set(given))
        assert 1 <= len(given) <= max(COUNTS) + 2
        assert set(lesson.slices) - set(given)


def test_a_follower_learns_to_carry_a_correction_to_the_slices_beside_it() -> None:
    made = shifted()
    follower = train([Lesson.of(made, 0)], epochs=40)
    truth = made.truths[0]

    def wrong(labels: np.ndarray) -> int:
        return np.count_nonzero((labels != truth)[[4, 6]])

    assert wrong(follow(made.seen, truth, [5], follower)) < 0.7 * wrong(
        follow(made.seen, truth, [5], Follower().eval())
    )


def test_where_zones_are_unknown_they_do_not_count() -> None:
    truth = torch.full((2, 8, 8), 3.0)
    gland = torch.ones(2, 8, 8)
    one, other = (loss_of(gland, torch.full((2, 8, 8), pz), truth, False) for pz in (-5.0, 5.0))
    assert one == other
