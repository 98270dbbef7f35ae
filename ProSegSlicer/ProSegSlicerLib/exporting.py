"""One export from the panel: what the scene holds goes to a worker, and the files it makes take their places here.

Slicer stays usable meanwhile, for the worker measures, draws and compresses. Contours that are edited after the click
are in no file: all are made of what was handed over.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proseg.errors import InputError, ProSegError
from proseg.system.atomic import OutputSet
from proseg.worker.client import WorkerClient
from ProSegSlicerLib import exports
from ProSegSlicerLib.job import JobState
from ProSegSlicerLib.temporary import make_folder, remove_folder


class ExportJob:
    """One export by the worker.

    Attributes:
        state: where it stands.
        message: why it failed and what to do next; empty if it did not.
        paths: the files, once done.
        left_out: what some of them have no room for, and what to use, a sentence; or empty.

    Args:
        client: a worker of its own, so that cancelling a segmentation ends no export; it is let go at the end.
        segmentation: with the zones.
        folder: where the files go.
        endings: of ``exports.FORMATS``.
    """

    def __init__(
        self, client: WorkerClient, segmentation: Any, folder: str | os.PathLike[str], endings: Sequence[str]
    ) -> None:
        self.client, self.segmentation, self.endings = client, segmentation, list(endings)
        self.state, self.message, self.left_out = JobState.RUNNING, "", ""
        self.paths = exports.targets(segmentation, folder, endings)
        self._folder: Path | None = None
        self._request: int | None = None

    def start(self) -> None:
        """Hand the contours to the worker.

        Raises:
            InputError: the segmentation lacks what a format shows.
        """
        self._folder = make_folder()
        try:
            self.left_out = exports.left_out(self.segmentation, self.endings)
            exports.hand_over(self.segmentation, self.endings, self._folder)
            self._request = self.client.send("export", folder=str(self._folder), endings=self.endings)
        except BaseException:
            self._clear_up()
            raise

    def poll(self) -> bool:
        """Take in what the worker has said; whether the export goes on. Call it from a timer; it never waits."""
        for event in self.client.poll() if self.state is JobState.RUNNING else ():
            if event.get("id") != self._request:
                continue
            if event["event"] == "done":
                self._publish(event["files"])
            elif event["event"] in ("failed", "died"):
                self._end(JobState.FAILED, f"{event['sentence']} {event['remedy']}".strip())
        return self.state is JobState.RUNNING

    def cancel(self) -> None:
        """Stop at once; no file appears."""
        if self.state is JobState.RUNNING:
            self.client.kill()
            self._end(JobState.CANCELLED, "Cancelled; nothing was exported.")

    def _publish(self, files: dict[str, str]) -> None:
        try:
            if list(files) != self.endings:
                raise InputError("The worker exported something else than was asked for.", "Export again.")
            with OutputSet() as outputs:
                for made, path in zip(files.values(), self.paths, strict=True):
                    with outputs.file(path) as temporary:
                        shutil.copyfile(made, temporary)
            exports.tell_database(self.paths)
        except ProSegError as error:
            return self._end(JobState.FAILED, str(error))
        self._end(JobState.DONE, "")

    def _end(self, state: JobState, message: str) -> None:
        self.state, self.message = state, message
        self.client.close()
        self._clear_up()

    def _clear_up(self) -> None:
        if self._folder:
            remove_folder(self._folder)
