"""A panel to test: opened on the stand-ins, with a worker that says what it is told, and with answers prepared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from Testing.made_results import make_result
from Testing.slicer import standins

from proseg.flags import QualityFlag, Severity
from proseg.report import report

FLAGS = (
    QualityFlag("touches_border", Severity.INFO, "The gland touches the left edge of the image.", (9,)),
    QualityFlag("low_confidence_slices", Severity.WARNING, "The contours are uncertain in slices 3 to 5.", (3, 4, 5)),
    QualityFlag("implausible_volume", Severity.WARNING, "The gland is implausibly small: 4.2 mL."),
)


class SaidClient:
    """A worker's client that says what a test has it say."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.stderr_tail: list[str] = []
        self.kills, self.closed = 0, False

    def send(self, do: str, **fields: Any) -> int:
        """Note a request."""
        self.requests.append({"do": do} | fields)
        return len(self.requests)

    def poll(self) -> list[dict[str, Any]]:
        """What there is to say."""
        events, self.events = self.events, []
        return events

    def kill(self) -> None:
        """Note it."""
        self.kills += 1

    def close(self) -> None:
        """Note it."""
        self.closed = True

    def say(self, event: str, **fields: Any) -> None:
        """Say something about the last request at the next ``poll``."""
        self.events.append({"id": len(self.requests), "event": event} | fields)

    def say_progress(self, stage: str, fraction: float) -> None:
        """How far it is."""
        self.say("progress", stage=stage, fraction=fraction)

    def say_died(self, sentence: str = "The worker was ended by somebody.", device: str | None = "cpu") -> None:
        """That it is no more."""
        self.say("died", device=device, code=-9, sentence=sentence, remedy="Try again.", unanswered=[])

    def say_done(self, flags: Sequence[QualityFlag] = FLAGS) -> None:
        """That it is done; the result is ``made_results.make_result``'s."""
        made, folder = make_result(flags=tuple(flags)), Path(self.requests[-1]["folder"])
        files = {"labelmap": folder / "labelmap.nrrd", "uncertainty": folder / "uncertainty.nrrd"}
        sitk.WriteImage(made.labelmap, str(files["labelmap"]))
        sitk.WriteImage(sitk.Cast(made.uncertainty_image() * 100, sitk.sitkUInt8), str(files["uncertainty"]))
        names = {key: str(path) for key, path in files.items()}
        self.say("done", report=report(made, self.requests[-1]["image"]), **names)


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
        self.answers = Answers()
        for part in (self.panel.run, self.panel.review, self.panel.export):
            part.questions = self.answers
        self.client = client if client is not None else self.widget.logic._client
        self.widget.logic._client = self.client

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

    def segment(self, volume: Any, flags: Sequence[QualityFlag] = FLAGS) -> Any:
        """Have a volume segmented; the segmentation."""
        self.start(volume)
        self.client.say_done(flags)
        self.wait()
        return self.segmentation

    def wait(self) -> None:
        """Until the run has come to its end, whichever."""
        standins.wait_until(lambda: not self.is_running, 120)

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
