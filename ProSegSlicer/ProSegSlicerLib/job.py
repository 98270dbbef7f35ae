"""One click: a volume goes to the worker, and its zones come back into the scene.

The scene is touched only at the end, and only if everything is still as it was when the run began. Nobody's edits are
overwritten: contours that were drawn or changed while the run was under way stay, and the result gets its own node.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.outputs.review import fingerprint
from proseg.worker.client import WorkerClient
from proseg.worker.death import GPUS
from ProSegSlicerLib import review
from ProSegSlicerLib.overlay import set_uncertainty
from ProSegSlicerLib.scene import mrml_scene
from ProSegSlicerLib.segments import create_segmentation, prepare, zones
from ProSegSlicerLib.temporary import make_folder, remove_folder
from ProSegSlicerLib.volumes import ijk_to_ras, refusal, to_sitk

CPU_INSTEAD = "The GPU failed, so the CPU did the work."
GPU_TROUBLE = ("gpu", "memory")  # failures that the CPU may be spared


class JobState(Enum):
    """Where a run stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


def take_in(done: dict[str, Any], volume: Any, segmentation: Any = None) -> Any:
    """Bring what the worker found into the scene.

    Args:
        done: its ``done`` event.
        volume: the volume node that was segmented.
        segmentation: where to write; None for a new node.

    Returns:
        The segmentation node.
    """
    labelmap, uncertainty = (sitk.ReadImage(done[key]) for key in ("labelmap", "uncertainty"))
    if segmentation is None:
        segmentation = create_segmentation(volume)
    else:
        prepare(segmentation, volume)
    review.keep_ai_result(segmentation, labelmap, done["report"])
    set_uncertainty(segmentation, uncertainty)
    return segmentation


