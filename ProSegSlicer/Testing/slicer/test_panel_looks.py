"""How the panel looks and is reached, on stand-ins for Slicer: nothing squeezed, every theme, the keyboard alone."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from Testing.made_results import make_result
from Testing.slicer import standins
from Testing.slicer.conftest import paint

from proseg.flags import QualityFlag, Severity
from proseg.labels import PZ
from ProSegSlicerLib import refining
from ProSegSlicerLib.volumes import add_volume

LONG = "A sentence of the kind that says what happened and what to do next, and that takes several lines to say so. "
FLAGS = tuple(QualityFlag(f"flag{number}", Severity.WARNING, LONG, (number,)) for number in range(8))
MENUS = "FEVH"  # File, Edit, View and Help of Slicer's main window
UI = standins.MODULE_FILE.parent / "Resources" / "UI" / "ProSegSlicer.ui"


@pytest.fixture
def area(case: Any) -> Iterator[Any]:
    """The panel in what Slicer shows it in: a column as wide as Slicer's, with a scroll bar when it is full."""
    area = QtWidgets.QScrollArea()
    area.setWidgetResizable(True)
    area.setWidget(case.widget.parent)
    area.resize(400, 600)
    area.show()
    yield area
    area.takeWidget()


def settle(area: Any) -> None:
    for _ in range(5):  # texts that wrap know their height only once they have a width
        QtWidgets.QApplication.processEvents()


def fill(case: Any, volume: Any) -> None:
    """The panel with a result, and everything it can say said at length."""
    segmentation = case.segment(volume, FLAGS)
    for index in (3, 4, 7, 9):
        paint(segmentation, (index, slice(18, 21), slice(20, 24)), PZ)
    case.enter_psa("650")
    case.panel.run.tell(LONG * 3)
    case.ui.comparisonLabel.text = LONG
    case.ui.comparisonLabel.setVisible(True)
    case.ui.exportedLabel.text = LONG * 2
    case.ui.statusLabel.text = LONG


def seen(case: Any, kind: type) -> list[Any]:
    return [widget for widget in case.widget.parent.findChildren(kind) if QtWidgets.QWidget.isVisible(widget)]


@pytest.mark.parametrize("points", [9, 14], ids=["plain", "150 %"])
@pytest.mark.parametrize("width", [340, 400, 640])
def test_nothing_is_squeezed_however_much_there_is_to_say(
    case: Any, volume: Any, area: Any, width: int, points: int
) -> None:
    font = QtGui.QFont(case.widget.parent.font)
    font.setPointSize(points)
    case.widget.parent.setFont(font)
    fill(case, volume)
    area.resize(400, 600)
    settle(area)
    area.resize(width, 600)
    settle(area)
    for table in (case.ui.resultsTable, case.ui.flagsTable, case.ui.givenTable):
        rows = range(table.rowCount)
        needed = sum(table.sizeHintForRow(row) for row in rows)
        assert QtWidgets.QWidget.height(table.viewport()) >= sum(map(table.rowHeight, rows)) >= needed > 0
        assert table.verticalScrollBar().maximum() == 0
    table = case.ui.givenTable  # of Qt's own accord it is several rows high, however few there are
    assert QtWidgets.QWidget.height(table.viewport()) == sum(map(table.rowHeight, range(table.rowCount)))
    # What a section may shrink to where a column is full: Slicer's does not ask it for its height at a width.
    tables = sum(QtWidgets.QWidget.height(table) for table in (case.ui.resultsTable, case.ui.flagsTable))
    assert QtWidgets.QWidget.minimumSizeHint(case.ui.resultsSection).height() >= tables
    for label in seen(case, QtWidgets.QLabel):
        if QtWidgets.QLabel.wordWrap(label):
            width, height = (getattr(QtWidgets.QWidget, side)(label) for side in ("width", "height"))
            assert height >= QtWidgets.QLabel.heightForWidth(label, width), label.objectName
    assert area.verticalScrollBar().maximum() > 0  # the one that scrolls it all


@pytest.mark.parametrize("width", [340, 640])
def test_the_panel_asks_for_the_height_of_its_texts_at_its_width(
    case: Any, volume: Any, area: Any, view: Any, width: int
) -> None:
    whole = case.ui.segmentButton.parent()
    fill(case, volume)
    area.resize(width, 600)
    settle(area)
    for index in case.panel.refine.slices.drawn:  # each accepted slice makes the list longer
        refining.accept(case.segmentation, index)
    case.panel.refresh()
    settle(area)
    needed = QtWidgets.QWidget.layout(whole).heightForWidth(QtWidgets.QWidget.width(whole))
    assert QtWidgets.QWidget.minimumSize(whole).height() == needed  # Slicer's column asks for no more
    case.ui.messageWidget.setVisible(False)
    settle(area)
    assert QtWidgets.QWidget.minimumSize(whole).height() < needed


