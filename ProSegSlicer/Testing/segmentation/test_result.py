from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_results import BOX, make_findings, make_result

from proseg.flags import QualityFlag, Severity
from proseg.images.geometry import to_lps


def same_grid(one: sitk.Image, other: sitk.Image) -> bool:
    return all(
        getattr(one, name)() == getattr(other, name)()
        for name in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection")
    )


@pytest.mark.parametrize("orientation", ["LPS", "RAI", "SLP", "PIR"])
def test_probabilities_lie_where_the_labels_are_whatever_the_orientation(orientation: str) -> None:
    result = make_result(orientation)
    labels = sitk.GetArrayFromImage(result.labelmap)
    shares = np.stack([sitk.GetArrayFromImage(result.probability_image(label)) for label in range(3)])
    assert same_grid(result.probability_image(1), result.image)
    np.testing.assert_array_equal(shares.argmax(axis=0), labels)
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-6)


def test_outside_the_box_everything_is_certain_background() -> None:
    result = make_result()
    outside = np.ones(to_lps(result.image).GetSize()[::-1], bool)
    outside[BOX] = False
    assert (sitk.GetArrayFromImage(result.probability_image(0))[outside] == 1).all()
    assert (sitk.GetArrayFromImage(result.probability_image(2))[outside] == 0).all()
    assert (sitk.GetArrayFromImage(result.uncertainty_image())[outside] == 0).all()


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [((1, 0, 0), 0), ((1 / 3, 1 / 3, 1 / 3), 1), ((0, 0.5, 0.5), np.log(2) / np.log(3))],
)
def test_uncertainty_is_entropy_as_a_share_of_the_greatest(probabilities: tuple[float, ...], expected: float) -> None:
    result = make_result("RAI")
    result.probabilities[:] = np.reshape(probabilities, (3, 1, 1, 1))
    image = result.uncertainty_image()
    assert same_grid(image, result.image)
    assert image.GetPixelID() == sitk.sitkFloat32
    np.testing.assert_allclose(sitk.GetArrayFromImage(to_lps(image))[BOX], expected, atol=1e-5)


def test_a_result_without_labels_has_no_gland() -> None:
    assert make_result().has_gland
    assert not make_result(empty=True).has_gland


def test_edited_contours_need_no_probabilities() -> None:
    info = QualityFlag("a", Severity.INFO, "A sentence.", (2, 1))
    findings = make_findings(make_result(flags=(info,)), provenance=None)
    assert findings.has_gland
    assert findings.slices_to_check == (1, 2)
    assert findings.serious_flags == ()
    assert not hasattr(findings, "probabilities")


def test_only_warnings_and_worse_ask_for_a_look() -> None:
    info, warning, critical = (
        QualityFlag(severity.value, severity, "A sentence.", slices)
        for severity, slices in ((Severity.INFO, (1,)), (Severity.WARNING, (7, 3)), (Severity.CRITICAL, (3, 5)))
    )
    result = make_result(flags=(info, warning, critical))
    assert result.serious_flags == (warning, critical)
    assert result.slices_to_check == (1, 3, 5, 7)
    assert make_result(flags=(info,)).serious_flags == ()
