"""From a result and a reader's word on some of its slices to a result that follows it, without running a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.images.geometry import from_lps, input_slice_indices, to_lps
from proseg.model.calibration import Calibration
from proseg.model.follower import Follower
from proseg.segmentation.ends import with_ends
from proseg.segmentation.measurements import measure
from proseg.segmentation.propagation import Seen, beyond, follow
from proseg.segmentation.quality import name_slices
from proseg.segmentation.result import SegmentationResult, SliceOrigin


@dataclass(frozen=True)
class Word:
    """What a reader gives.

    Attributes:
        slices: input slice indices, ascending.
        first: the end of the gland with the lower input slice index; None where it is not given.
        last: the other one.
        ks, apex, base: the same as slices of the LPS-oriented image, where k grows from apex to base; ``ks`` in the
            order of ``slices``.
    """

    slices: tuple[int, ...]
    first: int | None
    last: int | None
    ks: tuple[int, ...]
    apex: int | None
    base: int | None

    @staticmethod
    def of(image: sitk.Image, slices: Iterable[int], first: int | None, last: int | None) -> Word:
        """The word on an image, by its input slice indices, in any order and however often."""
        asked = tuple(sorted({int(index) for index in slices}))
        ends = [index if index is None else input_slice_indices(image, [index])[0] for index in (first, last)]
        if input_slice_indices(image, [0]) != (0,):  # the input's slices run from the base to the apex
            ends.reverse()
        ks = tuple(input_slice_indices(image, [index])[0] for index in asked)
        return Word(asked, first, last, ks, *ends)

    def check(self, labels: np.ndarray) -> None:
        """Refuse given slices of ``labels`` (K, J, I, LPS-oriented) that say of the ends what the given ends deny.

        Raises:
            InputError: there is one.
        """
        for index, k in zip(self.slices, self.ks, strict=True):
            beyond = (self.first is not None and index < self.first) or (self.last is not None and index > self.last)
            if beyond and labels[k].any():
                raise InputError(
                    f"Slice {index} is given with gland, but lies beyond a given end of the gland.",
                    "Move the end, or do not give the slice.",
                )
            if index in (self.first, self.last) and not labels[k].any():
                raise InputError(
                    f"Slice {index} is given without gland, but is given as an end of the gland too.",
                    "Move the end, or do not give the slice.",
                )

    def silent(self, k: int) -> bool:
        """Whether it says nothing of slice ``k`` of the LPS-oriented image."""
        beyond = (self.apex is not None and k < self.apex) or (self.base is not None and k > self.base)
        return not beyond and k not in self.ks


def refined(
    known: SegmentationResult,
    given: sitk.Image,
    word: Word,
    follower: Callable[[], Follower],
    calibration: Calibration,
    psa_ng_ml: float | None = None,
) -> SegmentationResult:
    """The result with labels that follow a reader.

    Args:
        known: the networks' own result.
        given: UInt8, the reader's labels on the grid of the LPS-oriented image.
        word: what of them the reader stands by.
        follower: loads what draws the other slices, where it is needed.
        calibration: the one with which ``known`` was made.
        psa_ng_ml: serum PSA in ng/mL, for the PSA density.

    Raises:
        InputError: what the reader says contradicts itself.
    """
    before, drawn = (sitk.GetArrayFromImage(image) for image in (given, to_lps(known.labelmap)))
    spacing = given.GetSpacing()[::-1]
    word.check(before)
    if word.ks:
        voxels = sitk.GetArrayFromImage(to_lps(known.image)).astype(np.float32)
        seen = Seen(voxels, calibration.undone(known.probabilities), known.box, drawn, spacing)
        labels = follow(seen, before, word.ks, follower(), word.apex, word.base)
    else:
        labels = with_ends(before, known.probabilities, known.box, spacing, word.apex, word.base)
    lps = sitk.GetImageFromArray(labels)
    lps.CopyInformation(given)
    labelmap = from_lps(lps, known.image)
    origins = {
        input_slice_indices(known.image, [k])[0]: _origin(before[k], drawn[k], labels[k], word, k)
        for k in range(len(labels))
        if k in word.ks or drawn[k].any() or labels[k].any() or (before[k].any() and not word.ks)
    }
    return replace(
        known,
        labelmap=labelmap,
        measurements=measure(labelmap, psa_ng_ml),
        notes=(
            *known.notes,
            _note(before, labels, origins, word),
            *_ended(before, drawn, labels, known.image, word),
            *_lost(before, drawn, labels, known.image, word),
        ),
        slice_origins=dict(sorted(origins.items())),
    )


def same_image(one: sitk.Image, other: sitk.Image) -> bool:
    """Whether two images have the same voxels in the same place."""
    places = [(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()) for image in (one, other)]
    return places[0] == places[1] and np.array_equal(*(sitk.GetArrayViewFromImage(image) for image in (one, other)))


def _origin(before: np.ndarray, drawn: np.ndarray, after: np.ndarray, word: Word, k: int) -> SliceOrigin:
    if not word.silent(k):
        return SliceOrigin.READER
    if np.array_equal(after, drawn):
        return SliceOrigin.AI
    kept = not word.ks and np.array_equal(after, before)
    return SliceOrigin.READER if kept else SliceOrigin.REFINED


def _note(before: np.ndarray, after: np.ndarray, origins: dict[int, SliceOrigin], word: Word) -> str:
    """A sentence on what was given and what came of it."""
    ends = " and ".join(
        f"the {name} slice ({k})" for name, k in (("first", word.first), ("last", word.last)) if k is not None
    )
    if not word.ks:
        had, has = (labels.any(axis=(1, 2)) for labels in (before, after))
        return (
            f"Given labels were kept but for their ends: of {ends or 'neither end'} as given, "
            f"{np.count_nonzero(had & ~has)} slices were cleared and {np.count_nonzero(has & ~had)} drawn."
        )
    given = f"{'slice' if len(word.slices) == 1 else 'slices'} {', '.join(map(str, word.slices))}"
    kept, redrawn = (list(origins.values()).count(origin) for origin in (SliceOrigin.AI, SliceOrigin.REFINED))
    return (
        f"As the reader gave it: {' and '.join(filter(None, (given, ends)))}. "
        f"Of the others {redrawn} were drawn again to fit, and {kept} are as the networks have them."
    )


def _ended(before: np.ndarray, drawn: np.ndarray, after: np.ndarray, image: sitk.Image, word: Word) -> tuple[str, ...]:
    """A sentence on slices that lost their gland because one before them was given without: it may have been a slip."""
    empty = [index for index, k in zip(word.slices, word.ks, strict=True) if not before[k].any()]
    own = np.zeros_like(before)
    own[list(word.ks)] = before[list(word.ks)]
    gone = drawn.any(axis=(1, 2)) & ~after.any(axis=(1, 2)) & beyond(own, word.ks, drawn)
    cleared = sorted(input_slice_indices(image, [int(k) for k in np.flatnonzero(gone) if word.silent(int(k))]))
    if not empty or not cleared:
        return ()
    verb = "was" if len(empty) == 1 else "were"
    return (f"As {name_slices(empty)} {verb} given without gland, {name_slices(cleared)} beyond lost theirs.",)


def _lost(before: np.ndarray, drawn: np.ndarray, after: np.ndarray, image: sitk.Image, word: Word) -> tuple[str, ...]:
    """A sentence on edits in slices that were not given and are not there any more: none may go unseen.

    A slice without labels is one that the reader erased if any other slice that was not given has some. Where none has,
    the labelmap holds nothing but the given slices, and of the others the reader said nothing.
    """
    others = np.setdiff1d(np.arange(len(before)), word.ks)
    whole = before[others].any()
    ks = [
        int(k)
        for k in others
        if (whole or before[k].any())
        and (before[k] != drawn[k]).any()
        and (before[k] != after[k]).any()
        and (word.ks or not after[k].any())  # with the ends alone, what grew was asked for
    ]
    if not ks:
        return ()
    listed = name_slices(sorted(input_slice_indices(image, ks)))
    became = "were not given and were drawn over" if word.ks else "were beyond the ends and were cleared"
    return (f"Other labels than the networks' {became}, in {listed}.",)