def test_no_row_is_cut_where_the_column_was_wide_and_gets_narrow(case: Any, volume: Any, area: Any) -> None:
    fill(case, volume)
    for width in (640, 340):
        area.resize(width, 600)
        settle(area)
    for table in (case.ui.resultsTable, case.ui.flagsTable, case.ui.givenTable):
        whole = sum(map(table.rowHeight, range(table.rowCount))) + 2 * table.frameWidth
        least = QtWidgets.QWidget.minimumSize(table).height()  # what holds the table keeps to it, in Slicer too
        assert QtWidgets.QWidget.height(table) == least == whole


@pytest.mark.parametrize(("points", "width"), [(9, 360), (14, 480)], ids=["plain", "150 %"])
def test_every_button_shows_its_whole_text_in_a_narrow_column(
    case: Any, volume: Any, area: Any, scene: Any, points: int, width: int
) -> None:
    scene.AddNewNodeByClass("vtkMRMLSliceNode", "Red")
    font = QtGui.QFont(case.widget.parent.font)
    font.setPointSize(points)
    case.widget.parent.setFont(font)
    fill(case, volume)
    area.resize(width, 700)
    settle(area)
    for kind in (QtWidgets.QAbstractButton, QtWidgets.QSpinBox):
        for widget in seen(case, kind):
            assert QtWidgets.QWidget.width(widget) >= kind.sizeHint(widget).width(), widget.objectName
    assert area.horizontalScrollBar().maximum() == 0


def test_texts_are_in_the_themes_own_colours_whichever_it_is(case: Any, volume: Any, stage: Any, area: Any) -> None:
    fill(case, volume)
    before = stage.qt_application.palette()
    try:
        for window, text in (("#323232", "#f0f0f0"), ("#efefef", "#000000")):  # switched while it is open
            palette = QtGui.QPalette()
            palette.setColor(QtGui.QPalette.Window, QtGui.QColor(window))
            palette.setColor(QtGui.QPalette.WindowText, QtGui.QColor(text))
            stage.qt_application.setPalette(palette)
            settle(area)
            for label in case.widget.parent.findChildren(QtWidgets.QLabel):
                assert QtWidgets.QWidget.styleSheet(label) == ""
                assert QtWidgets.QWidget.palette(label).color(QtGui.QPalette.WindowText).name() == text
    finally:
        stage.qt_application.setPalette(before)


def test_no_mnemonic_is_one_of_slicers_menus_or_there_twice() -> None:
    texts = [element.text or "" for element in ET.parse(UI).iter("string")]
    keys = [found[1].upper() for text in texts if (found := re.search(r"&([^&\s])", text))]
    assert keys
    assert not set(keys) & set(MENUS)
    assert len(set(keys)) == len(keys)


