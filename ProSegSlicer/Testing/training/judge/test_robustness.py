"""How contours fare on worse examinations: what is compared with what, and when it is called a cliff."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

from proseg.flags import QualityFlag, Severity
from proseg.phantom import Phantom, make_phantom
from training.data.degradations import Degradation, rotated, with_noise, with_slices
from training.data.layouts import Case
from training.judge.robustness import CLEAN, Fared, fares, lines, page


class BrightIsGland:
    """Stands in for the core: the brightest tenth is gland; where there is noise beyond the signal it warns."""

    def segment(self, image: sitk.Image) -> SimpleNamespace:
        pixels = sitk.GetArrayFromImage(image)
        labels = sitk.GetImageFromArray((pixels > 0.5 * np.percentile(pixels, 99.9)).astype(np.uint8) * 2)
        labels.CopyInformation(image)
        noisy = bool((pixels[:, 0] != 0).any())
        return SimpleNamespace(
            labelmap=labels, flags=(QualityFlag("x", Severity.WARNING if noisy else Severity.INFO, "X."),)
        )


@pytest.fixture
def case(tmp_path: Path) -> Case:
    made: Phantom = make_phantom(0, size=(60, 60, 10), spacing=(1.8, 1.8, 6.0))
    sitk.WriteImage(sitk.Cast(made.zones > 0, sitk.sitkFloat32) * 100, tmp_path / "t2.nii.gz")
    sitk.WriteImage(made.zones > 0, tmp_path / "gland.nii.gz")
    return Case("a", "A", tmp_path / "t2.nii.gz", "a", gland=tmp_path / "gland.nii.gz")


def test_a_case_is_judged_as_it_is_and_under_every_harm_on_its_own_grid(case: Case) -> None:
    harms = (
        Degradation("noise {:g}", with_noise, (0.001, 0.4)),
        Degradation("slices {:g}", with_slices, (5.0, 8.0)),
        Degradation("turned {:g}", rotated, (20.0,)),
    )
    rows = {row.harm: row for row in fares(BrightIsGland(), case, harms)}
    assert list(rows) == [CLEAN, "noise 0.001", "noise 0.4", "slices 8", "turned 20"]  # 5 mm changes nothing
    assert rows[CLEAN].dice == rows["noise 0.001"].dice == 1
    assert rows["noise 0.4"].dice < 0.9
    assert rows["slices 8"].dice > 0.9
    assert rows["turned 20"].dice > 0.9
    assert [rows[harm].warned for harm in (CLEAN, "noise 0.4")] == [False, True]


def fared(case: str, harm: str, dice: float, structure: str = "gland", warned: bool = False) -> Fared:
    return Fared(case, harm, structure, dice, warned)


def test_a_change_is_against_the_same_cases_as_they_are() -> None:
    rows = [fared("a", CLEAN, 0.9), fared("b", CLEAN, 0.5), fared("a", "thick", 0.88, warned=True)]
    clean, thick = lines(rows)
    assert clean[:3] == [CLEAN, "2", "0.700 (+0.000)"]
    assert thick[:3] == ["thick", "1", "0.880 (-0.020)"]
    assert thick[-3:] == ["0.880", "1 of 1", ""]


@pytest.mark.parametrize(("dice", "verdict"), [(0.81, ""), (0.79, "cliff")])
def test_a_fall_of_a_tenth_is_a_cliff(dice: float, verdict: str) -> None:
    assert lines([fared("a", CLEAN, 0.9), fared("a", "worse", dice)])[1][-1] == verdict


def test_the_page_has_a_line_for_every_harm() -> None:
    text = page([fared("a", CLEAN, 0.9), fared("a", "worse", 0.5)], [Path("fold0.pt")])
    assert "1 cases that fold0.pt has not learned from, through" in text
    assert text.count("\n| ") == 4  # with heading and rule
    assert "| worse | 1 | 0.500 (-0.400) | – | – | 0.500 | 0 of 1 | cliff |" in text
