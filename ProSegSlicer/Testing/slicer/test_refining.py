"""What a reader says of slices, and what becomes of it, on slicer-core."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.slicer.conftest import paint
from Testing.slicer.test_review import EDIT

from proseg.errors import InputError
from proseg.labels import PZ
from proseg.segmentation.result import SliceOrigin
from ProSegSlicerLib import refining, review
from ProSegSlicerLib.origins import note_refined
from ProSegSlicerLib.segments import set_zones, zones
from ProSegSlicerLib.volumes import by_slice, from_slices

AI, REFINED, READER = SliceOrigin.AI, SliceOrigin.REFINED, SliceOrigin.READER
GLAND = range(2, 11)  # the slices in which the made result has gland


def labels(segmentation: Any) -> np.ndarray:
    return by_slice(zones(segmentation))


def ends_of(labelmap: sitk.Image) -> tuple[int, int]:
    drawn = np.flatnonzero(by_slice(labelmap).any(axis=(1, 2)))
    return drawn[0], drawn[-1]


def refine(segmentation: Any, index: int) -> None:
    """Have a refinement draw one slice."""
    before = zones(segmentation)
    slices = by_slice(before)
    slices[index, 18:20, 20:24] = PZ
    after = from_slices(slices, before)
    note_refined(segmentation, before, after)
    set_zones(segmentation, after)


def test_a_result_is_the_ais_until_somebody_draws_in_it(segmentation: Any) -> None:
    assert set(review.slice_origins(segmentation).values()) == {AI}
    assert tuple(review.slice_origins(segmentation)) == tuple(GLAND)
    paint(segmentation, EDIT, PZ)
    assert review.slice_origins(segmentation)[6] is READER
    assert refining.look(segmentation).word.corrected == (6,)


def test_what_a_refinement_drew_is_its_own_until_it_is_edited_and_again_when_that_is_undone(segmentation: Any) -> None:
    refine(segmentation, 5)
    refined = zones(segmentation)
    assert review.slice_origins(segmentation)[5] is REFINED
    paint(segmentation, (5, *EDIT[1:]), 0)
    assert review.slice_origins(segmentation)[5] is READER
    set_zones(segmentation, refined)
    assert review.slice_origins(segmentation)[5] is REFINED
    review.restore_ai(segmentation)
    assert review.slice_origins(segmentation)[5] is AI


def test_comparison_sign_off_and_report_say_whose_word_a_slice_is(segmentation: Any) -> None:
    from ProSegSlicerLib.exports import report_of

    paint(segmentation, EDIT, PZ)
    refine(segmentation, 5)
    compared = review.comparison(segmentation)
    assert (compared.slices_drawn, compared.slices_refined) == ((6,), (5,))
    assert compared.sentence().startswith("Drawn by the reader in slice 6 (S −49.4 mm), refined in slice 5 (")
    signed = review.sign_off(segmentation, "Ann")
    assert signed.comparison.slices_refined == (5,)
    content = report_of(segmentation)
    assert content["slice_origins"] == {str(k): {5: "refined", 6: "reader"}.get(k, "ai") for k in GLAND}
    assert content["review"]["comparison_with_ai"]["slices_refined"] == [5]


def test_a_corrected_slice_is_given_until_it_is_dropped_and_again_once_it_is_drawn_anew(segmentation: Any) -> None:
    paint(segmentation, EDIT, PZ)
    refining.give_up(segmentation, 6)
    assert refining.look(segmentation).word.given == ()
    assert 6 in refining.look(segmentation).word.others
    paint(segmentation, (6, 10, 20), PZ)
    assert refining.look(segmentation).word.given == (6,)
    refining.give_up(segmentation, 6)
    refining.keep(segmentation, 6)
    assert refining.look(segmentation).word.given == (6,)


def test_an_accepted_slice_is_given_as_long_as_it_stays_what_was_accepted(segmentation: Any, result: Any) -> None:
    refine(segmentation, 5)
    refining.accept(segmentation, 5)
    refining.accept(segmentation, 8)
    assert refining.look(segmentation).word.accepted == (5, 8)
    review.restore_ai(segmentation)
    assert refining.look(segmentation).word.accepted == (8,)  # the AI's slice 5 nobody accepted
    refining.give_up(segmentation, 8)
    assert refining.look(segmentation).word.given == ()
    refining.accept(segmentation, 8)
    review.keep_ai_result(segmentation, result.labelmap, review.ai_report(segmentation))
    assert refining.look(segmentation).word.accepted == ()  # another run, another result


def test_with_nothing_given_or_nothing_left_there_is_nothing_to_refine(segmentation: Any) -> None:
    assert refining.look(segmentation).word.obstacle.startswith("Nothing is given yet")
    for index in GLAND:
        assert index == 2 or not refining.look(segmentation).word.obstacle
        refining.accept(segmentation, index)
    assert refining.look(segmentation).word.obstacle.startswith("Every slice of the gland is corrected or accepted")


def test_the_gland_is_cut_at_the_ends_and_comes_back_as_the_ai_drew_it(segmentation: Any, result: Any) -> None:
    before = labels(segmentation)
    cut, reached = refining.between(segmentation, 5, 8)
    assert reached
    set_zones(segmentation, cut)
    assert ends_of(zones(segmentation)) == (5, 8)
    np.testing.assert_array_equal(labels(segmentation)[5:9], before[5:9])
    back, reached = refining.between(segmentation, 2, 10)
    assert reached
    np.testing.assert_array_equal(by_slice(back), before)


def test_beyond_what_the_ai_drew_the_ends_want_a_run(segmentation: Any) -> None:
    grown, reached = refining.between(segmentation, 1, 9)
    assert not reached
    assert ends_of(grown) == (2, 9)


def test_ends_that_the_reader_set_hold_until_the_gland_ends_elsewhere(segmentation: Any) -> None:
    set_zones(segmentation, refining.between(segmentation, 5, 10)[0])
    refining.note_ends(segmentation, first=5)
    said = refining.look(segmentation).word
    assert (said.first, said.last) == (5, None)
    assert said.corrected == (2, 3, 4)  # that there is none is the reader's word as well
    paint(segmentation, (4, 20, 22), PZ)
    assert refining.look(segmentation).word.first is None


def test_a_slice_is_cleared_and_no_other(segmentation: Any) -> None:
    before = labels(segmentation)
    set_zones(segmentation, refining.cleared(segmentation, 9))
    before[9] = 0
    np.testing.assert_array_equal(labels(segmentation), before)
    with pytest.raises(InputError, match="Nothing is drawn in slice 9"):
        refining.cleared(segmentation, 9)


@pytest.mark.parametrize("orientation", ["LPS", "LPI", "PIR", "ASL"])
def test_slices_are_counted_as_the_image_has_them(scene: Any, orientation: str) -> None:
    from Testing.made_results import make_result

    from proseg.outputs.report import report
    from ProSegSlicerLib.segments import create_segmentation
    from ProSegSlicerLib.volumes import add_volume

    made = make_result(orientation)
    node = create_segmentation(add_volume(made.image, "T2W"))
    review.keep_ai_result(node, made.labelmap, report(made, "x"))
    rising = orientation[[letter in "SI" for letter in orientation].index(True)] == "S"
    assert refining.look(node).runs_from_apex is rising
    ends = (4, 10) if rising else (1, 7)  # apex at k = 4 in both
    cut = refining.between(node, *ends)[0]
    assert ends_of(cut) == ends
    lowest = np.argwhere(sitk.GetArrayFromImage(sitk.DICOMOrient(cut, "LPS")).any(axis=(1, 2))).min()
    assert lowest == 4


def test_on_another_grid_nothing_is_changed_slice_by_slice(segmentation: Any) -> None:
    import slicer

    finer = slicer.vtkOrientedImageData()
    finer.SetDimensions(88, 80, 24)
    geometry = slicer.vtkSegmentationConverter.SerializeImageGeometry(finer)
    segmentation.GetSegmentation().SetConversionParameter("Reference image geometry", geometry)
    with pytest.raises(InputError, match="another grid"):
        refining.cleared(segmentation, 6)


def test_word_and_origins_come_back_with_the_scene(segmentation: Any, scene: Any, tmp_path: Any, stage: Any) -> None:
    paint(segmentation, EDIT, PZ)
    refine(segmentation, 5)
    refining.accept(segmentation, 8)
    before = refining.look(segmentation).word, review.slice_origins(segmentation)
    bundle = str(tmp_path / "case.mrb")
    assert scene.WriteToMRB(bundle)
    name = segmentation.GetName()
    scene.Clear()
    assert scene.ReadFromMRB(bundle)
    node = scene.GetFirstNodeByName(name)
    assert (refining.look(node).word, review.slice_origins(node)) == before
