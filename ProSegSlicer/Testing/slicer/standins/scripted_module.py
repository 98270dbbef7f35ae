"""A stand-in for ``slicer.ScriptedLoadableModule``: the four base classes of a scripted module."""

# The names are Slicer's and Qt's.
# ruff: noqa: N802, N803, N815

from __future__ import annotations

import unittest
from pathlib import Path
from types import ModuleType
from typing import Any

import slicer


class ScriptedLoadableModule:
    """A module as Slicer lists it."""

    def __init__(self, parent: Any) -> None:
        super().__init__()
        self.parent = parent
        self.moduleName = type(self).__name__


class ScriptedLoadableModuleWidget:
    """A module's panel. Slicer makes it with the parent to fill, then calls ``setup``."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        self.parent = parent or _window()
        self.layout = self.parent.layout()
        if not parent:
            self.setup()
            self.parent.show()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename: str) -> str:
        """Where a file among the module's resources lies."""
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self) -> None:
        """Slicer puts its developer tools there."""

    def cleanup(self) -> None:
        """For the module to override."""

    def onReload(self) -> None:
        """What the developer's button Reload does."""
        slicer.util.reloadScriptedModule(self.moduleName)

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:
        if name == self.moduleName:
            self.cleanup()


def _window() -> Any:
    """A window for a panel that Slicer gives no parent."""
    import qt

    window = slicer.qMRMLWidget()
    window.setLayout(qt.QVBoxLayout())
    window.setMRMLScene(slicer.mrmlScene)
    return window


class ScriptedLoadableModuleLogic:
    """What a module does without its panel."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        """The module's node in the scene, made if there is none."""
        found = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if found is None:
            found = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            found.UnRegister(None)
            found.SetSingletonTag(self.moduleName)
            found.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
            found = slicer.mrmlScene.AddNode(found)
        found.SetAttribute("ModuleName", self.moduleName)
        return found


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A module's self-test."""

    messageDelay = 0

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        """Say what is being done."""
        print(message)

    def runTest(self) -> None:
        """For the module to override."""
        raise NotImplementedError


def make_module() -> ModuleType:
    """The module ``slicer.ScriptedLoadableModule``."""
    module = ModuleType("slicer.ScriptedLoadableModule")
    classes = (
        *(ScriptedLoadableModule, ScriptedLoadableModuleWidget),
        *(ScriptedLoadableModuleLogic, ScriptedLoadableModuleTest),
    )
    vars(module).update({made.__name__: made for made in classes})
    module.__all__ = [made.__name__ for made in classes]
    return module
