"""Stand-ins for the MRML and CTK widgets that the panel uses, each over a plain widget of PySide6.

They have the properties, signals and slots that the panel needs, and no others, so that a name that Slicer's widgets
lack fails here too. What they show and in which order is close to Slicer's, not the same.
"""

# The names are Slicer's and Qt's.
# ruff: noqa: N802, N815

from __future__ import annotations

import sys
from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal
from Testing.slicer.standins.pythonqt import dressed

SURFACE = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()

SCENE_EVENTS = ("NodeAddedEvent", "NodeRemovedEvent", "EndCloseEvent", "EndImportEvent", "EndBatchProcessEvent")
observed: list[tuple[Any, int]] = []  # scene and tag, to take back when the stand-ins go
alive: list[QtWidgets.QWidget] = []


def _plain(name: str, kind: type, default: Any) -> Property:
    """A property that only keeps its value."""

    def get(self: Any) -> Any:
        return getattr(self, f"_{name}", default)

    def put(self: Any, value: Any) -> None:
        setattr(self, f"_{name}", value)

    return Property(kind, get, put)


class _QMRMLWidget(QtWidgets.QWidget):
    """A widget that tells its parts which scene they belong to."""

    mrmlSceneChanged = Signal(object)
    SIGNATURES = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}  # noqa: RUF012

    _scene = None

    def setMRMLScene(self, scene: Any) -> None:
        """Take a scene and pass it on."""
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        """The scene it was given."""
        return self._scene


class _ModuleWidget(_QMRMLWidget):
    """What Slicer puts a module's panel into."""

    isEntered = _plain("entered", bool, False)

    def reload(self) -> None:
        """Make the panel anew, of the module as it was loaded last."""
        widget = slicer.modules.ProSegSlicerWidget = sys.modules["ProSegSlicer"].ProSegSlicerWidget(self)
        widget.setup()


class _NodeComboBox(QtWidgets.QWidget):
    """A choice among the nodes of a scene; as in Slicer it is a widget around a combo box, not one itself."""

    currentNodeChanged = Signal(object)
    SIGNATURES = {"currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged"}  # noqa: RUF012

    nodeTypes = _plain("types", "QStringList", [])
    noneEnabled = _plain("none_enabled", bool, False)
    noneDisplay = _plain("none_display", str, "None")
    addEnabled = _plain("add_enabled", bool, True)
    removeEnabled = _plain("remove_enabled", bool, True)
    renameEnabled = _plain("rename_enabled", bool, False)
    editEnabled = _plain("edit_enabled", bool, False)
    showHidden = _plain("show_hidden", bool, False)
    showChildNodeTypes = _plain("show_child_node_types", bool, True)
    selectNodeUponCreation = _plain("select_node_upon_creation", bool, True)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._nodes: list[Any] = []
        self._current: Any = None
        self._box = dressed(QtWidgets.QComboBox)(self)
        alive.append(self)  # else PySide6 forgets the Python half of a widget that only its loader knows
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._box.activated.connect(self._picked)
        self._box.setFocusProxy(self)  # as in Slicer, and so neither takes the focus

    def setMRMLScene(self, scene: Any) -> None:
        """Offer the nodes of a scene, now and as they come and go."""
        self._scene = scene
        for event in SCENE_EVENTS:
            observed.append((scene, scene.AddObserver(getattr(scene, event), self._scene_changed)))
        observed.append((scene, scene.AddObserver(scene.NodeAboutToBeRemovedEvent, self._node_goes)))
        observed.append((scene, scene.AddObserver(scene.EndImportEvent, self._scene_refilled, 1.0)))
        self._scene_changed()

    def currentNode(self) -> Any:
        """The node that is chosen, or None."""
        return self._current

    def setCurrentNode(self, node: Any) -> None:
        """Choose a node; one that is not on offer chooses none, or leaves the choice where there must be one."""
        if node is not None and node not in self._nodes:
            node = None
        if node is None and not self._none_is_possible():
            node = self._current if self._current in self._nodes else self._nodes[0]
        changed = node is not self._current
        self._current = node
        self._show()
        if changed:
            self.currentNodeChanged.emit(node)

    def nodeCount(self) -> int:
        """How many nodes are on offer."""
        return len(self._nodes)

    def _none_is_possible(self) -> bool:
        return bool(self.noneEnabled) or not self._nodes

    def _scene_changed(self, *_: Any) -> None:
        if self._scene.IsBatchProcessing():
            return
        count = self._scene.GetNumberOfNodes()
        self._nodes = [node for node in map(self._scene.GetNthNode, range(count)) if self._offers(node)]
        self.setCurrentNode(self._current)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_goes(self, _scene: Any, _event: str, node: Any) -> None:
        """As in Slicer the row goes first, and a QComboBox whose row goes moves on to the next one."""
        if node not in self._nodes or self._scene.IsBatchProcessing():
            return
        place = self._nodes.index(node)
        self._nodes.remove(node)
        if node is self._current:
            rows = [None, *self._nodes] if self._none_is_possible() else self._nodes
            row = min(place + self._none_is_possible(), len(rows) - 1)
            self._current = rows[row]
            self._show()
            self.currentNodeChanged.emit(self._current)

    def _scene_refilled(self, *_: Any) -> None:
        """As in Slicer all rows go and come back after a scene was read, and the choice with them."""
        self.setCurrentNode(None)

    def _offers(self, node: Any) -> bool:
        is_one = node.IsA if self.showChildNodeTypes else lambda kind: node.GetClassName() == kind
        return any(map(is_one, self.nodeTypes)) and (self.showHidden or not node.GetHideFromEditors())

    def _show(self) -> None:
        names = [node.GetName() for node in self._nodes]
        self._box.clear()
        self._box.addItems(([self.noneDisplay] if self._none_is_possible() else []) + names)
        place = self._nodes.index(self._current) if self._current in self._nodes else -1
        self._box.setCurrentIndex(place + self._none_is_possible())

    def _picked(self, index: int) -> None:
        place = index - self._none_is_possible()
        self.setCurrentNode(self._nodes[place] if place >= 0 else None)


