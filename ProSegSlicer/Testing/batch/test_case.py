"""One case of a batch: what is asked before any work is done."""

from __future__ import annotations

import pytest
import SimpleITK as sitk

from proseg.batch.case import Job, attempt
from proseg.batch.table import FAILED


def test_a_dicom_segmentation_of_what_is_no_dicom_is_refused_before_the_networks_are_asked(phantom, tmp_path):
    image, target = tmp_path / "in" / "t2.nii.gz", tmp_path / "out" / "t2.dcm"
    image.parent.mkdir()
    sitk.WriteImage(phantom.image, image)

    def ready():
        pytest.fail("the networks were asked")

    row = attempt(Job("t2", str(image), [str(target)], str(target.parent)), ready)
    assert row["status"] == FAILED
    assert "only be written for a DICOM series" in row["sentence"]
    assert not target.parent.exists()
