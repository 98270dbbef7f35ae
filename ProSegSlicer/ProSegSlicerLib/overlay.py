"""What is shown with the contours: where the AI was unsure, and the slices worth a look."""

from __future__ import annotations

import json
from typing import Any

import SimpleITK as sitk
import slicer
import vtk

from proseg.images.geometry import slice_middle
from ProSegSlicerLib.scene import mrml_scene, nodes_of
from ProSegSlicerLib.segments import input_volume, zones
from ProSegSlicerLib.volumes import add_volume, set_image, slice_centre

UNCERTAINTY_ROLE = "ProSegSlicer.Uncertainty"  # from a segmentation to its uncertainty volume
FOREGROUND = "ProSegSlicer.ForegroundBefore"  # of a slice view's composite node: what the overlay took the place of
HEAT = "vtkMRMLColorTableNodeIron"  # black over red to white
LEAST_SHOWN = 40  # percent; less is what the rim of every contour has, and would hide the image
OPACITY = 0.45


def uncertainty_volume(segmentation: Any) -> Any | None:
    """The volume with the AI's uncertainty, or None."""
    return segmentation.GetNodeReference(UNCERTAINTY_ROLE)


def set_uncertainty(segmentation: Any, image: sitk.Image) -> Any:
    """Keep where the AI was unsure: ``image`` in percent, on the grid of the segmentation's volume."""
    node = uncertainty_volume(segmentation)
    if node is None:
        volume = input_volume(segmentation)
        # Hidden from the start, which is when Slicer looks: it is no image to segment, no selector shall offer it.
        node = add_volume(image, f"{volume.GetName() if volume else segmentation.GetName()} uncertainty", hidden=True)
        node.SetAttribute(UNCERTAINTY_ROLE, "1")
        segmentation.SetNodeReferenceID(UNCERTAINTY_ROLE, node.GetID())
        display = node.GetDisplayNode()
        display.SetAndObserveColorNodeID(HEAT)
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(0, 100)
        display.SetApplyThreshold(True)
        display.SetThreshold(LEAST_SHOWN, 100)
    else:
        set_image(node, image)
    node.SetAndObserveTransformNodeID(segmentation.GetTransformNodeID())
    return node


def show_uncertainty(segmentation: Any, shown: bool) -> None:
    """Lay the uncertainty over the image in all slice views, or bring back what was there before."""
    node = uncertainty_volume(segmentation)
    if node is None:
        return
    for composite in nodes_of("vtkMRMLSliceCompositeNode"):
        is_ours = composite.GetForegroundVolumeID() == node.GetID()
        if shown and not is_ours:
            before = composite.GetForegroundVolumeID() or "", composite.GetForegroundOpacity()
            composite.SetAttribute(FOREGROUND, json.dumps(before))
            composite.SetForegroundVolumeID(node.GetID())
            composite.SetForegroundOpacity(OPACITY)
        elif not shown and is_ours:
            name, opacity = json.loads(composite.GetAttribute(FOREGROUND) or '["", 0.0]')
            composite.SetForegroundVolumeID(name if name and mrml_scene().GetNodeByID(name) else None)
            composite.SetForegroundOpacity(opacity)
            composite.SetAttribute(FOREGROUND, None)


def remove_orphans() -> None:
    """Remove the uncertainty volumes that no segmentation has: nobody could see them, or delete them."""
    kept = {node.GetNodeReferenceID(UNCERTAINTY_ROLE) for node in nodes_of("vtkMRMLSegmentationNode")}
    for node in nodes_of("vtkMRMLScalarVolumeNode"):
        if node.GetAttribute(UNCERTAINTY_ROLE) and node.GetID() not in kept:
            mrml_scene().RemoveNode(node)


def jump_to_slice(segmentation: Any, index: int, labelmap: sitk.Image | None = None) -> None:
    """Move all slice views to the gland's middle in a slice, counted along the input's slice axis.

    Args:
        segmentation: with the zones.
        index: of the slice.
        labelmap: its zones, for those who have read them already.
    """
    here = slice_centre(labelmap if labelmap is not None else zones(segmentation, overlaps=True), index)
    slicer.vtkMRMLSliceNode.JumpAllSlices(mrml_scene(), *to_world(segmentation, here))


def superior_of_slice(segmentation: Any, index: int) -> float:
    """Where a slice lies, mm to the superior, as flags and reports have it, and as views do where it is transformed.

    Of a slice of a tilted image its middle counts.
    """
    labelmap = zones(segmentation, overlaps=True)
    left, posterior, superior = slice_middle(labelmap, index)
    return to_world(segmentation, (-left, -posterior, superior))[2]


def to_world(node: Any, ras: tuple[float, float, float]) -> tuple[float, float, float]:
    """A position in a node's own frame as one in the world, RAS, mm."""
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, transform)
    return tuple(transform.TransformPoint(ras))
