"""The panel's results: figures that follow every edit, and what to look at, a click away."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from proseg.errors import InputError
from proseg.flags import QualityFlag, Severity
from proseg.labels import CG, PZ, ZONES
from proseg.segmentation.measurements import Measurements
from proseg.segmentation.quality import mm
from ProSegSlicerLib import overlay, review
from ProSegSlicerLib.qt_look import TONES, fit_rows, icon, keep_fitted, swatch
from ProSegSlicerLib.segments import zones
from ProSegSlicerLib.volumes import drawn_slices

SEVEREST_FIRST = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)


class ResultsPart:
    """Fills the section "Results".

    Args:
        ui: the panel's widgets by name.
    """

    def __init__(self, ui: Any) -> None:
        self.ui = ui
        self.segmentation: Any = None
        self.flags: list[QualityFlag] = []
        self._next: list[int] = []  # of each flag: which of its slices a click goes to
        self._set_up_tables()
        ui.flagsTable.connect("cellClicked(int,int)", lambda row, _column: self.jump(row))
        # Return is the main key, Enter the keypad's.
        self._keys = [qt.QShortcut(qt.QKeySequence(key), ui.flagsTable) for key in ("Return", "Enter")]
        for key in self._keys:
            key.setContext(qt.Qt.WidgetShortcut)
            key.connect("activated()", lambda: self.jump(ui.flagsTable.currentRow()))
        ui.copyButton.connect("clicked(bool)", lambda: self.copy())
        self.show(None)

    def show(self, segmentation: Any) -> None:
        """Show a segmentation's results as they are now; None for none."""
        is_other, self.segmentation = segmentation is not self.segmentation, segmentation
        measured, hint = self._measured()
        self.ui.resultsHint.text = hint
        self.ui.resultsHint.setVisible(bool(hint))
        for widget in (
            self.ui.resultsTable,
            self.ui.copyButton,
            self.ui.show3DButton,
            self.ui.uncertaintyCheckBox,
            self.ui.turnViewsCheckBox,
        ):
            widget.setVisible(measured is not None)
        if measured is not None:
            self._show_figures(measured)
        self._show_flags(is_other, shown=measured is not None)
        self._show_switches()

    def jump(self, row: int) -> None:
        """Move the slice views to the next of the slices that a flag names."""
        if not (0 <= row < len(self.flags) and self.flags[row].slices):
            return
        slices = self.flags[row].slices
        overlay.jump_to_slice(self.segmentation, slices[self._next[row]])
        self._next[row] = (self._next[row] + 1) % len(slices)
        self._show_next(row)

    def copy(self) -> None:
        """Put the figures on the clipboard, a line each."""
        table = self.ui.resultsTable
        lines = [": ".join(table.item(row, column).text() for column in range(2)) for row in range(table.rowCount)]
        slicer.app.clipboard().setText("\n".join(lines))

    def _set_up_tables(self) -> None:
        for table in (self.ui.resultsTable, self.ui.flagsTable):
            table.setColumnCount(2)
            table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
            table.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.ResizeToContents)
            table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
            keep_fitted(table)

    def _measured(self) -> tuple[Measurements | None, str]:
        """The figures, and what to say instead or besides."""
        if self.segmentation is None:
            return None, _("No result yet: choose the input volume and click Segment Prostate.")
        if not self.segmentation.GetSegmentation().GetNumberOfSegments():
            return None, _("“{name}” is empty: choose the input volume and click Segment Prostate to fill it.").format(
                name=self.segmentation.GetName()
            )
        try:
            measured = review.measurements(self.segmentation)
        except InputError as error:
            return None, str(error)
        return measured, "" if measured.gland_ml else _("The segmentation is empty: neither zone is drawn.")

    def _show_figures(self, measured: Measurements) -> None:
        table, rows = self.ui.resultsTable, _figures(measured)
        table.setRowCount(len(rows))
        for row, (name, value, tip) in enumerate(rows):
            for column, text in enumerate((name, value)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(tip)
                table.setItem(row, column, item)
            table.item(row, 1).setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
        colours = [zone.colour for zone in ZONES]
        for row in range(len(rows)):  # one that is not seen, else the names would not line up
            table.item(row, 0).setIcon(swatch(colours[row] if row < len(colours) else (0, 0, 0, 0)))
        font = qt.QFont(table.font)
        font.setBold(True)
        for row in range(3):
            table.item(row, 1).setFont(font)
        fit_rows(table)

    def _show_flags(self, is_other: bool, shown: bool) -> None:
        label, table = self.ui.flagsLabel, self.ui.flagsTable
        report = review.ai_report(self.segmentation) if shown else None
        raised = review.flags(self.segmentation) if report else ()
        flags = sorted(raised, key=lambda flag: SEVEREST_FIRST.index(flag.severity))
        if report is None:
            label.text = _("There is no AI result for these contours, so there are no quality flags.")
        elif flags:
            label.text = _("To check in the AI's contours (click to go there):")
        else:
            label.text = _("The AI raised no quality flags. Review every slice all the same.")
        flags += self._ends() if report else []
        label.setVisible(shown)
        table.setVisible(bool(flags))
        if flags != self.flags or is_other:
            self.flags, self._next = flags, [0] * len(flags)
            self._list_flags()

    def _ends(self) -> list[QualityFlag]:
        """What is worth a look in every case, whatever the AI thinks of it: where the gland begins and ends now."""
        drawn = drawn_slices(zones(self.segmentation))
        sentence = _("Apex and base, in every case: readers disagree most there.")
        return [QualityFlag("ends", Severity.INFO, sentence, (drawn[0], drawn[-1]))] if drawn else []

    def _list_flags(self) -> None:
        table = self.ui.flagsTable
        table.setRowCount(len(self.flags))
        for row, flag in enumerate(self.flags):
            sentence = qt.QTableWidgetItem(flag.sentence)
            sentence.setIcon(icon(TONES[flag.severity]))
            table.setItem(row, 0, sentence)
            table.setItem(row, 1, qt.QTableWidgetItem(""))
            for column in range(2):
                table.item(row, column).setToolTip(f"{flag.severity.value.capitalize()}: {flag.sentence}")
            self._show_next(row)
        fit_rows(table)

    def _show_next(self, row: int) -> None:
        slices = self.flags[row].slices
        text = ""
        if slices:
            number = slices[self._next[row]]
            text = _("Go to slice {number}\n(S {mm} mm)").format(
                number=number, mm=mm(overlay.superior_of_slice(self.segmentation, number))
            )
        self.ui.flagsTable.item(row, 1).setText(text)

    def _show_switches(self) -> None:
        self.ui.show3DButton.setSegmentationNode(self.segmentation)
        box = self.ui.uncertaintyCheckBox
        box.enabled = self.segmentation is not None and overlay.uncertainty_volume(self.segmentation) is not None
        box.toolTip = (
            _("Lay over the image where the AI was unsure: the brighter, the less to be trusted.")
            if box.enabled
            else _("No uncertainty is kept with this segmentation: segment its volume again.")
        )


def _figures(measured: Measurements) -> list[tuple[str, str, str]]:
    """Name, value and explanation of each figure."""
    counted = _("Voxels counted, as the contours are now.")
    names = {zone.label: f"{zone.name} ({zone.short})" for zone in ZONES}
    sides = (measured.width_mm, measured.height_mm, measured.length_mm)
    density = (
        _("{value:.2f} ng/mL per mL").format(value=measured.psa_density)
        if measured.psa_density is not None
        else _("enter the PSA above")
    )
    return [
        (names[PZ], _ml(measured.pz_ml), counted),
        (names[CG], _ml(measured.cg_ml), counted),
        (_("Whole gland"), _ml(measured.gland_ml), counted),
        (_("PSA density"), density, _("PSA divided by the volume of the whole gland.")),
        (
            _("Ellipsoid estimate"),
            _ml(measured.ellipsoid_ml),
            _("Width × height × length × π/6, to compare with volumes measured by hand; not the volume drawn."),
        ),
        (
            _("Width × height × length"),
            _("{0:.0f} × {1:.0f} × {2:.0f} mm").format(*sides),
            _("Left-right, anterior-posterior and superior-inferior extent of the gland."),
        ),
    ]


def _ml(volume: float) -> str:
    return _("{volume:.1f} mL").format(volume=volume)