class _CollapsibleButton(QtWidgets.QWidget):
    """A headline that shows or hides what is below it."""

    contentsCollapsed = Signal(bool)
    HEADLINE = 22

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._text, self._is_collapsed = "", False
        self._hidden_here: list[QtWidgets.QWidget] = []
        self.setContentsMargins(0, self.HEADLINE, 0, 0)
        self.setFocusPolicy(QtCore.Qt.StrongFocus)  # it is a button

    def _get_text(self) -> str:
        return self._text

    def _set_text(self, text: str) -> None:
        self._text = text
        self.update()

    def _get_collapsed(self) -> bool:
        return self._is_collapsed

    def _set_collapsed(self, collapsed: bool) -> None:
        if collapsed == self._is_collapsed:
            return
        self._is_collapsed = collapsed
        self._apply()
        self.contentsCollapsed.emit(collapsed)

    text = Property(str, _get_text, _set_text)
    collapsed = Property(bool, _get_collapsed, _set_collapsed)

    def _apply(self) -> None:
        """Hide the contents, or show again those that were hidden for this reason."""
        if self._is_collapsed:
            self._hidden_here = [child for child in self.children() if _is_shown(child)]
        for child in self._hidden_here:
            child.setVisible(not self._is_collapsed)

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        """Collapse late what the .ui file collapsed before it had contents."""
        if self._is_collapsed and not self._hidden_here:
            self._apply()
        super().showEvent(event)

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        """A click on the headline."""
        if event.position().y() < self.HEADLINE:
            self._set_collapsed(not self._is_collapsed)

    def paintEvent(self, _: QtGui.QPaintEvent) -> None:
        """Draw the headline: a push button's face, an arrow, the text."""
        painter, option = QtGui.QPainter(self), QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        width = QtWidgets.QWidget.width(self)  # a property in PythonQt's dress
        option.rect = QtCore.QRect(0, 0, width, self.HEADLINE - 2)
        self.style().drawControl(QtWidgets.QStyle.CE_PushButtonBevel, option, painter, self)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(6, 5, 10, 10)
        shape = (
            QtWidgets.QStyle.PE_IndicatorArrowRight if self._is_collapsed else QtWidgets.QStyle.PE_IndicatorArrowDown
        )
        self.style().drawPrimitive(shape, arrow, painter, self)
        painter.drawText(QtCore.QRect(22, 0, width - 26, self.HEADLINE - 2), QtCore.Qt.AlignVCenter, self._text)


