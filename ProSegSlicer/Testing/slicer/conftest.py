"""What the tests of the Slicer side share: an empty scene, and a volume with a result in it, on slicer-core."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
if not hasattr(slicer, "vtkMRMLSegmentationNode"):
    pytest.skip("the installed package 'slicer' is not 3D Slicer's: install slicer-core", allow_module_level=True)


@pytest.fixture
def scene() -> Iterator[Any]:
    """The MRML scene, empty before and after."""
    from ProSegSlicerLib.scene import mrml_scene

    mrml_scene().Clear()
    yield mrml_scene()
    mrml_scene().Clear()


@pytest.fixture
def volume(scene: Any) -> Any:
    """A small oblique T2W-like volume in the scene."""
    from Testing.made_results import make_result

    from ProSegSlicerLib.volumes import add_volume

    return add_volume(make_result().image, "T2W")


@pytest.fixture
def result() -> Any:
    """A result for ``volume``, made without any network."""
    from Testing.made_results import make_result

    return make_result()


@pytest.fixture
def dicom_volume(volume: Any, tmp_path: Any) -> Iterator[Any]:
    """``volume``, as if loaded from a DICOM series that Slicer's database knows; files in ``tmp_path / "study"``."""
    import pydicom
    from Testing.made_dicom import write_series
    from Testing.made_results import make_result

    files = write_series(make_result().image, tmp_path / "study")
    known = {str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID): str(file) for file in files}

    class Database:
        def fileForInstance(self, instance: str) -> str:  # noqa: N802
            return known.get(instance, "")

        def insert(self, file: str) -> None:
            self.inserted = [*getattr(self, "inserted", []), file]

    slicer.dicomDatabase = Database()
    volume.SetAttribute("DICOM.instanceUIDs", " ".join(reversed(known)))
    yield volume
    vars(slicer).pop("dicomDatabase", None)  # the stand-ins may have taken it away


@pytest.fixture
def segmentation(volume: Any, result: Any) -> Any:
    """A segmentation of ``volume`` with the AI's result in it."""
    from proseg.outputs.report import report
    from ProSegSlicerLib.review import keep_ai_result
    from ProSegSlicerLib.segments import create_segmentation

    node = create_segmentation(volume)
    keep_ai_result(node, result.labelmap, report(result, "T2W.nii.gz"))
    return node


def paint(segmentation: Any, index_kji: tuple[Any, ...], label: int) -> None:
    """Edit contours as a reader would: give some voxels of the input's grid another label."""
    from ProSegSlicerLib.segments import set_zones, zones

    labels = sitk.GetArrayFromImage(zones(segmentation))
    labels[index_kji] = label
    edited = sitk.GetImageFromArray(labels.astype(np.uint8))
    edited.CopyInformation(zones(segmentation))
    set_zones(segmentation, edited)


@pytest.fixture
def stage(scene: Any) -> Iterator[Any]:
    """The stand-ins for Slicer's application and Qt, taken away again afterwards."""
    pytest.importorskip("PySide6", reason="PySide6-Essentials is not installed")
    from Testing.slicer import standins

    with standins.installed() as installed:
        yield installed


@pytest.fixture
def case(stage: Any) -> Iterator[Any]:
    """The panel, opened, with a worker that says what the test has it say."""
    from Testing.slicer.said_client import SaidClient
    from Testing.slicer.standins.panel_case import PanelCase

    opened = PanelCase(SaidClient())
    yield opened
    opened.close()


@pytest.fixture
def real_case(stage: Any) -> Iterator[Any]:
    """The panel, opened, with the real worker."""
    from Testing.slicer.standins.panel_case import PanelCase

    opened = PanelCase(None)
    yield opened
    opened.close()


@pytest.fixture
def view(stage: Any, scene: Any) -> Any:
    """Slicer's red view, axial."""
    from ProSegSlicerLib.scene import nodes_of

    for old in nodes_of("vtkMRMLSliceNode"):  # one that came with a scene outlives it
        scene.RemoveNode(old)
    return scene.AddNewNodeByClass("vtkMRMLSliceNode", "Red")


@pytest.fixture
def add_view(scene: Any) -> Iterator[Any]:
    """Makes a slice view with its logic, as Slicer's layout does; gives its composite node."""
    import vtk

    from ProSegSlicerLib.scene import application_logic

    logics = vtk.vtkCollection()

    def add(name: str) -> Any:
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLScene(scene)
        logic.SetMRMLApplicationLogic(application_logic())
        logic.AddSliceNode(name)
        logics.AddItem(logic)
        return logic.GetSliceCompositeNode()

    application_logic().SetSliceLogics(logics)
    yield add
    application_logic().SetSliceLogics(None)
    for logic in map(logics.GetItemAsObject, range(logics.GetNumberOfItems())):
        for node in (logic.GetSliceNode(), logic.GetSliceCompositeNode()):  # Clear leaves singletons
            scene.RemoveNode(node)


@pytest.fixture
def patients(case: Any, scene: Any, view: Any) -> tuple[Any, Any, Any, Any]:
    """A and B, each with its zones, PSA and overlay; B was segmented last."""
    from Testing.made_results import make_result
    from Testing.slicer.two_patients import check

    from ProSegSlicerLib import review
    from ProSegSlicerLib.volumes import add_volume

    a, b = add_volume(make_result().image, "A"), add_volume(make_result().image, "B")
    for volume, psa in ((a, 4.0), (b, 9.0)):
        review.set_psa(volume, psa)
    zones = []
    for volume in (a, b):
        case.select(volume)
        check(case, view)
        zones.append(case.segment(volume))
        case.ui.uncertaintyCheckBox.checked = True
        assert check(case, view) == (volume, zones[-1])
    return a, zones[0], b, zones[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Some come before all others, whose traces in the process they do not bear.

    Damaged files are tried by threads and by forks of a process with this one's environment. The end of a real slice
    logic aborts the process after tests that made bare view nodes.
    """
    first = ("test_fuzz.py", "test_two_patients.py", "test_two_patients_further.py", "test_panel_place.py")
    items.sort(key=lambda item: first.index(item.path.name) if item.path.name in first else len(first))
