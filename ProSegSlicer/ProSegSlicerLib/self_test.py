"""The module's self-test: a generated examination from the click to the saved scene, in Slicer and outside it.

``test`` is the ``ScriptedLoadableModuleTest`` that runs; its assertions are unittest's, as Slicer comes without pytest.
"""

# ruff: noqa: PT009

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import slicer
import vtk

from proseg.labels import ZONES

# Against the phantom's truth. Where the zones meet, a generated image is harder to read than a real one.
LEAST_DICE = {"gland_dice": 0.85, "cg_dice": 0.8, "pz_dice": 0.7}
MOST_VOLUME_ERROR = {"gland_ml": 0.15, "cg_ml": 0.15, "pz_ml": 0.3}


def check_contours(test: Any) -> None:
    """Draw a phantom's true zones, sign off, edit, save and reload; nothing has to be installed for that."""
    from proseg.outputs.review import ReviewStatus
    from proseg.phantom import make_phantom
    from ProSegSlicerLib import review, segments, volumes

    phantom = make_phantom()
    volume = volumes.add_volume(phantom.image, "Phantom T2W")
    review.set_psa(volume, 6.5)
    segmentation = segments.create_segmentation(volume)
    segments.set_zones(segmentation, phantom.zones)
    _check_terminology(test, segmentation)
    review.sign_off(segmentation, "Self-test")
    test.assertIs(review.review(segmentation)[0], ReviewStatus.REVIEWED)
    _erase(segments, segmentation)
    test.assertIs(review.review(segmentation)[0], ReviewStatus.WITHDRAWN)
    _check_saving(test, segmentation, volume)


def check_phantom(test: Any) -> None:
    """Segment a phantom, compare with its truth, edit, sign off, restore, save and reload."""
    from proseg.phantom import make_phantom
    from ProSegSlicerLib import dependencies, review, volumes

    if dependencies.needed():
        test.skipTest("PyTorch is not installed")
    phantom = make_phantom()
    volume = volumes.add_volume(phantom.image, "Phantom T2W")
    review.set_psa(volume, 6.5)
    logic = test.make_logic()
    try:
        test.delayDisplay("Segmenting the phantom on the CPU")
        segmentation = logic.segment(volume, device="cpu")
    finally:
        logic.close()
    _check_against_truth(test, segmentation, phantom.zones)
    _check_terminology(test, segmentation)
    _check_review(test, segmentation)
    _check_saving(test, segmentation, volume)
    test.delayDisplay("The self-test passed")


def _check_against_truth(test: Any, segmentation: Any, truth: Any) -> None:
    from proseg.outputs.review import compare
    from proseg.segmentation.measurements import measure
    from ProSegSlicerLib import review, segments

    measured, expected = review.measurements(segmentation), measure(truth)
    compared = compare(truth, segments.zones(segmentation))
    for name, least in LEAST_DICE.items():
        test.assertGreaterEqual(getattr(compared, name), least, msg=name)
    for name, most in MOST_VOLUME_ERROR.items():
        wanted = getattr(expected, name)
        test.assertAlmostEqual(getattr(measured, name), wanted, delta=most * wanted, msg=name)
    test.assertAlmostEqual(measured.psa_density, 6.5 / measured.gland_ml)


def _check_terminology(test: Any, segmentation: Any) -> None:
    for zone in ZONES:
        tag = vtk.reference("")
        segment = segmentation.GetSegmentation().GetSegment(zone.short)
        test.assertTrue(segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), tag))
        test.assertIn(f"{zone.type.scheme}^{zone.type.value}^{zone.type.meaning}", str(tag))
        test.assertEqual(segment.GetName(), zone.name)


def _check_review(test: Any, segmentation: Any) -> None:
    """Leaves the contours edited, and the sign-off withdrawn."""
    from proseg.outputs.review import ReviewStatus
    from ProSegSlicerLib import review, segments

    before = review.measurements(segmentation)
    test.assertFalse(review.edited(segmentation))
    review.sign_off(segmentation, "Self-test")
    test.assertIs(review.review(segmentation)[0], ReviewStatus.REVIEWED)
    _erase(segments, segmentation)
    test.assertIs(review.review(segmentation)[0], ReviewStatus.WITHDRAWN)
    test.assertLess(review.measurements(segmentation).gland_ml, before.gland_ml)
    review.restore_ai(segmentation)
    test.assertIs(review.review(segmentation)[0], ReviewStatus.REVIEWED)
    test.assertEqual(review.measurements(segmentation), before)
    _erase(segments, segmentation)


def _check_saving(test: Any, segmentation: Any, volume: Any) -> None:
    from ProSegSlicerLib import review, segments

    test.delayDisplay("Saving and reloading the scene")
    before = (review.measurements(segmentation), review.review(segmentation), review.comparison(segmentation))
    with tempfile.TemporaryDirectory() as folder:
        bundle = str(Path(folder) / "self-test.mrb")
        test.assertTrue(slicer.mrmlScene.WriteToMRB(bundle))
        names = segmentation.GetName(), volume.GetName()
        slicer.mrmlScene.Clear()
        test.assertTrue(slicer.mrmlScene.ReadFromMRB(bundle))
    reloaded, t2w = map(slicer.mrmlScene.GetFirstNodeByName, names)
    after = (review.measurements(reloaded), review.review(reloaded), review.comparison(reloaded))
    test.assertEqual(after[1:], before[1:])
    test.assertAlmostEqual(after[0].gland_ml, before[0].gland_ml, places=6)
    test.assertEqual(review.psa(t2w), 6.5)
    test.assertIs(segments.input_volume(reloaded), t2w)


def _erase(segments: Any, segmentation: Any) -> None:
    """Take the contours from half of the volume, as an eraser would."""
    labelmap = segments.zones(segmentation)
    labelmap[:, :, : labelmap.GetSize()[2] // 2] = 0
    segments.set_zones(segmentation, labelmap)
