"""One run that draws a reader's other slices again; what the reader gave stays, voxel for voxel."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.worker.client import WorkerClient
from ProSegSlicerLib import review
from ProSegSlicerLib.job import Job, JobState
from ProSegSlicerLib.origins import carry, note_refined
from ProSegSlicerLib.overlay import set_uncertainty
from ProSegSlicerLib.segments import create_segmentation, input_volume, set_zones
from ProSegSlicerLib.undo import Undo
from ProSegSlicerLib.volumes import by_slice


class RefineJob(Job):
    """One run of the worker on a segmentation that a reader has given a word on.

    Args:
        client: the worker, kept warm between runs by the caller.
        segmentation: with an AI result; its zones are replaced, as one step that ``undo`` takes back.
        labels: the reader's labels, on the grid of its volume.
        slices: those that stay as ``labels`` has them; without any, all that have gland stay.
        first, last: the gland's ends, the one with the lower index first; None where they are not given.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        undo: what can be taken back.

    Raises:
        InputError: the segmentation's volume is gone.
    """

    def __init__(
        self,
        client: WorkerClient,
        segmentation: Any,
        labels: sitk.Image,
        slices: tuple[int, ...] = (),
        first: int | None = None,
        last: int | None = None,
        device: str = "auto",
        undo: Undo | None = None,
    ) -> None:
        volume = input_volume(segmentation)
        if volume is None:
            raise InputError(f"The image of {segmentation.GetName()} is no longer in the scene.", "Load it again.")
        super().__init__(client, volume, segmentation, device)
        self.labels, self.slices, self.ends = labels, slices, {"first": first, "last": last}
        self.undo = undo or Undo()
        self._source = segmentation  # the result may get a node of its own
        self._ai = review.ai_labelmap(segmentation), review.ai_report(segmentation)

    def _write_inputs(self) -> None:
        super()._write_inputs()
        sitk.WriteImage(self.labels, str(self._given))

    def _asks(self) -> tuple[str, dict[str, Any]]:
        _, fields = super()._asks()
        return "refine", fields | {"labelmap": str(self._given), "slices": list(self.slices)} | self.ends

    @property
    def _given(self) -> Any:
        return self._folder / "given.nrrd"

    def _on_done(self, event: dict[str, Any]) -> None:
        before, after = by_slice(self.labels), by_slice(sitk.ReadImage(event["labelmap"]))
        lost = [index for index in self._kept(before) if not np.array_equal(before[index], after[index])]
        if lost:  # a fault in the core, but whoever drew it shall not pay for it
            text = f"The refinement would have changed slice {lost[0]}, which was given. Nothing was changed."
            self._end(JobState.FAILED, text)
        else:
            super()._on_done(event)

    def _kept(self, before: np.ndarray) -> tuple[int, ...]:
        """The slices that have to stay."""
        low, high = (0 if self.ends["first"] is None else self.ends["first"]), self.ends["last"]
        drawn = (int(index) for index in np.flatnonzero(before.any(axis=(1, 2))))
        return self.slices or tuple(index for index in drawn if low <= index and (high is None or index <= high))

    def _take_in(self, event: dict[str, Any]) -> Any:
        labelmap, target = sitk.ReadImage(event["labelmap"]), self.segmentation
        if target is None:
            target = create_segmentation(self.volume)
            review.keep_ai_result(target, *self._ai)
            carry(self._source, target)
            set_uncertainty(target, sitk.ReadImage(event["uncertainty"]))
        with self.undo.step(target, "Refine"):
            note_refined(target, self.labels, labelmap)
            set_zones(target, labelmap)
        return target
