"""What Slicer's views show: the image and the contours that the panel names, and nothing of another patient.

``follow`` is called for every change of input or segmentation, whoever made it, and is the only place that does so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import slicer.util

from proseg.errors import InputError
from ProSegSlicerLib import overlay
from ProSegSlicerLib.scene import application_logic, mrml_scene, nodes_of
from ProSegSlicerLib.segments import input_volume, zones
from ProSegSlicerLib.volumes import ijk_to_ras, matrix_of, middle_slice, slice_axis

# Of a slice view's node: the axes of the tilted image to whose planes it was turned; "" if to none.
TURNED = "ProSegSlicer.Turned"
LOOKS_ALONG = 0.7  # cosine of the largest angle at which a view still looks along an image's slice axis
# Slicer's usual views: orientation, and colour of the bar.
VIEWS = {
    "Red": ("Axial", (0.953, 0.290, 0.200)),
    "Green": ("Coronal", (0.431, 0.690, 0.294)),
    "Yellow": ("Sagittal", (0.929, 0.835, 0.298)),
}
TILTED = 1e-3  # how far from an axis, as a sine, the axes of an image may point and still count as along it


def follow(
    volume: Any,
    segmentation: Any,
    with_uncertainty: bool = False,
    in_its_plane: bool = True,
    to_gland: bool = True,
    anew: bool = True,
) -> None:
    """Have all views show a volume and its contours; others' contours are hidden, and so is what lay over the image.

    Args:
        volume: the background of all slice views, fitted; None for no image.
        segmentation: what is drawn on it; None for no contours.
        with_uncertainty: whether to lay the AI's uncertainty over the image.
        in_its_plane: whether views turn to the plane of a tilted volume.
        to_gland: whether to go to the gland's middle also where the image was shown before.
        anew: whether views that show another image give it up, also where a view beside them shows the volume; if not,
            what the reader hung there stays.
    """
    show_contours(segmentation)
    for other in nodes_of("vtkMRMLSegmentationNode"):
        if other is not segmentation:
            overlay.show_uncertainty(other, False)
    is_new = _show_image(volume, anew)
    if segmentation is not None:
        overlay.show_uncertainty(segmentation, with_uncertainty)
    is_new = keep_turned(volume, in_its_plane, is_new) or is_new
    if segmentation is not None and (is_new or to_gland):
        go_to_gland(segmentation)


def is_shown(volume: Any) -> bool:
    """Whether a volume is the image in one of the slice views that are seen, or there are no views."""
    composites, names = nodes_of("vtkMRMLSliceCompositeNode"), {view.GetLayoutName() for view in _in_layout()}
    seen = [node for node in composites if node.GetLayoutName() in names] or composites
    if volume is None:
        return False
    return not seen or any(node.GetBackgroundVolumeID() == volume.GetID() for node in seen)


def elsewhere(segmentation: Any) -> dict[Any, list[str]]:
    """By image: the slice views that are seen, by name, in which contours are drawn on another image than their own."""
    display, volume, found = segmentation.GetDisplayNode(), input_volume(segmentation), {}
    is_drawn = display is not None and display.GetVisibility() and display.GetVisibility2D()
    for view in _in_layout() if is_drawn else ():
        if display.IsDisplayableInView(view.GetID()) and not _shows(view, volume):
            images = (mrml_scene().GetNodeByID(node.GetBackgroundVolumeID() or "") for node in _composites(view))
            for image in filter(None, images):
                found.setdefault(image, []).append(view.GetLayoutName())
    return found


@contextmanager
def kept() -> Iterator[None]:
    """Afterwards all slice views show the images that they show now, whatever Slicer shows in them meanwhile."""
    before = [
        (node, node.GetBackgroundVolumeID(), node.GetForegroundVolumeID(), node.GetLabelVolumeID())
        for node in nodes_of("vtkMRMLSliceCompositeNode")
    ]
    try:
        yield
    finally:
        for node, background, foreground, label in before:
            node.SetBackgroundVolumeID(background)
            node.SetForegroundVolumeID(foreground)
            node.SetLabelVolumeID(label)


def keep_turned(volume: Any, in_its_plane: bool, is_new: bool = False) -> bool:
    """Turn and fit all slice views to a volume whose axes changed since they were, as by a hardened transform.

    A view that the reader turned since stays as it is until then.

    Args:
        volume: what they show; None for no image, for which nothing is done.
        in_its_plane: whether views turn to the plane of a tilted volume.
        is_new: whether the views did not show it before, so that they are turned and fitted in any case.

    Returns:
        Whether they were turned and fitted.
    """
    if volume is None:
        return False
    planes, before = _planes(volume, in_its_plane), {view.GetAttribute(TURNED) for view in nodes_of("vtkMRMLSliceNode")}
    if not is_new and before <= {None, planes}:  # None: a view that was made since
        return False
    if planes:
        turn(volume, in_its_plane)
    else:
        _turn_back()
    _fit(volume)
    return True


def turn(volume: Any, in_its_plane: bool) -> None:
    """Turn all slice views to a volume's own planes, where its slices are shown as they were taken, or back."""
    for view in nodes_of("vtkMRMLSliceNode"):
        view.SetAttribute(TURNED, _planes(volume, in_its_plane))
        if in_its_plane:
            view.RotateToVolumePlane(volume)
        else:
            view.SetOrientationToDefault()


