"""The panel's refinement: the gland's ends, slices cleared, corrected, accepted, and the others drawn again to fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from proseg.errors import InputError, ProSegError
from proseg.segmentation.quality import mm, name_slices
from ProSegSlicerLib import refining
from ProSegSlicerLib.qt_look import Tone, busy, fit_rows, keep_fitted
from ProSegSlicerLib.qt_run import Phase, RunPart
from ProSegSlicerLib.qt_slices import SlicesPart
from ProSegSlicerLib.segments import set_zones
from ProSegSlicerLib.undo import Step, Undo

RECUT_MS = 300  # after an end was moved last: long enough to step over several slices
ENDS = ("apex", "base")


class RefinePart:
    """Fills the section "Refine", which is there when there is an AI result to refine.

    Args:
        ui: the panel's widgets by name.
        run: runs jobs, and says what there is to say.
        undo: what can be taken back.
    """

    def __init__(self, ui: Any, run: RunPart, undo: Undo) -> None:
        self.ui, self.run, self.undo = ui, run, undo
        self.segmentation: Any = None
        self.slices: refining.Slices | None = None
        self.view = SlicesPart(ui, lambda: self._update_buttons())
        self._is_showing = False
        self._step: Step | None = None  # what can be undone
        self._moved: dict[str, int] = {}  # ends that were moved and are not yet cut to: "first", "last"
        self._recut = qt.QTimer()
        self._recut.setSingleShot(True)
        self._recut.setInterval(RECUT_MS)
        self._recut.connect("timeout()", lambda: self._cut())
        table = ui.givenTable
        table.setColumnCount(2)
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.ResizeToContents)
        table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        keep_fitted(table)
        table.connect("cellClicked(int,int)", lambda row, _column: self.view.go(self._listed[row]))
        table.connect("cellChanged(int,int)", lambda row, _column: self._tick(row))
        for end in ENDS:
            getattr(ui, f"{end}SpinBox").connect("valueChanged(int)", lambda index, end=end: self._move(end, index))
            getattr(ui, f"{end}HereButton").connect("clicked(bool)", lambda _=False, end=end: self._move_here(end))
        ui.clearButton.connect("clicked(bool)", lambda: self.clear())
        ui.acceptButton.connect("clicked(bool)", lambda: self.accept())
        ui.refineButton.connect("clicked(bool)", lambda: self.refine())
        ui.undoButton.connect("clicked(bool)", lambda: self.take_back())
        self.show(None)

    def show(self, segmentation: Any) -> None:
        """Show what is known of a segmentation's slices as they are now; None for none."""
        if segmentation is not self.segmentation:
            self.forget()  # it was meant for the other one
        self.segmentation = segmentation
        try:
            self.slices = refining.look(segmentation) if segmentation is not None else None
        except InputError:  # the results say why
            self.slices = None
        self.ui.refineSection.setVisible(self.slices is not None)
        self.view.show(segmentation, self.slices)
        if self.slices is not None:
            self._is_showing = True
            try:
                self._show_ends()
                self._show_given()
            finally:
                self._is_showing = False
            self._step = self.undo.last(segmentation)
            self._update_buttons()

    def update(self) -> None:
        """A run began or ended: what it did not change is as before."""
        if not self.run.is_over:
            self.show(self.segmentation)

    def settle(self) -> None:
        """Cut to the ends that were moved just now: another patient is about to be shown, or they are to be signed."""
        if self._moved:
            self._cut()

    def forget(self) -> None:
        """The contours whose ends were moved go."""
        self._recut.stop()
        self._moved.clear()

    def stop(self) -> None:
        """The panel goes."""
        self.forget()
        self.view.stop()
        self.undo.forget()

    def refine(self) -> None:
        """Have the slices drawn again of which the reader said nothing."""
        self._when_free(lambda: self.run.begin(self._start_refining))

    def clear(self) -> None:
        """Take both zones from the slice that is shown."""
        self._when_free(lambda: self._draw(_("Clear this slice"), refining.cleared(self.segmentation, self._here())))

    def accept(self) -> None:
        """Stand by the slice that is shown as it is."""
        self._when_free(lambda: refining.accept(self.segmentation, self._here()))

    def take_back(self) -> None:
        """Undo the last step of this section."""
        self._when_free(self._take_back)

    def _take_back(self) -> None:
        step = self.undo.last(self.segmentation)
        self.undo.undo(self.segmentation)
        self.run.tell(_("Taken back: {name}.").format(name=step.name))  # in place of what the step had said

    def _when_free(self, act: Callable[[], object]) -> None:
        """Do something with the slices, unless a run is under way; ends that were moved are cut to first."""
        self._cut()
        if self.slices is None or self.run.phase is not Phase.IDLE:
            return
        try:
            act()
        except ProSegError as error:
            self.run.tell(str(error), Tone.WARNING)
        self.show(self.segmentation)

    def _here(self) -> int:
        """The slice in view.

        Raises:
            InputError: there is none.
        """
        index = self.view.now()
        if index is None:
            raise InputError(_("No view shows a slice of this image."), _("Choose it in a slice view first."))
        return index

    def _start_refining(self) -> Any:
        slices, labels = refining.look(self.segmentation), refining.changeable(self.segmentation)
        if slices is None or slices.word.obstacle:
            raise InputError(slices.word.obstacle if slices else _("There is no AI result here to refine."))
        return self._job(labels, slices.word.given, slices.word.first, slices.word.last)

    def _job(self, labels: Any, slices: tuple[int, ...], first: int | None, last: int | None) -> Any:
        given = {"slices": slices, "first": first, "last": last, "device": self.run.device, "undo": self.undo}
        return self.run.logic.start_refining(self.segmentation, labels, **given)

    def _move(self, end: str, index: int) -> None:
        """Move an end of the gland to a slice: at once in the views, soon in the contours."""
        if self._is_showing or self.slices is None:
            return
        self._moved[self._name_of(end)] = index
        self._say_place(end)
        self.view.go(index)
        self._recut.start()

    def _move_here(self, end: str) -> None:
        """Move an end to the slice that is shown."""
        if self.slices is not None and (index := self.view.now()) is not None:
            self._moved[self._name_of(end)] = index
            self._cut()

    def _cut(self) -> None:
        """Cut, or grow, the gland to the ends that were moved."""
        self._recut.stop()
        moved, self._moved = self._moved, {}
        if moved:
            self._when_free(lambda: self._draw_between(moved))

    def _draw_between(self, moved: dict[str, int]) -> None:
        ends = self.slices.ends or self.slices.ends_known
        first, last = (moved.get(name, end) for name, end in zip(("first", "last"), ends, strict=True))
        if first > last:
            raise InputError(_("The apex would lie above the base."), _("Move the other end first."))
        labels, reached = refining.between(self.segmentation, first, last)
        refining.note_ends(self.segmentation, **moved)
        if reached:
            self._draw(_("Ends of the gland"), labels)
        else:
            self.run.begin(lambda: self._job(labels, (), first, last))

    def _draw(self, name: str, labels: Any) -> None:
        with busy(), self.undo.step(self.segmentation, name):
            set_zones(self.segmentation, labels)

    def _tick(self, row: int) -> None:
        """A slice of the list was ticked, to stay, or unticked."""
        if self._is_showing or self.slices is None:
            return
        index, stays = self._listed[row], self.ui.givenTable.item(row, 0).checkState() == qt.Qt.Checked
        keep = refining.keep if index in self.slices.word.corrected else refining.accept
        self._when_free(lambda: (keep if stays else refining.give_up)(self.segmentation, index))

    @property
    def _listed(self) -> list[int]:
        word = self.slices.word
        return sorted({*word.corrected, *word.accepted})

    def _name_of(self, end: str) -> str:
        """Which end, by its index, the apex or the base is."""
        return "first" if self.slices.runs_from_apex is (end == "apex") else "last"

    def _show_ends(self) -> None:
        for end in ENDS:
            box, name = getattr(self.ui, f"{end}SpinBox"), self._name_of(end)
            box.minimum, box.maximum = 0, len(self.slices.superior) - 1
            if self.slices.ends and name not in self._moved:
                box.value = self.slices.ends[0 if name == "first" else 1]
            self._say_place(end)

    def _say_place(self, end: str) -> None:
        box = getattr(self.ui, f"{end}SpinBox")
        box.suffix = f" (S {mm(self.slices.superior[box.value])} mm)"

    def _show_given(self) -> None:
        """List the slices of which the reader said something."""
        ui, slices, listed = self.ui, self.slices, self._listed
        word = slices.word
        if word.corrected:
            ui.givenLabel.text = _("You corrected {slices}.").format(slices=name_slices(word.corrected))
        elif listed:
            ui.givenLabel.text = _("You accepted {slices}.").format(slices=name_slices(word.accepted))
        else:
            ui.givenLabel.text = _("Correct slices in the Segment Editor, or accept some: the others can follow them.")
        ui.givenTable.setRowCount(len(listed))
        for row, index in enumerate(listed):
            name = _("Slice {index} (S {mm} mm)").format(index=index, mm=mm(slices.superior[index]))
            what = _("drawn by you") if index in slices.drawn else _("cleared by you")
            item = qt.QTableWidgetItem(name)
            item.setCheckState(qt.Qt.Checked if index in word.given else qt.Qt.Unchecked)
            ui.givenTable.setItem(row, 0, item)
            ui.givenTable.setItem(row, 1, qt.QTableWidgetItem(what if index in word.corrected else _("accepted")))
        fit_rows(ui.givenTable)
        ui.givenTable.setVisible(bool(listed))

    def _update_buttons(self) -> None:
        """Say what can be done with the slice that is shown, and with all."""
        if self.slices is None:
            return
        ui, index, word = self.ui, self.view.shown, self.slices.word
        wait = "" if self.run.phase is Phase.IDLE else _("Wait for the run to end, or cancel it.")
        nowhere = wait or (_("No view shows a slice of this image.") if index is None else "")
        empty = nowhere or ("" if index in self.slices.drawn else _("Nothing is drawn in the slice that is shown."))
        given = nowhere or (_("The slice that is shown stays as it is already.") if index in word.given else "")
        undone = wait or (
            "" if self._step else _("Nothing to undo here; what you drew is undone in the Segment Editor.")
        )
        for widget, missing, tip in (
            (ui.apexSpinBox, wait, _("The gland's lowest slice: below it is cleared, what is missing is drawn.")),
            (ui.apexHereButton, nowhere, _("Have the gland begin with the slice that is shown.")),
            (ui.baseSpinBox, wait, _("The gland's highest slice: above it is cleared, what is missing is drawn.")),
            (ui.baseHereButton, nowhere, _("Have the gland end with the slice that is shown.")),
            (ui.clearButton, empty, _("Take both zones from the slice that is shown.")),
            (ui.acceptButton, given, _("Have the slice that is shown stay as it is when the others are refined.")),
            (
                ui.givenTable,
                wait,
                _("What is ticked stays, voxel for voxel; the others are drawn again. Click to go there."),
            ),
            (
                ui.refineButton,
                wait or word.obstacle,
                _("Draw all slices that are not ticked again, to fit those that are."),
            ),
            (ui.undoButton, undone, _("Take back: {name}.").format(name=self._step.name if self._step else "")),
        ):
            widget.enabled = not missing
            widget.toolTip = missing or tip
