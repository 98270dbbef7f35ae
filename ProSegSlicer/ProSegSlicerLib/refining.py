"""What a reader says of slices: the gland's ends, slices corrected or accepted; and the cuts that need no network.

Slices are counted from 0 along the input's slice axis. What the reader said is kept with the segmentation, each word
with a digest of the labels it was said of: it holds while these are there, so no word outlives the contours it meant.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.images.geometry import input_slice_indices
from proseg.segmentation.result import SliceOrigin
from ProSegSlicerLib import review
from ProSegSlicerLib.origins import GIVEN, digest, slices_of
from ProSegSlicerLib.segments import input_volume, is_redrawn_on_another_grid, zones
from ProSegSlicerLib.volumes import by_slice, from_slices

ACCEPTED, DROPPED, ENDS = "accepted", "dropped", "ends"  # kinds of words; an end is one of "first", "last"


@dataclass(frozen=True)
class Word:
    """What the reader says of a segmentation's slices, as it holds for the contours as they are now.

    Attributes:
        corrected: slices that the reader drew or cleared.
        dropped: those of them that a refinement may draw again all the same.
        accepted: slices that the reader stands by as they are, whoever drew them.
        others: slices with gland, now or in the AI's result, of which the reader said nothing.
        first, last: the gland's ends, the one with the lower index first; None where the reader did not set it.
    """

    corrected: tuple[int, ...]
    dropped: tuple[int, ...]
    accepted: tuple[int, ...]
    others: tuple[int, ...]
    first: int | None
    last: int | None

    @property
    def given(self) -> tuple[int, ...]:
        """The slices that stay voxel for voxel, ascending."""
        return tuple(sorted({*self.corrected, *self.accepted} - set(self.dropped)))

    @property
    def obstacle(self) -> str:
        """Why there is nothing to refine, with what to do; empty if there is something."""
        if not self.given:
            return "Nothing is given yet: correct a slice in the Segment Editor, or accept one, first."
        if not self.others:
            return "Every slice of the gland is corrected or accepted, so there is nothing left to refine."
        return ""


def is_refinable(segmentation: Any) -> bool:
    """Whether there is an AI result on this segmentation's grid, for a reader's word to go on from."""
    try:
        return input_volume(segmentation) is not None and review.ai_labelmap(segmentation) is not None
    except InputError:  # it has lost its grid
        return False


def word(segmentation: Any) -> Word:
    """What the reader says of the slices.

    Raises:
        InputError: the zones overlap, or the segmentation has no grid.
    """
    found, current, said = review.slice_origins(segmentation), zones(segmentation), _said(segmentation)
    labels = by_slice(current)
    holding = {kind: _holding(said.get(kind, {}), labels) for kind in (ACCEPTED, DROPPED)}
    corrected = slices_of(found, SliceOrigin.READER)
    dropped = tuple(index for index in holding[DROPPED] if index in corrected)
    known = {*corrected, *holding[ACCEPTED]} - set(dropped)
    others = tuple(index for index in sorted(found) if index not in known)
    now, set_to = ends_of(current) or (None, None), said.get(ENDS, {})
    first, last = (end if set_to.get(name) == end else None for name, end in zip(("first", "last"), now, strict=True))
    return Word(corrected, dropped, holding[ACCEPTED], others, first, last)


def ends_of(labelmap: sitk.Image) -> tuple[int, int] | None:
    """The first and the last slice with gland; None where there is none."""
    found = np.flatnonzero(by_slice(labelmap).any(axis=(1, 2)))
    return (int(found[0]), int(found[-1])) if len(found) else None


def runs_from_apex(labelmap: sitk.Image) -> bool:
    """Whether slices are counted from the apex to the base, to the patient's superior."""
    return input_slice_indices(labelmap, [0]) == (0,)


def accept(segmentation: Any, index: int) -> None:
    """Stand by a slice as it is."""
    _say(segmentation, ACCEPTED, index, keep=True)
    _say(segmentation, DROPPED, index, keep=False)


