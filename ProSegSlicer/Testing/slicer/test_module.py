"""The module file itself: its self-test, the one that Slicer runs, on slicer-core with stand-ins for the rest."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import unittest
from types import SimpleNamespace
from typing import Any

import pytest
from Testing.made_packages import has
from Testing.slicer import standins

from ProSegSlicerLib.scene import logic


@pytest.fixture
def module(stage: Any) -> Any:
    """The module, loaded as Slicer loads it."""
    return standins.load_module()


def test_the_self_test_passes(module: Any) -> None:
    module.ProSegSlicerTest("runTest").runTest()


def test_without_pytorch_the_self_test_checks_the_rest_and_segments_nothing(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    has(monkeypatch, "torch", None)
    tried: list[str] = []
    monkeypatch.setattr(module.ProSegSlicerLogic, "segment", lambda *_, **__: tried.append("segment"))
    contours = module.ProSegSlicerTest.test_contours
    monkeypatch.setattr(module.ProSegSlicerTest, "test_contours", lambda self: (tried.append("rest"), contours(self)))
    module.ProSegSlicerTest("runTest").runTest()
    assert tried == ["rest"]
    result = unittest.TestResult()
    module.ProSegSlicerTest("test_phantom").run(result)  # as Slicer's ctest macro has it run
    assert len(result.skipped) == 1


def test_starting_slicer_loads_nothing_heavy_for_the_module(stage: Any) -> None:
    """What stands at the top of the file runs at each start of Slicer."""
    tree = ast.parse(standins.MODULE_FILE.read_text(encoding="utf-8"))
    own = ("proseg", "ProSegSlicerLib")
    names = [node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.module.startswith(own)]
    assert names
    code = (
        f"import sys; import {', '.join(names)}; sys.exit(bool({{'numpy', 'SimpleITK', 'torch'}} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(standins.MODULE_FILE.parent)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_slicer_is_told_what_the_module_is(module: Any) -> None:
    parent = SimpleNamespace(path=str(standins.MODULE_FILE))
    module.ProSegSlicer(parent)
    assert parent.categories == ["Segmentation"]
    assert "Research use: a qualified reader reviews and corrects every contour before use." in parent.helpText
    homepage = re.search(
        r'EXTENSION_HOMEPAGE "([^"]+)"', (standins.MODULE_FILE.parents[1] / "CMakeLists.txt").read_text()
    )
    assert f'<a href="{homepage[1]}#readme">module documentation</a>' in parent.helpText
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
