"""The Slicer module ProSegSlicer: one click segments the prostate's zones on a T2-weighted MRI, for review.

Module, parameter node, panel, logic and self-test. They wire; what is done lies in ``ProSegSlicerLib`` (the scene, the
panel's parts) and ``proseg`` (the segmentation, in a process of its own).
"""

# The names are Slicer's.
# ruff: noqa: N802, N815
# No annotations from the future: the parameter node's are types that Slicer reads, whatever it loads this file as.
# What loads SimpleITK or numpy is imported where it is used: Slicer runs this file each time it starts.

import enum
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from proseg.errors import ProSegError
from proseg.worker.client import WorkerClient
from ProSegSlicerLib.startup import prepare_slicer

if TYPE_CHECKING:
    from ProSegSlicerLib.job import Job
    from ProSegSlicerLib.refine_job import RefineJob

DOCUMENTATION = "https://github.com/ProSegSlicer/SlicerProSeg#readme"
POLL_S = 0.02  # between looks at a run that a script waits for
FIRST = 100.0  # before Slicer's selectors, which move on to the next node, another patient's, when theirs goes


class ProSegSlicer(ScriptedLoadableModule):
    """The module as Slicer lists it."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("ProSegSlicer")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Segmentations", "SegmentEditor", "SubjectHierarchy", "Terminologies", "Volumes"]
        parent.contributors = ["The ProSegSlicer developers (ProSegSlicer)"]
        parent.helpText = _(
            "Draws the peripheral zone (PZ) and the central gland (CG) of the prostate on an axial T2-weighted MRI, "
            "measures them and says which slices to look at. Choose the input volume and click Segment Prostate; "
            "review every slice, correct the contours in the Segment Editor, mark them as reviewed, and export. "
            "Nothing leaves this computer.<p>Research use: a qualified reader reviews and corrects every contour "
            'before use. Not a medical device.<p>See more information in <a href="{address}">module documentation</a>.'
        ).format(address=DOCUMENTATION)
        parent.acknowledgementText = _(
            "The network follows the published description of ProSeg: Qin and Yang, Scientific Reports 16, 13620, "
            "2026, doi 10.1038/s41598-026-43589-3. Its authors' code and weights are not public; layers, training and "
            "weights are this project's own."
        )
        slicer.app.connect("startupCompleted()", prepare_slicer)


class Device(enum.Enum):
    """What computes."""

    AUTO = "auto"
    CPU = "cpu"
    GPU = "mps" if sys.platform == "darwin" else "cuda"

    def label(self) -> str:
        """What the panel calls it."""
        return {"AUTO": _("Automatic"), "CPU": _("CPU"), "GPU": _("GPU")}[self.name]


@parameterNodeWrapper
class ProSegSlicerParameterNode:
    """What the panel is set to; saved with the scene. The PSA is not here: it belongs to the volume's patient."""

    inputVolume: slicer.vtkMRMLScalarVolumeNode
    segmentation: slicer.vtkMRMLSegmentationNode
    device: Device = Device.AUTO
    reviewer: str = ""
    showUncertainty: bool = False
    turnViews: bool = True  # to the plane of a tilted volume


class ProSegSlicerWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel: its life in Slicer; the rest is ``ProSegSlicerLib.qt_panel``."""

    def __init__(self, parent: Any = None) -> None:
        self.logic: Any = None
        self.panel: Any = None
        self._before_reading: tuple[Any, Any] = (None, None)  # what was selected when another scene began to be read
        # Last, as it calls ``setup`` itself where there is no parent. It is what initialises the mixin, too.
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Build the panel from its .ui file."""
        ScriptedLoadableModuleWidget.setup(self)
        from ProSegSlicerLib.qt_panel import Panel
        from ProSegSlicerLib.qt_questions import Questions
        from ProSegSlicerLib.terminology import load_terminology

        load_terminology()  # again, should the module have been loaded into a Slicer that had started long ago
        widget = slicer.util.loadUI(self.resourcePath("UI/ProSegSlicer.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = ProSegSlicerLogic()
        self.panel = Panel(self.ui, self.logic, Questions(), self._is_seen)
        scene = slicer.mrmlScene
        for event, method in (
            (scene.StartCloseEvent, self._on_scene_closing),
            (scene.EndCloseEvent, self._on_scene_new),
            (scene.StartImportEvent, self._on_scene_reading),
            (scene.EndImportEvent, self._on_scene_new),
            (scene.NodeAddedEvent, self._on_node_added),
            (scene.NodeRemovedEvent, self._on_node_removed),
        ):
            self.addObserver(scene, event, method)
        self.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self._on_node_going, priority=FIRST)
        slicer.app.connect("aboutToQuit()", self.cleanup)
        self._show_scene()

    def enter(self) -> None:
        """The user comes to the module. Leaving it changes nothing: a run goes on, the panel stays up to date."""
        self._show_scene()
        self.panel.refresh()

    def cleanup(self) -> None:
        """The panel or Slicer goes: stop the run, end the worker, let go of the scene."""
        if self.logic is None:  # Slicer quits after it has unloaded the module
            return
        slicer.app.disconnect("aboutToQuit()", self.cleanup)
        self.removeObservers()
        self.panel.stop()
        self.logic.close()
        self.logic = None

    def onReload(self) -> None:
        """Reload for developers: this file, and the packages beside it."""
        for name in [name for name in sys.modules if name.partition(".")[0] in ("ProSegSlicerLib", "proseg")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def _on_scene_closing(self, _caller: Any = None, _event: Any = None) -> None:
        self.panel.run.cancel()
        self._before_reading = (None, None)
        self.panel.bind(None)

    def _on_scene_reading(self, _caller: Any = None, _event: Any = None) -> None:
        self._before_reading = self.panel.chosen
        self.panel.bind(None)  # the selectors lose their choice meanwhile, which is no choice of the reader's

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_going(self, _caller: Any, _event: Any, node: Any) -> None:
        self.panel.on_removal(node)

    def _on_node_removed(self, _caller: Any = None, _event: Any = None) -> None:
        if not slicer.mrmlScene.IsBatchProcessing():
            self.panel.after_removal()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_added(self, _caller: Any, _event: Any, node: Any) -> None:
        if not slicer.mrmlScene.IsBatchProcessing():
            self.panel.on_added(node)

    def _is_seen(self) -> bool:
        return getattr(self.parent, "isEntered", True)  # a panel of its own is never entered

    def _on_scene_new(self, _caller: Any = None, _event: Any = None) -> None:
        self.panel.bind(None)  # whatever it was bound to is another scene's, or was read over
        if self._is_seen():  # else ``enter`` does it
            self._show_scene()

    def _show_scene(self) -> None:
        """Bind the panel to the scene's parameter node, if it is not yet."""
        if self.panel.parameters is None:
            self.panel.bind(self.logic.getParameterNode())
        before, self._before_reading = self._before_reading, (None, None)
        if before not in ((None, None), self.panel.chosen):  # the scene that was added brought its own choice
            self.panel.let_go()
        self.panel.look_at_scene()


class ProSegSlicerLogic(ScriptedLoadableModuleLogic):
    """Segments volumes of the scene; needs neither panel nor window. The worker starts at the first run."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._client = WorkerClient()

    def getParameterNode(self) -> ProSegSlicerParameterNode:
        """What the panel is set to, in the scene."""
        return ProSegSlicerParameterNode(super().getParameterNode())

    def missing(self, volume: Any, segmentation: Any = None) -> list[str]:
        """What has to be there before ``volume`` can be segmented into ``segmentation``, a sentence each."""
        if volume is None:
            return [_("Choose an input volume: load an axial T2-weighted series of the prostate first.")]
        from ProSegSlicerLib import segments, volumes

        found = [volumes.refusal(volume)]
        source = segments.input_volume(segmentation) if segmentation is not None else None
        if source is not None and source is not volume:
            text = _("“{output}” was made from “{source}”: choose another segmentation, or none for a new one.")
            found.append(text.format(output=segmentation.GetName(), source=source.GetName()))
        return [sentence for sentence in found if sentence]

    def start(self, volume: Any, segmentation: Any = None, device: str = "auto") -> "Job":
        """Start to segment a volume; ask the job's ``poll`` how it goes.

        Args:
            volume: the T2W volume node.
            segmentation: where the zones go, in place of those that are there; None for a new one.
            device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

        Raises:
            InputError: the volume holds nothing that can be segmented.
        """
        from ProSegSlicerLib.job import Job

        job = Job(self._client, volume, segmentation, device)
        job.start()
        return job

    def start_refining(self, segmentation: Any, labels: Any, **given: Any) -> "RefineJob":
        """Start to draw a segmentation's other slices again; ask the job's ``poll`` how it goes.

        Args:
            segmentation: with an AI result.
            labels: the reader's labels, a ``SimpleITK.Image`` on the grid of its volume.
            given: what the reader gives, and the device: as ``ProSegSlicerLib.refine_job.RefineJob`` takes them.

        Raises:
            InputError: its volume is gone, or holds nothing that can be segmented.
        """
        from ProSegSlicerLib.refine_job import RefineJob

        job = RefineJob(self._client, segmentation, labels, **given)
        job.start()
        return job

    def segment(
        self,
        volume: Any,
        segmentation: Any = None,
        device: str = "auto",
        progress: Callable[[str, float], None] | None = None,
    ) -> Any:
        """Segment a volume and wait for it; for scripts.

        Args:
            volume: the T2W volume node.
            segmentation: where the zones go, as in ``start``.
            device: as in ``start``.
            progress: called with the stage and the fraction done, 0..1, while it runs.

        Returns:
            The segmentation node.

        Raises:
            ProSegError: it did not succeed; why, and what to do next.
        """
        from ProSegSlicerLib.job import JobState

        job = self.start(volume, segmentation, device)
        while job.poll():
            if progress:
                progress(job.stage, job.fraction)
            time.sleep(POLL_S)
        if job.state is not JobState.DONE:
            raise ProSegError(job.message)
        return job.segmentation

    def log_tail(self) -> str:
        """The last that the worker said, for a bug report."""
        return "\n".join(self._client.stderr_tail)

    def close(self) -> None:
        """End the worker; the next run starts another."""
        self._client.close()


class ProSegSlicerTest(ScriptedLoadableModuleTest):
    """The self-test, where Slicer looks for it: ``ProSegSlicerLib.self_test``."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """All of it."""
        from ProSegSlicerLib import dependencies

        self.setUp()
        self.test_contours()
        self.setUp()
        if dependencies.needed():
            self.delayDisplay("Without PyTorch nothing can be segmented: that part is left out")
        else:
            self.test_phantom()

    def test_contours(self) -> None:
        """Draw a phantom's true zones, sign off, edit, save and reload; nothing has to be installed for that."""
        from ProSegSlicerLib.self_test import check_contours

        check_contours(self)

    def test_phantom(self) -> None:
        """Segment a phantom, compare with its truth, edit, sign off, restore, save and reload."""
        from ProSegSlicerLib.self_test import check_phantom

        check_phantom(self)

    def make_logic(self) -> ProSegSlicerLogic:
        """What segments in the test."""
        return ProSegSlicerLogic()
