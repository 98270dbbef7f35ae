"""A run that refines, on slicer-core: what it asks the worker for, and what it takes from it into the scene."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.slicer.conftest import paint
from Testing.slicer.said_client import SaidClient
from Testing.slicer.test_refining import refine
from Testing.slicer.test_review import EDIT

from proseg.errors import InputError
from proseg.labels import CG, PZ
from ProSegSlicerLib import refining, review
from ProSegSlicerLib.job import JobState
from ProSegSlicerLib.overlay import uncertainty_volume
from ProSegSlicerLib.refine_job import RefineJob
from ProSegSlicerLib.segments import zones
from ProSegSlicerLib.volumes import by_slice


@pytest.fixture
def client() -> SaidClient:
    return SaidClient()


def started(client: SaidClient, segmentation: Any, **given: Any) -> RefineJob:
    job = RefineJob(client, segmentation, zones(segmentation), **given)
    job.start()
    return job


def labels(segmentation: Any) -> np.ndarray:
    return by_slice(zones(segmentation))


def test_the_worker_is_given_the_labels_and_what_of_them_stays(client: SaidClient, segmentation: Any) -> None:
    paint(segmentation, EDIT, PZ)
    started(client, segmentation, slices=(6,), first=3, device="cpu")
    (request,) = client.requests
    assert (request["do"], request["slices"], request["first"], request["last"]) == ("refine", [6], 3, None)
    given = sitk.ReadImage(request["labelmap"])
    np.testing.assert_array_equal(by_slice(given), labels(segmentation))
    assert given.GetSize() == sitk.ReadImage(request["image"]).GetSize()


def test_the_ais_own_result_and_its_uncertainty_stay_what_they_were(client: SaidClient, segmentation: Any) -> None:
    before = by_slice(review.ai_labelmap(segmentation)), review.ai_report(segmentation)
    job = started(client, segmentation, slices=(6,))
    client.say_refined(8)
    job.poll()
    assert job.state is JobState.DONE
    np.testing.assert_array_equal(by_slice(review.ai_labelmap(segmentation)), before[0])
    assert review.ai_report(segmentation) == before[1]
    assert review.comparison(segmentation).slices_refined == (8,)


def test_with_ends_alone_all_slices_between_them_have_to_stay(client: SaidClient, segmentation: Any) -> None:
    before = labels(segmentation)
    job = started(client, segmentation, first=1, last=10)
    client.say_refined(8)
    job.poll()
    assert job.state is JobState.FAILED
    assert "slice 8, which was given" in job.message
    np.testing.assert_array_equal(labels(segmentation), before)


def test_a_node_of_its_own_has_the_ais_result_too(client: SaidClient, segmentation: Any) -> None:
    job = started(client, segmentation, slices=(6,))
    paint(segmentation, (5, *EDIT[1:]), CG)
    paint(segmentation, (5, 10, 10), CG)
    client.say_refined(8)
    job.poll()
    assert job.segmentation is not segmentation
    assert review.comparison(job.segmentation).slices_refined == (8,)
    assert uncertainty_volume(job.segmentation) is not None


def test_a_node_of_its_own_knows_whose_word_each_slice_was_before(client: SaidClient, segmentation: Any) -> None:
    refine(segmentation, 5)
    refining.accept(segmentation, 4)
    paint(segmentation, EDIT, PZ)
    job = started(client, segmentation, slices=(4, 6))
    paint(segmentation, (7, *EDIT[1:]), PZ)
    client.say_refined(8)
    job.poll()
    word = refining.look(job.segmentation).word
    assert job.segmentation is not segmentation
    assert (word.corrected, word.accepted) == ((6,), (4,))
    assert review.comparison(job.segmentation).slices_refined == (5, 8)


def test_without_its_image_nothing_can_be_refined(client: SaidClient, segmentation: Any, scene: Any) -> None:
    from ProSegSlicerLib.segments import input_volume

    scene.RemoveNode(input_volume(segmentation))
    with pytest.raises(InputError, match="no longer in the scene"):
        RefineJob(client, segmentation, zones(segmentation))


def test_where_a_gpu_fails_the_cpu_refines_what_was_given(client: SaidClient, segmentation: Any) -> None:
    job = started(client, segmentation, slices=(6,))
    client.say("device", device="cuda", reason="The GPU works.")
    client.say("failed", kind="gpu", sentence="It failed.", remedy="Use the CPU.")
    assert job.poll()
    assert [(request["do"], request["device"], request["slices"]) for request in client.requests] == [
        ("refine", "auto", [6]),
        ("refine", "cpu", [6]),
    ]
