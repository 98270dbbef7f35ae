"""How the panel says that something is fine, worth a look or wrong: an icon and a colour that suit light and dark."""

from __future__ import annotations

from enum import Enum
from typing import Any

import qt

from proseg.flags import Severity

ICON = 16  # pixels


class Tone(Enum):
    """How a text is meant: its icon among Qt's own, and its colour on a light and on a dark background."""

    PLAIN = (None, "", "")
    GOOD = ("SP_DialogApplyButton", "#1b6e2e", "#7bd88f")
    INFO = ("SP_MessageBoxInformation", "", "")
    WARNING = ("SP_MessageBoxWarning", "#8a5300", "#ffba54")
    ERROR = ("SP_MessageBoxCritical", "#a81c1c", "#ff8a80")


TONES = {Severity.INFO: Tone.INFO, Severity.WARNING: Tone.WARNING, Severity.CRITICAL: Tone.ERROR}


def icon(tone: Tone) -> Any:
    """The icon of a tone, from the application's style."""
    return qt.QApplication.style().standardIcon(getattr(qt.QStyle, tone.value[0]))


def say(label: Any, icon_label: Any, text: str, tone: Tone) -> None:
    """Put a text into a label in its tone, and the icon before it."""
    label.text = text
    label.setVisible(bool(text))
    is_dark = label.palette.color(qt.QPalette.Window).lightness() < 128
    colour = tone.value[2 if is_dark else 1]
    label.styleSheet = f"color: {colour};" if colour else ""
    if tone.value[0]:
        icon_label.setPixmap(icon(tone).pixmap(ICON, ICON))
    else:
        icon_label.clear()
    icon_label.setVisible(bool(tone.value[0]) and bool(text))


def swatch(colour: tuple[int, ...]) -> Any:
    """A small square of a colour (RGB or RGBA, 0-255), as an icon."""
    pixmap = qt.QPixmap(ICON - 4, ICON - 4)
    pixmap.fill(qt.QColor(*colour))
    return qt.QIcon(pixmap)
