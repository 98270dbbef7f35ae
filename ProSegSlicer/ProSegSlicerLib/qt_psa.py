"""The panel's PSA: a field that takes numbers as they are typed, and says what it cannot take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from proseg.errors import InputError
from proseg.segmentation.psa import UNUSUAL, read_psa, show_psa
from ProSegSlicerLib import review
from ProSegSlicerLib.qt_look import Tone, say


class PsaPart:
    """The field "PSA", and what there is to say about what stands in it.

    Not a spin box: Slicer's takes the comma for a separator of thousands and makes 65 of "6,5", cuts off what it cannot
    hold, and turns with the mouse's wheel.

    Args:
        ui: the panel's widgets by name.
        entered: called when the PSA has changed.
    """

    def __init__(self, ui: Any, entered: Callable[[], None]) -> None:
        self.ui, self.entered = ui, entered
        self.volume: Any = None
        ui.psaEdit.connect("textChanged(QString)", lambda: self._note())

    def show(self, volume: Any) -> None:
        """Show the PSA of a volume's patient; None for no volume. What is typed stays as it is typed."""
        edit, is_other, self.volume = self.ui.psaEdit, volume is not self.volume, volume
        stored = review.psa(volume) if volume is not None else None
        if is_other or self._typed()[0] != stored:
            edit.blockSignals(True)
            edit.text = show_psa(stored)
            edit.blockSignals(False)
        edit.enabled = volume is not None
        text, tone = self._typed()[1:]
        say(self.ui.psaMessage, self.ui.psaIcon, text, tone)
        self.ui.psaWidget.setVisible(bool(text))

    def _note(self) -> None:
        """Keep the number with the volume: none where the text is none, so that no older one passes for it."""
        if self.volume is not None:
            review.set_psa(self.volume, self._typed()[0])
            self.entered()

    def _typed(self) -> tuple[float | None, str, Tone]:
        """What the text says in ng/mL, and what to say about it."""
        try:
            value = read_psa(self.ui.psaEdit.text)
        except InputError as error:
            return None, str(error), Tone.ERROR
        if value is not None and value > UNUSUAL:
            text = _("A PSA of {value} ng/mL is rare: see that the decimal point is where it belongs.")
            return value, text.format(value=show_psa(value)), Tone.WARNING
        return value, "", Tone.PLAIN
