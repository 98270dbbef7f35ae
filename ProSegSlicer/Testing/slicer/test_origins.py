"""Whose word each slice is, on slicer-core: found out from the voxels, whoever changed them."""

from __future__ import annotations

from typing import Any

from Testing.slicer.conftest import paint
from Testing.slicer.test_refining import GLAND, refine
from Testing.slicer.test_review import EDIT

from proseg.labels import PZ
from proseg.segmentation.result import SliceOrigin
from ProSegSlicerLib import refining, review
from ProSegSlicerLib.segments import set_zones, zones

AI, REFINED, READER = SliceOrigin.AI, SliceOrigin.REFINED, SliceOrigin.READER


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
