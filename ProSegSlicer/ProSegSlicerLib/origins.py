"""Whose word each slice is: the reader's, a refinement's, or the AI's.

It is found out from the voxels each time somebody asks, as with a sign-off. What a refinement drew in a slice is known
by its digest: whoever edits the slice takes it over, and undoing the edit, in whichever module, gives it back.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import SimpleITK as sitk

from proseg.segmentation.result import SliceOrigin
from ProSegSlicerLib.volumes import by_slice

REFINED = "ProSegSlicer.RefinedSlices"  # of a segmentation: by slice, digests of what refinements drew there
GIVEN = "ProSegSlicer.GivenSlices"  # of a segmentation: what the reader said of slices, see ``refining``


def digest(labels: np.ndarray) -> str:
    """What tells the labels of one slice apart."""
    return hashlib.blake2b(np.ascontiguousarray(labels, np.uint8).tobytes(), digest_size=8).hexdigest()


def note_refined(segmentation: Any, before: sitk.Image, after: sitk.Image) -> None:
    """Note which slices a refinement drew: those in which its labels differ from those it was given."""
    noted = _noted(segmentation)
    for index, (old, new) in enumerate(zip(by_slice(before), by_slice(after), strict=True)):
        if not np.array_equal(old, new):
            known = noted.setdefault(str(index), [])
            known += [mark for mark in [digest(new)] if mark not in known]
    segmentation.SetAttribute(REFINED, json.dumps(noted))


def carry(source: Any, target: Any) -> None:
    """Have ``target`` know of its slices what ``source`` knows: it holds where the contours are the same."""
    for name in (REFINED, GIVEN):
        target.SetAttribute(name, source.GetAttribute(name))


def origins(segmentation: Any, ai: sitk.Image, current: sitk.Image) -> dict[int, SliceOrigin]:
    """By index along the input's slice axis: whose word a slice is, of those with gland in either of two labelmaps.

    Args:
        segmentation: what refinements drew in it is noted there.
        ai: what the AI drew.
        current: the contours as they are now, on the same grid.
    """
    noted, found = _noted(segmentation), {}
    for index, (drawn, now) in enumerate(zip(by_slice(ai), by_slice(current), strict=True)):
        if np.array_equal(drawn, now):
            if now.any():
                found[index] = SliceOrigin.AI
        elif digest(now) in noted.get(str(index), ()):
            found[index] = SliceOrigin.REFINED
        else:
            found[index] = SliceOrigin.READER
    return found


def slices_of(found: dict[int, SliceOrigin], origin: SliceOrigin) -> tuple[int, ...]:
    """The slices of one origin, ascending."""
    return tuple(index for index, its in sorted(found.items()) if its is origin)


def _noted(segmentation: Any) -> dict[str, list[str]]:
    text = segmentation.GetAttribute(REFINED)
    return json.loads(text) if text else {}
