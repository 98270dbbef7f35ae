"""Running the batch in a test: what a run leaves, and a worker without a process for where that is not the point."""

from __future__ import annotations

import csv
import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from Testing.made_results import make_result

from proseg.outputs.report import report
from proseg.worker import server
from ProSegSlicerLib import batch


@dataclass
class Run:
    """What a run of the batch left: its exit code, its words, and its folders."""

    code: int
    out: str
    err: str
    input: Path
    output: Path

    def rows(self) -> dict[str, dict[str, str]]:
        with (self.output / "results.csv").open(encoding="utf-8", newline="") as file:
            return {row["id"]: row for row in csv.DictReader(file)}

    def files(self) -> set[str]:
        return {path.name for path in self.output.iterdir()}


def run(source: Path, output: Path, *more: str) -> Run:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = batch.main(["--input", str(source), "--output", str(output), *more])
    return Run(code, out.getvalue(), err.getvalue(), source, output)


class MadeClient:
    """A worker without a process and without networks: it reads what it is given and answers with a made result."""

    sent: list[dict[str, Any]]
    failures: list[dict[str, Any]]  # answers to the next requests, instead of results
    device = "cpu"

    def __init__(self) -> None:
        self._events: list[dict[str, Any]] = []

    def send(self, do: str, **fields: Any) -> int:
        number = len(self.sent)
        self.sent.append({"do": do, **fields})
        if do == "prepare":
            answer = {"event": "prepared", "device": self.device, "reason": "Made."}
        else:
            device = "cpu" if fields["device"] == "cpu" else self.device
            self._events.append({"id": number, "event": "device", "device": device, "reason": "Made."})
            answer = self.failures.pop(0) if self.failures else self._done(fields)
        self._events.append({"id": number, **answer})
        return number

    def _done(self, fields: dict[str, Any]) -> dict[str, Any]:
        result = make_result()
        try:
            sitk.ReadImage(fields["image"])
        except RuntimeError:
            return failed("input", f"{fields['image']} is not an image.")
        files = server.write(result, Path(fields["folder"]), fields["keep_image"])
        return {"event": "done", "report": report(result, fields["image"]), **files}

    def poll(self) -> list[dict[str, Any]]:
        events, self._events = self._events, []
        return events

    def kill(self) -> None:
        pass

    close = kill


def failed(kind: str, sentence: str) -> dict[str, Any]:
    return {"event": "failed", "kind": kind, "sentence": sentence, "remedy": "Do something."}
