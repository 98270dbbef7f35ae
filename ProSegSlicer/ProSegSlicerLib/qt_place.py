"""The panel's word on where contours are seen: on another image than their own, or beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ProSegSlicerLib import review, views
from ProSegSlicerLib.qt_look import Tone, say
from ProSegSlicerLib.scene import mrml_scene, nodes_of
from ProSegSlicerLib.segments import input_volume

SETTLE_MS = 50  # a transform that is dragged tells of itself at each step


class PlacePart(VTKObservationMixin):
    """The line above the results, which is there only where it is needed.

    Slicer draws contours in every view, whatever image the reader hangs there, and leaves them where they are when the
    image is moved without them. Beside the same patient's other images that is what a reader wants.

    Args:
        ui: the panel's widgets by name.
        moved: called when image and contours came apart, or together again.
    """

    def __init__(self, ui: Any, moved: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self.ui, self.moved = ui, moved
        self.segmentation: Any = None
        self._apart = ""
        self._later = qt.QTimer()
        self._later.setSingleShot(True)
        self._later.setInterval(SETTLE_MS)
        self._later.connect("timeout()", lambda: self._look())
        self.show(None)

    def show(self, segmentation: Any) -> None:
        """Show where a segmentation's contours are seen; None for none."""
        self.segmentation = segmentation
        self.removeObservers()
        if segmentation is not None:
            volume, layouts = input_volume(segmentation), nodes_of("vtkMRMLLayoutNode")
            shown = [*nodes_of("vtkMRMLSliceCompositeNode"), *layouts, segmentation.GetDisplayNode(), volume]
            for node in filter(None, shown):
                self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._on_change)
            for node in filter(None, (segmentation, volume)):
                self.addObserver(node, slicer.vtkMRMLTransformableNode.TransformModifiedEvent, self._on_change)
        self._say()

    def stop(self) -> None:
        """The panel goes."""
        self._later.stop()
        self.removeObservers()

    def _on_change(self, _caller: Any = None, _event: Any = None) -> None:
        self._later.start()

    def _look(self) -> None:
        before = self._apart
        self._say()
        if self._apart != before:
            self.moved()

    def _say(self) -> None:
        self._apart = review.apart(self.segmentation) if self.segmentation is not None else ""
        found = [(self._apart, Tone.WARNING)] if self._apart else []
        if self.segmentation is not None:
            found += filter(None, map(self._about, views.elsewhere(self.segmentation).items()))
        tones = [tone for _text, tone in found]
        tone = Tone.WARNING if Tone.WARNING in tones else Tone.INFO
        say(self.ui.placeLabel, self.ui.placeIcon, "\n".join(text for text, _tone in found), tone)
        self.ui.placeWidget.setVisible(bool(found))

    def _about(self, seen: tuple[Any, list[str]]) -> tuple[str, Tone] | None:
        """What to say of views in which another image hangs; nothing if that is known to be the same patient's."""
        image, names = seen
        own = input_volume(self.segmentation)
        patients = {_patient(image), _patient(own)}
        if len(patients) == 1 and patients != {0}:
            return None
        views_named = _("view {names}") if len(names) == 1 else _("views {names}")
        where, known = views_named.format(names=", ".join(names)), 0 not in patients
        text = (
            _("The image of another patient, “{image}”, hangs in {views}, with the contours of “{own}” on it.")
            if known
            else _("“{image}” hangs in {views}, with the contours of “{own}” on it.")
        )
        drawn = own or self.segmentation
        text = text.format(image=image.GetName(), views=where, own=drawn.GetName())
        return text, Tone.WARNING if known else Tone.INFO


def _patient(volume: Any) -> int:
    """The item of a volume's patient in the subject hierarchy, 0 where that knows none."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(mrml_scene())
    item = tree.GetItemByDataNode(volume) if tree and volume is not None else 0
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelPatient()
    return tree.GetItemAncestorAtLevel(item, level) if item else 0
