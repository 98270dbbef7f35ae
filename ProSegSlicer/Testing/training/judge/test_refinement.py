"""What a reader's ends and slices are worth: counted against leaving alone, cutting, growing and interpolating."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from Testing.made_examinations import make_examination

from proseg.errors import InputError
from proseg.model.follower import Follower, save_follower
from training.judge.refinement import (
    ALONE,
    ENDS,
    REFINED,
    SHAPES,
    ends_by_way,
    follower_for,
    judge,
    page,
    pictures,
    shapes_between,
)
from training.judge.simulated_reader import Examination


def wrong_at(cut: int = 0, added: int = 0) -> Examination:
    """A case as its own truth, with slices missing at the base, or too many at the apex."""
    made = make_examination()
    labels, truth = made.seen.labels.copy(), made.seen.labels.copy()
    ks = np.flatnonzero(truth.any(axis=(1, 2)))
    if added:
        truth[: ks[0] + added] = 0
    if cut:
        labels[ks[-1] + 1 - cut :] = 0
    return replace(made, seen=replace(made.seen, labels=labels), truths=(truth,))


def test_a_gland_begun_too_low_is_perfect_once_its_first_slice_is_given() -> None:
    before, cut, *_ = ends_by_way(wrong_at(added=2))
    assert before["gland"] < 1
    assert cut["gland"] == cut["PZ"] == 1


def test_a_gland_ended_too_early_is_helped_by_growing_and_not_by_cutting() -> None:
    before, cut, by_shape, grown = (way["gland"] for way in ends_by_way(wrong_at(cut=3)))
    assert before == cut < by_shape <= 1
    assert grown >= by_shape - 0.005


def test_between_given_slices_shapes_are_interpolated_and_given_ones_stay() -> None:
    made = make_examination()
    said = np.zeros_like(made.truths[0])
    for k, half in ((3, 4), (7, 8)):
        said[k, 20 - half : 20 + half, 20 - half : 20 + half] = 2
    between = shapes_between(made, said, [3, 7])
    widths = [int((between[k, 20] > 0).sum()) for k in range(3, 8)]
    assert widths == sorted(widths)
    assert widths[2] == 12
    assert np.array_equal(between[[3, 7]], said[[3, 7]])
    assert np.array_equal(between[8], made.seen.labels[8])


def test_the_page_has_a_line_for_each_way_and_a_picture_before_and_after(tmp_path: Path) -> None:
    both = wrong_at(cut=2)
    made = make_examination(1, gland_only=True)
    gland = replace(made, truths=(np.where(both.truths[0] > 0, np.uint8(3), np.uint8(0)),))
    cases = [judge(one, Follower().eval()) for one in (replace(both, truths=both.truths * 2), gland)]
    assert set(cases[0].needed) == {ALONE, SHAPES, REFINED}
    assert np.isnan(cases[1].gain("PZ"))
    text = page(cases, [Path("a.pt")], pictures(cases, tmp_path))
    assert all(f"| {way} |" in text for way in (*ENDS, ALONE, SHAPES, REFINED))
    assert "2 cases that a.pt has not learned from; 1 of them have expert zones" in text
    with Image.open(tmp_path / "refined-c0.png") as picture:
        assert picture.width > picture.height


def test_only_a_follower_that_has_not_learned_from_the_cases_judges_them(tmp_path: Path) -> None:
    files = [tmp_path / "one.pt", tmp_path / "two.pt"]
    for file, learned in zip(files, (["a", "b"], ["b", "c"]), strict=True):
        save_follower(Follower(), file, learned)
    assert isinstance(follower_for(["a"], files), Follower)
    with pytest.raises(InputError, match="Every follower has learned"):
        follower_for(["a", "c"], files)
