"""Workers' clients that start no process: one says what a test has it say, one does at once what it is asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from Testing.made_results import make_result

from proseg.flags import QualityFlag, Severity
from proseg.labels import PZ
from proseg.outputs.report import report
from proseg.segmentation.result import SegmentationResult
from proseg.worker.server import Worker

FLAGS = (
    QualityFlag("touches_border", Severity.INFO, "The gland touches the left edge of the image.", (9,)),
    QualityFlag("low_confidence_slices", Severity.WARNING, "The contours are uncertain in slices 3 to 5.", (3, 4, 5)),
    QualityFlag("implausible_volume", Severity.WARNING, "The gland is implausibly small: 4.2 mL."),
)


class HereClient:
    """A worker's client whose worker answers in this process, at the next ``poll``."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.worker = Worker(lambda **reply: self.events.append(reply))
        self.waiting: list[bytes] = []

    def send(self, do: str, **fields: Any) -> int:
        """Take a request."""
        self.waiting.append(json.dumps({"id": 1, "do": do, **fields}).encode())
        return 1

    def poll(self) -> list[dict[str, Any]]:
        """Work a request off, and say how it went."""
        while self.waiting:
            self.worker.handle(self.waiting.pop())
        events, self.events = self.events, []
        return events

    def kill(self) -> None:
        """Nobody is there to be killed."""
        self.waiting = []

    close = kill


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
        self._say_result(make_result(flags=tuple(flags)))

    def say_refined(self, index: int = 8, label: int = PZ) -> None:
        """That it is done with a refinement: as it was given, but for a square drawn in one slice."""
        given = sitk.ReadImage(self.requests[-1]["labelmap"])
        labels = sitk.GetArrayFromImage(given)
        labels[index, 18:20, 20:24] = label
        refined = sitk.GetImageFromArray(labels)
        refined.CopyInformation(given)
        self._say_result(replace(make_result(), labelmap=refined))

    def _say_result(self, made: SegmentationResult) -> None:
        folder = Path(self.requests[-1]["folder"])
        files = {"labelmap": folder / "labelmap.nrrd", "uncertainty": folder / "uncertainty.nrrd"}
        sitk.WriteImage(made.labelmap, str(files["labelmap"]))
        sitk.WriteImage(sitk.Cast(made.uncertainty_image() * 100, sitk.sitkUInt8), str(files["uncertainty"]))
        names = {key: str(path) for key, path in files.items()}
        self.say("done", report=report(made, self.requests[-1]["image"]), **names)
