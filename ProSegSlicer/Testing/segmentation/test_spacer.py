"""A bright, even layer that was drawn as PZ is flagged; a PZ that is bright or even alone is not."""

from __future__ import annotations

import numpy as np
import pytest

from proseg.flags import Severity
from proseg.labels import CG, PZ
from proseg.segmentation.spacer import spacer_flags

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
    return spacer_flags(image, labels, BOX, SPACING, lambda ks: tuple(sorted(ks)), lambda index: 3.0 * index - 42.5)


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
