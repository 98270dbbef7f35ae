"""What tests ask of a DICOM Segmentation: where it lies, who drew it, whether it conforms."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_results import make_result

from proseg.labels import CG, PZ
from proseg.segmentation.result import SegmentationResult

hd = pytest.importorskip("highdicom", reason="highdicom is not installed: pip install 'proseg[dicom]'")
import pydicom  # noqa: E402


def assert_same_places(read: sitk.Image, labelmap: sitk.Image, label: int | None = None) -> None:
    """Both label the same places in the patient, whatever their grids: every voxel of one is a voxel of the other.

    With ``label``, all that is not 0 in ``read`` stands for that label.
    """
    expected, got = (sitk.GetArrayViewFromImage(image) for image in (labelmap, read))
    found = np.argwhere(got)
    assert len(found) == np.count_nonzero(expected if label is None else expected == label)
    (to_mm, start), (matrix, origin) = (affine(image) for image in (read, labelmap))
    exact = np.linalg.solve(matrix, to_mm @ found[:, ::-1].T + (start - origin)[:, None]).T
    nearest = np.rint(exact).astype(int)
    np.testing.assert_allclose(exact, nearest, atol=0.01)
    np.testing.assert_array_equal(expected[tuple(nearest[:, ::-1].T)], got[tuple(found.T)] if label is None else label)


def affine(image: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """From indices (i, j, k) to mm (LPS): matrix and origin."""
    return np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing(), np.array(image.GetOrigin())


def read_by_highdicom(path: Path) -> sitk.Image:
    """The labelmap in a segmentation, where highdicom's affine (LPS) puts it; its axes are k, j, i."""
    volume = hd.seg.segread(path).get_volume(combine_segments=True)
    image = sitk.GetImageFromArray(volume.array.astype(np.uint8))
    image.SetSpacing(volume.spacing[::-1])
    image.SetOrigin(volume.position)
    image.SetDirection(np.asarray(volume.direction)[:, ::-1].ravel().tolist())
    return image


def errors_of(path: Path) -> list[str]:
    """What dicom3tools' validator calls errors."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed. Debian: sudo apt-get install dicom3tools")
    said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace", check=False)
    lines = (said.stdout + said.stderr).splitlines()
    assert "Segmentation" in lines, "it did not recognise the object"
    return [line for line in lines if line.startswith(("Error", "Abort"))] + ["failed"] * said.returncode


def gland_in(image: sitk.Image) -> SegmentationResult:
    """A result for any image, with an ellipsoid in its middle."""
    centre = [count // 2 for count in image.GetSize()[::-1]]
    shape = image.GetSize()[::-1]
    radius = sum(
        ((index - middle) / (count / 5)) ** 2
        for index, middle, count in zip(np.indices(shape), centre, shape, strict=True)
    )
    labels = np.where(radius < 1, CG, np.where(radius < 1.6, PZ, 0)).astype(np.uint8)
    labelmap = sitk.GetImageFromArray(labels)
    labelmap.CopyInformation(image)
    return replace(make_result(), image=image, labelmap=labelmap)


def kinds(path: Path) -> list[str]:
    return [segment.SegmentAlgorithmType for segment in pydicom.dcmread(path).SegmentSequence]
