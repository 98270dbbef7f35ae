"""The scene to work in and the logics that work on it: Slicer's own, or, outside Slicer, ones made on slicer-core."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import slicer
import vtk

# Outside Slicer: made in this order, since colours must be there before volumes and terminologies before segments.
OUTSIDE = {
    "Colors": "vtkMRMLColorLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "SegmentEditor": "vtkSlicerSegmentEditorLogic",
}


def mrml_scene() -> Any:
    """The ``vtkMRMLScene``: Slicer's, or outside Slicer one a process, made at the first call."""
    return getattr(slicer, "mrmlScene", None) or _outside()[0]


def logic(name: str) -> Any:
    """A module's logic by the module's name, one of ``OUTSIDE`` but "Colors".

    Raises:
        KeyError: outside Slicer there is no such logic.
    """
    return getattr(slicer.modules, name.lower()).logic() if in_slicer() else _outside()[2][name]


def application_logic() -> Any:
    """The ``vtkMRMLApplicationLogic`` that all modules share."""
    return slicer.app.applicationLogic() if in_slicer() else _outside()[1]


def in_slicer() -> bool:
    """Whether the Slicer application, or a stand-in for it, is around."""
    return hasattr(slicer, "app") and hasattr(slicer, "modules")


def nodes_of(class_name: str) -> list[Any]:
    """The scene's nodes of a class, oldest first (``slicer.util.getNodesByClass`` knows only Slicer's own scene)."""
    nodes = mrml_scene().GetNodesByClass(class_name)
    nodes.UnRegister(None)  # the Python reference holds it
    return [nodes.GetItemAsObject(number) for number in range(nodes.GetNumberOfItems())]


def add_node(class_name: str, name: str, hidden: bool = False) -> Any:
    """A new node of the scene under a name that no other node has."""
    node = mrml_scene().CreateNodeByClass(class_name)
    node.UnRegister(None)  # the Python reference holds it
    node.SetName(mrml_scene().GenerateUniqueName(name) if mrml_scene().GetFirstNodeByName(name) else name)
    node.SetHideFromEditors(hidden)
    return mrml_scene().AddNode(node)


@cache
def _outside() -> tuple[Any, Any, dict[str, Any]]:
    """Scene, application logic and logics; all are held here because the application logic keeps weak pointers."""
    scene, application = slicer.vtkMRMLScene(), slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    logics = {}
    with _quiet():  # slicer-core comes without the terminologies that Slicer loads at this point, and complains
        for name, class_name in OUTSIDE.items():
            logics[name] = module = getattr(slicer, class_name)()
            module.SetMRMLApplicationLogic(application)
            module.SetMRMLScene(scene)
            application.SetModuleLogic(name, module)
            if name == "Colors":
                module.AddDefaultColorNodes()
    return scene, application, logics


@contextmanager
def _quiet() -> Iterator[None]:
    """Without VTK's warnings and errors on stderr."""
    shown = vtk.vtkObject.GetGlobalWarningDisplay()
    vtk.vtkObject.GlobalWarningDisplayOff()
    try:
        yield
    finally:
        vtk.vtkObject.SetGlobalWarningDisplay(shown)
