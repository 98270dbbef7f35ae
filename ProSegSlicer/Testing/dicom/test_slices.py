"""DICOM is written onto the source's own slices, whatever their order, and refused where there are none."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_dicom import write_enhanced, write_series
from Testing.made_packages import has
from Testing.made_results import make_result
from Testing.read_dicom import assert_same_places, errors_of, gland_in, read_by_highdicom

from proseg.dicom.slices import check_source
from proseg.errors import InputError, OutputError
from proseg.labels import ZONES
from proseg.outputs.dicom_seg import write_dicom_seg
from proseg.outputs.writing import write_result
from proseg.reading.t2w import read_t2w
from proseg.segmentation.result import SegmentationResult

pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed: pip install 'proseg[dicom]'")


@pytest.fixture
def result() -> SegmentationResult:
    return make_result()


@pytest.fixture
def files(result: SegmentationResult, tmp_path: Path) -> list[Path]:
    return write_series(result.image, tmp_path / "series")


def test_a_series_and_an_enhanced_image_are_read_with_the_files_that_they_came_from(tmp_path: Path) -> None:
    image = sitk.RegionOfInterest(make_pelvis(), (64, 64, 12), (0, 0, 0))
    for files in (write_series(image, tmp_path / "a"), [write_enhanced(image, tmp_path / "b" / "e.dcm")]):
        t2w = read_t2w(files[0].parent)
        assert sorted(t2w.files) == files
        made = gland_in(t2w.image)
        write_result(made, tmp_path / "zones.dcm", files=t2w.files)
        assert_same_places(read_by_highdicom(tmp_path / "zones.dcm"), made.labelmap)


def make_pelvis() -> sitk.Image:
    from proseg.phantom import make_phantom

    return make_phantom(size=(64, 64, 12), spacing=(2.0, 2.0, 6.0)).image


@pytest.mark.parametrize("stored", ["LPS", "LPI", "RAS", "PLS", "SPL"])
@pytest.mark.parametrize("reverse", [False, True])
def test_it_lies_on_the_same_voxels_however_the_labels_axes_and_the_files_are_ordered(
    result: SegmentationResult, tmp_path: Path, stored: str, reverse: bool
) -> None:
    files = write_series(result.image, tmp_path / "series")
    turned = replace(result, labelmap=sitk.DICOMOrient(result.labelmap, stored))
    write_dicom_seg(turned, files[::-1] if reverse else files, tmp_path / "zones.dcm")
    assert_same_places(read_by_highdicom(tmp_path / "zones.dcm"), result.labelmap)


@pytest.mark.parametrize("stored", ["LPI", "RAI", "LSP"])
def test_a_series_stored_the_other_way_round_keeps_its_own_frames(tmp_path: Path, stored: str) -> None:
    made = make_result(stored)
    files = write_series(made.image, tmp_path / "series")
    write_dicom_seg(made, files, tmp_path / "zones.dcm")
    assert_same_places(read_by_highdicom(tmp_path / "zones.dcm"), make_result().labelmap)
    written = pydicom.dcmread(tmp_path / "zones.dcm")
    assert (written.Rows, written.Columns) == made.image.GetSize()[1::-1]


def test_contours_on_a_cropped_volume_land_on_the_whole_series(result: SegmentationResult, tmp_path: Path) -> None:
    files = write_series(result.image, tmp_path / "series")
    cropped = replace(result, labelmap=result.labelmap[4:40, 3:38, 1:11])
    write_dicom_seg(cropped, files, tmp_path / "zones.dcm")
    assert_same_places(read_by_highdicom(tmp_path / "zones.dcm"), result.labelmap)


def test_slightly_uneven_slices_keep_their_own_positions(result: SegmentationResult, tmp_path: Path) -> None:
    files = write_series(result.image, tmp_path / "series")
    header = pydicom.dcmread(files[5])
    normal = np.reshape(result.image.GetDirection(), (3, 3))[:, 2]
    header.ImagePositionPatient = [f"{mm:.8g}" for mm in np.array(header.ImagePositionPatient, float) + 0.3 * normal]
    header.save_as(files[5])
    write_dicom_seg(result, files, tmp_path / "zones.dcm")
    positions = [
        tuple(frame.PlanePositionSequence[0].ImagePositionPatient)
        for frame in pydicom.dcmread(tmp_path / "zones.dcm").PerFrameFunctionalGroupsSequence
    ]
    assert tuple(header.ImagePositionPatient) in positions


@pytest.mark.parametrize("kind", ["series", "enhanced"])
def test_slicers_reader_puts_it_on_the_same_voxels(result: SegmentationResult, tmp_path: Path, kind: str) -> None:
    """Slicer opens DICOM Segmentations through dcmqi's library; this is dcmqi's own program."""
    program = shutil.which("segimage2itkimage", path=str(Path(sys.executable).parent)) or shutil.which(
        "segimage2itkimage"
    )
    if program is None:
        pytest.skip("dcmqi is not installed: pip install --no-deps dcmqi")
    files = (
        write_series(result.image, tmp_path / "in")
        if kind == "series"
        else [write_enhanced(result.image, tmp_path / "in" / "e.dcm")]
    )
    write_dicom_seg(result, files, tmp_path / "zones.dcm")
    (tmp_path / "read").mkdir()
    command = [program, "--inputDICOM", str(tmp_path / "zones.dcm"), "--outputDirectory", str(tmp_path / "read")]
    subprocess.run([*command, "--outputType", "nrrd"], check=True, capture_output=True)
    described = json.loads((tmp_path / "read" / "meta.json").read_text())["segmentAttributes"]
    for zone in ZONES:
        read = sitk.ReadImage(str(tmp_path / "read" / f"{zone.label}.nrrd"))
        assert_same_places(read, result.labelmap, zone.label)
    meaning = [segment["SegmentedPropertyTypeCodeSequence"]["CodeMeaning"] for (segment,) in described]
    assert meaning == [zone.type.meaning for zone in ZONES]
    for (segment,), zone in zip(described, ZONES, strict=True):
        np.testing.assert_allclose(segment["recommendedDisplayRGBValue"], zone.colour, atol=2)


def refusal(result: SegmentationResult, files: list[Path], target: Path) -> str:
    with pytest.raises((InputError, OutputError)) as refused:
        write_dicom_seg(result, files, target)
    assert not target.exists()
    assert refused.value.remedy
    return refused.value.sentence


def test_an_image_that_is_not_from_dicom_is_refused(result: SegmentationResult, tmp_path) -> None:
    assert "only be written for a DICOM series" in refusal(result, [], tmp_path / "zones.dcm")


@pytest.mark.parametrize(("version", "found"), [(None, "is not"), ("0.22.0", "0.22.0")])
def test_a_package_that_is_missing_or_too_old_is_named_with_the_way_to_install_it(
    files, monkeypatch, version: str | None, found: str
) -> None:
    has(monkeypatch, "highdicom", version)
    with pytest.raises(OutputError, match=rf"needs highdicom 0\.27 or newer; highdicom {found} installed") as refused:
        check_source(files)
    assert refused.value.remedy == 'Install it: pip install "highdicom>=0.27"'


def test_a_series_of_another_place_is_refused(result: SegmentationResult, tmp_path) -> None:
    shifted = sitk.Image(result.image)
    shifted.SetOrigin([mm + 0.4 for mm in result.image.GetOrigin()])
    files = write_series(shifted, tmp_path / "s")
    assert "do not lie on the slices" in refusal(result, files, tmp_path / "zones.dcm")


def test_contours_beyond_the_series_are_refused(result: SegmentationResult, files, tmp_path) -> None:
    assert "lie outside the DICOM series" in refusal(result, files[:6], tmp_path / "zones.dcm")


def test_slices_that_are_not_parallel_are_refused(result: SegmentationResult, files, tmp_path) -> None:
    header = pydicom.dcmread(files[0])
    angle = 0.01
    header.ImageOrientationPatient = [
        f"{value:.8f}" for value in (np.cos(angle), np.sin(angle), 0, -np.sin(angle), np.cos(angle), 0)
    ]
    header.save_as(files[0])
    assert "slices of the DICOM series" in refusal(result, files, tmp_path / "zones.dcm")


def test_orientations_rounded_slice_by_slice_are_no_obstacle(result: SegmentationResult, files, tmp_path) -> None:
    for file in files[::2]:
        header = pydicom.dcmread(file)
        header.ImageOrientationPatient = [f"{float(value):.5f}" for value in header.ImageOrientationPatient]
        header.save_as(file)
    write_dicom_seg(result, files, tmp_path / "zones.dcm")
    assert_same_places(read_by_highdicom(tmp_path / "zones.dcm"), result.labelmap)


@pytest.mark.parametrize("tags", [{"SpacingBetweenSlices": "0.6"}, {"SliceThickness": None}])
def test_the_slices_distance_is_that_of_their_positions(result: SegmentationResult, tmp_path, tags) -> None:
    files = write_series(result.image, tmp_path / "s", **tags)
    write_dicom_seg(result, files, tmp_path / "zones.dcm")
    (shared,) = pydicom.dcmread(tmp_path / "zones.dcm").SharedFunctionalGroupsSequence
    assert float(shared.PixelMeasuresSequence[0].SpacingBetweenSlices) == pytest.approx(3.6)
    assert errors_of(tmp_path / "zones.dcm") == []


def test_an_enhanced_image_may_keep_orientation_with_each_frame_and_hold_several_echoes(result, tmp_path) -> None:
    file = write_enhanced(result.image, tmp_path / "in" / "e.dcm")
    header = pydicom.dcmread(file)
    shared = header.SharedFunctionalGroupsSequence[0]
    for frame in header.PerFrameFunctionalGroupsSequence:
        frame.PlaneOrientationSequence, frame.PixelMeasuresSequence = (
            shared.PlaneOrientationSequence,
            shared.PixelMeasuresSequence,
        )
    del shared.PlaneOrientationSequence, shared.PixelMeasuresSequence
    header.PerFrameFunctionalGroupsSequence = [
        frame for frame in header.PerFrameFunctionalGroupsSequence for _ in range(2)
    ]
    header.NumberOfFrames *= 2
    header.PixelData *= 2
    header.save_as(file)
    write_dicom_seg(result, [file], tmp_path / "zones.dcm")
    assert_same_places(read_by_highdicom(tmp_path / "zones.dcm"), result.labelmap)
    assert errors_of(tmp_path / "zones.dcm") == []


@pytest.mark.parametrize("tag", ["FrameOfReferenceUID", "StudyInstanceUID", "ImagePositionPatient", "PixelSpacing"])
def test_a_series_that_cannot_be_referred_to_is_refused(result: SegmentationResult, tmp_path, tag) -> None:
    files = write_series(result.image, tmp_path / "s", **{tag: None})
    assert "The DICOM series" in refusal(result, files, tmp_path / "zones.dcm")


def test_files_that_are_gone_or_damaged_are_refused_without_their_names(result, files, tmp_path) -> None:
    files[2].unlink()
    assert refusal(result, files, tmp_path / "zones.dcm").endswith("No such file or directory.")
    files[2].write_bytes(b"x" * 500)
    assert refusal(result, files, tmp_path / "zones.dcm") == "A DICOM file of the series is damaged."


def test_a_failure_leaves_what_was_there(result: SegmentationResult, files, tmp_path: Path) -> None:
    (tmp_path / "zones.dcm").write_bytes(b"before")
    with pytest.raises(InputError):
        write_dicom_seg(result, files[:3], tmp_path / "zones.dcm")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["series", "zones.dcm"]
    assert (tmp_path / "zones.dcm").read_bytes() == b"before"


def test_a_series_of_several_multi_frame_files_is_refused(result: SegmentationResult, tmp_path) -> None:
    files = [write_enhanced(result.image, tmp_path / "in" / f"{number}.dcm") for number in range(2)]
    assert "several multi-frame files" in refusal(result, files, tmp_path / "zones.dcm")
    write_dicom_seg(result, [files[0]] * 3, tmp_path / "zones.dcm")  # one file, named once a frame


@pytest.mark.parametrize("kind", ["series", "enhanced"])
def test_headers_changed_at_random_give_a_file_or_a_sentence(result: SegmentationResult, tmp_path, kind: str) -> None:
    files = (
        write_series(result.image, tmp_path / "in")
        if kind == "series"
        else [write_enhanced(result.image, tmp_path / "in" / "e.dcm")]
    )
    whole = files[0].read_bytes()
    end, random, ends = whole.rindex(b"\xe0\x7f\x10\x00"), np.random.default_rng(5), set()
    for number in range(60):
        changed = bytearray(whole)
        for place in random.integers(132, end, 1 + number % 4):
            changed[place] = random.integers(256)
        files[0].write_bytes(changed if number % 5 else changed[: random.integers(200, end)])
        try:
            write_dicom_seg(result, files, tmp_path / "zones.dcm")
            ends.add("written")
        except InputError as error:
            ends.add(error.sentence)
    assert "written" in ends
    assert len(ends) > 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "zones.dcm"]
