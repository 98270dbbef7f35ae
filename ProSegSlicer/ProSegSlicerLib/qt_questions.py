"""What the panel asks before it does something that cannot be taken back. Tests put their own answers in its place."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, Protocol

import qt
import slicer
from slicer.i18n import tr as _

TITLE = "ProSegSlicer"


class Rerun(Enum):
    """What becomes of contours that somebody worked on when their volume is segmented again."""

    REPLACE = "replace"
    KEEP = "keep"  # and make a new segmentation
    CANCEL = "cancel"


class Asks(Protocol):
    """Somebody who answers the panel's questions."""

    def install(self, what: str) -> bool:
        """Whether to install what is needed; ``what`` says what it is and how big."""

    def rerun(self, name: str, why: str) -> Rerun:
        """What becomes of the contours in the segmentation of that name; ``why`` says what would be lost."""

    def belongs(self, segmentation: str, volume: str) -> bool:
        """Whether the segmentation of that name, which names no image, was drawn on the volume of that name."""

    def restore(self, edits: str) -> bool:
        """Whether to give up the edits."""

    def overwrite(self, names: Sequence[str]) -> bool:
        """Whether to replace files of these names."""


class Questions:
    """Message boxes. Where nobody is there to answer (Slicer's testing mode) the answer loses nothing."""

    def install(self, what: str) -> bool:
        """Whether to install what is needed."""
        return _ask(what, [(_("&Install"), "AcceptRole"), (_("Not now"), "RejectRole")], default=0, safe=1) == 0

    def rerun(self, name: str, why: str) -> Rerun:
        """What becomes of the contours; keeping them is the default."""
        answers = [Rerun.KEEP, Rerun.REPLACE, Rerun.CANCEL]
        buttons = [
            (_("&Keep it and make a new one"), "AcceptRole"),
            (_("&Replace"), "DestructiveRole"),
            (_("Cancel"), "RejectRole"),
        ]
        text = _("{why} Segmenting into “{name}” again would replace that.").format(why=why, name=name)
        return answers[_ask(text, buttons, default=0, safe=2)]

    def belongs(self, segmentation: str, volume: str) -> bool:
        """Whether a segmentation was drawn on a volume; "no" is the default."""
        text = _(
            "“{segmentation}” does not say which image it was drawn on. Are these contours of the patient and the "
            "series in “{volume}”?"
        ).format(segmentation=segmentation, volume=volume)
        buttons = [(_("&Yes, of this one"), "AcceptRole"), (_("No"), "RejectRole")]
        return _ask(text, buttons, default=1, safe=1) == 0

    def restore(self, edits: str) -> bool:
        """Whether to give up the edits."""
        text = _("{edits}\n\nBring the AI result back in their place?").format(edits=edits)
        return _ask(text, [(_("&Restore"), "DestructiveRole"), (_("Cancel"), "RejectRole")], default=1, safe=1) == 0

    def overwrite(self, names: Sequence[str]) -> bool:
        """Whether to replace files."""
        text = _("These files exist already:\n{names}\n\nReplace them?").format(names="\n".join(names))
        return _ask(text, [(_("&Replace"), "DestructiveRole"), (_("Cancel"), "RejectRole")], default=1, safe=1) == 0


def _ask(text: str, buttons: list[tuple[str, str]], default: int, safe: int) -> int:
    """The index of the button that was pressed; ``safe`` is also what closing the box means."""
    if slicer.app.testingEnabled():
        return safe
    window: Any = slicer.util.mainWindow()
    box = qt.QMessageBox(window) if window else qt.QMessageBox()
    box.windowTitle = TITLE
    box.icon = qt.QMessageBox.Question
    box.text = text
    made = [box.addButton(label, getattr(qt.QMessageBox, role)) for label, role in buttons]
    box.setDefaultButton(made[default])
    box.setEscapeButton(made[safe])
    box.exec_()
    pressed = box.clickedButton()
    box.deleteLater()
    return made.index(pressed) if pressed in made else safe
