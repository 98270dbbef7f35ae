"""Stand-ins for what Slicer has and slicer-core lacks: Qt through PythonQt, the application, scripted modules.

They are this project's own and no more than the panel needs. Contract tests run on them: they show that the panel does
what it should as long as Slicer behaves as imitated here, which docs/tested-in-slicer.md asks somebody to see.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import slicer

MODULE_FILE = Path(__file__).resolve().parents[3] / "ProSegSlicer.py"
if sys.version_info < (3, 12):
    # PySide6 6.12 hands out None, True and False without counting them, as is right from Python 3.12 on, where they
    # cannot die; before, that ends the interpreter in the end. Spare references that nobody ever takes back make up.
    SPARE = (None,) * 4_000_000 + (True, False) * 1_000_000
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(SPARE))

STANDING_IN = ("qt", "ctk", "slicer.ScriptedLoadableModule", "slicer.i18n", "slicer.parameterNodeWrapper")


@contextmanager
def installed() -> Iterator[SimpleNamespace]:
    """Have the stand-ins in place of Slicer's own; afterwards everything is as it was.

    Yields:
        ``app``: the stand-in for ``slicer.app``; ``selected``: the names of modules switched to, in order.
    """
    from PySide6 import QtWidgets
    from Testing.slicer.standins import application, parameter_node, qt_module, scripted_module, widgets

    from ProSegSlicerLib.scene import mrml_scene

    qt_application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    scene, logics = mrml_scene(), application.logics()
    app, selected = application.Application(), []
    modules = application.Modules(logics)
    modules.prosegslicer = application.Module(path=str(MODULE_FILE))
    before = dict(vars(slicer)), slicer.util.selectModule, _libraries(), sys.modules.get("ProSegSlicer")
    made = (
        *(qt_module.Qt(), qt_module.Ctk(), scripted_module.make_module()),
        *(_translations(), parameter_node.make_module()),
    )
    sys.modules.update(zip(STANDING_IN, made, strict=True))
    vars(slicer).update(widgets.MRML, app=app, modules=modules, mrmlScene=scene, selfTests={})
    for module in made[2:]:
        setattr(slicer, module.__name__.partition(".")[2], module)
    slicer.util.selectModule = selected.append
    try:
        with _scene_files(scene):
            yield SimpleNamespace(app=app, selected=selected, qt_application=qt_application)
    finally:
        widgets.forget_scenes()
        slicer.util.selectModule = before[1]
        vars(slicer).clear()
        vars(slicer).update(before[0])
        if not before[2].items() <= _libraries().items():  # somebody reloaded the module and with it the libraries
            for name in _libraries():
                del sys.modules[name]
        sys.modules.update(before[2])
        for name in (*STANDING_IN, "ProSegSlicer", *_qt_parts()):  # they hold on to the stand-ins
            sys.modules.pop(name, None)
        if before[3] is not None:  # pytest's name for the folder
            sys.modules["ProSegSlicer"] = before[3]


def load_module() -> ModuleType:
    """Run the module's file under the module's name, as Slicer does."""
    spec = importlib.util.spec_from_file_location("ProSegSlicer", MODULE_FILE)
    module = sys.modules["ProSegSlicer"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def open_panel(width: int = 400) -> Any:
    """Load the module and open its panel, as Slicer does when the user selects it; the ``ProSegSlicerWidget``."""
    import qt

    module = load_module()
    parent = slicer.qSlicerScriptedLoadableModuleWidget()
    parent.setLayout(qt.QVBoxLayout())
    parent.setMRMLScene(slicer.mrmlScene)
    parent.resize(width, 900)
    widget = module.ProSegSlicerWidget(parent)
    slicer.modules.ProSegSlicerWidget = widget
    slicer.modules.prosegslicer.parent = parent
    widget.setup()
    parent.isEntered = True
    widget.enter()
    return widget


def wait_until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Let Qt's events and timers run until a condition holds.

    Raises:
        AssertionError: it does not in that time.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        slicer.app.processEvents()
        time.sleep(0.005)


def _libraries() -> dict[str, ModuleType]:
    """The loaded modules of the packages beside the module's file, but for those that need Qt."""
    packages = ("ProSegSlicerLib", "proseg")
    own = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in packages}
    return {name: module for name, module in own.items() if name not in _qt_parts()}


def _qt_parts() -> list[str]:
    return [name for name in sys.modules if name.startswith("ProSegSlicerLib.qt_")]


@contextmanager
def _scene_files(scene: Any) -> Iterator[None]:
    """Let the scene be read from a .mrb file, as it can in Slicer."""
    with tempfile.TemporaryDirectory() as cache:
        remote = slicer.vtkMRMLRemoteIOLogic()
        remote.SetMRMLScene(scene)
        remote.GetCacheManager().SetRemoteCacheDirectory(cache)
        remote.AddDataIOToScene()
        try:
            yield
        finally:
            remote.RemoveDataIOFromScene()


def _translations() -> ModuleType:
    """The module ``slicer.i18n``, in a session that is not translated."""
    module = ModuleType("slicer.i18n")
    module.tr = lambda text, *_: text
    module.translate = lambda context, text, *_: text
    return module
