"""The gland's ends in the panel, on stand-ins for Slicer: cut at once, grown by the worker, each in its own patient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
from Testing.made_results import make_result
from Testing.slicer import standins
from Testing.slicer.conftest import paint
from Testing.slicer.test_panel_refine import FIRST, LAST, cut, go, labels

from proseg.labels import CG
from ProSegSlicerLib import refining, review
from ProSegSlicerLib.volumes import add_volume, by_slice


@pytest.fixture
def segmentation(view: Any, case: Any, volume: Any) -> Any:
    """The result of a run, in the panel."""
    return case.segment(volume)


def test_the_ends_are_named_as_the_reader_knows_them_with_their_place(case: Any, segmentation: Any) -> None:
    assert (case.ui.apexSpinBox.value, case.ui.baseSpinBox.value) == (FIRST, LAST)
    assert case.ui.apexSpinBox.suffix == " (S −63.2 mm)"


def test_where_slices_are_counted_from_the_base_the_apex_is_the_last(case: Any, scene: Any, view: Any) -> None:
    made = make_result("LPI")
    segmentation = case.segment(add_volume(made.image, "T2W"))
    set_to = refining.look(segmentation)
    review.keep_ai_result(segmentation, made.labelmap, review.ai_report(segmentation))
    case.panel.refresh()
    assert not set_to.runs_from_apex
    assert (case.ui.apexSpinBox.value, case.ui.baseSpinBox.value) == (11 - FIRST, 11 - LAST)
    cut(case, apex=7)
    assert refining.look(segmentation).ends == (11 - LAST, 7)


def test_moving_an_end_cuts_the_gland_at_once_and_one_undo_brings_it_back(case: Any, segmentation: Any) -> None:
    before, figures = labels(segmentation), case.figures
    cut(case, apex=4, base=9)
    case.settle()
    assert refining.look(segmentation).ends == (4, 9)
    np.testing.assert_array_equal(labels(segmentation)[4:10], before[4:10])
    assert case.figures != figures
    assert case.client.requests[-1]["do"] == "segment"  # without a run
    case.ui.undoButton.click()
    case.settle()
    np.testing.assert_array_equal(labels(segmentation), before)
    assert case.figures == figures


def test_a_sign_off_does_not_outlive_a_cut_and_holds_again_when_it_is_undone(case: Any, segmentation: Any) -> None:
    case.ui.reviewerEdit.text = "Ann"
    case.ui.reviewedButton.click()
    cut(case, apex=4)
    case.settle()
    assert case.ui.statusLabel.text.startswith("Sign-off withdrawn")
    case.ui.undoButton.click()
    case.settle()
    assert case.ui.statusLabel.text.startswith("Reviewed by Ann")


def test_a_gland_that_was_cleared_altogether_comes_back_from_the_end_that_is_set(case: Any, segmentation: Any) -> None:
    paint(segmentation, (slice(None),) * 3, 0)
    case.settle()
    cut(case, apex=4)
    assert refining.look(segmentation).ends == (4, LAST)
    assert not case.is_running


def test_the_segment_editors_own_undo_brings_it_back_too(case: Any, segmentation: Any) -> None:
    before = labels(segmentation)
    cut(case, apex=4)
    slicer.modules.segmenteditor.widgetRepresentation().self().editor.undo()
    np.testing.assert_array_equal(labels(segmentation), before)


def test_the_views_go_along_with_an_end_and_an_end_comes_to_the_slice_shown(case: Any, segmentation: Any) -> None:
    cut(case, apex=4)
    standins.wait_until(lambda: case.panel.refine.view.shown == 4)
    go(case, 8)
    case.ui.baseHereButton.click()
    assert refining.look(segmentation).ends == (4, 8)
    go(case, 3)
    case.ui.apexHereButton.click()
    np.testing.assert_array_equal(labels(segmentation)[3], by_slice(make_result().labelmap)[3])  # as the AI drew it


def test_an_apex_above_the_base_is_refused_and_the_boxes_say_what_is_drawn(case: Any, segmentation: Any) -> None:
    before = labels(segmentation)
    cut(case, apex=11)
    assert "The apex would lie above the base" in case.message
    assert case.ui.apexSpinBox.value == FIRST
    np.testing.assert_array_equal(labels(segmentation), before)


def test_an_end_beyond_what_the_ai_drew_is_grown_by_the_worker(case: Any, segmentation: Any) -> None:
    before = labels(segmentation)
    cut(case, apex=1)
    case.take_time()
    request = case.client.requests[-1]
    assert (request["do"], request["slices"], request["first"], request["last"]) == ("refine", [], 1, LAST)
    case.client.say_refined(1, CG)
    case.wait()
    assert refining.look(segmentation).ends == (1, LAST)
    np.testing.assert_array_equal(labels(segmentation)[2:], before[2:])
    case.ui.undoButton.click()
    np.testing.assert_array_equal(labels(segmentation), before)


def test_an_end_moved_just_before_the_image_is_switched_is_its_own_patients(
    case: Any, segmentation: Any, volume: Any
) -> None:
    before = labels(segmentation)
    other = add_volume(make_result().image + 1, "Another patient")
    second = case.segment(other)
    case.ui.apexSpinBox.value = 5
    case.select(volume)
    case.settle()
    assert not case.panel.refine._recut.active
    assert case.segmentation is segmentation
    np.testing.assert_array_equal(labels(segmentation), before)
    assert not labels(second)[:5].any()
    np.testing.assert_array_equal(labels(second)[5:], before[5:])


def test_an_end_moved_just_before_the_contours_are_signed_is_cut_first(case: Any, segmentation: Any) -> None:
    case.ui.reviewerEdit.text = "Ann"
    case.ui.apexSpinBox.value = 5
    case.ui.reviewedButton.click()
    assert not labels(segmentation)[:5].any()
    case.settle()
    assert case.ui.statusLabel.text.startswith("Reviewed by Ann")


def test_an_end_moved_just_before_the_ais_result_is_restored_does_not_cut_that(case: Any, segmentation: Any) -> None:
    before = labels(segmentation)
    case.answers.prepared["restore"] = True  # the cut is an edit, and asked about
    case.ui.apexSpinBox.value = 5
    case.ui.restoreButton.click()
    case.settle()
    np.testing.assert_array_equal(labels(segmentation), before)
    assert case.ui.apexSpinBox.value == FIRST


def test_an_end_moved_just_before_its_contours_are_deleted_goes_with_them(
    case: Any, segmentation: Any, scene: Any
) -> None:
    case.ui.apexSpinBox.value = 5
    scene.RemoveNode(segmentation)
    case.settle()
    assert not case.panel.refine._recut.active
    assert case.segmentation is None
    assert case.message == ""


def test_a_button_that_is_pressed_does_not_move_away_before_it_is_released(case: Any, segmentation: Any) -> None:
    case.ui.apexSpinBox.value = 5
    case.ui.reviewedButton.pressed.emit()
    assert case.panel.refine._moved == {"first": 5}
    assert labels(segmentation)[FIRST].any()
