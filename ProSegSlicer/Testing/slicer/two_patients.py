"""What stories of two patients in one scene ask after each step: whether the views show what the panel names."""

from __future__ import annotations

from typing import Any

from Testing.slicer import standins

from proseg.segmentation.psa import show_psa
from ProSegSlicerLib import overlay, review
from ProSegSlicerLib.scene import nodes_of
from ProSegSlicerLib.segments import input_volume


def settle(case: Any) -> None:
    standins.wait_until(lambda: not (case.panel._arrival.active or case.panel._departure.active))
    case.settle()


def shown(view: Any) -> tuple[Any, list[Any]]:
    """The image in the view, and the segmentations that are drawn."""
    visible = [node for node in nodes_of("vtkMRMLSegmentationNode") if node.GetDisplayNode().GetVisibility()]
    image = view.GetBackgroundVolumeID()
    return (view.GetScene().GetNodeByID(image) if image else None), visible


def check(case: Any, view: Any) -> tuple[Any, Any]:
    """That views show what the panel names, and all its parts are about it; the two nodes."""
    settle(case)
    volume, segmentation = case.panel.chosen
    assert (case.ui.inputSelector.currentNode(), case.ui.segmentationSelector.currentNode()) == (volume, segmentation)
    assert shown(view) == (volume, [segmentation] if segmentation is not None else [])
    over = view.GetForegroundVolumeID()
    if segmentation is not None and case.ui.uncertaintyCheckBox.checked and overlay.uncertainty_volume(segmentation):
        assert over == overlay.uncertainty_volume(segmentation).GetID()
    else:
        assert over is None
    if segmentation is not None:
        assert input_volume(segmentation) is volume
    assert case.panel.results.segmentation is case.panel.review.segmentation is segmentation
    assert (case.panel.run.volume, case.panel.run.segmentation) == (volume, segmentation)
    assert case.ui.psaEdit.text == show_psa(review.psa(volume) if volume is not None else None)
    return volume, segmentation
