"""The panel's refinement, on stand-ins for Slicer: the gland's ends, slices cleared or accepted, and no edit lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6 import QtCore
from Testing.made_results import make_result
from Testing.slicer import standins
from Testing.slicer.conftest import paint

from proseg.labels import CG, PZ
from ProSegSlicerLib import overlay, refining, review
from ProSegSlicerLib.segments import zones
from ProSegSlicerLib.volumes import add_volume, by_slice

EDIT = (6, slice(18, 21), slice(20, 24))  # inside the central gland
FIRST, LAST = 2, 10  # slices with gland in the made result


@pytest.fixture
def segmentation(view: Any, case: Any, volume: Any) -> Any:
    """The result of a run, in the panel."""
    return case.segment(volume)


def labels(segmentation: Any) -> np.ndarray:
    return by_slice(zones(segmentation))


def go(case: Any, index: int) -> None:
    overlay.jump_to_slice(case.segmentation, index)
    standins.wait_until(lambda: case.panel.refine.view.shown == index)


def correct(case: Any, index_kji: tuple[Any, ...] = EDIT, label: int = PZ) -> None:
    paint(case.segmentation, index_kji, label)
    case.settle()


def cut(case: Any, **ends: int) -> None:
    """Move ends in the boxes, and wait until the gland follows."""
    for end, index in ends.items():
        getattr(case.ui, f"{end}SpinBox").value = index
    standins.wait_until(lambda: not case.panel.refine._recut.active)


def listed(case: Any) -> list[tuple[str, str, bool]]:
    table = case.ui.givenTable
    return [
        (table.item(row, 0).text(), table.item(row, 1).text(), table.item(row, 0).checkState() == QtCore.Qt.Checked)
        for row in range(table.rowCount)
    ]


def tick(case: Any, row: int, ticked: bool) -> None:
    case.ui.givenTable.item(row, 0).setCheckState(QtCore.Qt.Checked if ticked else QtCore.Qt.Unchecked)


def start(case: Any) -> dict[str, Any]:
    """Click on Refine; the request."""
    case.ui.refineButton.click()
    case.take_time()
    assert case.is_running, case.message
    return case.client.requests[-1]


def test_the_section_is_there_when_there_is_a_result(case: Any, volume: Any, view: Any) -> None:
    assert not case.is_shown("refineSection")
    case.segment(volume)
    assert case.is_shown("refineSection")
    case.select(None)
    assert not case.is_shown("refineSection")


def test_this_slice_is_cleared_and_only_this(case: Any, segmentation: Any) -> None:
    before = labels(segmentation)
    go(case, LAST)
    case.ui.clearButton.click()
    before[LAST] = 0
    np.testing.assert_array_equal(labels(segmentation), before)
    assert listed(case) == [(f"Slice {LAST} (S −35.7 mm)", "cleared by you", True)]
    assert not case.ui.clearButton.enabled


def test_the_panel_says_which_slices_were_corrected_and_each_can_be_dropped(case: Any, segmentation: Any) -> None:
    assert not case.ui.refineButton.enabled
    assert "Nothing is given yet" in case.ui.refineButton.toolTip
    correct(case)
    correct(case, (4, 20, 22), PZ)
    assert case.ui.givenLabel.text == "You corrected slices 4 and 6."
    assert [row[1:] for row in listed(case)] == [("drawn by you", True)] * 2
    tick(case, 0, False)
    assert [row[2] for row in listed(case)] == [False, True]
    assert start(case)["slices"] == [6]


def test_what_the_reader_drew_stays_and_the_others_are_refined(case: Any, segmentation: Any) -> None:
    correct(case)
    go(case, 8)
    before = labels(segmentation)
    request = start(case)
    assert (request["do"], request["slices"], request["first"], request["last"]) == ("refine", [6], None, None)
    case.client.say_refined(8)
    case.wait()
    case.settle()
    after = labels(segmentation)
    np.testing.assert_array_equal(after[6], before[6])
    assert (after[8] != before[8]).any()
    assert "Refined “T2W” on the CPU" in case.message
    assert case.panel.refine.view.shown == 8  # the views stay where the reader looks
    assert case.ui.shownLabel.text == "Slice 8 (S −42.6 mm) is shown: refined."
    assert case.ui.givenLabel.text == "You corrected slice 6."
    case.ui.compareButton.click()
    assert case.ui.comparisonLabel.text.startswith("Drawn by the reader in slice 6")
    case.ui.undoButton.click()
    case.settle()
    np.testing.assert_array_equal(labels(segmentation), before)
    assert case.message == "Taken back: Refine."


def test_undo_waits_for_edits_made_since(case: Any, segmentation: Any) -> None:
    cut(case, apex=4)
    correct(case)
    assert not case.ui.undoButton.enabled
    correct(case, label=CG)
    assert case.ui.undoButton.enabled


def test_ends_that_were_set_are_given_to_the_refinement(case: Any, segmentation: Any) -> None:
    cut(case, apex=4)
    correct(case)
    request = start(case)
    assert (request["slices"], request["first"], request["last"]) == ([2, 3, 6], 4, None)


def test_an_accepted_slice_stays_and_with_all_accepted_nothing_is_left(case: Any, segmentation: Any) -> None:
    for index in range(FIRST, LAST + 1):
        go(case, index)
        case.ui.acceptButton.click()
    assert not case.ui.refineButton.enabled
    assert case.ui.refineButton.toolTip.startswith("Every slice of the gland is corrected or accepted")
    case.panel.refine.refine()  # whoever asks
    assert not case.is_running
    assert "nothing left to refine" in case.message
    tick(case, 3, False)
    assert start(case)["slices"] == [index for index in range(FIRST, LAST + 1) if index != 5]


def test_with_an_empty_list_nothing_is_refined(case: Any, segmentation: Any) -> None:
    correct(case)
    tick(case, 0, False)
    assert not case.ui.refineButton.enabled
    case.panel.refine.refine()
    assert not case.is_running
    assert "Nothing is given yet" in case.message


@pytest.mark.parametrize("how", ["cancel", "crash", "failure"])
def test_a_refinement_that_ends_early_costs_no_edit_and_the_next_one_works(
    case: Any, segmentation: Any, how: str
) -> None:
    correct(case)
    before = labels(segmentation)
    start(case)
    assert not case.ui.apexSpinBox.enabled
    assert not case.ui.refineButton.enabled
    if how == "cancel":
        case.button.click()
    elif how == "crash":
        case.client.say_died()
    else:
        case.client.say("failed", kind="memory", sentence="There is not enough memory.", remedy="Try again.")
    case.wait()
    np.testing.assert_array_equal(labels(segmentation), before)
    assert case.message
    assert start(case)["slices"] == [6]
    case.client.say_refined()
    case.wait()
    np.testing.assert_array_equal(labels(segmentation)[6], before[6])


def test_edits_made_meanwhile_stay_and_the_refinement_gets_a_node_of_its_own(case: Any, segmentation: Any) -> None:
    correct(case)
    start(case)
    paint(segmentation, (5, *EDIT[1:]), PZ)
    edited = labels(segmentation)
    case.client.say_refined()
    case.wait()
    np.testing.assert_array_equal(labels(segmentation), edited)
    assert case.segmentation is not segmentation
    assert "edited meanwhile" in case.message
    assert refining.look(case.segmentation).word.corrected == (6,)
    assert review.comparison(case.segmentation).slices_refined == (8,)


def test_after_the_image_was_switched_the_refinement_stays_with_its_own(
    case: Any, segmentation: Any, volume: Any
) -> None:
    correct(case)
    start(case)
    other = add_volume(make_result().image + 1, "Another patient")
    case.select(other)
    assert not case.is_shown("refineSection")
    case.client.say_refined()
    case.wait()
    assert case.panel.parameters.inputVolume is other
    assert case.segmentation is None
    assert review.comparison(segmentation).slices_refined == (8,)


def test_after_the_segmentation_was_deleted_the_refinement_ends_in_a_sentence(
    case: Any, segmentation: Any, scene: Any
) -> None:
    correct(case)
    start(case)
    scene.RemoveNode(segmentation)
    case.wait()
    assert "removed meanwhile" in case.message
    assert not case.is_shown("refineSection")


def test_a_lesion_is_never_touched(case: Any, segmentation: Any) -> None:
    from Testing.slicer.test_signing import draw

    from ProSegSlicerLib.segments import _grid, _merged

    def lesion() -> np.ndarray:
        return by_slice(_merged(segmentation, _grid(segmentation), {"lesion": 1}))

    segmentation.GetSegmentation().AddEmptySegment("lesion", "Lesion")
    draw(segmentation, "lesion", (slice(2, 9), slice(18, 22), slice(20, 24)))
    case.settle()
    drawn = lesion()
    assert drawn.any()
    correct(case)
    cut(case, apex=4)
    go(case, 9)
    case.ui.clearButton.click()
    start(case)
    case.client.say_refined()
    case.wait()
    case.ui.undoButton.click()
    np.testing.assert_array_equal(lesion(), drawn)


def test_a_reloaded_scene_and_a_restored_result_can_be_refined(
    case: Any, segmentation: Any, scene: Any, tmp_path: Any
) -> None:
    correct(case)
    go(case, 8)
    case.ui.acceptButton.click()
    bundle = str(tmp_path / "case.mrb")
    assert scene.WriteToMRB(bundle)
    scene.Clear()
    assert not case.is_shown("refineSection")
    assert scene.ReadFromMRB(bundle)
    assert [row[1] for row in listed(case)] == ["drawn by you", "accepted"]
    assert not case.ui.undoButton.enabled
    assert start(case)["slices"] == [6, 8]
    case.client.say_refined(5)
    case.wait()
    case.answers.prepared["restore"] = True
    case.ui.restoreButton.click()
    case.settle()
    assert [row[1] for row in listed(case)] == ["accepted"]
    assert start(case)["slices"] == [8]


def test_the_real_worker_refines_warm_and_cold(real_case: Any, view: Any, scene: Any) -> None:
    from ProSegSlicerLib.sample_data import load_phantom

    case, volume = real_case, load_phantom()
    case.start(volume)
    case.wait()
    segmentation = case.segmentation
    ends = refining.look(segmentation).ends
    middle = sum(ends) // 2
    paint(segmentation, (middle, slice(100, 104), slice(100, 104)), PZ)
    for _ in ("warm", "cold"):
        case.settle()
        before = labels(segmentation)
        case.ui.refineButton.click()
        case.take_time()
        case.wait()
        assert "Refined" in case.message, case.message
        np.testing.assert_array_equal(labels(segmentation)[middle], before[middle])
        case.widget.logic.close()  # and the next one is cold
