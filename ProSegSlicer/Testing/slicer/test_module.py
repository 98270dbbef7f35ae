"""The module file itself: its self-test, the one that Slicer runs, on slicer-core with stand-ins for the rest."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from Testing.slicer import standins

from ProSegSlicerLib.scene import logic


@pytest.fixture
def module(stage: Any) -> Any:
    """The module, loaded as Slicer loads it."""
    return standins.load_module()


def test_the_self_test_passes(module: Any) -> None:
    module.ProSegSlicerTest("runTest").runTest()


def test_slicer_is_told_what_the_module_is(module: Any) -> None:
    parent = SimpleNamespace(path=str(standins.MODULE_FILE))
    module.ProSegSlicer(parent)
    assert parent.categories == ["Segmentation"]
    assert "Research use: a qualified reader reviews and corrects every contour before use." in parent.helpText
    assert "10.1038/s41598-026-43589-3" in parent.acknowledgementText
    assert "this project's own" in parent.acknowledgementText
    assert parent.contributors == ["The ProSegSlicer developers (ProSegSlicer)"]


def test_the_terminology_is_loaded_once_slicer_has_started(module: Any, stage: Any) -> None:
    from proseg.outputs.segnrrd import ZONE_CONTEXT

    module.ProSegSlicer(SimpleNamespace(path=str(standins.MODULE_FILE)))
    stage.app.send("startupCompleted()")
    assert logic("Terminologies").IsTerminologyContextLoaded(ZONE_CONTEXT)


def test_the_logic_needs_no_window_and_no_panel(module: Any, volume: Any) -> None:
    made = module.ProSegSlicerLogic()
    assert made.missing(volume) == []
    assert made.missing(None) == ["Choose an input volume: load an axial T2-weighted series of the prostate first."]
    assert made.getParameterNode().inputVolume is None
    made.close()


def test_the_gpu_is_the_one_of_the_machine(module: Any) -> None:
    assert module.Device.GPU.value in ("cuda", "mps")
    assert [device.label() for device in module.Device] == ["Automatic", "CPU", "GPU"]
