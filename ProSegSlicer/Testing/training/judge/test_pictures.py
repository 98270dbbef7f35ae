"""Pictures of the worst cases, and the sentence below them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from proseg.labels import PZ, ZONES
from proseg.outputs.contours import bright
from proseg.phantom import make_phantom
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.data.layouts import Case
from training.judge.evaluate import evaluate, on_input_grid, show_worst
from training.judge.metrics import evaluate_case
from training.judge.pictures import EXPERT, GAP, TILE, difference, picture, worst

SPACING = (3.0, 0.5, 0.5)


def gland(low: int, high: int, label: int = 2) -> np.ndarray:
    labels = np.zeros((12, 60, 60), np.uint8)
    labels[low:high, 20:40, 15:45] = label
    return labels


def pixels_of(shown: Image.Image, colour: tuple[int, int, int]) -> int:
    return int((np.abs(np.asarray(shown, int) - colour).max(axis=2) < 40).sum())


def test_the_worst_cases_come_in_order() -> None:
    rows = [
        row
        for name, low in (("good", 3), ("bad", 6), ("fair", 4))
        for row in evaluate_case(gland(3, 9), gland(low, 9), SPACING, case=name)
    ]
    assert worst(rows, 2) == ["bad", "fair"]
    assert worst(rows, 1, "CG") == ["bad"]
    assert worst(rows, 2, "PZ") == [], "nobody drew one"


def test_the_sentence_says_how_much_is_wrong_and_where() -> None:
    text = difference(evaluate_case(gland(3, 9), gland(5, 9), SPACING))
    assert "CG 0.800, gland 0.800" in text
    assert "-33 %" in text
    assert "apex (Dice 0.00)" in text
    assert "too small" in text
    text = difference(evaluate_case(gland(3, 9, GLAND_UNKNOWN_ZONE), gland(3, 12), SPACING))
    assert "PZ" not in text
    assert "base" in text
    assert "too large" in text


def test_the_sentence_may_be_about_one_zone() -> None:
    drawn = gland(3, 9)
    drawn[3:9, 35:40, 15:45] = PZ
    found = drawn.copy()
    found[3:5, 35:40, 15:45] = 2
    text = difference(evaluate_case(drawn, found, SPACING), "PZ")
    assert "the PZ's volume is off by -33 %" in text
    assert "apex (Dice 0.00)" in text


def test_both_contours_are_drawn_each_in_its_colour() -> None:
    shown = picture(None, gland(3, 9), gland(3, 9, PZ), SPACING)
    assert pixels_of(shown, bright(ZONES[0].colour)) > 500  # on the same line, the network's is on top
    apart = picture(np.random.default_rng(0).random((12, 60, 60)), gland(3, 9), np.roll(gland(3, 9), 6, 1), SPACING)
    assert pixels_of(apart, EXPERT) > 500
    assert pixels_of(apart, bright(ZONES[1].colour)) > 500


def test_the_base_comes_first() -> None:
    base = gland(8, 9)
    base[3:8, 28:32, 28:32] = 2  # narrower below
    shown = np.asarray(picture(None, base, base, SPACING), int)
    first, last = shown[30:TILE, :TILE], shown[TILE + GAP + 30 :, TILE + GAP : 2 * TILE + GAP]  # below the numbers
    assert np.ptp(np.nonzero(first.max(axis=2) > 120)[1]) > 3 * np.ptp(np.nonzero(last.max(axis=2) > 120)[1])


def test_without_any_gland_there_is_no_picture() -> None:
    with pytest.raises(ValueError, match="no gland"):
        picture(None, gland(3, 3), gland(3, 3), SPACING)


@pytest.mark.parametrize("licence", ["CC BY 3.0", "the challenge's own terms"])
def test_an_image_is_shown_only_where_its_licence_lets_it(tmp_path: Path, licence: str) -> None:
    made = make_phantom(0, size=(60, 60, 10), spacing=(1.8, 1.8, 6.0))
    for name, image in (("t2", made.image), ("zones", made.zones)):
        sitk.WriteImage(image, tmp_path / f"{name}.nii.gz")
    case = Case("a", "A", tmp_path / "t2.nii.gz", "a", zones=tmp_path / "zones.nii.gz", licence=licence)
    segment = on_input_grid(lambda image: made.zones)
    (tmp_path / "worst-of-before.png").touch()
    text = show_worst(list(evaluate([case], segment, 0)), {"a": (case, segment)}, tmp_path)
    assert "](worst-a.png)" in text
    assert [path.name for path in tmp_path.glob("worst-*")] == ["worst-a.png"]
    shown = np.asarray(Image.open(tmp_path / "worst-a.png").convert("RGB"), int)
    grey = (np.ptp(shown, axis=2) < 8) & (shown.max(axis=2) > 60) & (shown.max(axis=2) < 200)
    assert (grey.mean() > 0.2) == licence.startswith("CC")
