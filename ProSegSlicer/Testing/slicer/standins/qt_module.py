"""The modules ``qt`` and ``ctk`` as Slicer's Python has them, over PySide6."""

# The names are Slicer's and Qt's.
# ruff: noqa: N802

from __future__ import annotations

import xml.etree.ElementTree as ET
from types import ModuleType
from typing import Any

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets
from Testing.slicer.standins.pythonqt import dressed
from Testing.slicer.standins.widgets import CTK, MRML

_LIBRARIES = (QtWidgets, QtGui, QtCore)


class Qt(ModuleType):
    """Every class of Qt's core, GUI and widgets libraries: QObjects in PythonQt's dress, values as they are."""

    def __init__(self) -> None:
        super().__init__("qt")
        self.QUiLoader = UiLoader

    def __getattr__(self, name: str) -> Any:
        for library in _LIBRARIES:
            found = getattr(library, name, None)
            if found is not None:
                is_object = isinstance(found, type) and issubclass(found, QtCore.QObject)
                return dressed(found) if is_object else found
        raise AttributeError(f"module 'qt' has no attribute {name!r}")


class Ctk(ModuleType):
    """The CTK widgets that there are stand-ins for."""

    def __init__(self) -> None:
        super().__init__("ctk")
        vars(self).update(CTK)


class UiLoader:
    """Builds a widget from a .ui file, out of the stand-ins.

    Stricter than Qt's own: a class, a property of a stand-in, or an end of a connection that does not exist is an
    error. Connections that carry MRML objects are made here, since Qt has no types for them.
    """

    def load(self, file: QtCore.QFile) -> Any:
        """The widget in an open file."""
        root = ET.fromstring(bytes(file.readAll().data()))
        self._check(root)
        wiring = [{end.tag: end.text for end in connection} for connection in root.iterfind("connections/connection")]
        for connections in root.findall("connections"):
            root.remove(connections)
        buffer = QtCore.QBuffer()
        buffer.setData(ET.tostring(root))
        buffer.open(QtCore.QIODevice.ReadOnly)
        builder = _Builder()
        widget = builder.load(buffer)
        if widget is None:
            raise ValueError("not a .ui file")
        for ends in wiring:
            sender, receiver = (_part(widget, ends[end]) for end in ("sender", "receiver"))
            sender.connect(ends["signal"], getattr(receiver, ends["slot"].partition("(")[0]))
        return widget

    def _check(self, root: ET.Element) -> None:
        declared = {element.findtext("class") for element in root.iterfind("customwidgets/customwidget")}
        for element in root.iter("widget"):
            kind = element.get("class")
            if kind not in MRML | CTK:
                continue
            if kind not in declared:
                raise ValueError(f"{kind} is not among the custom widgets of the .ui file")
            for entry in element.iterfind("property"):
                if entry.get("stdset") != "0" and not hasattr((MRML | CTK)[kind], entry.get("name")):
                    raise AttributeError(f"{kind} has no property {entry.get('name')}")


class _Builder(QtUiTools.QUiLoader):
    """Makes the widgets that a .ui file names; layouts stay plain ones of PySide6."""

    def createWidget(self, kind: str, parent: Any = None, name: str = "") -> Any:
        made = (MRML | CTK).get(kind) or dressed(getattr(QtWidgets, kind))
        widget = made(parent)
        widget.setObjectName(name)
        if isinstance(widget, QtWidgets.QTableView):  # PythonQt dresses what a widget hands out, too
            header = dressed(QtWidgets.QHeaderView)
            widget.setHorizontalHeader(header(QtCore.Qt.Horizontal, widget))
            widget.setVerticalHeader(header(QtCore.Qt.Vertical, widget))
        return widget


def _part(widget: Any, name: str) -> Any:
    found = widget if widget.objectName == name else widget.findChild(QtCore.QObject, name)
    if found is None:
        raise AttributeError(f"the .ui file connects {name}, which it does not have")
    return found
