"""One export by a worker: its files appear where they are wanted, all or none, whatever becomes of the worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.slicer.conftest import paint
from Testing.slicer.said_client import HereClient, SaidClient
from Testing.slicer.test_review import EDIT

from proseg.errors import OutputError
from proseg.labels import PZ
from ProSegSlicerLib import exports
from ProSegSlicerLib.exporting import ExportJob
from ProSegSlicerLib.job import JobState
from ProSegSlicerLib.segments import zones

ENDINGS = [ending for ending in exports.FORMATS if ending != ".dcm"]


def started(client: Any, segmentation: Any, folder: Path) -> ExportJob:
    job = ExportJob(client, segmentation, folder, ENDINGS)
    job.start()
    assert list(folder.iterdir()) == []
    return job


def test_the_worker_makes_the_files_that_a_script_gets(segmentation: Any, tmp_path: Path) -> None:
    for name in ("script", "worker"):
        (tmp_path / name).mkdir()
    written = exports.export_all(segmentation, tmp_path / "script", ENDINGS)
    job = started(HereClient(), segmentation, tmp_path / "worker")
    assert not job.poll()
    assert (job.state, job.message) == (JobState.DONE, "")
    for one, other in zip(written, job.paths, strict=True):
        if one.name.endswith((".nii.gz", ".seg.nrrd")):
            np.testing.assert_array_equal(*(sitk.GetArrayFromImage(sitk.ReadImage(str(p))) for p in (one, other)))
        else:
            assert one.read_text(encoding="utf-8") == other.read_text(encoding="utf-8")


def test_what_is_edited_after_the_click_is_in_no_file(segmentation: Any, tmp_path: Path) -> None:
    before = sitk.GetArrayFromImage(zones(segmentation))
    job = started(HereClient(), segmentation, tmp_path)
    paint(segmentation, EDIT, PZ)
    job.poll()
    for name in ("T2W zones.nii.gz", "T2W zones.seg.nrrd"):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / name))), before)


@pytest.mark.parametrize("end", ["failed", "died", "something else", "cancelled"])
def test_a_worker_that_ends_otherwise_leaves_nothing(segmentation: Any, tmp_path: Path, end: str) -> None:
    client = SaidClient()
    job = started(client, segmentation, tmp_path)
    handed_over = job._folder
    assert handed_over.exists()
    if end == "failed":
        client.say("failed", kind="output", sentence="The disk is full.", remedy="Free some.")
    elif end == "died":
        client.say_died()
    elif end == "something else":
        client.say("done", files={".json": str(tmp_path / "nowhere.json")})
    else:
        job.cancel()
    assert not job.poll()
    assert job.state is (JobState.CANCELLED if end == "cancelled" else JobState.FAILED)
    assert job.message
    assert (list(tmp_path.iterdir()), handed_over.exists()) == ([], False)


def test_a_folder_that_cannot_be_written_to_is_told_before_anything_is_done(segmentation: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="not a folder"):
        ExportJob(SaidClient(), segmentation, tmp_path / "file", [".json"])
