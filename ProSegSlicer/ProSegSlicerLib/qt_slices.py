"""Which slice is in view, the way to the next one to check, and outlines: in the panel, and by keys while editing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from proseg.segmentation.quality import mm
from proseg.segmentation.result import SliceOrigin
from ProSegSlicerLib import overlay, review, views
from ProSegSlicerLib.refining import Slices
from ProSegSlicerLib.scene import nodes_of

FOLLOW_MS = 50  # after a slice view moved
# Free in Slicer and in its Segment Editor. There b and f go to the previous and the next slice, g toggles the contours.
KEYS = {"previous": "Ctrl+Shift+B", "next": "Ctrl+Shift+F", "outline": "Ctrl+Shift+G"}


class SlicesPart(VTKObservationMixin):
    """The line about the slice in view, the two buttons and the box below it.

    Args:
        ui: the panel's widgets by name.
        moved: called when another slice is in view.

    Attributes:
        shown: the slice in view, along the input's slice axis; None where no view shows one.
    """

    def __init__(self, ui: Any, moved: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self.ui, self.moved = ui, moved
        self.segmentation: Any = None
        self.slices: Slices | None = None
        self.shown: int | None = None
        self._is_showing = False
        self._later = qt.QTimer()
        self._later.setSingleShot(True)
        self._later.setInterval(FOLLOW_MS)
        self._later.connect("timeout()", lambda: self._follow())
        ui.previousButton.connect("clicked(bool)", lambda: self.visit(-1))
        ui.nextButton.connect("clicked(bool)", lambda: self.visit(+1))
        ui.outlineCheckBox.connect("toggled(bool)", lambda outlined: self._outline(outlined))
        acts = {"previous": lambda: self.visit(-1), "next": lambda: self.visit(+1), "outline": self._toggle}
        self._keys = {name: self._key(KEYS[name], act) for name, act in acts.items()}
        for name, tip in (
            ("previousButton", _("Go to the previous slice to check, or end of the gland ({key}).")),
            ("nextButton", _("Go to the next slice to check, or end of the gland ({key}).")),
            ("outlineCheckBox", _("Show the contours as outlines alone, so that the image is seen ({key}).")),
        ):
            name_of_key = next(key for key in KEYS if name.startswith(key))
            getattr(ui, name).toolTip = tip.format(key=qt.QKeySequence(KEYS[name_of_key]).toString())

    def show(self, segmentation: Any, slices: Slices | None) -> None:
        """Show the slice of a segmentation that is in view; None for none."""
        self.segmentation, self.slices = segmentation, slices
        self.removeObservers()
        for kind in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode") if slices else ():
            for node in nodes_of(kind):  # some may have come since
                self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._on_view)
        self._say()

    def stop(self) -> None:
        """The panel goes."""
        self._later.stop()
        self.removeObservers()
        for key in self._keys.values():
            key.enabled = False  # the window, its parent, stays
            key.deleteLater()
        self._keys = {}

    def go(self, index: int) -> None:
        """Move the slice views to a slice."""
        overlay.jump_to_slice(self.segmentation, index, self.slices.labelmap)

    def now(self) -> int | None:
        """The slice in view at this moment, whatever the line said of it a moment ago; None where no view shows one."""
        self._follow()
        return self.shown

    def visit(self, step: int) -> None:
        """Go to the previous (-1) or the next (+1) slice to check, from the last on to the first."""
        if self.slices is None:
            return
        named = {index for flag in review.flags(self.segmentation) for index in flag.slices}
        found = sorted(named | {*(self.slices.ends or ())})
        here = self._in_view()
        beyond = [index for index in found if here is not None and (index - here) * step > 0]
        if found:
            self.go((beyond or found)[0 if step > 0 else -1])

    def _in_view(self) -> int | None:
        return views.shown_slice(self.segmentation, self.slices.labelmap, self.slices.centres)

    def _on_view(self, _caller: Any = None, _event: Any = None) -> None:
        self._later.start()

    def _follow(self) -> None:
        if self.slices is not None and self._in_view() != self.shown:
            self._say()
            self.moved()

    def _say(self) -> None:
        slices = self.slices
        if slices is None:
            self.shown = None
            return
        self.shown = index = self._in_view()
        whose = {
            SliceOrigin.AI: _("as the AI drew it"),
            SliceOrigin.REFINED: _("refined"),
            SliceOrigin.READER: _("corrected by you"),
        }
        if index is None:
            self.ui.shownLabel.text = _("No view shows a slice of this image.")
        else:
            origin = whose[slices.origins[index]] if index in slices.origins else _("no gland")
            text = _("Slice {index} (S {mm} mm) is shown: {origin}.")
            self.ui.shownLabel.text = text.format(index=index, mm=mm(slices.superior[index]), origin=origin)
        display = self.segmentation.GetDisplayNode()
        self._is_showing = True
        self.ui.outlineCheckBox.checked = display is not None and not display.GetVisibility2DFill()
        self._is_showing = False

    def _toggle(self) -> None:
        if self.slices is not None:
            self.ui.outlineCheckBox.toggle()

    def _outline(self, outlined: bool) -> None:
        display = self.segmentation.GetDisplayNode() if self.segmentation is not None else None
        if display is not None and not self._is_showing:
            display.SetVisibility2DFill(not outlined)
            display.SetVisibility2DOutline(True)

    def _key(self, sequence: str, act: Callable[[], None]) -> Any:
        """A key that works wherever Slicer's window has the focus, in the Segment Editor too."""
        key = qt.QShortcut(qt.QKeySequence(sequence), slicer.util.mainWindow() or self.ui.refineSection)
        key.connect("activated()", lambda: act())
        return key
