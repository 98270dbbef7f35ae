"""The panel's export: formats to tick, a folder, and what was written."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from proseg.errors import ProSegError
from proseg.outputs.writing import DICOM_ENDING
from proseg.worker.client import WorkerClient
from ProSegSlicerLib import exports
from ProSegSlicerLib.exporting import ExportJob
from ProSegSlicerLib.job import JobState
from ProSegSlicerLib.qt_look import Tone, busy, say
from ProSegSlicerLib.qt_questions import Asks

POLL_MS = 50


class ExportPart:
    """Fills the section "Export".

    Args:
        ui: the panel's widgets by name.
        questions: who is asked before files are replaced.
    """

    def __init__(self, ui: Any, questions: Asks) -> None:
        self.ui, self.questions = ui, questions
        self.segmentation: Any = None
        self.client = WorkerClient  # one for each export, so that cancelling a run ends none
        self.job: ExportJob | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.connect("timeout()", lambda: self._look())
        self.boxes: dict[str, Any] = {}
        for ending, label in exports.FORMATS.items():
            box = qt.QCheckBox(f"{label} – {ending}")
            box.checked = ending != DICOM_ENDING  # for volumes from DICOM alone
            box.connect("toggled(bool)", lambda: self._update())
            ui.formatsWidget.layout().addWidget(box)
            self.boxes[ending] = box
        for before, box in pairwise([ui.exportSection, *self.boxes.values()]):  # made last, they would come last
            qt.QWidget.setTabOrder(before, box)
        ui.folderEdit.filters = ctk.ctkPathLineEdit.Dirs
        ui.folderEdit.connect("currentPathChanged(QString)", lambda: self._update())
        ui.exportButton.connect("clicked(bool)", lambda: self.export())
        self.show(None)

    def show(self, segmentation: Any) -> None:
        """Offer a segmentation for export; None for none."""
        if segmentation is not self.segmentation or segmentation is None:
            if not self._timer.active:  # else it tells of an export that is under way
                self._said("", Tone.PLAIN)
            for ending, box in self.boxes.items():
                missing = exports.obstacle(segmentation, ending) if segmentation is not None else ""
                box.enabled = not missing
                box.checked = box.checked and not missing
                box.toolTip = missing or _("Write a {ending} file.").format(ending=ending)
        self.segmentation = segmentation
        self._update()

    def export(self) -> None:
        """Write the files that are ticked; all of them, or none."""
        folder, endings = Path(self.ui.folderEdit.currentPath), self._endings()
        names = [exports.file_name(self.segmentation.GetName()) + ending for ending in endings]
        there = [name for name in names if (folder / name).exists()]
        if there and not self.questions.overwrite(there):
            return
        self._said(_("Exporting …"), Tone.INFO)
        with self._told(), busy(self.ui.exportedLabel):
            self.job = ExportJob(self.client(), self.segmentation, folder, endings)
            self.job.start()
            self._timer.start()
        self._update()

    def stop(self) -> None:
        """The panel goes: no file appears any more."""
        self._timer.stop()
        if self.job:
            self.job.cancel()

    def _look(self) -> None:
        """See how the export is doing: at each tick of the timer."""
        with self._told():
            if self.job.poll():
                return
            self._timer.stop()
            if self.job.state is JobState.DONE:
                self.ui.folderEdit.addCurrentPathToHistory()
                files, folder = ", ".join(path.name for path in self.job.paths), self.job.paths[0].parent
                text = _("Wrote {files} to {folder}. {left_out}").format(
                    files=files, folder=folder, left_out=self.job.left_out
                )
                self._said(text.strip(), Tone.WARNING if self.job.left_out else Tone.GOOD)
            else:
                self._said(self.job.message, Tone.ERROR)
        self._update()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Whatever goes wrong becomes a sentence, and the button is ready again."""
        try:
            yield
        except Exception as error:
            self.stop()
            if not isinstance(error, ProSegError):  # a fault of ours: the user still needs a sentence, the log the rest
                logging.exception("ProSegSlicer could not export")
                error = _("Nothing was exported: {error}").format(error=error)
            self._said(str(error), Tone.ERROR)

    def _endings(self) -> list[str]:
        return [ending for ending, box in self.boxes.items() if box.checked]

    def _update(self) -> None:
        is_running = self._timer.active
        missing = [
            sentence
            for sentence, is_there in (
                (_("An export is under way."), not is_running),
                (_("There is no segmentation to export yet."), self.segmentation is not None),
                (_("Tick at least one format."), self._endings()),
                (_("Choose the folder to write to."), self.ui.folderEdit.currentPath),
            )
            if not is_there
        ]
        self.ui.exportButton.enabled = not missing
        self.ui.exportButton.toolTip = "\n".join(missing) or _("Write the ticked files; all of them, or none.")

    def _said(self, text: str, tone: Tone) -> None:
        say(self.ui.exportedLabel, self.ui.exportedIcon, text, tone)
