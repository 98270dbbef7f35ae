"""PySide6 classes in PythonQt's dress, the one Slicer's Python wears.

What differs, and is imitated: Qt properties are attributes (``button.text = "x"``, never ``button.text()``), signals
are connected by signature (``button.connect("clicked(bool)", f)``), a dialog runs with ``exec_()``, and an attribute
that does not exist cannot be set. Where PythonQt only prints a complaint this raises, so that a test sees it.
"""

# The names are Slicer's and Qt's.
# ruff: noqa: N802

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

from PySide6 import QtCore

# Virtual functions that are also properties: Qt calls them itself and would find the property instead.
VIRTUAL = {"sizeHint", "minimumSizeHint"}


class StrictQObject:
    """What every class in PythonQt's dress has; mixed in before the PySide6 class."""

    SIGNATURES: ClassVar[dict[str, str]] = {}  # of C++ types that PySide6 lacks: to its signal's name

    def connect(self, signature: str, receiver: Callable[..., Any]) -> bool:
        """Call ``receiver`` with as many of the signal's arguments as it takes."""
        signal = self._own_signal(signature)
        return bool(
            signal.connect(receiver) if signal else QtCore.QObject.connect(self, self._qt_name(signature), receiver)
        )

    def disconnect(self, signature: str, receiver: Callable[..., Any]) -> bool:
        """Undo a ``connect``."""
        signal = self._own_signal(signature)
        return bool(
            signal.disconnect(receiver)
            if signal
            else QtCore.QObject.disconnect(self, self._qt_name(signature), receiver)
        )

    def _own_signal(self, signature: str) -> Any:
        return getattr(self, self.SIGNATURES[signature]) if signature in self.SIGNATURES else None

    def _qt_name(self, signature: str) -> str:
        if signature.startswith("2"):  # PySide6 itself, on its way from ``signal.connect(receiver)``
            return signature
        normal = QtCore.QMetaObject.normalizedSignature(signature).data().decode()
        if self.metaObject().indexOfSignal(normal) < 0:
            raise AttributeError(f"{type(self).__name__} has no signal {signature}")
        return QtCore.SIGNAL(normal)

    @property
    def name(self) -> str:
        """PythonQt's short name for the object name."""
        return self.objectName

    @name.setter
    def name(self, value: str) -> None:
        self.setObjectName(value)

    def className(self) -> str:
        """Qt's name of the class."""
        return self.metaObject().className()

    def __getattribute__(self, name: str) -> Any:
        if name in ("connect", "disconnect"):  # PySide6 finds its own first, whatever a subclass defines
            return getattr(StrictQObject, name).__get__(self)
        return super().__getattribute__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        is_part = isinstance(value, QtCore.QObject)  # PySide6's loader hangs the parts it made on the whole
        if not (name.startswith("_") or is_part or hasattr(type(self), name)):
            raise AttributeError(f"{type(self).__name__} has no property {name}")
        super().__setattr__(name, value)


class PropertyAttribute:
    """A Qt property as an attribute; on the class it hides what Qt has there, as a static function of that name.

    ``QTimer.singleShot(ms, f)`` alone Slicer itself brings back.
    """

    def __init__(self, base: type, qt_property: QtCore.QMetaProperty) -> None:
        self.base = base
        self.key = qt_property.name()
        self.writable = qt_property.isWritable()

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return getattr(self.base, self.key) if self.key == "singleShot" else None
        value = QtCore.QObject.property(instance, self.key)
        return tuple(value) if isinstance(value, list) else value  # as PythonQt hands out string lists

    def __set__(self, instance: Any, value: Any) -> None:
        if not self.writable:
            raise AttributeError(f"{type(instance).__name__}.{self.key} is read-only")
        if not QtCore.QObject.setProperty(instance, self.key, value):
            raise ValueError(f"{type(instance).__name__}.{self.key} cannot be {value!r}")


class _Absent:
    """A getter that has a property in its place."""

    def __init__(self, getter: str, key: str) -> None:
        self.getter, self.key = getter, key

    def __get__(self, instance: Any, owner: type) -> Any:
        raise AttributeError(f"no {self.getter}() in PythonQt: use the property {self.key}")


@cache
def dressed(base: type) -> type:
    """A PySide6 class, or a class made from one, in PythonQt's dress; the same for the same class."""
    names: dict[str, Any] = {"SIGNATURES": getattr(base, "SIGNATURES", {})}
    meta = base.staticMetaObject
    for index in range(meta.propertyCount()):
        qt_property = meta.property(index)
        key = qt_property.name()
        if key in VIRTUAL or isinstance(inspect.getattr_static(base, key, None), QtCore.Property):
            continue  # the latter is an attribute already
        names[key] = PropertyAttribute(base, qt_property)
        getter = "is" + key[0].upper() + key[1:]
        if hasattr(base, getter):
            names[getter] = _Absent(getter, key)
    if hasattr(base, "exec"):
        names["exec_"] = lambda self: base.exec(self)
    return type(base.__name__, (StrictQObject, base), names)
