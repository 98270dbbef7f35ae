"""Volumes without a prostate: never a confident gland."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from proseg.images.checks import check_t2w
from proseg.phantom import make_phantom
from proseg.segmentation.segmenter import Segmenter
from training.data.datasets import find_cases, load_image, load_labels
from training.judge.other_anatomy import GAP_SLICES, LEAST_SLICES, MADE, Answer, beyond_the_gland, table


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(device="cpu")


@pytest.mark.parametrize("kind", MADE)
def test_a_made_volume_passes_for_an_image_and_its_seed_matters(kind: str) -> None:
    one, again, other = (MADE[kind](seed) for seed in (1, 1, 2))
    check_t2w(one)
    assert np.array_equal(sitk.GetArrayFromImage(one), sitk.GetArrayFromImage(again))
    assert one.GetSize() != other.GetSize() or (sitk.GetArrayFromImage(one) != sitk.GetArrayFromImage(other)).any()


@pytest.mark.parametrize("kind", ["head", "knee", "noise"])  # all of them: docs/evaluation/other-anatomy.md
def test_no_confident_gland_where_there_is_no_prostate(kind: str, segmenter: Segmenter) -> None:
    answer = Answer.of(kind, segmenter.segment(MADE[kind](0)))
    assert not answer.confident, answer


def test_no_confident_gland_in_slices_beyond_a_real_one(shared_data: Path, segmenter: Segmenter) -> None:
    asked = 0
    for case in find_cases(shared_data)[::16]:
        for where, part in beyond_the_gland(load_image(case), load_labels(case)):
            answer = Answer.of(where, segmenter.segment(part))
            assert not answer.confident, (case.id, answer)
            asked += 1
    assert asked >= 3


@pytest.mark.parametrize("orientation", ["LPS", "LPI"])
def test_slices_beyond_the_gland_are_named_by_where_they_lie_and_hold_none(orientation: str) -> None:
    made = make_phantom(0, size=(50, 50, 44), spacing=(2.4, 2.4, 2.5), orientation=orientation)
    parts = dict(beyond_the_gland(made.image, made.zones))
    assert set(parts) == {"below", "above"}
    height = {name: part.TransformContinuousIndexToPhysicalPoint([0, 0, 0])[2] for name, part in parts.items()}
    assert height["below"] < height["above"]
    filled = int((sitk.GetArrayFromImage(made.zones).any(axis=(1, 2))).sum())
    assert sum(part.GetSize()[2] for part in parts.values()) == 44 - filled - 2 * GAP_SLICES
    assert all(part.GetSize()[2] >= LEAST_SLICES for part in parts.values())


def test_the_table_counts_what_was_said() -> None:
    answers = [
        Answer("knee", 0.0, float("nan"), ("nothing_found",), True),
        Answer("knee", 12.0, 0.4, ("doubtful_gland", "touches_border"), True),
        Answer("knee", 30.0, 0.9, (), False),
        Answer("head", 5.0, 0.4, ("doubtful_gland",), True),
    ]
    assert [answer.confident for answer in answers] == [False, False, True, False]
    text = table(answers)
    assert "| knee | 3 | 1 | 1 | 1 | doubtful_gland 1, touches_border 1 |" in text
    assert "| head | 1 | 0 | 1 | 0 | doubtful_gland 1 |" in text
