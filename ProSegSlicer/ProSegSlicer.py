"""The Slicer module ProSegSlicer: one click segments the prostate's zones on a T2-weighted MRI, for review.

Module, parameter node, panel, logic and self-test. They wire; what is done lies in ``ProSegSlicerLib`` (the scene, the
panel's parts) and ``proseg`` (the segmentation, in a process of its own).
"""

# The names are Slicer's, and the assertions unittest's: Slicer runs the self-test without pytest.
# ruff: noqa: N802, N815, PT009
# No annotations from the future: the parameter node's are types that Slicer reads, whatever it loads this file as.
# What loads SimpleITK or numpy is imported where it is used: Slicer runs this file each time it starts.

import enum
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
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
from proseg.labels import ZONES
from proseg.worker.client import WorkerClient
from ProSegSlicerLib.startup import prepare_slicer

if TYPE_CHECKING:
    from ProSegSlicerLib.job import Job

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
        self.panel = Panel(self.ui, self.logic, Questions())
        for event, method in (
            (slicer.mrmlScene.StartCloseEvent, self._on_scene_closing),
            (slicer.mrmlScene.EndCloseEvent, self._on_scene_new),
            (slicer.mrmlScene.StartImportEvent, self._on_scene_reading),
            (slicer.mrmlScene.EndImportEvent, self._on_scene_new),
            (slicer.mrmlScene.NodeAddedEvent, self._on_node_added),
            (slicer.mrmlScene.NodeRemovedEvent, self._on_node_removed),
        ):
            self.addObserver(slicer.mrmlScene, event, method)
        self.addObserver(
            slicer.mrmlScene, slicer.mrmlScene.NodeAboutToBeRemovedEvent, self._on_node_going, priority=FIRST
        )
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

    def _on_node_added(self, _caller: Any = None, _event: Any = None) -> None:
        if self._is_seen() and not slicer.mrmlScene.IsBatchProcessing():
            self.panel.on_added()

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
    """The self-test: a generated examination from the click to the saved scene. It runs in Slicer and outside it."""

    # Against the phantom's truth. Where the zones meet, a generated image is harder to read than a real one.
    LEAST_DICE = {"gland_dice": 0.85, "cg_dice": 0.8, "pz_dice": 0.7}  # noqa: RUF012
    MOST_VOLUME_ERROR = {"gland_ml": 0.15, "cg_ml": 0.15, "pz_ml": 0.3}  # noqa: RUF012

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
        from proseg.outputs.review import ReviewStatus
        from proseg.phantom import make_phantom
        from ProSegSlicerLib import review, segments, volumes

        phantom = make_phantom()
        volume = volumes.add_volume(phantom.image, "Phantom T2W")
        review.set_psa(volume, 6.5)
        segmentation = segments.create_segmentation(volume)
        segments.set_zones(segmentation, phantom.zones)
        self._check_terminology(segmentation)
        review.sign_off(segmentation, "Self-test")
        self.assertIs(review.review(segmentation)[0], ReviewStatus.REVIEWED)
        self._erase(segments, segmentation)
        self.assertIs(review.review(segmentation)[0], ReviewStatus.WITHDRAWN)
        self._check_saving(segmentation, volume)

    def test_phantom(self) -> None:
        """Segment a phantom, compare with its truth, edit, sign off, restore, save and reload."""
        from proseg.phantom import make_phantom
        from ProSegSlicerLib import dependencies, review, volumes

        if dependencies.needed():
            self.skipTest("PyTorch is not installed")
        phantom = make_phantom()
        volume = volumes.add_volume(phantom.image, "Phantom T2W")
        review.set_psa(volume, 6.5)
        logic = ProSegSlicerLogic()
        try:
            self.delayDisplay("Segmenting the phantom on the CPU")
            segmentation = logic.segment(volume, device="cpu")
        finally:
            logic.close()
        self._check_against_truth(segmentation, phantom.zones)
        self._check_terminology(segmentation)
        self._check_review(segmentation)
        self._check_saving(segmentation, volume)
        self.delayDisplay("The self-test passed")

    def _check_against_truth(self, segmentation: Any, truth: Any) -> None:
        from proseg.outputs.review import compare
        from proseg.segmentation.measurements import measure
        from ProSegSlicerLib import review, segments

        measured, expected = review.measurements(segmentation), measure(truth)
        compared = compare(truth, segments.zones(segmentation))
        for name, least in self.LEAST_DICE.items():
            self.assertGreaterEqual(getattr(compared, name), least, msg=name)
        for name, most in self.MOST_VOLUME_ERROR.items():
            wanted = getattr(expected, name)
            self.assertAlmostEqual(getattr(measured, name), wanted, delta=most * wanted, msg=name)
        self.assertAlmostEqual(measured.psa_density, 6.5 / measured.gland_ml)

    def _check_terminology(self, segmentation: Any) -> None:
        for zone in ZONES:
            tag = vtk.reference("")
            segment = segmentation.GetSegmentation().GetSegment(zone.short)
            self.assertTrue(segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), tag))
            self.assertIn(f"{zone.type.scheme}^{zone.type.value}^{zone.type.meaning}", str(tag))
            self.assertEqual(segment.GetName(), zone.name)

    def _check_review(self, segmentation: Any) -> None:
        """Leaves the contours edited, and the sign-off withdrawn."""
        from proseg.outputs.review import ReviewStatus
        from ProSegSlicerLib import review, segments

        before = review.measurements(segmentation)
        self.assertFalse(review.edited(segmentation))
        review.sign_off(segmentation, "Self-test")
        self.assertIs(review.review(segmentation)[0], ReviewStatus.REVIEWED)
        self._erase(segments, segmentation)
        self.assertIs(review.review(segmentation)[0], ReviewStatus.WITHDRAWN)
        self.assertLess(review.measurements(segmentation).gland_ml, before.gland_ml)
        review.restore_ai(segmentation)
        self.assertIs(review.review(segmentation)[0], ReviewStatus.REVIEWED)
        self.assertEqual(review.measurements(segmentation), before)
        self._erase(segments, segmentation)

    def _check_saving(self, segmentation: Any, volume: Any) -> None:
        from ProSegSlicerLib import review, segments

        self.delayDisplay("Saving and reloading the scene")
        before = (review.measurements(segmentation), review.review(segmentation), review.comparison(segmentation))
        with tempfile.TemporaryDirectory() as folder:
            bundle = str(Path(folder) / "self-test.mrb")
            self.assertTrue(slicer.mrmlScene.WriteToMRB(bundle))
            names = segmentation.GetName(), volume.GetName()
            slicer.mrmlScene.Clear()
            self.assertTrue(slicer.mrmlScene.ReadFromMRB(bundle))
        reloaded, t2w = map(slicer.mrmlScene.GetFirstNodeByName, names)
        after = (review.measurements(reloaded), review.review(reloaded), review.comparison(reloaded))
        self.assertEqual(after[1:], before[1:])
        self.assertAlmostEqual(after[0].gland_ml, before[0].gland_ml, places=6)
        self.assertEqual(review.psa(t2w), 6.5)
        self.assertIs(segments.input_volume(reloaded), t2w)

    def _erase(self, segments: Any, segmentation: Any) -> None:
        """Take the contours from half of the volume, as an eraser would."""
        labelmap = segments.zones(segmentation)
        labelmap[:, :, : labelmap.GetSize()[2] // 2] = 0
        segments.set_zones(segmentation, labelmap)
