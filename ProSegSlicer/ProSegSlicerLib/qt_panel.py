"""The panel as a whole: what is selected, and keeping its parts up to date with it and with every edit."""

from __future__ import annotations

from typing import Any

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

from ProSegSlicerLib import overlay, segments
from ProSegSlicerLib.job import Job
from ProSegSlicerLib.qt_binding import Binding
from ProSegSlicerLib.qt_export import ExportPart
from ProSegSlicerLib.qt_look import busy
from ProSegSlicerLib.qt_psa import PsaPart
from ProSegSlicerLib.qt_questions import Asks
from ProSegSlicerLib.qt_results import ResultsPart
from ProSegSlicerLib.qt_review import ReviewPart
from ProSegSlicerLib.qt_run import RunPart, StartsJobs

REFRESH_MS = 200  # after an edit: long enough not to measure in the middle of a stroke


class Panel(VTKObservationMixin):
    """Shows a parameter node, and the segmentation it selects, in the widgets of the .ui file.

    Args:
        ui: the widgets by name.
        logic: starts jobs.
        questions: who is asked before something is lost.
    """

    def __init__(self, ui: Any, logic: StartsJobs, questions: Asks) -> None:
        VTKObservationMixin.__init__(self)
        self.ui, self.parameters = ui, None
        self._binding = Binding(ui)
        self._volume: Any = None
        self._segmentation: Any = None
        self._watched: Any = None  # what is inside ``_segmentation``: the edits are told by that
        self._is_3d_shown = False
        self._reviewer: str | None = None  # as the parameter node had it last
        self.run = RunPart(ui, logic, questions, self._on_done)
        self.results = ResultsPart(ui)
        self.review = ReviewPart(ui, questions, self._on_reviewer)
        self.export = ExportPart(ui, questions)
        self._later = qt.QTimer()
        self._later.setSingleShot(True)
        self._later.setInterval(REFRESH_MS)
        self._later.connect("timeout()", lambda: self._on_edited())
        self.psa = PsaPart(ui, lambda: self._later.start())
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
        self._on_parameters()

    def choose_only_volume(self) -> None:
        """Select the input where there is no choice: none is selected and the scene has one volume."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        found = [node for node in nodes if not node.IsA("vtkMRMLLabelMapVolumeNode") and not node.GetHideFromEditors()]
        if self.parameters is not None and self.parameters.inputVolume is None and len(found) == 1:
            self.parameters.inputVolume = found[0]

    def refresh(self) -> None:
        """Bring all parts up to date."""
        self._later.stop()
        p = self.parameters
        volume, segmentation = (p.inputVolume, p.segmentation) if p else (None, None)
        self.psa.show(volume)
        self.run.aim(volume, segmentation, p.device.value if p else "auto")
        for part in (self.results, self.review, self.export):
            part.show(segmentation)

    def stop(self) -> None:
        """Let go of the scene, and stop the run if there is one."""
        self.run.stop()
        self.bind(None)
        self.removeObservers()

    def _on_parameters(self, _caller: Any = None, _event: Any = None) -> None:
        """Follow what was selected: a volume brings its segmentation, a segmentation brings its volume."""
        p = self.parameters
        self._binding.show()
        volume, segmentation = p.inputVolume, p.segmentation
        source = segments.input_volume(segmentation) if segmentation is not None else None
        if volume is not self._volume:
            self._volume = volume
            if volume is not None and (segmentation is None or source not in (None, volume)):
                made = segments.segmentation_of(volume)
                if made is not segmentation:
                    p.segmentation = made
                    return  # that came back here
        elif segmentation is not self._segmentation and source not in (None, volume):
            p.inputVolume = self._volume = source
            return
        if p.reviewer != self._reviewer:  # else the text is the reader's, who may be typing just now
            self._reviewer = self.ui.reviewerEdit.text = p.reviewer
        self._watch(segmentation)
        self._show_in_views()
        self.refresh()

    def _watch(self, segmentation: Any) -> None:
        """Follow the edits of a segmentation, and of no other."""
        inside = segmentation.GetSegmentation() if segmentation is not None else None
        if segmentation is self._segmentation and inside is self._watched:
            return
        kinds = slicer.vtkSegmentation
        edits = (kinds.SourceRepresentationModified, kinds.RepresentationModified, kinds.SegmentModified)
        events = (*edits, kinds.SegmentAdded, kinds.SegmentRemoved)
        if self._watched is not None:
            for event in events:
                self.removeObserver(self._watched, event, self._on_edit)
            overlay.show_uncertainty(self._segmentation, False)
        for event in events if inside is not None else ():
            self.addObserver(inside, event, self._on_edit)
        self._segmentation, self._watched = segmentation, inside
        self._is_3d_shown = False

    def _on_edit(self, _caller: Any = None, _event: Any = None) -> None:
        self._later.start()  # again at each event: a stroke sends many

    def _on_edited(self) -> None:
        with busy():
            self.refresh()

    def _show_in_views(self) -> None:
        """Show the uncertainty and the surfaces, or not, as ticked."""
        p = self.parameters
        if self._segmentation is None:
            return
        overlay.show_uncertainty(self._segmentation, p.showUncertainty)
        if p.show3D != self._is_3d_shown:  # only when ticked: whoever hides them elsewhere has reasons
            self._is_3d_shown = p.show3D
            overlay.show_3d(self._segmentation, p.show3D)

    def _on_done(self, job: Job) -> None:
        p = self.parameters
        if p is not None and p.inputVolume is job.volume:
            p.segmentation = job.segmentation
            self._show_in_views()
            for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):  # contours on another image mislead
                view.SetBackgroundVolumeID(job.volume.GetID())
        self.refresh()

    def _on_reviewer(self, name: str) -> None:
        if self.parameters is not None:
            self._reviewer = self.parameters.reviewer = name
