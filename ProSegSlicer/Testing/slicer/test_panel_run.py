"""The panel's button, on stand-ins for Slicer: from the click to the result, and everything that may come between."""

from __future__ import annotations

from typing import Any

import pytest
from Testing.made_results import make_result
from Testing.slicer import standins
from Testing.slicer.conftest import paint

from proseg.errors import ProSegError
from proseg.labels import CG
from ProSegSlicerLib import dependencies, review
from ProSegSlicerLib.dependencies import InstallationError, Need
from ProSegSlicerLib.segments import create_segmentation, input_volume
from ProSegSlicerLib.volumes import add_volume

EDIT = (slice(4, 8), slice(10, 14), slice(10, 14))
NEED = Need("2.4")


def stored_labels(segmentation: Any) -> Any:
    import SimpleITK as sitk

    from ProSegSlicerLib.segments import zones

    return sitk.GetArrayFromImage(zones(segmentation)).tobytes()


def test_without_a_volume_the_button_is_disabled_and_says_why(case: Any) -> None:
    assert not case.button.enabled
    assert case.button.toolTip.startswith("Choose an input volume")
    assert not case.is_shown("progressBar")
    assert case.message == ""


def test_with_a_volume_it_is_ready(case: Any, volume: Any) -> None:
    case.select(volume)
    assert case.button.enabled
    assert case.button.text == "Segment Prostate"


def test_each_thing_that_is_missing_has_its_line_in_the_tooltip(case: Any, volume: Any, scene: Any) -> None:
    other = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    segmentation = create_segmentation(volume)
    lines = case.widget.logic.missing(other, segmentation)
    case.panel.run.aim(other, segmentation, "auto")
    assert len(lines) == 2
    assert case.button.toolTip.splitlines() == lines
    assert "has no voxels" in lines[0]
    assert "was made from “T2W”" in lines[1]
    assert not case.button.enabled


def test_the_click_starts_the_worker_and_the_button_cancels(case: Any, volume: Any) -> None:
    case.start(volume)
    assert case.client.requests[0]["do"] == "segment"
    assert case.is_running
    assert case.button.enabled
    assert case.is_shown("progressBar")


def test_the_progress_bar_names_the_stage(case: Any, volume: Any) -> None:
    case.start(volume)
    case.client.say_progress("Segmenting", 0.4)
    standins.wait_until(lambda: case.ui.progressBar.value == 40)
    assert case.ui.progressBar.format.startswith("Segmenting")


def test_a_result_is_selected_and_what_computed_it_is_said(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume)
    assert input_volume(segmentation) is volume
    assert case.ui.segmentationSelector.currentNode() is segmentation
    assert f"“T2W” on the CPU in {case.panel.run.job.seconds:.1f} s" in case.message
    assert case.ui.messageLabel.toolTip == "No GPU."  # why there
    assert case.button.text == "Segment Prostate"
    assert not case.is_shown("progressBar")


def test_cancel_kills_the_worker_and_leaves_the_scene_alone(case: Any, volume: Any, scene: Any) -> None:
    case.start(volume)
    count = scene.GetNumberOfNodes()
    case.button.click()
    assert not case.is_running
    assert case.client.kills == 1
    assert scene.GetNumberOfNodes() == count
    assert case.message.startswith("Cancelled")
    assert case.button.enabled  # and ready for another try


def test_a_double_click_starts_one_run_and_does_not_cancel_it(case: Any, volume: Any) -> None:
    case.panel.run.double_click_s = 60.0
    case.select(volume)
    for _ in range(2):
        case.button.click()
    assert case.is_running
    assert len(case.client.requests) == 1
    case.take_time()
    for _ in range(2):
        case.button.click()
    assert not case.is_running  # and a double click on Cancel does not start anew
    assert len(case.client.requests) == 1


def test_the_device_that_is_chosen_is_asked_for(case: Any, volume: Any) -> None:
    labels = [case.ui.deviceComboBox.itemText(index) for index in range(case.ui.deviceComboBox.count)]
    assert labels == ["Automatic", "CPU", "GPU"]
    case.ui.deviceComboBox.currentIndex = 1
    case.start(volume)
    assert case.client.requests[0]["device"] == "cpu"


def test_an_error_is_a_sentence_and_a_next_step(case: Any, volume: Any) -> None:
    case.start(volume)
    case.client.say("failed", kind="input", sentence="T2W has sagittal slices.", remedy="Choose the axial series.")
    case.wait()
    assert case.message == "T2W has sagittal slices. Choose the axial series."
    assert not case.is_shown("detailsButton")  # nothing that a log would add