class Job:
    """One run of the worker on one volume.

    Attributes:
        state: where it stands.
        stage, fraction: what is being done, in words, and how much of the whole is done, 0..1.
        message: what the user should know: why it failed and what to do next, or what was done differently; or empty.
        segmentation: where the result is, once done; a new node if the one given was edited meanwhile.
        seconds: how long the run took, from ``start`` to its end.
        provenance: once done, what its report says of model and device.
        came: called when the result has come, before it is taken into the scene, which takes a while for a large image.

    Args:
        client: the worker, kept warm between runs by the caller.
        volume: the T2W volume node.
        segmentation: where to write; None for a new node. Its present zones are replaced: ask before.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    """

    def __init__(self, client: WorkerClient, volume: Any, segmentation: Any = None, device: str = "auto") -> None:
        self.client, self.volume, self.segmentation, self.device = client, volume, segmentation, device
        self.state, self.stage, self.fraction, self.message = JobState.RUNNING, "Preparing", 0.0, ""
        self.seconds, self._began, self.provenance = 0.0, 0.0, {}
        self.came: Callable[[], object] = lambda: None
        self._ran_on: str | None = None
        self._request: int | None = None
        self._folder: Path | None = None
        self._name = volume.GetName()

    def start(self) -> None:
        """Hand the volume to the worker.

        Raises:
            InputError: the volume holds nothing that can be segmented.
        """
        reason = refusal(self.volume)
        if reason:
            raise InputError(reason)
        self._began = time.monotonic()
        self._volume_before = self._state_of_volume()
        self._output_before = self._state_of_output()
        self._folder = make_folder()
        try:
            self._write_inputs()
            self._send()
        except BaseException:
            self._clear_up()
            raise

    def poll(self) -> bool:
        """Take in what the worker has said; whether the run goes on. Call it from a timer; it never waits."""
        if self.state is JobState.RUNNING:
            reason = self._gone()
            if reason:
                self.client.kill()
                self._end(JobState.FAILED, reason)
        for event in self.client.poll() if self.state is JobState.RUNNING else ():
            if event.get("id") == self._request and self.state is JobState.RUNNING:
                getattr(self, f"_on_{event['event']}", lambda _: None)(event)
        return self.state is JobState.RUNNING

    def cancel(self) -> None:
        """Stop at once: the worker and all it started are killed, the scene stays as it is."""
        if self.state is JobState.RUNNING:
            self.client.kill()
            self._end(JobState.CANCELLED, "Cancelled; nothing was changed.")

    @property
    def _input(self) -> Path:
        return self._folder / "t2w.nrrd"

    def _write_inputs(self) -> None:
        sitk.WriteImage(to_sitk(self.volume), str(self._input))

    def _send(self) -> None:
        self.stage, self.fraction = "Starting", 0.0
        do, fields = self._asks()
        self._request = self.client.send(do, **fields)

    def _asks(self) -> tuple[str, dict[str, Any]]:
        """What the worker is asked to do, and the fields of the request."""
        fields = {"image": str(self._input), "folder": str(self._folder), "device": self.device}
        return "segment", fields | {"psa_ng_ml": review.psa(self.volume)}

    def _on_device(self, event: dict[str, Any]) -> None:
        self._ran_on = event["device"]

    def _on_progress(self, event: dict[str, Any]) -> None:
        self.stage, self.fraction = event["stage"], event["fraction"]

    def _on_failed(self, event: dict[str, Any]) -> None:
        if not (event["kind"] in GPU_TROUBLE and self._again_on_cpu()):
            # The worker knows the volume by the name of a temporary file.
            sentence = event["sentence"].replace(str(self._input), self._name)
            self._end(JobState.FAILED, f"{sentence} {event['remedy']}".strip())

    def _on_died(self, event: dict[str, Any]) -> None:
        self._ran_on = event.get("device") or self._ran_on
        if not self._again_on_cpu():
            self._end(JobState.FAILED, f"{event['sentence']} {event['remedy']} Nothing in the scene was changed.")

    def _again_on_cpu(self) -> bool:
        """Run once more on the CPU if it was a GPU that failed."""
        if self._ran_on not in GPUS:
            return False
        self.message = CPU_INSTEAD
        self.device, self._ran_on = "cpu", None
        self._send()
        return True

    def _on_done(self, event: dict[str, Any]) -> None:
        self.stage, self.fraction = "Showing the result", 1.0
        self.came()
        event["report"]["input"]["name"] = self._name
        if self.segmentation is not None and not self._output_is_as_before():
            self.segmentation = None
            self.message = "The segmentation was edited meanwhile, so the result went into a new one."
        self.provenance = event["report"]["provenance"]
        self.segmentation = self._take_in(event)
        self.stage, self.fraction = "Done", 1.0
        self._end(JobState.DONE, self.message)

    def _take_in(self, event: dict[str, Any]) -> Any:
        return take_in(event, self.volume, self.segmentation)

    def _end(self, state: JobState, message: str) -> None:
        self.state, self.message, self.seconds = state, message, time.monotonic() - self._began
        self._clear_up()

    def _clear_up(self) -> None:
        if self._folder:
            remove_folder(self._folder)

    def _gone(self) -> str | None:
        """Why the result would have nowhere to go, or not belong where it went; None if all is as it was."""
        scene = mrml_scene()
        if not scene.IsNodePresent(self.volume):
            return f"{self._name} was removed while it was being segmented. Nothing was changed."
        if self.segmentation is not None and not scene.IsNodePresent(self.segmentation):
            return "The output segmentation was removed meanwhile. Segment again to make a new one."
        if self._state_of_volume() != self._volume_before:
            return f"{self._name} was changed while it was being segmented. Segment it again."
        return None

    def _state_of_volume(self) -> tuple[Any, ...]:
        image = self.volume.GetImageData()
        # A time of modification belongs to one object only, so another image shows too.
        return image.GetMTime() if image else 0, ijk_to_ras(self.volume).tobytes()

    def _state_of_output(self) -> str | None:
        """The fingerprint of the zones in the output; None where there are none."""
        if self.segmentation is None:
            return None
        try:
            labels = zones(self.segmentation, overlaps=True)
        except InputError:  # never used for zones: there is nothing to lose
            return None
        return fingerprint(labels) if np.any(sitk.GetArrayViewFromImage(labels)) else None

    def _output_is_as_before(self) -> bool:
        return self._state_of_output() in (None, self._output_before)