def test_tab_reaches_everything_in_reading_order(case: Any, volume: Any, area: Any) -> None:
    fill(case, volume)
    case.ui.reviewerEdit.text = "Änne"
    case.ui.folderEdit.currentPath = "somewhere"
    settle(area)
    first = case.ui.inputSelector.findChild(QtWidgets.QComboBox)
    order, widget = [first], QtWidgets.QWidget.nextInFocusChain(first)
    while widget is not first:
        takes = QtWidgets.QWidget.focusPolicy(widget) & QtCore.Qt.TabFocus and widget.focusProxy() is None
        if (
            takes
            and case.widget.parent.isAncestorOf(widget)
            and QtWidgets.QWidget.isVisible(widget)
            and QtWidgets.QWidget.isEnabled(widget)
        ):
            order.append(widget)
        widget = QtWidgets.QWidget.nextInFocusChain(widget)
    reached = {id(widget) for widget in order}
    wanted = (
        *("psaEdit", "deviceComboBox", "segmentButton", "flagsTable", "apexSpinBox", "givenTable", "refineButton"),
        *("editButton", "reviewerEdit", "exportSection", "exportButton"),
    )
    assert {id(getattr(case.ui, name)) for name in wanted} <= reached
    assert {id(box) for box in case.panel.export.boxes.values() if box.enabled} <= reached
    assert id(case.ui.segmentationSelector.findChild(QtWidgets.QComboBox)) in reached
    panel = case.widget.parent
    heights = [getattr(one, "HEADLINE", None) or QtWidgets.QWidget.height(one) for one in order]
    middles = [QtCore.QPoint(0, height // 2) for height in heights]
    places = [QtWidgets.QWidget.mapTo(one, panel, middle) for one, middle in zip(order, middles, strict=True)]
    for before, after in pairwise(places):
        assert after.y() > before.y() + 4 or (abs(after.y() - before.y()) <= 4 and after.x() > before.x())


def turn_wheel(widget: Any) -> None:
    here = QtCore.QPointF(5, 5)
    steps = QtCore.QPoint(0, 0), QtCore.QPoint(0, -120)
    buttons, modifiers = QtCore.Qt.NoButton, QtCore.Qt.NoModifier
    event = QtGui.QWheelEvent(here, here, *steps, buttons, modifiers, QtCore.Qt.NoScrollPhase, False)
    QtWidgets.QApplication.sendEvent(widget, event)


def test_the_wheel_moves_no_end_of_the_gland_unless_its_box_was_clicked_into(
    case: Any, volume: Any, area: Any, view: Any
) -> None:
    fill(case, volume)
    area.resize(600, 4000)  # nothing to scroll
    settle(area)
    box, device = case.ui.baseSpinBox, case.ui.deviceComboBox
    before = box.value
    for one in (box, device):
        assert QtWidgets.QWidget.focusPolicy(one) == QtCore.Qt.StrongFocus
        turn_wheel(one)
    assert (box.value, device.currentIndex) == (before, 0)
    area.activateWindow()
    box.setFocus()
    settle(area)
    turn_wheel(box)
    assert box.value == before - 1


def test_the_wheel_chooses_no_other_patient(case: Any, volume: Any, area: Any) -> None:
    add_volume(make_result().image, "B")
    case.select(volume)
    case.ui.psaEdit.setFocus()
    settle(area)
    turn_wheel(case.ui.inputSelector.findChild(QtWidgets.QComboBox))
    turn_wheel(case.ui.segmentationSelector.findChild(QtWidgets.QComboBox))
    assert case.panel.chosen == (volume, None)


def test_a_labels_mnemonic_lands_in_the_node_selector(case: Any, area: Any) -> None:
    for name in ("inputSelector", "segmentationSelector"):
        selector = getattr(case.ui, name)
        inside = selector.findChild(QtWidgets.QComboBox)
        assert selector.focusProxy() is inside
        assert inside.focusProxy() is None


def cursor() -> Any:
    shape = QtWidgets.QApplication.overrideCursor()
    return shape.shape() if shape is not None else None


def test_what_may_take_long_shows_the_wait_cursor_and_a_sentence(
    case: Any, volume: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ProSegSlicerLib import exports, job
    from ProSegSlicerLib.segments import set_zones, zones

    seen = []

    def watch(module: Any, name: str, said: Callable[[], str]) -> None:
        real = getattr(module, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            seen.append((name, cursor(), said()))
            return real(*arguments, **options)

        monkeypatch.setattr(module, name, watched)

    watch(job, "take_in", lambda: case.ui.progressBar.format)
    watch(exports, "hand_over", lambda: case.ui.exportedLabel.text)
    segmentation = case.segment(volume)
    case.ui.folderEdit.currentPath = str(tmp_path)
    case.export()
    window = QtWidgets.QMainWindow()
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: window)
    watch(case.panel.results, "show", lambda: window.statusBar().currentMessage())
    set_zones(segmentation, zones(segmentation))
    case.settle()
    wait = QtCore.Qt.WaitCursor
    assert ("take_in", wait, "Showing the result (%p%)") in seen
    assert ("hand_over", wait, "Exporting …") in seen
    assert ("show", wait, "Measuring the contours …") in seen
    assert (cursor(), window.statusBar().currentMessage()) == (None, "")


def test_the_selectors_are_not_as_wide_as_the_longest_name_in_the_scene(case: Any) -> None:
    for selector in (case.ui.inputSelector, case.ui.segmentationSelector):
        policy = QtWidgets.QComboBox.sizeAdjustPolicy(selector.findChild(QtWidgets.QComboBox))
        assert policy == QtWidgets.QComboBox.AdjustToMinimumContentsLengthWithIcon
