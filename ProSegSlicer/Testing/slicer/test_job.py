from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import vtk
from Testing.slicer.conftest import paint
from Testing.slicer.said_client import SaidClient
from Testing.slicer.test_review import EDIT

from proseg.errors import InputError
from proseg.labels import PZ
from proseg.worker.client import WorkerClient
from ProSegSlicerLib import review
from ProSegSlicerLib.job import Job, JobState
from ProSegSlicerLib.overlay import uncertainty_volume
from ProSegSlicerLib.segments import create_segmentation, input_volume, zones
from ProSegSlicerLib.volumes import add_volume


@pytest.fixture
def client() -> SaidClient:
    return SaidClient()


def started(client: Any, volume: Any, *args: Any, **options: Any) -> Job:
    job = Job(client, volume, *args, **options)
    job.start()
    return job


def labels(segmentation: Any) -> np.ndarray:
    return sitk.GetArrayFromImage(zones(segmentation))


def test_a_result_comes_into_the_scene(client: SaidClient, volume: Any, result: Any) -> None:
    job = started(client, volume)
    client.say("progress", stage="Segmenting", fraction=0.4)
    assert job.poll()
    assert (job.stage, job.fraction) == ("Segmenting", 0.4)
    client.say_done()
    assert not job.poll()
    assert job.state is JobState.DONE
    assert job.message == ""
    np.testing.assert_array_equal(labels(job.segmentation), sitk.GetArrayFromImage(result.labelmap))
    assert input_volume(job.segmentation) is volume
    assert uncertainty_volume(job.segmentation) is not None
    assert review.ai_report(job.segmentation)["input"]["name"] == "T2W"  # not that of a temporary file


def test_a_run_knows_how_long_it_took(client: SaidClient, volume: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ProSegSlicerLib import job as module

    times = iter([100.0, 102.5])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(times))
    job = started(client, volume)
    client.say_done()
    job.poll()
    assert job.seconds == 2.5


def test_the_worker_is_given_the_volume_as_it_is_in_its_own_frame(client: SaidClient, volume: Any, result: Any) -> None:
    review.set_psa(volume, 7.0)
    started(client, volume, device="cpu")
    (request,) = client.requests
    given = sitk.ReadImage(request["image"])
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(given), sitk.GetArrayViewFromImage(result.image))
    np.testing.assert_allclose(given.GetDirection(), result.image.GetDirection(), atol=1e-6)
    assert (request["do"], request["device"], request["psa_ng_ml"]) == ("segment", "cpu", 7.0)


def end_by(how: str, job: Job, client: SaidClient) -> None:
    if how == "done":
        client.say_done()
    elif how == "failed":
        client.say("failed", kind="input", sentence="It is empty.", remedy="Choose another.")
    elif how == "died":
        client.say("died", code=-9, device=None, sentence="It was killed.", remedy="Try again.")
    else:
        job.cancel()
    job.poll()


@pytest.mark.parametrize("how", ["done", "failed", "died", "cancelled"])
def test_no_file_stays_behind(client: SaidClient, volume: Any, how: str) -> None:
    job = started(client, volume)
    folder = Path(client.requests[0]["folder"])
    assert folder.is_dir()
    end_by(how, job, client)
    assert not folder.exists()


@pytest.mark.parametrize("how", ["failed", "died", "cancelled"])
def test_a_run_that_fails_leaves_the_scene_and_its_edits_alone(
    client: SaidClient, volume: Any, segmentation: Any, scene: Any, how: str
) -> None:
    paint(segmentation, EDIT, PZ)
    before, nodes = labels(segmentation), scene.GetNumberOfNodes()
    job = started(client, volume, segmentation)
    end_by(how, job, client)
    assert job.state is (JobState.CANCELLED if how == "cancelled" else JobState.FAILED)
    assert job.message
    np.testing.assert_array_equal(labels(segmentation), before)
    assert scene.GetNumberOfNodes() == nodes


def test_cancelling_kills_the_worker_and_takes_nothing_in_afterwards(client: SaidClient, volume: Any) -> None:
    job = started(client, volume)
    client.say_done()
    job.cancel()
    assert client.kills == 1
    assert not job.poll()
    assert job.state is JobState.CANCELLED
    assert job.segmentation is None


def test_the_result_replaces_the_zones_of_the_output(client: SaidClient, volume: Any, segmentation: Any) -> None:
    paint(segmentation, EDIT, PZ)
    job = started(client, volume, segmentation)
    client.say_done()
    job.poll()
    assert job.segmentation is segmentation
    assert not review.edited(segmentation)


def test_edits_made_meanwhile_are_not_lost(client: SaidClient, volume: Any, segmentation: Any) -> None:
    job = started(client, volume, segmentation)
    paint(segmentation, EDIT, PZ)
    edited = labels(segmentation)
    client.say_done()
    job.poll()
    assert job.state is JobState.DONE
    assert job.segmentation is not segmentation
    assert "edited meanwhile" in job.message
    np.testing.assert_array_equal(labels(segmentation), edited)


def test_contours_drawn_meanwhile_into_an_empty_output_are_not_lost(
    client: SaidClient, volume: Any, result: Any
) -> None:
    from ProSegSlicerLib.segments import set_zones

    output = create_segmentation(volume)
    job = started(client, volume, output)
    set_zones(output, result.labelmap)
    client.say_done()
    job.poll()
    assert job.segmentation is not output


def test_a_segmentation_that_was_none_of_ours_takes_the_zones_beside_its_own(
    client: SaidClient, volume: Any, scene: Any
) -> None:
    import slicer

    other = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Lesions")
    other.GetSegmentation().AddSegment(slicer.vtkSegment(), "lesion")
    job = started(client, volume, other)
    client.say_done()
    job.poll()
    assert job.segmentation is other
    assert set(other.GetSegmentation().GetSegmentIDs()) == {"lesion", "PZ", "CG"}


