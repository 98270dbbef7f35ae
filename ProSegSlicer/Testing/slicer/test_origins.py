"""Whose word a slice is, found out from voxels: the AI's, a refinement's, the reader's."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import SimpleITK as sitk

from proseg.labels import PZ
from proseg.segmentation.result import SliceOrigin
from ProSegSlicerLib.origins import REFINED, digest, note_refined, origins
from ProSegSlicerLib.volumes import by_slice, from_slices

GLAND = range(2, 11)  # the slices in which the made result has gland


def changed(labelmap: sitk.Image, index: int, label: int = PZ) -> sitk.Image:
    """The same labels, but for some voxels of a slice."""
    slices = by_slice(labelmap)
    slices[index, 18:20, 20:24] = label
    return from_slices(slices, labelmap)


def test_labels_that_differ_in_one_voxel_have_another_digest() -> None:
    labels = np.zeros((6, 7), np.uint8)
    other = labels.copy()
    other[3, 3] = 1
    assert digest(labels) == digest(labels.astype(np.int64)) == digest(np.asfortranarray(labels))
    assert digest(labels) != digest(other)


def test_untouched_slices_with_gland_are_the_ais(segmentation: Any, result: Any) -> None:
    assert origins(segmentation, result.labelmap, result.labelmap) == dict.fromkeys(GLAND, SliceOrigin.AI)


def test_a_slice_that_a_refinement_drew_is_its_own_and_any_other_change_the_readers(
    segmentation: Any, result: Any
) -> None:
    refined = changed(result.labelmap, 5)
    note_refined(segmentation, result.labelmap, refined)
    edited = changed(refined, 6)
    found = origins(segmentation, result.labelmap, edited)
    assert (found[5], found[6], found[7]) == (SliceOrigin.REFINED, SliceOrigin.READER, SliceOrigin.AI)
    again = origins(segmentation, result.labelmap, changed(refined, 5, 0))
    assert again[5] is SliceOrigin.READER


def test_what_earlier_refinements_drew_stays_known_and_is_noted_once(segmentation: Any, result: Any) -> None:
    first = changed(result.labelmap, 5)
    second = changed(first, 6)
    for _ in range(2):
        note_refined(segmentation, result.labelmap, first)
        note_refined(segmentation, first, second)
    assert origins(segmentation, result.labelmap, second)[5] is SliceOrigin.REFINED
    assert {index: len(marks) for index, marks in json.loads(segmentation.GetAttribute(REFINED)).items()} == {
        "5": 1,
        "6": 1,
    }


def test_a_slice_whose_gland_the_reader_erased_is_the_readers(segmentation: Any, result: Any) -> None:
    slices = by_slice(result.labelmap)
    slices[4] = 0
    found = origins(segmentation, result.labelmap, from_slices(slices, result.labelmap))
    assert found[4] is SliceOrigin.READER
    assert 0 not in found  # there never was any
