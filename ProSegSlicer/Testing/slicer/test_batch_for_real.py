"""A folder of cases through the real worker and the scene: what comes out, and what survives a kill."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicerio
from Testing.slicer.batch_runs import Run, run

from proseg.phantom import make_phantom
from proseg.worker import client as worker_client
from ProSegSlicerLib.review import ai_report
from ProSegSlicerLib.segments import segmentation_of, zones

SCRIPT = Path(__file__).resolve().parents[2] / "Scripts" / "ProSegBatch.py"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, phantom: Any) -> Run:
    """One real run over files of several kinds, one of them broken, and a DICOM series if there is one."""
    root = tmp_path_factory.mktemp("batch")
    source = root / "Doe^Jane 4711"
    (source / "ann").mkdir(parents=True)
    sitk.WriteImage(phantom.image, str(source / "ann" / "t2w é.nii.gz"))
    sitk.WriteImage(make_phantom(2, (144, 144, 16), (0.9, 0.9, 3.6), "RAI").image, str(source / "bob.mha"))
    (source / "broken.nrrd").write_text("NRRD")
    series = Path(__file__).resolve().parents[4] / "shared" / "data" / "dicom" / "ProstateX-0000_t2w"
    if series.is_dir():
        shutil.copytree(series, source / "study")
    return run(source, root / "out", "--mrb")


def test_every_case_becomes_files_and_a_row_and_the_broken_one_a_row_that_says_why(ran):
    assert ran.code == 1
    rows = ran.rows()
    good = [name for name in ("ann_t2w é", "bob", "study") if name in rows]
    assert list(rows) == sorted([*good, "broken"])
    assert ran.files() == {"results.csv", *(f"{name}{ending}" for name in good for ending in (".seg.nrrd", ".mrb"))}
    for name in good:
        assert (rows[name]["status"], rows[name]["sentence"]) == ("done", "")
        assert float(rows[name]["gland_ml"]) > 20
        assert float(rows[name]["seconds"]) > 0
        assert rows[name]["review_status"] == "unreviewed"
    assert rows["broken"]["status"] == "failed"
    assert rows["broken"]["sentence"].startswith("broken is ")
    assert rows["broken"]["gland_ml"] == ""


def test_the_contours_are_those_of_the_anatomy_on_the_inputs_own_grid(ran, phantom):
    labels = sitk.ReadImage(str(ran.output / "ann_t2w é.seg.nrrd"))
    assert labels.GetSize() == phantom.zones.GetSize()
    np.testing.assert_allclose(labels.GetOrigin(), phantom.zones.GetOrigin(), atol=1e-3)
    found, truth = (sitk.GetArrayFromImage(image) > 0 for image in (labels, phantom.zones))
    assert 2 * np.sum(found & truth) / (np.sum(found) + np.sum(truth)) > 0.85
    segments = slicerio.read_segmentation(str(ran.output / "ann_t2w é.seg.nrrd"))["segments"]
    assert [(segment["id"], segment["labelValue"]) for segment in segments] == [("PZ", 1), ("CG", 2)]
    assert segments[0]["terminology"]["type"][:2] == ["SCT", "279706003"]
    assert segments[1]["tags"]["ProSegSlicer.Model"] == "ProSeg"


def test_the_dicom_series_is_read_through_its_folder(ran):
    if "study" not in ran.rows():
        pytest.skip("no development data: there is no DICOM series beside the repository")
    assert ran.rows()["study"]["name"] == "DICOM series"
    slices = len(list((ran.input / "study").iterdir()))
    assert sitk.ReadImage(str(ran.output / "study.seg.nrrd")).GetSize()[2] == slices


def test_the_screen_has_a_line_a_case_and_a_summary(ran):
    lines = ran.out.splitlines()
    count = len(ran.rows())
    assert lines[0].startswith("Device: ")
    assert lines[1].startswith(f"[1/{count}] ann_t2w é: done in ")
    assert " mL, CG " in lines[1]
    assert f"[3/{count}] broken: failed. broken is " in lines[3]
    assert lines[-1] == f"{count} cases: {count - 1} done, 1 failed. Table: {ran.output / 'results.csv'}"
    assert ran.err == ""


def test_the_table_names_no_folder_above_the_cases(ran):
    text = (ran.output / "results.csv").read_text(encoding="utf-8")
    for word in ("Doe", "Jane", "4711", str(ran.output.parent), os.sep + ran.output.name):
        assert word not in text


def test_a_scene_file_brings_back_image_zones_report_and_uncertainty(ran, scene):
    io_logic = slicer.vtkMRMLRemoteIOLogic()
    cache = ran.output.parent / "cache"
    cache.mkdir(exist_ok=True)
    io_logic.GetCacheManager().SetRemoteCacheDirectory(str(cache))
    io_logic.SetMRMLScene(scene)
    io_logic.AddDataIOToScene()
    try:
        assert scene.ReadFromMRB(str((ran.output / "bob.mrb").resolve()))
    finally:
        io_logic.RemoveDataIOFromScene()
    volume = scene.GetFirstNodeByName("bob")
    segmentation = segmentation_of(volume)
    views = [scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}") for name in ("Red", "Green", "Yellow")]
    assert [view.GetBackgroundVolumeID() for view in views] == [volume.GetID()] * 3  # it opens on its image
    assert ai_report(segmentation)["input"]["name"] == "bob.mha"
    again, written = (
        sitk.GetArrayFromImage(image)
        for image in (zones(segmentation), sitk.ReadImage(str(ran.output / "bob.seg.nrrd")))
    )
    np.testing.assert_array_equal(again, written)
    assert scene.GetFirstNodeByName("bob uncertainty").GetImageData().GetScalarRange()[1] > 15


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_a_worker_that_is_killed_costs_one_case_and_the_next_gets_a_new_one(phantom, tmp_path, monkeypatch):
    class Struck(worker_client.WorkerClient):
        def send(self, do: str, **fields: Any) -> int:
            number = super().send(do, **fields)
            if "a.nrrd" in fields.get("image", ""):
                os.kill(self.pid, signal.SIGKILL)
            return number

    monkeypatch.setattr(worker_client, "WorkerClient", Struck)
    (tmp_path / "in").mkdir()
    for case in "ab":
        sitk.WriteImage(phantom.image, str(tmp_path / "in" / f"{case}.nrrd"))
    ran = run(tmp_path / "in", tmp_path / "out")
    assert ran.code == 1
    assert [row["status"] for row in ran.rows().values()] == ["failed", "done"]
    assert "ended the segmentation process" in ran.rows()["a"]["sentence"]
    assert ran.files() == {"results.csv", "b.seg.nrrd"}


@pytest.mark.skipif(os.name != "posix", reason="reads the output line by line")
def test_a_run_that_is_killed_leaves_whole_files_and_goes_on_where_it_stopped(phantom, tmp_path):
    (tmp_path / "in").mkdir()
    for case in "abc":
        sitk.WriteImage(phantom.image, str(tmp_path / "in" / f"{case}.nrrd"))
    command = [sys.executable, str(SCRIPT), "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as killed:
        assert any(line.startswith("[1/3]") for line in killed.stdout)
        killed.kill()
    found = Run(0, "", "", tmp_path / "in", tmp_path / "out")
    assert "a" in found.rows()  # others may still be in the journal
    before = {}
    for path in found.output.glob("[a-c].seg.nrrd"):
        assert set(np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(path))))) == {0, 1, 2}
        before[path] = path.stat()
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "[1/3] a: done before" in again.stdout
    done_before = re.findall(r"\] (\w): done before", again.stdout)
    assert len(done_before) >= len(before) - 1  # a file whose row was not yet noted is made again
    kept = {path: before[path] for path in before if path.name[0] in done_before}
    assert {path: path.stat() for path in kept} == kept
    assert {row["status"] for row in found.rows().values()} == {"done"}
    assert {name for name in found.files() if not name.startswith(".")} == {
        "results.csv",
        *(f"{case}.seg.nrrd" for case in "abc"),
    }