def give_up(segmentation: Any, index: int) -> None:
    """Stand by a slice no more: a refinement may draw it again."""
    if index in word(segmentation).corrected:
        _say(segmentation, DROPPED, index, keep=True)
    _say(segmentation, ACCEPTED, index, keep=False)


def keep(segmentation: Any, index: int) -> None:
    """Stand by a corrected slice again."""
    _say(segmentation, DROPPED, index, keep=False)


def cleared(segmentation: Any, index: int) -> sitk.Image:
    """The contours as they are now, without those of one slice.

    Raises:
        InputError: the zones cannot be changed here, or there is nothing in the slice.
    """
    current = changeable(segmentation)
    labels = by_slice(current)
    if not 0 <= index < len(labels) or not labels[index].any():
        raise InputError(f"Nothing is drawn in slice {index}.", "Go to the slice that shall be cleared.")
    labels[index] = 0
    return from_slices(labels, current)


def between(segmentation: Any, first: int, last: int) -> tuple[sitk.Image, bool]:
    """The contours with a gland that goes from a first to a last slice, as far as they are known without a run.

    What lies beyond is cleared; where the gland ended too early, slices come back as the AI drew them.

    Args:
        segmentation: with an AI result.
        first: the end with the lower index.
        last: the other one.

    Returns:
        The contours, and whether they reach both ends: if not, the AI drew nothing there, and a run has to.

    Raises:
        InputError: the zones cannot be changed here, or neither reader nor AI drew anything between the ends.
    """
    current = changeable(segmentation)
    labels, ai = by_slice(current), by_slice(review.ai_labelmap(segmentation))
    labels[:first], labels[last + 1 :] = 0, 0
    if not labels.any():
        labels[first : last + 1] = ai[first : last + 1]
    filled = np.flatnonzero(labels.any(axis=(1, 2)))
    if not len(filled):
        raise InputError(
            "There is no gland between these slices.", "Give ends that have some of the gland between them."
        )
    low, high = int(filled[0]), int(filled[-1])
    while low > first and ai[low - 1].any():
        low -= 1
        labels[low] = ai[low]
    while high < last and ai[high + 1].any():
        high += 1
        labels[high] = ai[high]
    return from_slices(labels, current), (low, high) == (first, last)


def note_ends(segmentation: Any, **ends: int) -> None:
    """Note that the reader set ``first``, ``last`` or both."""
    said = _said(segmentation)
    said[ENDS] = said.get(ENDS, {}) | ends
    segmentation.SetAttribute(GIVEN, json.dumps(said))


def changeable(segmentation: Any) -> sitk.Image:
    """The contours as they are now, if they can be changed slice by slice.

    Raises:
        InputError: the zones overlap or are drawn on another grid than the image's.
    """
    if is_redrawn_on_another_grid(segmentation):
        raise InputError(
            f"{segmentation.GetName()} is drawn on another grid than its image, so its slices are others.",
            "Specify the image's geometry in the Segment Editor again, or restore the AI's result.",
        )
    return zones(segmentation)


def _said(segmentation: Any) -> dict[str, dict[str, Any]]:
    text = segmentation.GetAttribute(GIVEN)
    return json.loads(text) if text else {}


def _holding(marks: dict[str, str], labels: np.ndarray) -> tuple[int, ...]:
    """The slices whose labels are still those that a word was said of."""
    known: Iterable[tuple[int, str]] = ((int(index), mark) for index, mark in marks.items())
    return tuple(sorted(index for index, mark in known if index < len(labels) and digest(labels[index]) == mark))


def _say(segmentation: Any, kind: str, index: int, keep: bool) -> None:
    said = _said(segmentation)
    marks = said.setdefault(kind, {})
    marks.pop(str(index), None)
    if keep:
        marks[str(index)] = digest(by_slice(zones(segmentation))[index])
    segmentation.SetAttribute(GIVEN, json.dumps(said))