class _Show3DButton(QtWidgets.QPushButton):
    """Slicer's button for the surfaces of a segmentation: checked while they are there."""

    EVENTS = (vtk.vtkCommand.ModifiedEvent, slicer.vtkSegmentation.ContainedRepresentationNamesModified)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__("Show 3D", parent)
        self._node: Any = None
        self._tags: list[int] = []
        QtWidgets.QAbstractButton.setCheckable(self, True)
        QtWidgets.QAbstractButton.setEnabled(self, False)
        QtCore.QObject.connect(self, QtCore.SIGNAL("toggled(bool)"), self._toggled)

    def segmentationNode(self) -> Any:
        """The segmentation it is about."""
        return self._node

    def setSegmentationNode(self, node: Any) -> None:
        """Be about a segmentation; None for none."""
        for tag in self._tags:
            self._node.RemoveObserver(tag)
        self._node = node
        self._tags = [node.AddObserver(event, lambda *_: self._follow()) for event in self.EVENTS] if node else []
        self._follow()

    def _follow(self) -> None:
        inside = self._node.GetSegmentation() if self._node else None
        QtWidgets.QAbstractButton.setEnabled(self, bool(inside and inside.GetNumberOfSegments()))
        was_blocked = self.blockSignals(True)
        QtWidgets.QAbstractButton.setChecked(self, bool(inside and inside.ContainsRepresentation(SURFACE)))
        self.blockSignals(was_blocked)

    def _toggled(self, on: bool) -> None:
        if on:
            self._node.CreateClosedSurfaceRepresentation()
        else:
            self._node.RemoveClosedSurfaceRepresentation()


class _PathLineEdit(QtWidgets.QWidget):
    """A path to type or to browse for."""

    Dirs, Files = 1, 2
    currentPathChanged = Signal(str)

    filters = _plain("filters", int, 0)
    settingKey = _plain("setting_key", str, "")

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._edit = QtWidgets.QLineEdit(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._edit)
        browse = QtWidgets.QToolButton(self)
        browse.setText("...")
        layout.addWidget(browse)
        self._edit.textChanged.connect(self.currentPathChanged)
        self.setFocusProxy(self._edit)

    def _get_path(self) -> str:
        return self._edit.text()

    def _set_path(self, path: str) -> None:
        self._edit.setText(path)

    currentPath = Property(str, _get_path, _set_path)

    def addCurrentPathToHistory(self) -> None:
        """Remember the path; the stand-in has no memory."""


def _is_shown(child: QtCore.QObject) -> bool:
    return isinstance(child, QtWidgets.QWidget) and not child.isHidden()


def _named(base: type, name: str) -> type:
    """A stand-in under the name of what it stands in for, in PythonQt's dress."""
    made = dressed(base)
    made.__name__ = name
    return made


MRML = {
    "qMRMLWidget": _named(_QMRMLWidget, "qMRMLWidget"),
    "qMRMLNodeComboBox": _named(_NodeComboBox, "qMRMLNodeComboBox"),
    "qMRMLSegmentationShow3DButton": _named(_Show3DButton, "qMRMLSegmentationShow3DButton"),
    "qSlicerScriptedLoadableModuleWidget": _named(_ModuleWidget, "qSlicerScriptedLoadableModuleWidget"),
}
CTK = {
    "ctkCollapsibleButton": _named(_CollapsibleButton, "ctkCollapsibleButton"),
    "ctkPathLineEdit": _named(_PathLineEdit, "ctkPathLineEdit"),
}


def forget_scenes() -> None:
    """Stop watching every scene."""
    while observed:
        scene, tag = observed.pop()
        scene.RemoveObserver(tag)
    alive.clear()
