"""The panel's life, on stand-ins for Slicer: scenes that close and come back, the module's end, the real worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from Testing.slicer import standins
from Testing.slicer.conftest import paint

from proseg.labels import PZ
from ProSegSlicerLib import review
from ProSegSlicerLib.segments import create_segmentation, zones
from ProSegSlicerLib.volumes import add_volume

MIDDLE = (slice(4, 8), slice(18, 22), slice(20, 24))
ROOM = Path(__file__).resolve().parents[2]


def test_a_scene_comes_back_with_its_panel_as_it_was(case: Any, volume: Any, scene: Any, tmp_path: Path) -> None:
    segmentation = case.segment(volume)
    case.enter_psa("8")
    case.ui.reviewerEdit.text = "Änne Müller"
    case.ui.reviewerEdit.editingFinished.emit()
    case.ui.deviceComboBox.currentIndex = 1
    case.ui.show3DButton.click()
    case.ui.reviewedButton.click()
    paint(segmentation, MIDDLE, PZ)
    case.settle()
    figures, listed, status = case.figures, case.listed, case.ui.statusLabel.text
    assert status.startswith("Sign-off withdrawn")
    bundle = str(tmp_path / "case.mrb")
    assert scene.WriteToMRB(bundle)
    scene.Clear()
    assert not case.is_shown("resultsTable")
    assert case.ui.psaEdit.text == ""
    assert scene.ReadFromMRB(bundle)
    assert case.panel.parameters.inputVolume.GetName() == "T2W"
    assert case.segmentation.GetName() == "T2W zones"
    assert (case.figures, case.listed, case.ui.statusLabel.text) == (figures, listed, status)
    assert case.ui.psaEdit.text == "8"
    assert case.ui.reviewerEdit.text == "Änne Müller"
    assert case.ui.deviceComboBox.currentText == "CPU"
    assert case.ui.show3DButton.checked
    case.answers.prepared["restore"] = True
    case.ui.restoreButton.click()
    assert case.ui.statusLabel.text.startswith("Reviewed by Änne Müller")


def test_a_scene_comes_back_with_the_segmentation_that_was_selected(
    case: Any, volume: Any, scene: Any, tmp_path: Path
) -> None:
    first = case.segment(volume)
    create_segmentation(volume, "Newer")
    case.ui.segmentationSelector.setCurrentNode(first)
    bundle = str(tmp_path / "case.mrb")
    assert scene.WriteToMRB(bundle)
    scene.Clear()
    assert scene.ReadFromMRB(bundle)
    assert case.segmentation.GetName() == "T2W zones"


def test_a_closed_scene_leaves_nothing_of_the_last_patient(case: Any, volume: Any, scene: Any) -> None:
    case.segment(volume)
    case.enter_psa("8")
    scene.Clear()
    assert case.message == ""
    assert case.figures == {} or not case.is_shown("resultsTable")
    assert case.ui.statusLabel.text == ""
    assert (case.ui.psaEdit.text, case.ui.psaEdit.enabled) == ("", False)


def test_after_a_scene_was_closed_the_panel_works_on_the_next(case: Any, volume: Any, scene: Any, result: Any) -> None:
    case.segment(volume)
    scene.Clear()
    other = add_volume(result.image, "Next")
    segmentation = case.segment(other)
    assert segmentation.GetName() == "Next zones"
    case.ui.uncertaintyCheckBox.checked = True
    assert case.panel.parameters.showUncertainty


def test_a_scene_that_is_closed_behind_the_panels_back_is_seen_when_it_is_entered(
    case: Any, volume: Any, scene: Any
) -> None:
    case.segment(volume)
    case.widget.parent.isEntered = False
    scene.Clear()
    assert case.panel.parameters is None
    case.widget.enter()
    assert case.panel.parameters.inputVolume is None


def test_another_module_does_not_stop_the_run(case: Any, volume: Any) -> None:
    case.start(volume)
    case.client.say_done()
    case.wait()
    assert case.segmentation is not None


def test_who_paints_in_another_module_does_not_wait_for_figures_but_loses_the_sign_off(case: Any, volume: Any) -> None:
    segmentation = case.segment(volume)
    case.ui.reviewerEdit.text = "Ann"
    case.ui.reviewedButton.click()
    before = case.figures
    case.widget.parent.isEntered = False
    paint(segmentation, MIDDLE, PZ)
    case.settle()
    segment = segmentation.GetSegmentation().GetSegment("PZ")
    assert review._tag(segment, review.STATUS_TAG) == "withdrawn"  # as Slicer's own Save would write it
    assert case.figures == before
    case.widget.parent.isEntered = True
    case.widget.enter()
    assert case.figures != before


@pytest.mark.parametrize("end", ["cleanup", "quit"])
def test_the_end_of_the_panel_ends_run_and_worker(case: Any, volume: Any, stage: Any, end: str) -> None:
    case.start(volume)
    if end == "cleanup":
        case.widget.cleanup()
    else:
        stage.app.send("aboutToQuit()")
    assert case.client.kills == 1
    assert case.client.closed
    assert case.widget.Observations == case.panel.Observations == []
    case.widget.cleanup()  # Slicer may ask twice


def test_the_panel_can_have_a_window_of_its_own(stage: Any, volume: Any, scene: Any) -> None:
    widget = standins.load_module().ProSegSlicerWidget()
    try:
        widget.ui.inputSelector.setCurrentNode(volume)
        assert widget.ui.segmentButton.enabled
        scene.Clear()
        assert not widget.ui.segmentButton.enabled
        assert widget.panel.parameters is not None
    finally:
        widget.cleanup()
        widget.parent.deleteLater()


def test_the_module_can_be_reloaded(case: Any, volume: Any) -> None:
    case.segment(volume)
    case.widget.onReload()
    assert case.client.closed
    reloaded = slicer.modules.ProSegSlicerWidget
    reloaded.enter()
    try:
        assert type(reloaded) is not type(case.widget)
        assert type(reloaded.panel) is not type(case.panel)  # the libraries are read again, too
        assert reloaded.panel.parameters.segmentation.GetName() == "T2W zones"
        assert not reloaded.ui.resultsTable.isHidden()
    finally:
        reloaded.cleanup()


def test_opening_the_panel_loads_neither_torch_nor_anything_else_heavy() -> None:
    script = (
        "from Testing.slicer import standins\n"
        "with standins.installed():\n"
        "    panel = standins.open_panel()\n"
        "    panel.cleanup()\n"
        "import sys\n"
        "heavy = {'torch', 'monai', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOM)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, cwd=ROOM, timeout=120)


def test_the_real_worker_segments_stays_warm_and_is_killed_by_cancel(real_case: Any, scene: Any, phantom: Any) -> None:
    case, volume = real_case, add_volume(phantom.image, "Phantom")
    case.ui.deviceComboBox.currentIndex = 1
    case.start(volume)
    stages = set()

    def is_over() -> bool:
        stages.add(case.ui.progressBar.format)
        return not case.is_running

    standins.wait_until(is_over, 120)
    case.take_time()
    assert case.message.startswith("Segmented “Phantom” on the CPU"), case.message
    assert "Segmenting (%p%)" in stages
    pid = case.client.pid
    paint(case.segmentation, (slice(8, 12), slice(60, 80), slice(60, 80)), 0)
    edited = sitk.GetArrayFromImage(zones(case.segmentation))

    case.answers.prepared["rerun"] = _rerun().REPLACE
    case.button.click()
    assert case.client.pid == pid  # warm
    os.kill(pid, signal.SIGKILL)
    case.wait()
    assert "Nothing in the scene was changed." in case.message
    np.testing.assert_array_equal(sitk.GetArrayFromImage(zones(case.segmentation)), edited)

    case.button.click()
    case.take_time()
    pid = case.client.pid
    case.button.click()
    assert not _is_alive(pid)
    assert case.message.startswith("Cancelled")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(zones(case.segmentation)), edited)
    assert review.edited(case.segmentation)


def test_the_stand_ins_leave_nothing_behind(scene: Any) -> None:
    before, modules = set(vars(slicer)), set(sys.modules)
    with standins.installed():
        standins.open_panel().cleanup()
        assert hasattr(slicer, "app")
    assert set(vars(slicer)) == before
    added = {name for name in set(sys.modules) - modules if not name.startswith(("PySide6", "shiboken6", "Testing"))}
    assert not {name for name in added if name in standins.STANDING_IN or ".qt_" in name or name == "ProSegSlicer"}


def test_the_stand_ins_are_as_strict_as_pythonqt(stage: Any) -> None:
    import qt

    button = qt.QPushButton("Segment")
    assert button.text == "Segment"
    with pytest.raises(TypeError):
        button.text()
    with pytest.raises(AttributeError):
        button.isEnabled()
    with pytest.raises(AttributeError):
        button.txet = "Segment"
    with pytest.raises(AttributeError):
        button.connect("pushed(bool)", print)


def test_a_ui_file_that_leaves_a_selector_without_its_scene_is_noticed(stage: Any) -> None:
    """What the stand-ins can show: without the connection in the .ui file the selector has no scene."""
    import qt

    text = (ROOM / "Resources" / "UI" / "ProSegSlicer.ui").read_text(encoding="utf-8")
    for receiver in ("inputSelector", "segmentationSelector"):
        assert f"<receiver>{receiver}</receiver>" in text
        broken = text.replace(f"<receiver>{receiver}</receiver>", "<receiver>nobody</receiver>")
        file = qt.QTemporaryFile()
        file.open()
        file.write(broken.encode())
        file.seek(0)
        with pytest.raises(AttributeError, match="nobody"):
            qt.QUiLoader().load(file)


def _rerun() -> Any:
    from ProSegSlicerLib.qt_questions import Rerun

    return Rerun


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
