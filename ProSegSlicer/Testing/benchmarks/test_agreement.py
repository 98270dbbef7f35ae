"""Agreement counts what differs, and names the worst case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.agreement import agreement, describe, dice, images, summary


@pytest.fixture
def labels() -> np.ndarray:
    made = np.zeros((4, 20, 20), np.uint8)
    made[1:3, 5:15, 5:15] = 2
    made[1:3, 12:15, 5:15] = 1
    return made


def test_equal_labels_agree_wholly(labels: np.ndarray) -> None:
    found = agreement("a", labels, labels)
    assert (found.least, found.differing) == (1.0, 0)


def test_a_voxel_that_changed_zone_counts_in_both_zones_and_not_in_the_gland(labels: np.ndarray) -> None:
    other = labels.copy()
    other[1, 13, 6] = 2
    found = agreement("a", other, labels)
    assert found.pz == pytest.approx(2 * 59 / 119)
    assert found.cg == pytest.approx(2 * 140 / 281)
    assert (found.gland, found.differing) == (1.0, 1)
    assert found.least == found.pz


def test_two_empty_masks_agree() -> None:
    assert dice(np.zeros(3, bool), np.zeros(3, bool)) == 1
    assert dice(np.ones(3, bool), np.zeros(3, bool)) == 0


def test_the_worst_case_comes_first_and_is_counted(labels: np.ndarray) -> None:
    other = labels.copy()
    other[1, 13, 6] = 2
    rows = [agreement("good", labels, labels), agreement("bad", other, labels)]
    found = summary(rows, "cpu, bfloat16", "the reference")
    assert (found["worst_case"], found["identical"]) == ("bad", 1)
    text = describe(found)
    assert "**1 below 0.995.**" in text
    assert text.index("| bad |") < text.index("| good |")


def test_every_image_of_the_development_data_is_compared(shared_data: Path) -> None:
    found = dict(images(shared_data))
    assert len(found) == 83
    assert found["ProstateX-0000_t2w"].is_dir()
