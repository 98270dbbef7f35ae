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
from proseg.images.geometry import superior_mm
from proseg.segmentation.result import SliceOrigin
from ProSegSlicerLib import review
from ProSegSlicerLib.origins import GIVEN, digest, origins, slices_of
from ProSegSlicerLib.segments import input_volume, is_redrawn_on_another_grid, zones
from ProSegSlicerLib.volumes import by_slice, drawn_slices, from_slices, slice_centres

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


@dataclass(frozen=True)
class Slices:
    """All slices of a segmentation with an AI result, as they are now.

    Attributes:
        labelmap: the contours, on the grid of the image.
        superior: where each slice lies, mm to the patient's superior.
        centres: where the gland's middle is in each, RAS, mm.
        drawn: the slices with gland, ascending.
        origins: whose word a slice is, of those with gland now or in the AI's result.
        word: what the reader says of them.
    """

    labelmap: sitk.Image
    superior: tuple[float, ...]
    centres: tuple[tuple[float, float, float], ...]
    drawn: tuple[int, ...]
    origins: dict[int, SliceOrigin]
    word: Word

    @property
    def ends(self) -> tuple[int, int] | None:
        """The first and the last slice with gland; None where there is none."""
        return (self.drawn[0], self.drawn[-1]) if self.drawn else None

    @property
    def ends_known(self) -> tuple[int, int]:
        """The same of the contours and the AI's together; of all slices where neither has gland."""
        known = [*sorted(self.origins)] or range(len(self.superior))
        return known[0], known[-1]

    @property
    def runs_from_apex(self) -> bool:
        """Whether slices are counted from the apex to the base, to the patient's superior."""
        return len(self.superior) < 2 or self.superior[0] < self.superior[1]


def look(segmentation: Any) -> Slices | None:
    """The slices of a segmentation; None if no AI drew on its grid, or its image is gone.

    Raises:
        InputError: the zones overlap, or the segmentation has no grid.
    """
    ai = review.ai_labelmap(segmentation)
    if ai is None or input_volume(segmentation) is None:
        return None
    current = zones(segmentation)
    labels, found, drawn = by_slice(current), origins(segmentation, ai, current), drawn_slices(current)
    superior = tuple(superior_mm(current, index) for index in range(len(labels)))
    word = _word(_said(segmentation), labels, drawn, found)
    return Slices(current, superior, slice_centres(current), drawn, found, word)


def accept(segmentation: Any, index: int) -> None:
    """Stand by a slice as it is."""
    _say(segmentation, ACCEPTED, index, keep=True)
    _say(segmentation, DROPPED, index, keep=False)


def give_up(segmentation: Any, index: int) -> None:
    """Stand by a slice no more: a refinement may draw it again."""
    slices = look(segmentation)
    if slices and index in slices.word.corrected:
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


def _word(
    said: dict[str, dict[str, Any]], labels: np.ndarray, drawn: tuple[int, ...], found: dict[int, SliceOrigin]
) -> Word:
    """What of all that was said holds for the labels, slice by slice, as they are now."""
    corrected, accepted = slices_of(found, SliceOrigin.READER), _holding(said.get(ACCEPTED, {}), labels)
    dropped = tuple(index for index in _holding(said.get(DROPPED, {}), labels) if index in corrected)
    known, set_to = {*corrected, *accepted} - set(dropped), said.get(ENDS, {})
    others = tuple(index for index in sorted(found) if index not in known)
    first, last = (
        drawn[place] if drawn and set_to.get(name) == drawn[place] else None
        for name, place in (("first", 0), ("last", -1))
    )
    return Word(corrected, dropped, accepted, others, first, last)


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
