"""A reader's slices on an image of any orientation: what stays, what follows, and what is told of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_results import make_result

from proseg.errors import InputError
from proseg.images.geometry import input_slice_indices, to_lps
from proseg.labels import CG
from proseg.model.calibration import Calibration
from proseg.model.follower import Follower
from proseg.outputs.report import report
from proseg.segmentation.given import labels_on_grid
from proseg.segmentation.refining import Word, refined, same_image
from proseg.segmentation.result import SegmentationResult, SliceOrigin

BY = Follower, Calibration()  # one that has learned nothing, so that the other slices stay as they are


def lps(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(to_lps(image))


def edited(result: SegmentationResult, k: int, value: int) -> sitk.Image:
    """The result's labels on the LPS-oriented grid, a block of a slice relabelled."""
    image = to_lps(labels_on_grid(result.labelmap, result.image))
    array = sitk.GetArrayFromImage(image)
    array[k, 10:20, 10:20] = value
    made = sitk.GetImageFromArray(array)
    made.CopyInformation(image)
    return made


def erased(result: SegmentationResult, ks: list[int]) -> sitk.Image:
    """The same, nothing left in some slices."""
    image = edited(result, 0, 0)
    array = sitk.GetArrayFromImage(image)
    array[ks] = 0
    made = sitk.GetImageFromArray(array)
    made.CopyInformation(image)
    return made


@pytest.mark.parametrize("orientation", ["LPS", "RAI", "PSL", "IRP"])
def test_given_slices_stay_voxel_for_voxel_in_every_orientation(orientation: str) -> None:
    known = make_result(orientation)
    given = edited(known, 5, CG)
    index = input_slice_indices(known.image, [5])[0]
    made = refined(known, given, Word.of(known.image, [index, index], None, None), *BY)
    assert np.array_equal(lps(made.labelmap)[5], sitk.GetArrayFromImage(given)[5])
    assert made.slice_origins[index] is SliceOrigin.READER
    assert made.labelmap.GetDirection() == known.image.GetDirection()
    assert f"As the reader gave it: slice {index}." in made.notes[-1]
    assert report(made, "x.nrrd")["slice_origins"][str(index)] == "reader"


def test_ends_alone_tell_what_was_edited_before_what_was_grown_and_what_is_the_networks() -> None:
    known = make_result()
    ks = np.flatnonzero(lps(known.labelmap).any(axis=(1, 2)))
    first, last = int(ks[0]) + 1, int(ks[-1]) + 1
    made = refined(known, edited(known, 6, CG), Word.of(known.image, (), first, last), *BY)
    assert made.slice_origins[first - 1] is SliceOrigin.READER  # said to be beyond
    assert made.slice_origins[6] is SliceOrigin.READER
    assert made.slice_origins[5] is SliceOrigin.AI
    assert made.slice_origins[last] is SliceOrigin.REFINED


@pytest.mark.parametrize("orientation", ["LPS", "RAI"])
def test_edits_in_slices_that_are_not_given_are_named_when_they_are_drawn_over(orientation: str) -> None:
    known = make_result(orientation)
    given = edited(known, 6, CG)
    five, six = (input_slice_indices(known.image, [k])[0] for k in (5, 6))
    told = refined(known, given, Word.of(known.image, [five], None, None), *BY)
    assert told.notes[-1].endswith(f"drawn over, in slice {six}.")
    kept = refined(known, given, Word.of(known.image, [five, six], None, None), *BY)
    assert len(kept.notes) == len(told.notes) - 1


def test_a_slice_that_was_erased_and_not_given_is_named_when_it_is_drawn_again() -> None:
    known = make_result()
    told = refined(known, erased(known, [6]), Word.of(known.image, [5], None, None), *BY)
    assert told.notes[-1].endswith("drawn over, in slice 6.")


def test_a_labelmap_of_the_given_slices_alone_says_nothing_of_the_others() -> None:
    known = make_result()
    others = [k for k in range(known.image.GetSize()[2]) if k != 5]
    made = refined(known, erased(known, others), Word.of(known.image, [5], None, None), *BY)
    assert made.notes[-1].startswith("As the reader gave it: slice 5.")


def test_edits_beyond_given_ends_are_named_when_they_are_cleared() -> None:
    known = make_result()
    ks = np.flatnonzero(lps(known.labelmap).any(axis=(1, 2)))
    first = int(ks[0]) + 2
    made = refined(known, edited(known, first - 1, CG), Word.of(known.image, (), first, None), *BY)
    assert made.notes[-1].endswith(f"beyond the ends and were cleared, in slice {first - 1}.")
    same = refined(known, to_lps(known.labelmap), Word.of(known.image, (), first, None), *BY)
    assert len(same.notes) == len(made.notes) - 1


def test_only_what_lies_beyond_a_slice_given_without_gland_is_said_to_end_there() -> None:
    known = make_result()
    ks = np.flatnonzero(lps(known.labelmap).any(axis=(1, 2)))
    last = int(ks[-1])
    faint = replace(known, probabilities=known.probabilities.copy())
    faint.probabilities[:, int(ks[0]) - known.box[0].start] = np.reshape((1, 0, 0), (3, 1, 1))  # goes, but not for that
    made = refined(faint, erased(known, [last - 1]), Word.of(known.image, [5, last - 1], None, None), *BY)
    told = [note for note in made.notes if "without gland" in note]
    assert told == [f"As slice {last - 1} was given without gland, slice {last} beyond lost theirs."]


def test_what_was_never_refined_says_nothing_of_whose_word_it_is() -> None:
    assert report(make_result(), "x.nrrd")["slice_origins"] == {}


@pytest.mark.parametrize("orientation", ["LPS", "RAI"])
def test_given_slices_that_contradict_given_ends_are_refused_by_their_number(orientation: str) -> None:
    known = make_result(orientation)
    five, six, eleven = (input_slice_indices(known.image, [k])[0] for k in (5, 6, 11))
    ends = ("first", "last") if five < six else ("last", "first")
    for slices, given, sentence in (
        ([five], {ends[0]: six}, f"Slice {five} is given with gland"),
        ([six], {ends[1]: five}, f"Slice {six} is given with gland"),
        ([five, eleven], {ends[1]: eleven}, f"Slice {eleven} is given without gland"),
    ):
        word = Word.of(known.image, slices, given.get("first"), given.get("last"))
        with pytest.raises(InputError, match=sentence):
            refined(known, to_lps(known.labelmap), word, *BY)


def test_another_image_is_seen_by_its_voxels_and_by_its_place() -> None:
    image = make_result().image
    moved, other = sitk.Image(image), sitk.Image(image)
    moved.SetOrigin((0.0, 0.0, 0.0))
    other[3, 3, 3] += 1
    assert same_image(image, sitk.Image(image))
    assert not same_image(image, moved)
    assert not same_image(image, other)
    assert not same_image(image, replace(make_result("RAI")).image)
