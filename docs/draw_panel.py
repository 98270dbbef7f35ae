"""Draw the panel in its main states, outside Slicer: real Qt, scene and worker, stand-ins for Slicer's own widgets.

Run `python docs/draw_panel.py` from the repository root; it writes docs/panel/*.png. The examination is generated, no
patient is shown. In Slicer the style, the fonts and the selectors of volumes look somewhat different.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ProSegSlicer"))

from PIL import Image  # noqa: E402
from PySide6 import QtCore, QtGui, QtWidgets  # noqa: E402
from Testing.slicer import standins  # noqa: E402
from Testing.slicer.said_client import SaidClient  # noqa: E402
from Testing.slicer.standins.panel_case import PanelCase  # noqa: E402

OUT = ROOT / "docs" / "panel"
WIDTH, COLOURS = 400, 128  # of a picture: pixels, and colours, which keeps the files small
CASE = {"seed": 0}  # a phantom that raises a flag
DARK = {
    **{role: "#323232" for role in ("Window", "Button")},
    **{role: "#1e1e1e" for role in ("Base", "AlternateBase", "ToolTipBase")},
    **{role: "#f0f0f0" for role in ("WindowText", "Text", "ButtonText", "ToolTipText")},
    "Highlight": "#2a82da",
    "HighlightedText": "#000000",
    "PlaceholderText": "#9a9a9a",
}


def main() -> None:
    """Write all pictures."""
    OUT.mkdir(exist_ok=True)
    with standins.installed() as stage:
        QtWidgets.QApplication.setStyle("Fusion")
        for name, widget in states():
            draw(widget, OUT / f"{name}.png")
        stage.qt_application.setPalette(dark())
        for name, widget in states():
            if name == "done":
                draw(widget, OUT / f"{name}-dark.png")


def states() -> Iterator[tuple[str, Any]]:
    """The panel in each state, with its name."""
    import slicer

    from ProSegSlicerLib.qt_questions import Rerun
    from ProSegSlicerLib.sample_data import load_phantom

    slicer.mrmlScene.Clear()
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode", "Red")
    case = PanelCase(None)
    worker = case.client
    try:
        yield "nothing-loaded", case.widget.parent
        case.select(load_phantom(**CASE))
        case.enter_psa("6.5")
        yield "ready", case.widget.parent
        case.client = case.widget.logic._client = SaidClient()
        case.button.click()
        case.take_time()
        case.client.say_progress("Segmenting", 0.62)
        standins.wait_until(lambda: case.ui.progressBar.value == 62)
        yield "running", case.widget.parent
        case.button.click()
        case.take_time()
        case.client = case.widget.logic._client = worker
        case.button.click()
        case.wait()
        case.settle()
        yield "done", case.widget.parent
        case.ui.compareButton.click()
        case.ui.reviewerEdit.text = "A. Reader"
        case.ui.reviewedButton.click()
        yield "reviewed", case.widget.parent
        edit(case.segmentation)
        case.settle()
        yield "withdrawn", case.widget.parent
        case.ui.refineButton.click()
        case.take_time()
        case.wait()
        case.ui.compareButton.click()
        case.settle()
        yield "refined", case.widget.parent
        case.answers.prepared["rerun"] = Rerun.REPLACE
        case.button.click()
        os.kill(worker.pid, signal.SIGKILL)
        case.wait()
        yield "error", case.widget.parent
    finally:
        case.close()


def edit(segmentation: Any) -> None:
    """Correct the contours in two slices, as a reader would."""
    from ProSegSlicerLib.segments import set_zones, zones

    labelmap = zones(segmentation)
    labelmap[100:128, :, 9:11] = 0
    set_zones(segmentation, labelmap)


def draw(widget: Any, path: Path) -> None:
    """Write a picture of a widget, as high as it wants to be."""
    widget.resize(WIDTH, 100)
    widget.show()
    for _ in range(3):  # texts that wrap know their height only once they have a width
        QtWidgets.QApplication.processEvents()
        widget.resize(WIDTH, widget.layout().heightForWidth(WIDTH))
    buffer = QtCore.QBuffer()
    buffer.open(QtCore.QIODevice.WriteOnly)
    widget.grab().save(buffer, "PNG")
    picture = Image.open(BytesIO(buffer.data().data())).convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    picture.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {picture.width} × {picture.height}, {path.stat().st_size / 1024:.0f} KiB")


def dark() -> QtGui.QPalette:
    """A dark theme, like Slicer's."""
    palette = QtGui.QPalette()
    for role, colour in DARK.items():
        palette.setColor(getattr(QtGui.QPalette, role), QtGui.QColor(colour))
    for role in ("WindowText", "Text", "ButtonText"):
        palette.setColor(QtGui.QPalette.Disabled, getattr(QtGui.QPalette, role), QtGui.QColor("#7f7f7f"))
    return palette


if __name__ == "__main__":
    main()
