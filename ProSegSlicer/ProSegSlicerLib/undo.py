"""Taking back what the panel did to contours: in the panel, and as one step of the Segment Editor's own undo.

A step is taken back only from the contours that it left. Once they were edited, undoing it would lose the edit; undo
that one first, in the Segment Editor.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.outputs.review import fingerprint
from ProSegSlicerLib.scene import mrml_scene
from ProSegSlicerLib.segments import on_grid, set_zones, zones

MOST_STEPS = 20


@dataclass(frozen=True)
class Step:
    """One change of contours: of which segmentation, what it was, the labels before it, and a mark of those after."""

    segmentation: Any
    name: str
    shape: tuple[int, ...]
    before: bytes
    after: str


class Undo:
    """The steps that can be taken back, in memory: they end with the scene and with Slicer.

    Args:
        keep: has the Segment Editor keep a segmentation as it is, so that its own Undo comes back to it too.
    """

    def __init__(self, keep: Callable[[Any], object] = lambda segmentation: None) -> None:
        self.keep = keep
        self._steps: list[Step] = []

    @contextmanager
    def step(self, segmentation: Any, name: str) -> Iterator[None]:
        """Change the contours of a segmentation in the body of a ``with`` statement; ``name`` says what was done."""
        before = sitk.GetArrayFromImage(zones(segmentation))
        self.keep(segmentation)
        yield
        after = zones(segmentation)
        if not np.array_equal(before, sitk.GetArrayViewFromImage(after)):
            packed = zlib.compress(before.tobytes(), 1)
            present = [step for step in self._steps if mrml_scene().IsNodePresent(step.segmentation)]
            self._steps = [*present, Step(segmentation, name, before.shape, packed, fingerprint(after))][-MOST_STEPS:]

    def last(self, segmentation: Any) -> Step | None:
        """The step that can be taken back now, or None."""
        steps = [step for step in reversed(self._steps) if step.segmentation is segmentation]
        try:
            now = fingerprint(zones(segmentation)) if steps else ""
        except InputError:  # overlapping zones, or no grid: an edit came after
            return None
        return next((step for step in steps if step.after == now), None)

    def undo(self, segmentation: Any) -> None:
        """Take the last step back.

        Raises:
            InputError: there is none, or the contours were edited after it.
        """
        step = self.last(segmentation)
        if step is None:
            raise InputError("There is nothing to undo here.", "Undo edits in the Segment Editor.")
        labels = np.frombuffer(zlib.decompress(step.before), np.uint8).reshape(step.shape)
        self.keep(segmentation)
        set_zones(segmentation, on_grid(segmentation, labels))
        place = self._steps.index(step)  # what came after it was taken back elsewhere
        self._steps[place:] = [other for other in self._steps[place:] if other.segmentation is not segmentation]

    def forget(self) -> None:
        """Forget all steps."""
        self._steps.clear()