def remove_volume(scene: Any, volume: Any, output: Any) -> None:
    scene.RemoveNode(volume)


def remove_output(scene: Any, volume: Any, output: Any) -> None:
    scene.RemoveNode(output)


def close_scene(scene: Any, volume: Any, output: Any) -> None:
    scene.Clear()


def change_voxels(scene: Any, volume: Any, output: Any) -> None:
    volume.GetImageData().Modified()


def move_volume(scene: Any, volume: Any, output: Any) -> None:
    matrix = vtk.vtkMatrix4x4()
    volume.SetIJKToRASMatrix(matrix)


@pytest.mark.parametrize(
    ("happening", "word"),
    [
        (remove_volume, "removed"),
        (remove_output, "removed"),
        (close_scene, "removed"),
        (change_voxels, "changed"),
        (move_volume, "changed"),
    ],
)
def test_what_happens_meanwhile_ends_the_run_in_a_sentence(
    client: SaidClient, volume: Any, segmentation: Any, scene: Any, happening: Callable[..., None], word: str
) -> None:
    job = started(client, volume, segmentation)
    happening(scene, volume, segmentation)
    client.say_done()
    assert not job.poll()
    assert job.state is JobState.FAILED
    assert word in job.message
    assert client.kills == 1


def test_a_gpu_that_takes_the_worker_with_it_is_followed_by_the_cpu(client: SaidClient, volume: Any) -> None:
    job = started(client, volume)
    client.say("device", device="cuda", reason="The GPU works.")
    client.say("died", code=-11, device="cuda", sentence="It crashed.", remedy="Try again.")
    assert job.poll()
    assert [request["device"] for request in client.requests] == ["auto", "cpu"]
    client.say_done()
    job.poll()
    assert job.state is JobState.DONE
    assert "CPU" in job.message


@pytest.mark.parametrize(("kind", "again"), [("gpu", True), ("memory", True), ("input", False), ("weights", False)])
def test_only_failures_of_the_gpu_are_tried_again_on_the_cpu(
    client: SaidClient, volume: Any, kind: str, again: bool
) -> None:
    job = started(client, volume)
    client.say("device", device="cuda", reason="The GPU works.")
    client.say("failed", kind=kind, sentence="It failed.", remedy="Do something.")
    assert job.poll() is again
    if not again:
        assert job.message == "It failed. Do something."


def test_the_cpu_is_not_tried_twice(client: SaidClient, volume: Any) -> None:
    job = started(client, volume)
    for device in ("cuda", "cpu"):
        client.say("device", device=device, reason="")
        client.say("died", code=-9, device=device, sentence="It was killed.", remedy="Close programs.")
        job.poll()
    assert job.state is JobState.FAILED
    assert "It was killed. Close programs." in job.message


def test_messages_name_the_volume_not_a_temporary_file(client: SaidClient, volume: Any) -> None:
    job = started(client, volume)
    image = client.requests[0]["image"]
    client.say("failed", kind="input", sentence=f"{image} looks like CT.", remedy="Choose the axial T2W series.")
    job.poll()
    assert job.message == "T2W looks like CT. Choose the axial T2W series."


def test_a_volume_without_voxels_is_refused_before_anything_starts(client: SaidClient, scene: Any) -> None:
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    with pytest.raises(InputError, match="Empty has no voxels"):
        Job(client, empty).start()
    assert client.requests == []


def test_what_an_earlier_run_still_had_to_say_is_passed_over(client: SaidClient, volume: Any) -> None:
    job = started(client, volume)
    client.events.append({"id": 0, "event": "failed", "kind": "input", "sentence": "Old.", "remedy": ""})
    assert job.poll()


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerClient]:
    client = WorkerClient()
    yield client
    client.close()


def wait_for(job: Job, until: Callable[[Job], bool] = lambda job: False) -> None:
    deadline = time.monotonic() + 120
    while job.poll() and not until(job):
        assert time.monotonic() < deadline, f"still at {job.stage}"
        time.sleep(0.01)


def test_the_real_worker_segments_the_phantom_under_a_transform(worker: WorkerClient, scene: Any, phantom: Any) -> None:
    volume = add_volume(phantom.image, "Phantom")
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    turn = vtk.vtkTransform()
    turn.RotateZ(90)  # in its own frame the image is what it was
    transform.SetMatrixTransformToParent(turn.GetMatrix())
    volume.SetAndObserveTransformNodeID(transform.GetID())
    job = started(worker, volume)
    wait_for(job)
    assert job.state is JobState.DONE, job.message
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(phantom.zones > 0, zones(job.segmentation) > 0)
    assert overlap.GetDiceCoefficient() > 0.85
    assert job.segmentation.GetTransformNodeID() == transform.GetID()


@pytest.mark.skipif(os.name == "nt", reason="needs kill -9")
def test_killing_the_worker_in_the_middle_costs_no_edit_and_the_next_click_works(
    worker: WorkerClient, scene: Any, phantom: Any
) -> None:
    volume = add_volume(phantom.image, "Phantom")
    first = started(worker, volume)
    wait_for(first)
    paint(first.segmentation, (10, slice(60, 70), slice(60, 70)), PZ)
    edited = labels(first.segmentation)
    second = started(worker, volume, first.segmentation)
    wait_for(second, until=lambda job: job.fraction > 0)
    os.kill(worker.pid, signal.SIGKILL)
    wait_for(second)
    assert second.state is JobState.FAILED
    assert second.message.endswith("Nothing in the scene was changed.")
    np.testing.assert_array_equal(labels(first.segmentation), edited)
    third = started(worker, volume)
    wait_for(third)
    assert third.state is JobState.DONE, third.message
