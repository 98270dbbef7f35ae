"""A DICOM Segmentation says what it should, conforms to the standard, and lies where the contours lie."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_dicom import FRAME_OF_REFERENCE, STUDY, write_enhanced, write_series
from Testing.made_results import make_findings, make_result, on_grid, relabelled
from Testing.read_dicom import assert_same_places, errors_of, gland_in, kinds, read_by_highdicom

from proseg.cli import main as cli
from proseg.errors import InputError
from proseg.images.geometry import to_lps
from proseg.labels import CG, PZ, ZONES
from proseg.outputs.dicom_seg import write_dicom_seg
from proseg.outputs.review import compare, sign
from proseg.outputs.segnrrd import terminology
from proseg.outputs.writing import write_result
from proseg.phantom import make_phantom
from proseg.reading.t2w import read_t2w
from proseg.segmentation.result import SegmentationResult

hd = pytest.importorskip("highdicom", reason="highdicom is not installed: pip install 'proseg[dicom]'")
import pydicom  # noqa: E402

TERMS = Path(__file__).resolve().parents[2] / "Resources" / "Terminologies" / "ProSegSlicer.term.json"
WHEN = datetime(2026, 5, 4, 3, 2, tzinfo=timezone.utc)


@pytest.fixture
def result() -> SegmentationResult:
    return make_result()


@pytest.fixture
def files(result: SegmentationResult, tmp_path: Path) -> list[Path]:
    return write_series(result.image, tmp_path / "series")


def test_the_segmentation_of_the_real_series_conforms_and_lies_on_its_voxels(shared_data: Path, tmp_path: Path) -> None:
    t2w = read_t2w(shared_data / "dicom")
    made = gland_in(t2w.image)
    write_result(made, tmp_path / "zones.dcm", files=t2w.files)
    assert_same_places(read_by_highdicom(tmp_path / "zones.dcm"), made.labelmap)
    assert errors_of(tmp_path / "zones.dcm") == []


def test_the_segmentation_of_an_enhanced_image_conforms_and_lies_on_its_voxels(tmp_path: Path) -> None:
    made = make_result()
    file = write_enhanced(made.image, tmp_path / "in" / "enhanced.dcm")
    write_dicom_seg(made, [file], tmp_path / "zones.dcm")
    assert_same_places(read_by_highdicom(tmp_path / "zones.dcm"), made.labelmap)
    frames = pydicom.dcmread(tmp_path / "zones.dcm").PerFrameFunctionalGroupsSequence
    named = {frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber for frame in frames}
    assert named == {int(k) + 1 for k in np.flatnonzero(sitk.GetArrayViewFromImage(made.labelmap).any(axis=(1, 2)))}
    assert errors_of(tmp_path / "zones.dcm") == []


def test_it_names_study_frame_of_reference_and_every_source_slice(result: SegmentationResult, files, tmp_path) -> None:
    write_dicom_seg(result, files, tmp_path / "zones.dcm")
    written = pydicom.dcmread(tmp_path / "zones.dcm")
    source = pydicom.dcmread(files[0])
    assert (written.StudyInstanceUID, written.FrameOfReferenceUID) == (STUDY, FRAME_OF_REFERENCE)
    assert (written.PatientName, written.PatientID, written.PatientBirthDate) == ("Doe^John", "4711", "19500102")
    (series,) = written.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == source.SeriesInstanceUID != written.SeriesInstanceUID
    named = {reference.ReferencedSOPInstanceUID for reference in series.ReferencedInstanceSequence}
    assert named == {str(pydicom.dcmread(file).SOPInstanceUID) for file in files}
    assert (written.Modality, written.SegmentationType, written.SegmentsOverlap) == ("SEG", "BINARY", "NO")
    assert (written.ContentLabel, written.SeriesNumber) == ("PROSTATE_ZONES", 401)
    assert written.SeriesDescription == "ProSegSlicer zones, drawn by AI, unreviewed"


def test_slices_with_series_of_their_own_are_each_referred_to_in_theirs(result, files, tmp_path) -> None:
    for file in files:
        data = pydicom.dcmread(file)
        data.SeriesInstanceUID = f"{data.SOPInstanceUID}.9"
        data.save_as(file)
    write_dicom_seg(result, files, tmp_path / "zones.dcm")
    assert_same_places(read_by_highdicom(tmp_path / "zones.dcm"), result.labelmap)
    named = {
        str(series.SeriesInstanceUID): [str(one.ReferencedSOPInstanceUID) for one in series.ReferencedInstanceSequence]
        for series in pydicom.dcmread(tmp_path / "zones.dcm").ReferencedSeriesSequence
    }
    instances = [str(pydicom.dcmread(file).SOPInstanceUID) for file in files]
    assert named == {f"{instance}.9": [instance] for instance in instances}
    assert errors_of(tmp_path / "zones.dcm") == []


def test_slices_with_studies_of_their_own_are_refused_in_a_sentence(result, files, tmp_path) -> None:
    data = pydicom.dcmread(files[0])
    data.StudyInstanceUID = "1.2.3"
    data.save_as(files[0])
    with pytest.raises(InputError, match="names a study of its own"):
        write_dicom_seg(result, files, tmp_path / "zones.dcm")


def test_its_segments_carry_the_codes_of_the_terminology_and_the_segmentation_file(result, files, tmp_path) -> None:
    write_dicom_seg(result, files, tmp_path / "zones.dcm")
    category = json.loads(TERMS.read_text())["SegmentationCodes"]["Category"][0]
    for segment, zone, term in zip(
        pydicom.dcmread(tmp_path / "zones.dcm").SegmentSequence, ZONES, category["Type"], strict=True
    ):
        codes = [
            f"{code.CodingSchemeDesignator}^{code.CodeValue}^{code.CodeMeaning}"
            for (code,) in (
                segment.SegmentedPropertyCategoryCodeSequence,
                segment.SegmentedPropertyTypeCodeSequence,
                segment.AnatomicRegionSequence,
            )
        ]
        assert [part for part in terminology(zone).split("~") if part.count("^") == 2 and part != "^^"] == codes
        assert codes[1] == f"{term['CodingSchemeDesignator']}^{term['CodeValue']}^{term['CodeMeaning']}"
        assert (segment.SegmentNumber, segment.SegmentLabel) == (zone.label, zone.name)


def test_it_names_the_model_and_its_weights(result: SegmentationResult, files, tmp_path) -> None:
    write_dicom_seg(result, files, tmp_path / "zones.dcm")
    written = pydicom.dcmread(tmp_path / "zones.dcm")
    assert (written.Manufacturer, written.ManufacturerModelName) == ("ProSegSlicer", "ProSeg|small")
    assert (written.DeviceSerialNumber, written.SoftwareVersions[1]) == ("ab" * 32, "ProSeg|small 1.2")
    for segment in written.SegmentSequence:
        (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("ProSeg|small", "1.2")
        assert algorithm.AlgorithmFamilyCodeSequence[0].CodeMeaning == "Artificial Intelligence"
        assert "ab" * 32 in algorithm.AlgorithmParameters


def test_zones_keep_their_tracking_uids_while_every_file_is_its_own(result, files, tmp_path) -> None:
    for name in "ab":
        write_dicom_seg(result, files, tmp_path / name)
    one, other = (pydicom.dcmread(tmp_path / name) for name in "ab")
    assert one.SOPInstanceUID != other.SOPInstanceUID
    assert one.SeriesInstanceUID != other.SeriesInstanceUID
    tracked = [[(s.TrackingID, s.TrackingUID) for s in written.SegmentSequence] for written in (one, other)]
    assert tracked[0] == tracked[1]
    assert len(set(tracked[0])) == 2


def test_a_zone_that_a_person_edited_is_no_longer_automatic_and_the_reviewer_is_named(result, files, tmp_path) -> None:
    edited = relabelled(result.labelmap, {(3, 3, 3): CG})
    compared = compare(result.labelmap, edited)
    findings = make_findings(result, labelmap=edited)
    signed = sign("Änne Müller", result.labelmap, edited, WHEN)
    write_dicom_seg(findings, files, tmp_path / "zones.dcm", review=signed, comparison=compared)
    assert kinds(tmp_path / "zones.dcm") == ["AUTOMATIC", "SEMIAUTOMATIC"]
    written = pydicom.dcmread(tmp_path / "zones.dcm")
    assert written.ContentCreatorName == "Änne Müller^"
    assert written.ContentDescription == "drawn by AI and edited, reviewed"
    assert "Reviewed by Änne Müller on 2026-05-04" in written.SegmentSequence[1].SegmentDescription
    assert "Edited in slice 3" in written.SegmentSequence[1].SegmentDescription
    assert errors_of(tmp_path / "zones.dcm") == []


def test_a_withdrawn_sign_off_names_no_creator(result: SegmentationResult, files, tmp_path) -> None:
    signed = sign("Ann", result.labelmap, result.labelmap, WHEN)
    edited = make_findings(result, labelmap=relabelled(result.labelmap, {(3, 3, 3): PZ}))
    write_dicom_seg(edited, files, tmp_path / "zones.dcm", review=signed)
    written = pydicom.dcmread(tmp_path / "zones.dcm")
    assert written.ContentCreatorName == "ProSegSlicer^"
    assert "Sign-off withdrawn" in written.SegmentSequence[0].SegmentDescription
    assert kinds(tmp_path / "zones.dcm") == ["SEMIAUTOMATIC"] * 2, "without a comparison nobody knows"


def test_contours_drawn_by_hand_name_no_algorithm(result: SegmentationResult, files, tmp_path) -> None:
    write_dicom_seg(make_findings(result, provenance=None), files, tmp_path / "zones.dcm")
    assert kinds(tmp_path / "zones.dcm") == ["MANUAL"] * 2
    segments = pydicom.dcmread(tmp_path / "zones.dcm").SegmentSequence
    assert not any("SegmentationAlgorithmIdentificationSequence" in segment for segment in segments)
    assert errors_of(tmp_path / "zones.dcm") == []


@pytest.mark.parametrize("missing", [PZ, CG])
def test_an_empty_zone_is_described_and_has_no_frames(result: SegmentationResult, files, tmp_path, missing) -> None:
    labels = sitk.GetArrayFromImage(to_lps(result.labelmap))
    labels[labels == missing] = 0
    made = replace(result, labelmap=on_grid(labels, "LPS"))
    write_dicom_seg(made, files, tmp_path / "zones.dcm")
    written = pydicom.dcmread(tmp_path / "zones.dcm")
    assert [segment.SegmentNumber for segment in written.SegmentSequence] == [PZ, CG]
    numbers = {
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        for frame in written.PerFrameFunctionalGroupsSequence
    }
    assert numbers == {PZ, CG} - {missing}
    assert_same_places(read_by_highdicom(tmp_path / "zones.dcm"), made.labelmap)
    assert errors_of(tmp_path / "zones.dcm") == []


def test_where_no_prostate_was_found_all_frames_are_there_and_empty(files, tmp_path) -> None:
    write_dicom_seg(make_result(empty=True), files, tmp_path / "zones.dcm")
    written = hd.seg.segread(tmp_path / "zones.dcm")
    assert written.NumberOfFrames == 2 * len(files)
    assert not written.get_volume(combine_segments=True).array.any()
    assert written.ContentDescription == "No prostate found; drawn by AI, unreviewed"
    assert errors_of(tmp_path / "zones.dcm") == []


@pytest.mark.parametrize(
    ("charset", "name"),
    [("ISO_IR 100", "Müller^Jürgen"), ("ISO_IR 192", "Żółć^Ewa"), (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎")],
)
def test_names_in_any_character_set_stay_readable(result, tmp_path, charset, name) -> None:
    files = write_series(result.image, tmp_path / "s", SpecificCharacterSet=charset, PatientName=name)
    write_dicom_seg(result, files, tmp_path / "zones.dcm", review=sign("Łucja", None, result.labelmap, WHEN))
    written = pydicom.dcmread(tmp_path / "zones.dcm")
    assert written.PatientName == name
    assert written.ContentCreatorName == "Łucja^"
    assert errors_of(tmp_path / "zones.dcm") == []


@pytest.mark.parametrize(
    "tags",
    [
        {"PatientBirthDate": None, "StudyID": None, "AccessionNumber": None, "ReferringPhysicianName": None},
        {"PatientName": None, "PatientID": None, "StudyDate": None, "StudyTime": None, "PatientSex": None},
        {"PatientSex": "U", "SeriesNumber": None},
        {"PatientName": "Doe-1", "SeriesNumber": -3},
    ],
)
def test_a_header_that_lacks_something_is_no_obstacle(result: SegmentationResult, tmp_path, tags) -> None:
    files = write_series(result.image, tmp_path / "s", **tags)
    write_dicom_seg(result, files, tmp_path / "zones.dcm")
    assert errors_of(tmp_path / "zones.dcm") == []


def test_what_is_not_a_date_is_left_out(result: SegmentationResult, files, tmp_path) -> None:
    for file in files:  # pydicom would not write it
        content = file.read_bytes()
        assert b"19500102" in content
        file.write_bytes(content.replace(b"19500102", b"1950-1-2"))
    write_dicom_seg(result, files, tmp_path / "zones.dcm")
    assert pydicom.dcmread(tmp_path / "zones.dcm").PatientBirthDate == ""


def test_nothing_about_the_patient_is_said_aloud(tmp_path: Path) -> None:
    """Both highdicom logs, and pydicom warns of, values that are not as they should be."""
    files = write_series(make_result().image, tmp_path / "s", PatientName="Planted", PatientAge="Planted")
    program = (
        "from pathlib import Path; from Testing.made_results import make_result; "
        "from proseg.outputs.dicom_seg import write_dicom_seg; import sys; "
        "write_dicom_seg(make_result(), [Path(name) for name in sys.argv[2:]], sys.argv[1])"
    )
    room = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-W", "always", "-c", program, str(tmp_path / "zones.dcm"), *map(str, files)]
    said = subprocess.run(command, cwd=room, capture_output=True, text=True, check=True)
    assert "Planted" not in said.stdout + said.stderr


def test_the_command_line_refuses_dicom_for_other_images_before_any_work(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(cli, "_segmenter", lambda options: pytest.fail("it began to work"))
    image = sitk.Cast(make_phantom(size=(96, 96, 12), spacing=(1.4, 1.4, 4.5)).image, sitk.sitkInt16)
    sitk.WriteImage(image, str(tmp_path / "t2w.nrrd"))
    assert cli.main(["segment", str(tmp_path / "t2w.nrrd"), "-o", str(tmp_path / "zones.dcm")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("proseg: A DICOM file can only be written for a DICOM series")
    assert "Give the folder of the DICOM series as the input" in said
    assert not (tmp_path / "zones.dcm").exists()


@pytest.mark.parametrize("name", ["zones.dcm", "000.dcm", "new/zones.dcm"])
def test_no_file_joins_or_replaces_those_of_the_input_folder(files: list[Path], capsys, name: str) -> None:
    folder = files[0].parent
    before = {file: file.read_bytes() for file in files}
    assert cli.main(["segment", str(folder), "-o", str(folder / name)]) == 2
    assert "lies in the input folder" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


def test_a_slice_given_as_the_input_saves_the_others_from_being_replaced(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(cli, "_segmenter", lambda options: pytest.fail("it began to work"))
    files = write_series(make_phantom(size=(96, 96, 12), spacing=(1.4, 1.4, 4.5)).image, tmp_path / "in")
    assert cli.main(["segment", str(files[0]), "-o", str(files[5])]) == 2
    assert "is the input itself" in capsys.readouterr().err


def test_a_study_is_read_as_before_once_its_segmentation_lies_in_it(tmp_path: Path) -> None:
    image = make_phantom(size=(96, 96, 12), spacing=(1.4, 1.4, 4.5)).image
    files = write_series(image, tmp_path / "study" / "t2w")
    write_dicom_seg(gland_in(read_t2w(tmp_path / "study").image), files, tmp_path / "study" / "seg" / "zones.dcm")
    again = read_t2w(tmp_path / "study")
    assert sorted(again.files) == files
    assert "drawn by AI" in again.notes[-1]
