"""Stand-ins for ``slicer.app`` and ``slicer.modules``, over the scene and the logics of slicer-core."""

# The names are Slicer's and Qt's.
# ruff: noqa: N802, N815

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
from PySide6 import QtWidgets

from ProSegSlicerLib import scene as scenes


class Emitter:
    """An object with a few signals that tests can send."""

    SIGNALS: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.receivers: dict[str, list[Callable[..., Any]]] = {signature: [] for signature in self.SIGNALS}

    def connect(self, signature: str, receiver: Callable[..., Any]) -> bool:
        """Call the receiver when the signal is sent."""
        self.receivers[signature].append(receiver)
        return True

    def disconnect(self, signature: str, receiver: Callable[..., Any]) -> bool:
        """Call it no longer."""
        self.receivers[signature].remove(receiver)
        return True

    def send(self, signature: str, *values: Any) -> None:
        """Send a signal: for tests."""
        for receiver in list(self.receivers[signature]):
            receiver(*values)


class ModuleManager(Emitter):
    """``slicer.app.moduleManager()``."""

    SIGNALS = ("moduleAboutToBeUnloaded(QString)",)


class Application(Emitter):
    """``slicer.app``, as far as the panel uses it."""

    SIGNALS = ("startupCompleted()", "aboutToQuit()")
    applicationName = "Slicer"
    doubleClickInterval = 400  # ms

    def __init__(self) -> None:
        super().__init__()
        self._manager, self.testing = ModuleManager(), False

    def applicationLogic(self) -> Any:
        """The logic that all modules share: slicer-core's."""
        return scenes._outside()[1]

    def moduleManager(self) -> ModuleManager:
        """The module manager."""
        return self._manager

    def testingEnabled(self) -> bool:
        """Whether dialogs must not wait for anybody."""
        return self.testing

    def processEvents(self) -> None:
        """Let Qt work off what is waiting."""
        QtWidgets.QApplication.processEvents()

    def clipboard(self) -> Any:
        """The clipboard."""
        return QtWidgets.QApplication.clipboard()

    def layoutManager(self) -> None:
        """There are no views, as under ``--no-main-window``."""
        return None

    def topLevelWidgets(self) -> list[Any]:
        """There is no main window, as under ``--no-main-window``."""
        return []


class Module:
    """One of ``slicer.modules``."""

    def __init__(self, logic: Any = None, path: str = "") -> None:
        self._logic, self.path, self.parent = logic, path, None

    def logic(self) -> Any:
        """The module's logic."""
        return self._logic

    def widgetRepresentation(self) -> Any:
        """What the module's panel fills."""
        return self.parent


class SegmentEditor:
    """The Segment Editor's panel, as far as Undo goes: slicer-core's logic follows the editor's node and keeps states.

    It is its own module widget (``self()``) and its own ``editor``.
    """

    def __init__(self) -> None:
        self._logic, self.editor, self.isEntered, self._source = None, self, False, None

    def self(self) -> SegmentEditor:
        """The scripted module's widget."""
        return self

    def selectParameterNode(self) -> None:
        """Follow the scene's Segment Editor node."""
        if self._logic is None:
            self._logic = slicer.vtkSlicerSegmentEditorLogic()
            self._logic.SetMRMLApplicationLogic(scenes._outside()[1])
            self._logic.SetMRMLScene(scenes.mrml_scene())
        node = scenes.mrml_scene().GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
        self._logic.SetSegmentEditorNode(node)
        before, self._source = self._source, node.GetSourceVolumeNode()
        if self._source is not None and self._source is not before:  # it is shown in all slice views
            for composite in scenes.nodes_of("vtkMRMLSliceCompositeNode"):
                composite.SetBackgroundVolumeID(self._source.GetID())
                composite.SetForegroundVolumeID(None)

    def saveStateForUndo(self) -> None:
        """Keep the segmentation as it is."""
        self._logic.SaveStateForUndo()

    def undo(self) -> None:
        """What the Undo button does."""
        self._logic.Undo()

    def redo(self) -> None:
        """What the Redo button does."""
        self._logic.Redo()


class Modules:
    """``slicer.modules``: those of slicer-core by their names, and those that a test adds."""

    def __init__(self, logics: dict[str, Any]) -> None:
        for name, logic in logics.items():
            setattr(self, name.lower(), Module(logic))
        self.segmenteditor.parent = SegmentEditor()


def logics() -> dict[str, Any]:
    """The logics of slicer-core on the tests' scene, by module."""
    return {name: scenes._outside()[2][name] for name in scenes.OUTSIDE}
