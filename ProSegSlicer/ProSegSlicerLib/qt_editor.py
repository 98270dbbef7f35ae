"""Slicer's Segment Editor, opened on the right contours, the right image, and so that PZ and CG stay disjoint."""

from __future__ import annotations

from typing import Any

import slicer

from proseg.labels import ZONES
from ProSegSlicerLib.scene import mrml_scene
from ProSegSlicerLib.segments import input_volume

MODULE = "SegmentEditor"  # also the tag of its settings' node, which the module looks for when it is entered


def open_segment_editor(segmentation: Any) -> None:
    """Set the Segment Editor up for a segmentation and switch to it."""
    prepare_segment_editor(segmentation)
    slicer.util.selectModule(MODULE)


def prepare_segment_editor(segmentation: Any) -> Any:
    """Point the Segment Editor's settings at a segmentation; the settings' node.

    What is drawn in one segment is taken from the others, whatever is shown. A zone that is selected already stays so.
    """
    scene = mrml_scene()
    editor = scene.GetSingletonNode(MODULE, "vtkMRMLSegmentEditorNode")
    if editor is None:
        editor = scene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
        editor.UnRegister(None)  # the Python reference holds it
        editor.SetSingletonTag(MODULE)
        editor = scene.AddNode(editor)
    zones = [zone.short for zone in ZONES if segmentation.GetSegmentation().GetSegment(zone.short)]
    before = editor.GetSelectedSegmentID()
    editor.SetAndObserveSegmentationNode(segmentation)
    editor.SetAndObserveSourceVolumeNode(input_volume(segmentation))
    if zones:
        editor.SetSelectedSegmentID(before if before in zones else zones[0])
    editor.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteAllSegments)
    editor.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere)
    return editor
