"""The panel as a whole: what is selected, and keeping its parts up to date with it and with every edit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from proseg.errors import InputError
from ProSegSlicerLib import overlay, segments, views, volumes
from ProSegSlicerLib.job import Job
from ProSegSlicerLib.qt_binding import Binding
from ProSegSlicerLib.qt_editor import keep_for_undo, zone_being_edited
from ProSegSlicerLib.qt_export import ExportPart
from ProSegSlicerLib.qt_look import CalmWheel, WholeHeight, busy
from ProSegSlicerLib.qt_place import PlacePart
from ProSegSlicerLib.qt_psa import PsaPart
from ProSegSlicerLib.qt_questions import Asks
from ProSegSlicerLib.qt_refine import RefinePart
from ProSegSlicerLib.qt_results import ResultsPart
from ProSegSlicerLib.qt_review import ReviewPart
from ProSegSlicerLib.qt_run import RunPart, StartsJobs
from ProSegSlicerLib.refine_job import RefineJob
from ProSegSlicerLib.scene import application_logic
from ProSegSlicerLib.undo import Undo

REFRESH_MS = 200  # after an edit: long enough not to measure in the middle of a stroke
# Slicer shows what it loads, in place of what the panel names. A ruler or a table takes nothing's place, and whoever
# lays one down may just then look at another image or at the bare one.
SEEN = ("vtkMRMLVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLSliceCompositeNode")


class Panel(VTKObservationMixin):
    """Shows a parameter node, and the segmentation it selects, in the widgets of the .ui file.

    Args:
        ui: the widgets by name.
        logic: starts jobs.
        questions: who is asked before something is lost.
        is_seen: whether the panel is before the user, so that the views follow it.
    """

    def __init__(self, ui: Any, logic: StartsJobs, questions: Asks, is_seen: Callable[[], bool]) -> None:
        VTKObservationMixin.__init__(self)
        self.ui, self.is_seen, self.parameters = ui, is_seen, None
        self._binding = Binding(ui)
        self._volume: Any = None
        self._segmentation: Any = None
        self._watched: Any = None  # what is inside ``_segmentation``: the edits are told by that
        self._is_binding, self._turns = False, True
        self._edited_zone = ""
        self._reviewer: str | None = None  # as the parameter node had it last
        # What acts on the contours acts on those that the reader has just asked for, not on those of a moment before.
        # Connected before the parts are, since that is the order of the calls; when a button is pressed would be too
        # early: the list of slices grows, and takes the button away from under the mouse.
        for button in (
            ui.segmentButton,
            ui.editButton,
            ui.compareButton,
            ui.restoreButton,
            ui.reviewedButton,
            ui.exportButton,
        ):
            button.connect("clicked(bool)", lambda: self.refine.settle())
        self.run = RunPart(ui, logic, questions, self._on_done)
        self.results = ResultsPart(ui)
        self.review = ReviewPart(ui, questions, self._on_reviewer, lambda: self.run.tell(""))
        self.export = ExportPart(ui, questions)
        self.refine = RefinePart(ui, self.run, Undo(keep_for_undo))
        self.run.changed = self.refine.update
        self._later = qt.QTimer()
        self._later.setSingleShot(True)
        self._later.setInterval(REFRESH_MS)
        self._later.connect("timeout()", lambda: self._after_edit())
        self._arrival = qt.QTimer()  # what Slicer adds to the scene is not complete yet when it says so
        self._arrival.setSingleShot(True)
        self._arrival.setInterval(0)
        self._arrival.connect("timeout()", lambda: self.look_at_scene() if self.is_seen() else None)
        self._departure = qt.QTimer()  # and what it shows in place of a node that goes, it shows only then
        self._departure.setSingleShot(True)
        self._departure.setInterval(0)
        self._departure.connect("timeout()", lambda: self._follow(to_gland=False) if self.parameters else None)
        self._active = ""  # the volume that Slicer itself showed last
        self.addObserver(application_logic().GetSelectionNode(), vtk.vtkCommand.ModifiedEvent, self._on_selection)
        self.psa = PsaPart(ui, lambda: self._later.start())
        self.place = PlacePart(ui, self._on_moved)
        self._whole = WholeHeight(ui.segmentButton.parent())
        selectors = [selector.findChild(qt.QComboBox) for selector in (ui.inputSelector, ui.segmentationSelector)]
        for box in selectors:  # else the panel gets as wide as the longest name in the scene
            box.setSizeAdjustPolicy(qt.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        self._calm = CalmWheel(ui.apexSpinBox, ui.baseSpinBox, ui.deviceComboBox, *selectors)
        self.refresh()

    def bind(self, parameters: Any) -> None:
        """Show a parameter node, which widgets and panel follow from now on; None while there is no scene."""
        if self.parameters is not None:
            self.removeObserver(self.parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._on_parameters)
        self.parameters = parameters
        self._binding.bind(parameters)
        self._volume, self._reviewer = None, None
        self._watch(None)
        if parameters is None:
            return self.refresh()
        self.addObserver(parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._on_parameters)
        self._is_binding = True
        try:
            self._on_parameters()
        finally:
            self._is_binding = False

    @property
    def chosen(self) -> tuple[Any, Any]:
        """The input volume and the segmentation that are selected, each or None."""
        return (self.parameters.inputVolume, self.parameters.segmentation) if self.parameters else (None, None)

    def let_go(self) -> None:
        """Select nothing and show nothing: Slicer, not the reader, changed what was selected."""
        self._choose(None, None)
        views.follow(None, None)

    def choose_only_volume(self) -> None:
        """Select the input where there is no choice: nothing is selected and the scene has one volume."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        found = [node for node in nodes if not node.GetHideFromEditors() and volumes.refusal(node) is None]
        if self.parameters is not None and self.chosen == (None, None) and len(found) == 1:
            self.parameters.inputVolume = found[0]

    def look_at_scene(self) -> None:
        """Take what came into the scene into account: the only volume is chosen, others' contours are hidden."""
        self.choose_only_volume()
        if self.chosen != (None, None):
            self._follow(to_gland=False)

    def on_added(self, node: Any) -> None:
        """Something came into the scene; if it can be seen beside the patient, look at it once it is complete."""
        if node is not None and any(node.IsA(kind) for kind in SEEN):
            self._arrival.start()

    def _on_selection(self, selection: Any, _event: Any = None) -> None:
        """Slicer shows another volume in all views: that it was added may have been told, and seen to, before."""
        before, self._active = self._active, selection.GetActiveVolumeID() or ""
        if self._active not in ("", before):
            self._arrival.start()

    def on_removal(self, node: Any) -> None:
        """Let go of a node that is about to leave the scene, before any selector moves on to its neighbour."""
        volume, segmentation = self.chosen
        if node is None:
            return
        if node in (volume, segmentation):
            self.refine.forget()
        if node is volume:
            self._choose(None, None)
        elif node is segmentation:
            self._choose(volume, None)
        # The Segment Editor moves on to the neighbour of its segmentation, and shows the image of that one.
        if node in (volume, segmentation) or (volume is not None and any(node.IsA(kind) for kind in SEEN)):
            self._departure.start()

    def after_removal(self) -> None:
        """Once a node is gone: uncertainty goes with its segmentation."""
        overlay.remove_orphans()

    def refresh(self) -> None:
        """Bring all parts up to date."""
        self._later.stop()
        p = self.parameters
        volume, segmentation = (p.inputVolume, p.segmentation) if p else (None, None)
        self.psa.show(volume)
        self.run.aim(volume, segmentation, p.device.value if p else "auto")
        with segments.read_once():
            for part in (self.place, self.results, self.refine, self.review, self.export):
                part.show(segmentation)

    def stop(self) -> None:
        """Let go of the scene, and stop the run if there is one."""
        self.run.stop()
        self.export.stop()
        self.bind(None)
        self.refine.stop()
        self.place.stop()
        self.removeObservers()
        self._whole.stop()

    def _on_parameters(self, _caller: Any = None, _event: Any = None) -> None:
        """Follow what was selected: a volume brings its segmentation, a segmentation brings its volume."""
        p = self.parameters
        self._binding.show()
        before, wanted = (self._volume, self._segmentation), self.chosen
        matching = self._matching(*wanted) if wanted != before else wanted
        if matching != wanted:
            self._choose(*matching)
            return  # that came back here
        if wanted != before and not self._is_binding:
            self.refine.settle()
        if p.reviewer != self._reviewer:  # else the text is the reader's, who may be typing just now
            self._reviewer = p.reviewer
            self.ui.reviewerEdit.text = p.reviewer or user_name()
        self._volume = wanted[0]
        self._watch(wanted[1])
        with busy(sentence=_("Showing the image and measuring its contours …")):
            if wanted != before:
                self._turns = p.turnViews
                self._follow(anew=wanted[0] is not before[0])
            self._show_in_views()
            self.refresh()

    def _matching(self, volume: Any, segmentation: Any) -> tuple[Any, Any]:
        """The selection as it has to be, so that both are of one patient."""
        source = segments.input_volume(segmentation) if segmentation is not None else None
        if volume is None and self._volume is not None and segmentation is self._segmentation:
            return None, None  # without its patient a segmentation is nobody's
        if segmentation is None:
            is_new = volume is not None and volume is not self._volume
            return volume, segments.segmentation_of(volume) if is_new else None
        if volume is self._volume or volume is None:  # the segmentation was chosen
            if source is not None or volume is None or self._belongs(segmentation, volume):
                return source or volume, segmentation
            return None, segmentation
        if source is volume or (source is None and self._belongs(segmentation, volume)):
            return volume, segmentation
        return volume, segments.segmentation_of(volume)

    def _belongs(self, segmentation: Any, volume: Any) -> bool:
        """Whether a segmentation that names no volume was drawn on this one: only the reader knows."""
        if not segmentation.GetSegmentation().GetNumberOfSegments():
            return True  # nothing is drawn
        if self._is_binding or not segments.fits(segmentation, volume):
            return False
        if not self.review.questions.belongs(segmentation.GetName(), volume.GetName()):
            return False
        segments.adopt(segmentation, volume)
        return True

    def _choose(self, volume: Any, segmentation: Any) -> None:
        """Select both at once, so that nobody sees the one with the other's patient."""
        if self.parameters is None:
            return
        node = self.parameters.parameterNode
        was_modifying = node.StartModify()
        try:
            self.parameters.inputVolume, self.parameters.segmentation = volume, segmentation
        finally:
            node.EndModify(was_modifying)

    @property
    def _has_views(self) -> bool:
        """Whether the views are the panel's to change: not while the user looks at something else in another module."""
        return self.is_seen() or views.is_shown(self._volume)

    def _follow(self, to_gland: bool = True, anew: bool = False) -> None:
        p = self.parameters
        if self._has_views:
            views.follow(self._volume, self._segmentation, p.showUncertainty, p.turnViews, to_gland, anew)

    def _watch(self, segmentation: Any) -> None:
        """Follow the edits of a segmentation, and of no other."""
        inside = segmentation.GetSegmentation() if segmentation is not None else None
        if segmentation is self._segmentation and inside is self._watched:
            return
        kinds = slicer.vtkSegmentation
        edits = (kinds.SourceRepresentationModified, kinds.RepresentationModified, kinds.SegmentModified)
        events = (*edits, kinds.SegmentAdded, kinds.SegmentRemoved, kinds.ContainedRepresentationNamesModified)
        if self._watched is not None:
            for event in events:
                self.removeObserver(self._watched, event, self._on_edit)
        for event in events if inside is not None else ():
            self.addObserver(inside, event, self._on_edit)
        self._segmentation, self._watched = segmentation, inside

    def _on_edit(self, _caller: Any = None, _event: Any = None) -> None:
        self._edited_zone = zone_being_edited(self._segmentation) or self._edited_zone
        self._later.start()  # again at each event: a stroke sends many

    def _on_moved(self) -> None:
        """The image has another place than its contours, or has its own again: it may be tilted otherwise, too."""
        if self.parameters is not None and self._has_views:
            views.keep_turned(self._volume, self.parameters.turnViews)
        self._later.start()

    def _after_edit(self) -> None:
        """Once an edit is over: the zone drawn takes from the other, the reader's own segments are no zones."""
        zone, self._edited_zone = self._edited_zone, ""
        if self._segmentation is not None:
            try:
                segments.keep_apart(self._segmentation, zone)
                segments.make_own_neutral(self._segmentation)
            except InputError:  # without a grid there are no zones
                pass
        with busy(sentence=_("Measuring the contours …")):
            if self.is_seen():
                self.refresh()
            else:  # painting is not to wait for figures that nobody sees; but a file may be saved, with its sign-off
                self.review.show(self._segmentation)

    def _show_in_views(self) -> None:
        """Show the uncertainty, or not, and turn the views, as ticked."""
        p = self.parameters
        if self._segmentation is None:
            return
        if self._has_views:
            overlay.show_uncertainty(self._segmentation, p.showUncertainty)
        if p.turnViews != self._turns:
            self._turns = p.turnViews
            if self._volume is not None:
                views.turn(self._volume, in_its_plane=self._turns)

    def _on_done(self, job: Job) -> None:
        p = self.parameters
        if p is not None and p.inputVolume is job.volume:
            is_new = p.segmentation is not job.segmentation or not isinstance(job, RefineJob)
            p.segmentation = job.segmentation
            self._follow(to_gland=is_new)  # a reader who refines looks at the slice that matters
            self._show_in_views()
        elif p is not None:
            self._follow(to_gland=False)  # the result is of another patient than the one shown
        if not views.is_shown(job.volume):
            views.hide_contours(job.segmentation)
        self.refresh()

    def _on_reviewer(self, name: str) -> None:
        if self.parameters is not None:
            self._reviewer = self.parameters.reviewer = name


def user_name() -> str:
    """The user's name in Slicer's application settings; empty where none is entered."""
    told = application_logic().GetUserInformation()
    return (told.GetName() or "").strip() if told else ""
