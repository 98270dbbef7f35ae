"""Neither exports nor the folder batch tell who the patient is, whatever the scene and the input know of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
from Testing.planted import FOLDER, GIVEN, ID, NAME, planted_below, planted_in, write_study
from Testing.slicer.batch_runs import run

from ProSegSlicerLib import exports, review
from ProSegSlicerLib.scene import mrml_scene


def plant(volume: Any) -> None:
    """Put the patient wherever Slicer keeps it when a volume is loaded from DICOM."""
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    mrml_scene().AddNode(storage)
    storage.SetFileName(f"/data/{FOLDER}/{NAME}_001.dcm")
    volume.SetAndObserveStorageNodeID(storage.GetID())
    volume.SetDescription(NAME)
    volume.SetAttribute("DICOM.PatientName", f"{NAME}^{GIVEN}")
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(mrml_scene())
    if tree:
        patient = tree.CreateSubjectItem(tree.GetSceneItemID(), f"{NAME}^{GIVEN}")
        tree.SetItemAttribute(patient, "DICOM.PatientID", ID)
        tree.SetItemParent(tree.GetItemByDataNode(volume), patient)


def test_exports_tell_nothing_of_what_the_scene_knows(segmentation: Any, volume: Any, tmp_path: Path) -> None:
    plant(volume)
    review.sign_off(segmentation, "Ann Reader")
    exports.export_all(segmentation, tmp_path, [ending for ending in exports.FORMATS if ending != ".dcm"])
    assert len(list(tmp_path.iterdir())) == len(exports.FORMATS) - 1
    assert planted_below(tmp_path) == {}


def test_a_batch_in_slicer_tells_nothing(scene: Any, tmp_path: Path) -> None:
    """Its scenes too, in which the volume is: they hold the voxels and no header."""
    source = tmp_path / FOLDER
    write_study(source / "case1")
    write_study(source / "case2")[4].unlink()
    ran = run(source, tmp_path / "out", "--mrb")
    assert ran.code == 1
    assert {row["status"] for row in ran.rows().values()} == {"done", "failed"}
    assert ran.files() == {"results.csv", "case1.seg.nrrd", "case1.mrb"}
    assert planted_below(ran.output) == {}
    assert planted_in((ran.out + ran.err).replace(str(source), "…").encode()) == set()
