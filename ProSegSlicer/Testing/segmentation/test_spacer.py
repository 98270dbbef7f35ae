"""A bright, even layer that was drawn as PZ is flagged; a PZ that is bright or even alone is not."""

from __future__ import annotations

import numpy as np
import pytest

from proseg.flags import Severity
from proseg.labels import CG, PZ
from proseg.segmentation.spacer import gel, spacer, spacer_flags

SPACING = (3.0, 0.5, 0.5)
BOX = (slice(2, 12), slice(20, 100), slice(10, 110))


def image_and_labels(pz: float, noise: float, gel_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy image with a bright bladder; labels with PZ behind CG, of which the last rows are gel."""
    random = np.random.default_rng(1)
    image = random.normal(300, 40, (14, 120, 120))
    image[10:, :40, 30:90] = random.normal(1000, 40, (4, 40, 60))
    labels = np.zeros((10, 80, 100), np.uint8)
    labels[2:8, 10:40, 20:80] = CG
    labels[2:8, 40:70, 20:80] = PZ
    image[BOX][labels == PZ] = random.normal(pz, noise, int((labels == PZ).sum()))
    image[BOX][2:8, 70 - gel_rows : 70, 20:80] = random.normal(1000, 40, (6, gel_rows, 60))
    return image, labels


def flags(image: np.ndarray, labels: np.ndarray):
    bright = gel(image, labels, BOX)
    place = lambda ks: tuple(sorted(ks)), lambda index: 3.0 * index - 42.5
    return spacer_flags(bright, np.zeros_like(bright), BOX[0].start, SPACING, *place)


def left_out(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return spacer(gel(image, labels, BOX), labels, SPACING)


@pytest.mark.parametrize("rows", [12, 16, 20])
def test_gel_that_was_drawn_is_a_warning_with_volume_and_slices(rows: int) -> None:
    (flag,) = flags(*image_and_labels(600, 60, rows))
    assert (flag.code, flag.severity, flag.slices) == ("spacer_drawn", Severity.WARNING, (4, 5, 6, 7, 8, 9))
    assert "slices 4 to 9 (S \u221230.5 to \u221215.5 mm)" in flag.sentence
    assert "hydrogel spacer" in flag.sentence


@pytest.mark.parametrize(("pz", "noise", "rows"), [(600, 20, 0), (700, 60, 2), (900, 200, 0), (1000, 300, 0)])
def test_a_pz_that_is_only_bright_or_only_even_is_not_flagged(pz: float, noise: float, rows: int) -> None:
    assert flags(*image_and_labels(pz, noise, rows)) == ()


def test_gel_that_was_not_drawn_is_not_flagged() -> None:
    image, labels = image_and_labels(600, 60, 16)
    labels[:, 54:] = 0
    assert flags(image, labels) == ()


@pytest.mark.parametrize("gain", [0.01, 40.0])
def test_the_scanners_gain_changes_nothing(gain: float) -> None:
    image, labels = image_and_labels(600, 60, 16)
    assert [flag.code for flag in flags(gain * image, labels)] == ["spacer_drawn"]


def test_without_a_gland_there_is_no_flag() -> None:
    image, labels = image_and_labels(600, 60, 16)
    assert flags(image, np.zeros_like(labels)) == ()


@pytest.mark.parametrize("rows", [12, 16, 20])
def test_a_thick_layer_with_nothing_behind_it_is_left_out_with_its_rim(rows: int) -> None:
    image, labels = image_and_labels(600, 60, rows)
    mask = left_out(image, labels)
    assert mask[2:8, 71 - rows : 70, 21:79].all()
    assert not mask[:, : 70 - rows - 4].any()
    assert not (mask & (labels == CG)).any()


def test_what_is_left_of_pz_behind_a_layer_goes_with_it() -> None:
    image, labels = image_and_labels(600, 60, 16)
    labels[2:8, 70:72, 40:60] = PZ  # 1 mm
    assert left_out(image, labels)[2:8, 70:72, 40:60].all()


@pytest.mark.parametrize(("front", "back"), [(50, 64), (60, 70)])
def test_a_bright_layer_within_the_pz_or_a_thin_one_stays_and_is_flagged(front: int, back: int) -> None:
    image, labels = image_and_labels(600, 60, 0)
    image[BOX][2:8, front:back, 20:80] = np.random.default_rng(2).normal(1000, 40, (6, back - front, 60))
    assert not left_out(image, labels).any()
    assert [flag.code for flag in flags(image, labels)] == ["spacer_drawn"]


def test_what_was_left_out_is_told_with_volume_and_slices() -> None:
    image, labels = image_and_labels(600, 60, 16)
    mask = left_out(image, labels)
    (flag,) = spacer_flags(gel(image, labels, BOX), mask & (labels > 0), 2, SPACING, lambda ks: tuple(sorted(ks)))
    assert (flag.code, flag.severity, flag.slices) == ("spacer_left_out", Severity.WARNING, (4, 5, 6, 7, 8, 9))
    assert "left out" in flag.sentence
    assert flag.sentence.startswith(f"{np.count_nonzero(mask & (labels > 0)) * 0.75 / 1000:.1f} mL")