def test_the_end_of_the_workers_log_is_a_click_away(case: Any, volume: Any) -> None:
    case.start(volume)
    case.client.stderr_tail = ["Traceback", "RuntimeError: boom"]
    case.client.say_died()
    case.wait()
    assert case.message.startswith("The worker was ended by somebody. Try again.")
    assert not case.is_shown("detailsText")
    case.ui.detailsButton.click()
    assert case.is_shown("detailsText")
    assert "RuntimeError: boom" in case.ui.detailsText.plainText


def test_a_worker_that_dies_takes_no_edit_with_it(case: Any, volume: Any) -> None:
    from ProSegSlicerLib.qt_questions import Rerun

    segmentation = case.segment(volume)
    paint(segmentation, EDIT, CG)
    edited = stored_labels(segmentation)
    case.answers.prepared["rerun"] = Rerun.REPLACE
    case.button.click()
    case.client.say_died()
    case.wait()
    assert stored_labels(segmentation) == edited


def test_after_a_gpu_that_failed_the_cpu_is_named(case: Any, volume: Any) -> None:
    case.start(volume)
    case.client.say("device", device="cuda", reason="The GPU works.")
    case.client.say_died("The GPU ran out of memory.", device="cuda")
    standins.wait_until(lambda: len(case.client.requests) == 2)
    assert case.is_running
    case.client.say_done()
    case.wait()
    assert case.message.startswith("The GPU failed, so the CPU did the work.")


def test_a_volume_that_is_deleted_meanwhile_ends_the_run(case: Any, volume: Any, scene: Any) -> None:
    case.start(volume)
    scene.RemoveNode(volume)
    case.wait()
    assert "T2W was removed" in case.message
    assert not case.button.enabled


def test_a_scene_that_is_closed_meanwhile_ends_the_run(case: Any, volume: Any, scene: Any) -> None:
    case.start(volume)
    scene.Clear()
    assert not case.is_running
    assert case.client.kills == 1
    assert case.panel.parameters.inputVolume is None
    assert case.button.toolTip.startswith("Choose an input volume")


def test_a_fault_of_ours_is_a_sentence_and_the_panel_goes_on(
    case: Any, volume: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("boom")

    with monkeypatch.context() as patch:
        patch.setattr(case.widget.logic, "start", fail)
        case.start(volume)
    assert case.message.startswith("Something unforeseen went wrong: boom.")
    assert "ZeroDivisionError" in case.ui.detailsText.plainText
    assert case.button.text == "Segment Prostate"
    case.segment(volume)
    assert case.segmentation is not None


def test_a_fault_in_the_middle_of_a_run_ends_it(case: Any, volume: Any) -> None:
    case.start(volume)
    case.client.say("done", report={}, labelmap="", uncertainty="")
    case.wait()
    assert case.message.startswith("Something unforeseen went wrong")
    assert case.client.kills == 1
    assert case.button.enabled


def test_another_volume_may_be_looked_at_meanwhile(case: Any, volume: Any) -> None:
    other = add_volume(make_result().image, "Other")
    case.start(volume)
    case.select(other)
    assert case.is_running
    case.client.say_done()
    case.wait()
    assert case.panel.parameters.inputVolume is other
    assert case.segmentation is None  # the result belongs to the first
    assert "“T2W”" in case.message
    case.select(volume)
    assert input_volume(case.segmentation) is volume


@pytest.mark.parametrize("answer", ["KEEP", "REPLACE", "CANCEL"])
def test_before_edits_are_replaced_somebody_is_asked(case: Any, volume: Any, answer: str) -> None:
    from ProSegSlicerLib.qt_questions import Rerun

    segmentation = case.segment(volume)
    paint(segmentation, EDIT, CG)
    edited = stored_labels(segmentation)
    case.answers.prepared["rerun"] = Rerun[answer]
    case.button.click()
    ((question, name, why),) = case.answers.asked
    assert (question, name) == ("rerun", "T2W zones")
    assert why.startswith("Edited in slices 4 to 7")
    assert case.is_running is (answer != "CANCEL")
    if case.is_running:
        case.client.say_done()
        case.wait()
    assert (stored_labels(segmentation) == edited) is (answer != "REPLACE")
    assert (case.segmentation is segmentation) is (answer != "KEEP")
    assert input_volume(case.segmentation) is volume


def test_a_sign_off_is_not_replaced_unasked(case: Any, volume: Any) -> None:
    from ProSegSlicerLib.qt_questions import Rerun

    segmentation = case.segment(volume)
    review.sign_off(segmentation, "Änne")
    case.answers.prepared["rerun"] = Rerun.CANCEL
    case.button.click()
    assert case.answers.asked == [("rerun", "T2W zones", "The contours are signed off.")]
    assert not case.is_running


def test_an_untouched_result_is_renewed_without_asking(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume)
    assert case.segment(volume) is segmentation
    assert case.answers.asked == []


def test_a_segmentation_without_zones_is_written_into_without_asking(case: Any, volume: Any, scene: Any) -> None:
    empty = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    case.select(volume)
    case.ui.segmentationSelector.setCurrentNode(empty)
    case.button.click()
    case.client.say_done()
    case.wait()
    assert case.segmentation is empty
    assert case.answers.asked == []


@pytest.fixture
def _extension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "needed", lambda: NEED)
    monkeypatch.setattr(Need, "obstacle", "")


