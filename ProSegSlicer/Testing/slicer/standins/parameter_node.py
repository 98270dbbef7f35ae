"""A stand-in for ``slicer.parameterNodeWrapper``: typed attributes kept in a node of the scene.

Its binding to widgets has no stand-in: the panel does not use it (``ProSegSlicerLib.qt_binding`` says why).
"""

# The names are Slicer's and Qt's.
# ruff: noqa: N802, N803

from __future__ import annotations

import enum
import typing
from collections.abc import Callable
from types import ModuleType
from typing import Any

import slicer


def parameterNodeWrapper(decorated: type) -> type:
    """A class with the annotated attributes of ``decorated``, each kept in a parameter node."""
    kinds = typing.get_type_hints(decorated)
    for name, kind in kinds.items():
        if not (kind in (bool, int, float, str) or _is_enum(kind) or _is_node(kind)):
            raise TypeError(f"{decorated.__name__}.{name}: a parameter node cannot keep {kind}")
        if hasattr(Wrapper, name):
            raise ValueError(f"{name} is a reserved name")
    defaults = {name: getattr(decorated, name, _zero(kind)) for name, kind in kinds.items()}
    attributes = {name: _attribute(name) for name in kinds}
    return type(decorated.__name__, (Wrapper,), {"kinds": kinds, "defaults": defaults, **attributes})


class Wrapper:
    """A parameter node with typed attributes."""

    kinds: typing.ClassVar[dict[str, type]]
    defaults: typing.ClassVar[dict[str, Any]]

    def __init__(self, parameterNode: Any) -> None:
        self.parameterNode = parameterNode
        for name, kind in self.kinds.items():
            if not _is_node(kind) and not parameterNode.HasParameter(name):
                self.setValue(name, self.defaults[name])

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name != "parameterNode" and name not in self.kinds:
            raise AttributeError(f"{type(self).__name__} has no parameter {name}")
        super().__setattr__(name, value)

    def getValue(self, name: str) -> Any:
        """A parameter's value."""
        kind = self.kinds[name]
        if _is_node(kind):
            return self.parameterNode.GetNodeReference(name)
        text = self.parameterNode.GetParameter(name)
        if _is_enum(kind):
            return kind[text]
        return text == "true" if kind is bool else kind(text)

    def setValue(self, name: str, value: Any) -> None:
        """Change a parameter."""
        kind = self.kinds[name]
        if _is_node(kind):
            if value is not None and not value.IsA(kind.__name__):
                raise TypeError(f"{name} takes a {kind.__name__}, not a {value.GetClassName()}")
            self.parameterNode.SetNodeReferenceID(name, value.GetID() if value is not None else None)
            return
        if not isinstance(value, kind):
            raise TypeError(f"{name} takes {kind.__name__}, not {value!r}")
        text = value.name if _is_enum(kind) else str(value).lower() if kind is bool else str(value)
        self.parameterNode.SetParameter(name, text)

    def AddObserver(self, event: Any, callback: Callable[..., Any], priority: float = 0.0) -> int:
        """Observe the parameter node."""
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        """Stop observing it."""
        self.parameterNode.RemoveObserver(tag)

    def StartModify(self) -> int:
        """Hold events back."""
        return self.parameterNode.StartModify()

    def EndModify(self, before: int) -> None:
        """Let events go."""
        self.parameterNode.EndModify(before)


def make_module() -> ModuleType:
    """The module ``slicer.parameterNodeWrapper``."""
    module = ModuleType("slicer.parameterNodeWrapper")
    module.parameterNodeWrapper = parameterNodeWrapper
    return module


def _attribute(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _is_node(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)


def _zero(kind: Any) -> Any:
    return None if _is_node(kind) else next(iter(kind)) if _is_enum(kind) else kind()
