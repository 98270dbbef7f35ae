"""The batch's rules: what is done, done again, refused or replaced; on a made worker, since nothing is segmented."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import SimpleITK as sitk
import slicer
import slicer.util
from Testing.made_results import make_result
from Testing.slicer import standins
from Testing.slicer.batch_runs import MadeClient, failed, run

from proseg.worker import client as worker_client
from ProSegSlicerLib import batch, views
from ProSegSlicerLib.scene import nodes_of
from ProSegSlicerLib.segments import zones
from ProSegSlicerLib.volumes import add_volume, middle_slice, slice_centre


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> type[MadeClient]:
    """The batch with a made worker in place of the process."""
    client = type("Client", (MadeClient,), {"sent": [], "failures": []})
    monkeypatch.setattr(worker_client, "WorkerClient", client)
    return client


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with two small images that the made worker can read."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b"):
        sitk.WriteImage(make_result().image, str(folder / f"{name}.nrrd"))
    return folder


def segmented(made: type[MadeClient]) -> list[str]:
    return [Path(request["image"]).stem for request in made.sent if request["do"] == "segment"]


def test_the_scene_is_empty_after_a_run(made, source, scene):
    run(source, source.parent / "out")
    for kind in ("vtkMRMLVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLStorageNode"):
        assert scene.GetNumberOfNodesByClass(kind) == 0


def test_a_second_run_does_only_what_failed(made, source):
    made.failures = [failed("input", "No.")]
    first = run(source, source.parent / "out")
    assert (first.code, segmented(made)) == (1, ["a", "b"])
    assert [row["status"] for row in first.rows().values()] == ["failed", "done"]
    before = (first.output / "b.seg.nrrd").stat()
    second = run(source, first.output)
    assert (second.code, segmented(made)) == (0, ["a", "b", "a"])
    assert "[2/2] b: done before" in second.out
    assert "2 cases: 1 done, 1 done before." in second.out
    assert (first.output / "b.seg.nrrd").stat() == before
    assert [row["status"] for row in second.rows().values()] == ["done", "done"]
    third = run(source, first.output)
    assert (third.code, len(segmented(made))) == (0, 3)
    assert made.sent[-1]["do"] == "segment"  # no worker was started for nothing


def test_a_file_that_is_gone_is_made_again_and_a_new_kind_is_added_without_touching_the_others(made, source):
    first = run(source, source.parent / "out")
    (first.output / "a.seg.nrrd").unlink()
    (first.output / "b.seg.nrrd").write_bytes(b"edited by a reader")
    assert run(source, first.output, "--mrb").code == 0
    assert (first.output / "b.seg.nrrd").read_bytes() == b"edited by a reader"
    assert first.files() == {"results.csv", "a.seg.nrrd", "a.mrb", "b.seg.nrrd", "b.mrb"}


def test_a_scene_opens_on_the_image_fitted_at_the_glands_middle(made, source, scene, tmp_path):
    """Slicer without a window has no views, so the scene brings what those of Slicer with a window shall show."""
    ran = run(source, source.parent / "out", "--mrb")
    assert nodes_of("vtkMRMLSliceNode") == []
    add_volume(make_result().image, "Another patient")
    with views.there(), standins._scene_files(scene):
        views.follow(scene.GetFirstNodeByName("Another patient"), None)
        assert scene.ReadFromMRB(str(ran.output / "a.mrb"))
        volume, (segmentation,) = scene.GetFirstNodeByName("a"), nodes_of("vtkMRMLSegmentationNode")
        assert segmentation.GetDisplayNode().GetVisibility()
        shown, planes = nodes_of("vtkMRMLSliceCompositeNode"), nodes_of("vtkMRMLSliceNode")
        assert [node.GetBackgroundVolumeID() for node in shown] == [volume.GetID()] * 3
        assert [node.GetLayoutName() for node in planes] == ["Red", "Green", "Yellow"]
        box = [0.0] * 6
        volume.GetRASBounds(box)
        size = max(high - low for low, high in zip(box[::2], box[1::2], strict=True))
        labelmap = zones(segmentation)
        middle = slice_centre(labelmap, middle_slice(labelmap))
        for plane in planes:
            assert size / 3 < max(plane.GetFieldOfView()[:2]) < 2 * size
            matrix = slicer.util.arrayFromVTKMatrix(plane.GetSliceToRAS())
            assert abs((middle - matrix[:3, 3]) @ matrix[:3, 2]) < 0.5  # it cuts the gland's middle


def test_only_overwrite_replaces_a_result(made, source):
    first = run(source, source.parent / "out")
    (first.output / "b.seg.nrrd").write_bytes(b"edited by a reader")
    assert run(source, first.output).code == 0
    assert (first.output / "b.seg.nrrd").read_bytes() == b"edited by a reader"
    assert run(source, first.output, "--overwrite").code == 0
    assert (first.output / "b.seg.nrrd").read_bytes() == (first.output / "a.seg.nrrd").read_bytes()
    assert segmented(made) == ["a", "b", "a", "b"]


@pytest.mark.parametrize("more", ["--overwrite", "--mrb"])
def test_a_result_outlives_a_failure_to_make_it_again(made, source, more):
    first = run(source, source.parent / "out")
    before = (first.output / "a.seg.nrrd").read_bytes()
    made.failures = [failed("input", "No.")]
    second = run(source, first.output, more)
    assert second.code == 1
    assert "[1/2] a: failed. No. Do something." in second.out
    assert (first.output / "a.seg.nrrd").read_bytes() == before
    assert second.rows()["a"]["status"] == "done"
    assert second.rows()["a"]["sentence"] == "This result is from before; doing it again failed: No. Do something."
    assert second.rows()["a"]["gland_ml"] == first.rows()["a"]["gland_ml"]
    assert run(source, first.output).code == 0


def test_files_that_the_table_does_not_tell_of_stop_the_run_before_it_begins(made, source):
    by_hand = source / "a.seg.nrrd"  # results into the folder of the images
    by_hand.write_bytes(b"drawn by hand")
    stopped = run(source, source)
    assert stopped.code == 2
    assert "already holds a.seg.nrrd, not made from these images" in stopped.err
    assert "--overwrite" in stopped.err
    assert (by_hand.read_bytes(), made.sent) == (b"drawn by hand", [])
    assert not (source / "results.csv").exists()


def test_other_images_under_the_same_names_stop_the_run(made, source):
    first = run(source, source.parent / "out")
    os.utime(source / "b.nrrd", (1, 1))
    stopped = run(source, first.output)
    assert (stopped.code, len(segmented(made))) == (2, 2)
    assert "b.seg.nrrd, not made from these images" in stopped.err
    assert run(source, first.output, "--overwrite").code == 0
    assert run(source, first.output).code == 0


def test_the_output_may_lie_inside_the_input(made, source):
    assert run(source, source / "results").code == 0
    assert run(source, source / "results", "--mrb").code == 0
    assert set(run(source, source / "results").rows()) == {"a", "b"}


def test_a_gpu_that_fails_is_made_good_by_the_cpu_and_the_row_says_so(made, source):
    made.device, made.failures = "cuda", [failed("gpu", "The GPU failed.")]
    done = run(source, source.parent / "out")
    assert done.code == 0
    assert [request["device"] for request in made.sent[1:]] == ["auto", "cpu", "auto"]
    assert [row["sentence"] for row in done.rows().values()] == ["The GPU failed, so the CPU did the work.", ""]


@pytest.mark.parametrize("kind", ["gpu", "input"])
def test_what_the_cpu_cannot_mend_is_not_tried_twice(made, source, kind):
    made.device, made.failures = "cpu" if kind == "gpu" else "cuda", [failed(kind, "No.")]
    assert run(source, source.parent / "out").code == 1
    assert len(segmented(made)) == 2


def test_what_would_stop_every_case_stops_the_run(monkeypatch, made, source):
    answer = failed("device", "This torch is built without CUDA.")
    monkeypatch.setattr(made, "send", lambda self, do, **_: self._events.append({"id": 1, **answer}) or 1)
    stopped = run(source, source.parent / "out", "--device", "cuda")
    assert (stopped.code, stopped.err) == (2, "ProSegBatch: This torch is built without CUDA. Do something.\n")
    assert not stopped.output.exists()


def test_a_fault_of_slicers_is_a_row_too(monkeypatch, made, source):
    from ProSegSlicerLib import exports

    monkeypatch.setattr(exports, "export", lambda *_: 1 / 0)
    ran = run(source, source.parent / "out")
    assert ran.code == 1
    assert "ZeroDivisionError" in ran.rows()["a"]["sentence"]
    assert "Traceback" in ran.err
    assert ran.files() == {"results.csv"}


def test_a_full_disk_loses_nothing_that_was_done(monkeypatch, made, source):
    first = run(source, source.parent / "out")
    before = {path: path.read_bytes() for path in first.output.iterdir()}
    replace = os.replace

    def full(old: Any, new: Any) -> None:
        if str(new).endswith("results.csv"):
            raise OSError(28, "No space left on device")
        replace(old, new)

    monkeypatch.setattr(os, "replace", full)
    stopped = run(source, first.output, "--overwrite")
    assert stopped.code == 2
    assert "disk is full" in stopped.err
    assert {path: path.read_bytes() for path in before} == before  # made again from the same images, they are the same
    monkeypatch.undo()
    monkeypatch.setattr(worker_client, "WorkerClient", made)
    assert run(source, first.output).code == 0
    assert segmented(made) == ["a", "b", "a"]  # the journal knew what the second run had done
    assert {path.name for path in before} == first.files()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--input", "gone", "--output", "out"], "gone does not exist"),
        (["--input", "empty", "--output", "out"], "empty holds no image"),
        (["--input", "in", "--output", "in/a.nrrd"], "a file"),
        (["--input", "in", "--output", "other"], "is not a table of results"),
        (["--input", "in"], "--output"),
        (["--input", "in", "--output", "out", "--device", "abacus"], "abacus"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence_with_exit_code_2(
    made, source, monkeypatch, capsys, arguments, words
):
    monkeypatch.chdir(source.parent)
    Path("empty").mkdir()
    Path("other").mkdir()
    Path("other/results.csv").write_text("patient,psa\nann,4\n")
    assert batch.main(["--", *arguments]) == 2
    said = capsys.readouterr()
    assert words in said.err.splitlines()[-1]
    assert "Traceback" not in said.err
    assert (said.out, made.sent) == ("", [])
    assert not Path("out").exists()


def test_without_pytorch_the_run_says_what_to_do(made, source, monkeypatch):
    monkeypatch.setattr("ProSegSlicerLib.dependencies.needed", lambda: SimpleNamespace())
    stopped = run(source, source.parent / "out")
    assert stopped.code == 2
    assert "PyTorch" in stopped.err
    assert "Click Segment Prostate" in stopped.err


def test_without_slicer_the_run_says_what_is_missing(made, source, monkeypatch):
    monkeypatch.setitem(sys.modules, "slicer", None)
    monkeypatch.delitem(sys.modules, "ProSegSlicerLib.scene")
    stopped = run(source, source.parent / "out")
    assert (stopped.code, made.sent) == (2, [])
    assert "slicer" in stopped.err
    assert "slicer-core" in stopped.err


def test_help_names_the_exit_codes_and_is_no_failure(capsys):
    assert batch.main(["--", "--help"]) == 0
    told = capsys.readouterr().out
    assert all(word in told for word in ("--overwrite", "--mrb", "exit codes", "Research use"))


def test_an_interrupt_keeps_what_is_done(monkeypatch, made, source):
    def interrupted(self: MadeClient, fields: dict[str, Any]) -> dict[str, Any]:
        if "b.nrrd" in fields["image"]:
            raise KeyboardInterrupt
        return MadeClient._done(self, fields)

    monkeypatch.setattr(made, "_done", interrupted)
    stopped = run(source, source.parent / "out")
    assert (stopped.code, list(stopped.rows())) == (130, ["a"])
    assert "goes on where it stopped" in stopped.err


def test_inside_slicer_the_exit_code_goes_through_slicers_own_way_out(monkeypatch):
    left = []
    monkeypatch.setattr(slicer.util, "exit", left.append)
    with pytest.raises(SystemExit) as stop:
        batch.leave(2)
    assert (stop.value.code, left) == (2, [])
    monkeypatch.setattr(slicer, "app", SimpleNamespace(), raising=False)
    batch.leave(2)
    assert left == [2]


def test_inside_slicer_the_application_goes_on_while_the_worker_works(monkeypatch):
    called = []
    monkeypatch.setattr(
        slicer, "app", SimpleNamespace(processEvents=lambda: called.append("processEvents")), raising=False
    )
    silent = batch.Batch(argparse.Namespace(input=Path(), output=Path(), device="auto", mrb=False, overwrite=False))
    answers = iter([[], [], [{"id": 4, "event": "done"}]])
    silent.client = SimpleNamespace(poll=lambda: next(answers))
    assert silent._wait(4)[0]["event"] == "done"
    assert called == ["processEvents"] * 2


def test_a_worker_that_falls_silent_is_given_up_and_costs_one_case(monkeypatch, made, source):
    poll, killed = made.poll, []

    def silent(self: MadeClient) -> list[dict[str, Any]]:
        return [event for event in poll(self) if event["id"] != 1]

    monkeypatch.setattr(made, "poll", silent)
    monkeypatch.setattr(made, "kill", lambda self: killed.append(self))
    monkeypatch.setattr(batch, "SILENCE_S", 0.2)
    ran = run(source, source.parent / "out")
    assert (ran.code, len(killed)) == (1, 1)
    assert [row["status"] for row in ran.rows().values()] == ["failed", "done"]
    assert "did not answer" in ran.rows()["a"]["sentence"]