def test_without_the_pytorch_extension_the_panel_says_how_to_get_it_and_asks_nothing(
    case: Any, volume: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dependencies, "needed", lambda: NEED)
    case.start(volume)
    assert "Install the extension PyTorch in Slicer's Extensions Manager" in case.message
    assert case.answers.asked == []
    assert not case.client.requests


@pytest.mark.usefixtures("_extension")
def test_the_progress_of_an_installation_is_seen(case: Any, volume: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def install(_need: Need, progress: Any) -> None:
        for line in ("Collecting torch", "Downloading torch-2.13.0.whl (190 MB)"):
            progress(line)
            seen.append(case.message.splitlines()[-1])

    monkeypatch.setattr(dependencies, "install", install)
    case.answers.prepared["install"] = True
    case.start(volume)
    assert seen == ["Collecting torch", "Downloading torch-2.13.0.whl (190 MB)"]


@pytest.mark.usefixtures("_extension")
def test_slicer_may_quit_while_packages_are_installed(case: Any, volume: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def install(_need: Need, progress: Any) -> None:
        case.panel.stop()
        monkeypatch.setattr(type(case.panel.run), "tell", lambda *_: pytest.fail("a widget that is gone was touched"))
        progress("Collecting torch")

    monkeypatch.setattr(dependencies, "install", install)
    case.answers.prepared["install"] = True
    case.start(volume)
    assert not case.client.requests


@pytest.mark.usefixtures("_extension")
def test_what_is_missing_is_installed_after_asking_and_the_run_goes_on(
    case: Any, volume: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(dependencies, "install", lambda need, _: seen.append((need, case.button.enabled, case.message)))
    case.answers.prepared["install"] = True
    case.start(volume)
    assert case.answers.asked == [("install", NEED.sentence)]
    assert seen == [(NEED, False, "Installing PyTorch; this takes a few minutes.")]  # said before, not clickable then
    assert case.is_running


@pytest.mark.usefixtures("_extension")
def test_who_declines_can_be_asked_again(case: Any, volume: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    case.answers.prepared["install"] = False
    case.start(volume)
    assert case.message.startswith("Nothing was installed.")
    assert not case.client.requests
    case.button.click()
    assert len(case.answers.asked) == 2


@pytest.mark.usefixtures("_extension")
def test_an_installation_that_fails_shows_the_end_of_its_log(
    case: Any, volume: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise InstallationError("ERROR: No matching distribution found for torch>=2.4")

    monkeypatch.setattr(dependencies, "install", fail)
    case.answers.prepared["install"] = True
    case.start(volume)
    assert case.message.startswith("PyTorch could not be installed. Check the internet connection")
    assert "No matching distribution" in case.ui.detailsText.plainText
    assert case.button.enabled
    assert not case.client.requests


@pytest.mark.usefixtures("_extension")
def test_a_scene_that_is_closed_while_packages_are_installed_starts_nothing(
    case: Any, volume: Any, scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dependencies, "install", lambda *_: scene.Clear())
    case.answers.prepared["install"] = True
    case.start(volume)
    assert not case.client.requests
    assert case.button.toolTip.startswith("Choose an input volume")


def test_nothing_is_installed_before_the_click(case: Any, volume: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "needed", lambda: pytest.fail("looked too early"))
    case.select(volume)
    case.widget.enter()


def test_a_script_gets_the_segmentation_or_an_error(case: Any, volume: Any) -> None:
    """``logic.segment`` waits without a timer, so the answer must be there before it asks."""
    logic, client = case.widget.logic, case.client
    stages = []

    def answer(stage: str, _fraction: float) -> None:
        stages.append(stage)
        client.say_done()

    segmentation = logic.segment(volume, progress=answer)
    assert stages
    assert input_volume(segmentation) is volume
    with pytest.raises(ProSegError, match="boom"):
        logic.segment(volume, progress=lambda *_: client.say("failed", kind="input", sentence="boom.", remedy=""))


def test_a_new_empty_segmentation_says_how_to_fill_it(case: Any, volume: Any, scene: Any) -> None:
    case.select(volume)
    empty = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    case.ui.segmentationSelector.setCurrentNode(empty)
    assert case.ui.resultsHint.text.startswith("“Mine” is empty")
    assert case.panel.chosen == (volume, empty)
    assert case.segment(volume) is empty