def show_contours(segmentation: Any) -> None:
    """Show these contours, whatever hid them, and hide all others; None hides all."""
    mine = segmentation.GetDisplayNode() if segmentation is not None else None  # a copy may share it
    for display in {node.GetDisplayNode() for node in nodes_of("vtkMRMLSegmentationNode")} - {None}:
        if bool(display.GetVisibility()) is not (display is mine):
            display.SetVisibility(display is mine)


def hide_contours(segmentation: Any) -> None:
    """Hide these contours alone."""
    display = segmentation.GetDisplayNode()
    if display is not None:
        display.SetVisibility(False)


def go_to_gland(segmentation: Any) -> None:
    """Move all slice views to the middle slice of the gland; nothing where none is drawn."""
    try:
        labelmap = zones(segmentation, overlaps=True)
    except InputError:  # it never held zones
        return
    index = middle_slice(labelmap)
    if index is not None:
        overlay.jump_to_slice(segmentation, index, labelmap)


def shown_slice(segmentation: Any, labelmap: sitk.Image, centres: Sequence[tuple[float, float, float]]) -> int | None:
    """The slice, along the input's slice axis, that a view shows which looks along that axis; None where none does.

    A view in which another image hangs, or none, shows no slice. Of several views in the layout it is the first,
    Slicer's red one. Where the view cuts across the slices, that one counts where the gland is, which
    ``overlay.jump_to_slice`` would go to.

    Args:
        segmentation: whose parent transform the labels are under.
        labelmap: its contours.
        centres: ``slice_centres`` of them.
    """
    places = np.array([overlay.to_world(segmentation, centre) for centre in centres])
    axis = matrix_of(labelmap)[:3, slice_axis(labelmap)]
    start, end = (np.array(overlay.to_world(segmentation, tuple(point))) for point in (centres[0], centres[0] + axis))
    volume = input_volume(segmentation)
    for view in (view for view in _in_layout() if _shows(view, volume)):
        matrix = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())
        normal = matrix[:3, 2] / np.linalg.norm(matrix[:3, 2])
        step = abs(normal @ (end - start))
        if step > LOOKS_ALONG * np.linalg.norm(end - start):
            off = np.abs((places - matrix[:3, 3]) @ normal)
            return int(off.argmin()) if off.min() <= step else None
    return None


def is_tilted(volume: Any) -> bool:
    """Whether a volume's axes are not those of the patient, so that default views cut across its slices."""
    axes = ijk_to_ras(volume)[:3, :3]
    axes = np.abs(axes / np.linalg.norm(axes, axis=0))
    return bool(np.any((axes > TILTED) & (axes < 1 - TILTED**2)))


def _planes(volume: Any, in_its_plane: bool) -> str:
    """The axes of a tilted volume, as text, to whose planes views are to be turned; empty if they are not to be."""
    return (
        " ".join(f"{x:.4f}" for x in ijk_to_ras(volume)[:3, :3].ravel()) if in_its_plane and is_tilted(volume) else ""
    )


