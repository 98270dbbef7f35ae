"""Widgets that show a parameter of the parameter node, and change it.

The .ui file names the parameter in the property ``SlicerParameterName``, as Slicer's own ``connectGui`` wants it. It is
not used because it cannot be undone: the observer it leaves on the node holds the wrapper that holds the node. Python's
garbage collector takes such a ring apart once the panel has dropped it, but a node that is a singleton outlives its
scene, and the next change of it would call what is left of the observer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer

PROPERTY = "SlicerParameterName"


class Binding:
    """Binds all widgets that name a parameter.

    Args:
        ui: the panel's widgets by name.
    """

    def __init__(self, ui: Any) -> None:
        self.parameters: Any = None
        self._is_showing = False
        named = {widget.property(PROPERTY): widget for widget in vars(ui).values()}
        self._widgets = {name: widget for name, widget in named.items() if name}
        for name, widget in self._widgets.items():
            widget.connect(_signal(widget), self._receiver(name))
            if isinstance(widget, slicer.qMRMLNodeComboBox):
                _let_focus(widget)

    def bind(self, parameters: Any) -> None:
        """Show this parameter node from now on; None for none."""
        self.parameters = parameters
        self.show()

    def show(self) -> None:
        """Bring the widgets up to date with the node."""
        if self.parameters is None or self._is_showing:
            return
        self._is_showing = True
        try:
            for name, widget in self._widgets.items():
                _write(widget, getattr(self.parameters, name))
        finally:
            self._is_showing = False

    def _receiver(self, name: str) -> Callable[..., None]:
        def changed(*_value: Any) -> None:
            if self.parameters is not None and not self._is_showing:
                before = getattr(self.parameters, name)
                setattr(self.parameters, name, _read(self._widgets[name], type(before)))

        return changed


def _let_focus(selector: Any) -> None:
    """Let Tab, a label's mnemonic and the arrow keys reach a node selector.

    It takes no focus, and as the proxy of the combo box inside it keeps that from taking any.
    """
    inside = selector.findChild(qt.QComboBox)
    inside.setFocusProxy(None)
    selector.setFocusPolicy(qt.Qt.StrongFocus)
    selector.setFocusProxy(inside)


def _signal(widget: Any) -> str:
    if isinstance(widget, slicer.qMRMLNodeComboBox):
        return "currentNodeChanged(vtkMRMLNode*)"
    return "toggled(bool)" if isinstance(widget, qt.QCheckBox) else "currentIndexChanged(int)"


def _read(widget: Any, kind: type) -> Any:
    if isinstance(widget, slicer.qMRMLNodeComboBox):
        return widget.currentNode()
    return widget.checked if isinstance(widget, qt.QCheckBox) else list(kind)[widget.currentIndex]


def _write(widget: Any, value: Any) -> None:
    if isinstance(widget, slicer.qMRMLNodeComboBox):
        widget.setCurrentNode(value)
    elif isinstance(widget, qt.QCheckBox):
        widget.checked = value
    else:
        choices = list(type(value))
        if widget.count == 0:
            widget.addItems([choice.label() for choice in choices])
        widget.currentIndex = choices.index(value)
