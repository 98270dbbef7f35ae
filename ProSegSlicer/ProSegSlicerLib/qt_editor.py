"""Slicer's Segment Editor, opened on the right contours, the right image, and so that PZ and CG stay disjoint."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from proseg.labels import ZONES
from ProSegSlicerLib import views
from ProSegSlicerLib.scene import mrml_scene
from ProSegSlicerLib.segments import input_volume

MODULE = "SegmentEditor"  # also the tag of its settings' node, which the module looks for when it is entered


def open_segment_editor(segmentation: Any) -> None:
    """Set the Segment Editor up for a segmentation and switch to it."""
    prepare_segment_editor(segmentation)
    slicer.util.selectModule(MODULE)


def prepare_segment_editor(segmentation: Any) -> Any:
    """Point the Segment Editor's settings at a segmentation; the settings' node.

    Segments may overlap there: a lesion that is drawn takes nothing from the zones, nor a zone from the lesion. Between
    the two zones the panel takes care of it, stroke by stroke (``segments.keep_apart``). A zone that is selected
    already stays so.
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
    editor.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteNone)
    editor.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere)
    editor.SetSourceVolumeIntensityMask(False)
    return editor


def keep_for_undo(segmentation: Any) -> bool:
    """Have the Segment Editor keep the contours as they are now; whether its Undo will bring them back.

    A sign-off comes back with them, as it stands in the segments' tags. Nothing is kept without an editor, as in a
    script, nor while the reader draws in another segmentation there.
    """
    module = getattr(slicer.modules, MODULE.lower(), None)
    if module is None:
        return False
    panel = module.widgetRepresentation()
    editor = mrml_scene().GetSingletonNode(MODULE, "vtkMRMLSegmentEditorNode")
    is_other = editor is None or editor.GetSegmentationNode() is not segmentation
    if is_other and panel.isEntered:
        return False
    with views.kept():  # the editor shows the image of what it is set to, whoever's is in the views
        if is_other:
            prepare_segment_editor(segmentation)  # it remembers the segmentation that it is set to, and no other
        panel.self().selectParameterNode()
        panel.self().editor.saveStateForUndo()
    return True


def undo_sentence() -> str:
    """What to do to get back what ``keep_for_undo`` kept."""
    return _("Undo in the Segment Editor brings back what was there.")


def zone_being_edited(segmentation: Any) -> str:
    """The ID of the zone that the Segment Editor has selected in this segmentation; empty if it is none."""
    editor = mrml_scene().GetSingletonNode(MODULE, "vtkMRMLSegmentEditorNode")
    if editor is None or editor.GetSegmentationNode() is not segmentation:
        return ""
    return next((zone.short for zone in ZONES if zone.short == editor.GetSelectedSegmentID()), "")
