"""A panel to test: opened on the stand-ins, with a worker that says what it is told, and with answers prepared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from Testing.slicer import standins
from Testing.slicer.said_client import FLAGS, HereClient

from proseg.flags import QualityFlag


class Answers:
    """Answers every question with what was prepared, and notes what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.prepared: dict[str, Any] = {}

    def _answer(self, question: str, *about: str) -> Any:
        self.asked.append((question, *about))
        return self.prepared[question]  # a question that the test does not expect is an error

    def install(self, what: str) -> bool:
        """As ``qt_questions.Asks``."""
        return self._answer("install", what)

    def rerun(self, name: str, why: str) -> Any:
        """As ``qt_questions.Asks``."""
        return self._answer("rerun", name, why)

    def belongs(self, segmentation: str, volume: str) -> bool:
        """As ``qt_questions.Asks``."""
        return self._answer("belongs", segmentation, volume)

    def restore(self, edits: str) -> bool:
        """As ``qt_questions.Asks``."""
        return self._answer("restore", edits)

    def overwrite(self, names: Sequence[str]) -> bool:
        """As ``qt_questions.Asks``."""
        return self._answer("overwrite", *names)


class PanelCase:
    """An open panel and what a test does to it.

    Args:
        client: the worker's client; None for the real one.
    """

    def __init__(self, client: Any) -> None:
        self.widget = standins.open_panel()
        self.ui, self.panel = self.widget.ui, self.widget.panel
        self.panel.run.double_click_s = 0.0  # tests click faster than anybody
        self.answers = Answers()
        for part in (self.panel.run, self.panel.review, self.panel.export):
            part.questions = self.answers
        self.client = client if client is not None else self.widget.logic._client
        self.widget.logic._client = self.client
        if client is not None:
            self.panel.export.client = HereClient

    @property
    def button(self) -> Any:
        """The one button."""
        return self.ui.segmentButton

    @property
    def segmentation(self) -> Any:
        """The segmentation that is selected."""
        return self.panel.parameters.segmentation

    def select(self, volume: Any) -> None:
        """Choose the input volume."""
        self.ui.inputSelector.setCurrentNode(volume)

    def start(self, volume: Any) -> None:
        """Choose a volume and click."""
        self.select(volume)
        self.button.click()
        self.take_time()

    def enter_psa(self, text: str) -> None:
        """Type a PSA, and wait for the panel to follow."""
        self.ui.psaEdit.text = text
        self.settle()

    def segment(self, volume: Any, flags: Sequence[QualityFlag] = FLAGS) -> Any:
        """Have a volume segmented; the segmentation."""
        self.start(volume)
        self.client.say_done(flags)
        self.wait()
        return self.segmentation

    def export(self) -> None:
        """Click *Export*, and wait for the files."""
        self.ui.exportButton.click()
        standins.wait_until(lambda: not self.panel.export._timer.active, 60)

    def wait(self) -> None:
        """Until the run has come to its end, whichever."""
        standins.wait_until(lambda: not self.is_running, 120)
        self.take_time()

    def take_time(self) -> None:
        """See what the button says now before clicking it again, as people do."""
        self.panel.run._changed = 0.0

    def settle(self) -> None:
        """Until edits have come through to the panel."""
        later = self.panel._later
        standins.wait_until(lambda: not later.active)

    @property
    def is_running(self) -> bool:
        """Whether the button is one to cancel with."""
        return self.button.text == "Cancel"

    @property
    def message(self) -> str:
        """What the panel says below the button; empty if it says nothing."""
        return self.ui.messageLabel.text if self.is_shown("messageWidget") else ""

    def is_shown(self, name: str) -> bool:
        """Whether a widget would be seen if the panel were."""
        return not getattr(self.ui, name).isHidden()

    @property
    def figures(self) -> dict[str, str]:
        """The table of results."""
        table = self.ui.resultsTable
        return {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount)}

    @property
    def listed(self) -> list[tuple[str, str]]:
        """The list of what to check: sentence, and where a click goes."""
        table = self.ui.flagsTable
        return [(table.item(row, 0).text(), table.item(row, 1).text()) for row in range(table.rowCount)]

    def close(self) -> None:
        """Close the panel for good."""
        self.widget.cleanup()
        self.widget.parent.deleteLater()
