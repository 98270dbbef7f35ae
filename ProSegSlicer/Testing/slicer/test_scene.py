"""The scene outside Slicer: one a process, with the logics that the module needs."""

from __future__ import annotations

from typing import Any

import pytest
import slicer

from ProSegSlicerLib.scene import OUTSIDE, add_node, application_logic, in_slicer, logic, mrml_scene, nodes_of


def test_there_is_one_scene_until_slicer_brings_its_own(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not in_slicer()
    assert mrml_scene() is mrml_scene() is scene
    with monkeypatch.context() as brought:
        brought.setattr(slicer, "mrmlScene", object(), raising=False)
        assert mrml_scene() is slicer.mrmlScene


@pytest.mark.parametrize("name", [name for name in OUTSIDE if name != "Colors"])
def test_every_logic_works_on_that_scene(scene: Any, name: str) -> None:
    assert logic(name).GetMRMLScene() is scene
    assert application_logic().GetModuleLogic(name) is logic(name)


def test_a_logic_that_is_not_there_is_missed() -> None:
    with pytest.raises(KeyError, match="Markups"):
        logic("Markups")


def test_a_node_gets_a_name_of_its_own(scene: Any) -> None:
    names = [add_node("vtkMRMLSegmentationNode", "T2W zones").GetName() for _ in range(3)]
    assert names[0] == "T2W zones"
    assert len(set(names)) == 3
    assert add_node("vtkMRMLScriptedModuleNode", "kept", hidden=True).GetHideFromEditors()


def test_nodes_of_a_class_come_oldest_first(scene: Any) -> None:
    made = [add_node("vtkMRMLSegmentationNode", name) for name in "cab"]
    add_node("vtkMRMLScalarVolumeNode", "another class")
    assert nodes_of("vtkMRMLSegmentationNode") == made
    assert nodes_of("vtkMRMLModelNode") == []