def _in_layout() -> list[Any]:
    """The slice views of the layout, which are those that are seen; without any layout all that there are."""
    shown = [view for view in nodes_of("vtkMRMLAbstractViewNode") if view.IsMappedInLayout()]
    return [view for view in shown if view.IsA("vtkMRMLSliceNode")] if shown else nodes_of("vtkMRMLSliceNode")


def _shows(view: Any, volume: Any) -> bool:
    """Whether a slice view shows an image, or nothing says what it shows."""
    wanted = volume.GetID() if volume is not None else None
    shown = [(node.GetBackgroundVolumeID(), node.GetForegroundVolumeID()) for node in _composites(view)]
    return not shown or any(wanted in images for images in shown)


def _composites(view: Any) -> list[Any]:
    """What says which images hang in a slice view."""
    name = view.GetLayoutName()
    return [node for node in nodes_of("vtkMRMLSliceCompositeNode") if node.GetLayoutName() == name]


def _show_image(volume: Any, anew: bool) -> bool:
    """Whether any view that has to show it showed another image before, or none."""
    wanted, is_new = volume.GetID() if volume is not None else None, False
    everywhere = anew or not is_shown(volume)
    for composite in nodes_of("vtkMRMLSliceCompositeNode"):
        shown = composite.GetBackgroundVolumeID()
        if shown != wanted and (everywhere or shown is None):
            composite.SetBackgroundVolumeID(wanted)
            composite.SetForegroundVolumeID(None)  # it lay over another patient's image
            composite.SetLabelVolumeID(None)
            is_new = True
    return is_new


def _turn_back() -> None:
    """Turn the views back that were turned to another image's planes, which would cut across this one's slices."""
    for view in nodes_of("vtkMRMLSliceNode"):
        if view.GetAttribute(TURNED):
            view.SetOrientationToDefault()
        view.SetAttribute(TURNED, "")


def _fit(volume: Any) -> None:
    logics = application_logic().GetSliceLogics()
    found = [logics.GetItemAsObject(number) for number in range(logics.GetNumberOfItems() if logics else 0)]
    fitted = []
    for logic in found:
        if slicer.vtkMRMLSliceLogic.SafeDownCast(logic):
            logic.FitSliceToBackground()
            fitted.append(logic.GetSliceNode())
    for view in nodes_of("vtkMRMLSliceNode"):
        if view not in fitted:  # without a window nobody sees it, until the scene that it is saved with is opened
            _fit_by_hand(view, volume)


def _fit_by_hand(view: Any, volume: Any) -> None:
    """Have a slice view without a window hold the whole of a volume, and be centred on it."""
    box = [0.0] * 6
    volume.GetRASBounds(box)
    low, high = np.array(box[::2]), np.array(box[1::2])
    view.JumpSliceByCentering(*((low + high) / 2))
    axes = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())[:3, :2]
    wide, high_mm = np.abs(axes.T) @ (high - low)
    columns, rows, _ = view.GetDimensions()
    pixel = max(wide / columns, high_mm / rows)
    view.SetFieldOfView(columns * pixel, rows * pixel, view.GetFieldOfView()[2])


@contextmanager
def there() -> Iterator[None]:
    """Meanwhile there are slice views also where Slicer runs without a window; a scene that is saved holds them.

    Whoever opens it in Slicer sees in the views of these names what they were set to.
    """
    scene, made = mrml_scene(), []
    if not nodes_of("vtkMRMLSliceCompositeNode"):
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
        for name, (orientation, colour) in VIEWS.items():
            for kind in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode"):
                node = scene.CreateNodeByClass(kind)
                node.UnRegister(None)  # the Python reference holds it
                node.SetSingletonTag(name)
                node.SetLayoutName(name)
                node.SetName(name)
                made.append(scene.AddNode(node))
            view = made[-2]
            view.SetLayoutLabel(name[0])
            view.SetLayoutColor(*colour)
            view.SetOrientation(orientation)
    try:
        yield
    finally:
        for node in made:
            scene.RemoveNode(node)
