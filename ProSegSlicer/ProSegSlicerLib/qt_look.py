"""How the panel says that something is fine, worth a look or wrong: by an icon before the text.

Texts keep the theme's own colours, which stay readable when the theme is switched, and in every style.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

import qt
import slicer

from proseg.flags import Severity

ICON = 16  # pixels


class Tone(Enum):
    """How a text is meant: its icon among Qt's own."""

    PLAIN = None
    GOOD = "SP_DialogApplyButton"
    INFO = "SP_MessageBoxInformation"
    WARNING = "SP_MessageBoxWarning"
    ERROR = "SP_MessageBoxCritical"


TONES = {Severity.INFO: Tone.INFO, Severity.WARNING: Tone.WARNING, Severity.CRITICAL: Tone.ERROR}


def icon(tone: Tone) -> Any:
    """The icon of a tone, from the application's style."""
    return qt.QApplication.style().standardIcon(getattr(qt.QStyle, tone.value))


def say(label: Any, icon_label: Any, text: str, tone: Tone) -> None:
    """Put a text into a label, and the icon of its tone before it."""
    label.text = text
    label.setVisible(bool(text))
    if tone.value:
        icon_label.setPixmap(icon(tone).pixmap(ICON, ICON))
    else:
        icon_label.clear()
    icon_label.setVisible(bool(tone.value) and bool(text))


@contextmanager
def busy(*shown: Any, sentence: str = "") -> Iterator[None]:
    """Show the wait cursor meanwhile: for what takes long where an image is large, and has to happen in Slicer itself.

    Not Slicer's own ``WaitCursor``, which lets other events happen in between.

    Args:
        shown: widgets that say what is being done; drawn before it begins.
        sentence: said in the status bar of Slicer's window, where no widget says it.
    """
    window = slicer.util.mainWindow() if sentence else None
    bar = window.statusBar() if window else None
    if bar is not None:
        bar.showMessage(sentence)
        shown = (*shown, bar)
    qt.QApplication.setOverrideCursor(qt.QCursor(qt.Qt.WaitCursor))
    try:
        for widget in shown:
            widget.repaint()
        yield
    finally:
        qt.QApplication.restoreOverrideCursor()
        if bar is not None:
            bar.clearMessage()


def fit_rows(table: Any) -> None:
    """Have a table be as high as its rows, whose texts wrap anew at each width."""
    table.resizeRowsToContents()
    heights = sum(table.rowHeight(row) for row in range(table.rowCount))
    table.setFixedHeight(heights + 2 * table.frameWidth)


def keep_fitted(table: Any) -> None:
    """Fit a table to its rows also when its columns get narrower or wider.

    Qt's own way, a size that adjusts to the contents, leaves what holds the table as high as it was where rows grow:
    the last one is cut.
    """
    later = qt.QTimer(table)
    later.setSingleShot(True)
    later.setInterval(0)  # a header tells of one row before the next one has its height
    later.connect("timeout()", lambda: fit_rows(table))
    for header in (table.horizontalHeader(), table.verticalHeader()):
        header.connect("sectionResized(int,int,int)", lambda *_: later.start())


class WholeHeight(qt.QObject):
    """Has a widget be as high as its texts are at its width: Slicer's column does not ask for a height at a width.

    Args:
        widget: with a layout; its least height is set from then on.
    """

    def __init__(self, widget: Any) -> None:
        qt.QObject.__init__(self, widget)
        self._widget = widget
        self._later = qt.QTimer(widget)
        self._later.setSingleShot(True)
        self._later.setInterval(0)  # once the layout has heard of it
        self._later.connect("timeout()", lambda: widget.setMinimumHeight(widget.layout().heightForWidth(widget.width)))
        widget.installEventFilter(self)

    def eventFilter(self, _watched: Any, event: Any) -> bool:  # noqa: N802 - Qt's name
        """See that the widget has another width, or what is in it another height."""
        if event.type() in (qt.QEvent.Resize, qt.QEvent.LayoutRequest):
            self._later.start()
        return False

    def stop(self) -> None:
        """The widget goes."""
        self._widget.removeEventFilter(self)
        self._later.stop()


class CalmWheel(qt.QObject):
    """Has the mouse wheel change a box only once the box has the focus: who turns it over a panel means to scroll.

    Slicer sees to that only where there is something to scroll, so not on a screen that is high enough.

    Args:
        boxes: spin and combo boxes.
    """

    def __init__(self, *boxes: Any) -> None:
        qt.QObject.__init__(self, boxes[0])
        for box in boxes:
            box.setFocusPolicy(qt.Qt.StrongFocus)  # the wheel itself gives none
            box.installEventFilter(self)

    def eventFilter(self, box: Any, event: Any) -> bool:  # noqa: N802 - Qt's name
        """Keep the wheel from a box without the focus."""
        is_kept = event.type() == qt.QEvent.Wheel and not box.focus
        if is_kept:
            event.ignore()
        return is_kept


def swatch(colour: tuple[int, ...]) -> Any:
    """A small square of a colour (RGB or RGBA, 0-255), as an icon."""
    pixmap = qt.QPixmap(ICON - 4, ICON - 4)
    pixmap.fill(qt.QColor(*colour))
    return qt.QIcon(pixmap)
