"""Which series of a DICOM study is read, why, and what is wrong with the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from Testing.made_studies import CORONAL, SAGITTAL, SECONDARY, Made, edit, first_pixels

from proseg.dicom.kinds import is_known_t2w, unsuitable
from proseg.dicom.scan import scan
from proseg.errors import InputError
from proseg.reading.t2w import read_t2w

OTHERS = {
    "a localiser": Made(1, "loc", count=3, tags={"ImageType": ["ORIGINAL", "PRIMARY", "M", "LOCALIZER"]}),
    "sagittal": Made(2, "t2_tse_sag", SAGITTAL),
    "coronal": Made(3, "t2_tse_cor", CORONAL),
    "diffusion-weighted": Made(5, "DWI b50_800", tags={"ScanningSequence": ["SE", "EP"]}),
    "an ADC map": Made(6, "ep2d_diff_ADC", tags={"ImageType": ["DERIVED", "PRIMARY", "ADC"]}),
    "dynamic contrast-enhanced": Made(7, "dyn_post", tags={"ScanningSequence": "GR", "EchoTime": 1.5}),
    "T1-weighted": Made(8, "t1_tse_tra", tags={"EchoTime": 12, "RepetitionTime": 600}),
    "a secondary capture": Made(99, "screen save", tags={"SOPClassUID": SECONDARY}),
}


REFERRING = {
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
    "SR": "1.2.840.10008.5.1.4.1.1.88.22",
    "PR": "1.2.840.10008.5.1.4.1.1.11.1",
    "REG": "1.2.840.10008.5.1.4.1.1.66.1",
    "KO": "1.2.840.10008.5.1.4.1.1.88.59",
}


def write_references(folder: Path, image: pydicom.Dataset) -> None:
    """Write objects without pixels that refer to an image and its series, as stations leave them among the images."""
    for modality, sop_class in REFERRING.items():
        data = pydicom.Dataset()
        data.file_meta = pydicom.dataset.FileMetaDataset()
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = sop_class
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = pydicom.uid.generate_uid()
        data.file_meta.TransferSyntaxUID = image.file_meta.TransferSyntaxUID
        data.StudyInstanceUID, data.SeriesInstanceUID = image.StudyInstanceUID, pydicom.uid.generate_uid()
        data.Modality, data.PatientName, data.PatientID = modality, image.PatientName, image.PatientID
        series, instance = pydicom.Dataset(), pydicom.Dataset()
        instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
        series.SeriesInstanceUID, series.ReferencedSOPSequence = image.SeriesInstanceUID, [instance]
        data.ReferencedSeriesSequence = [series]
        data.save_as(folder / f"{modality}.dcm", enforce_file_format=True)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """An examination in nested folders, with things among it that are no images."""
    root = tmp_path_factory.mktemp("study")
    for made in (Made(), *OTHERS.values()):
        made.write(root / "DICOM" / f"S{made.number}")
    (root / "README.txt").write_text("exported")
    (root / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + bytes(100))
    (root / "report.dcm").write_bytes(bytes(128) + b"DICM" + bytes(100))
    write_references(root / "DICOM" / "S4", pydicom.dcmread(next((root / "DICOM" / "S4").glob("*"))))
    return root


def test_the_axial_t2w_series_of_a_study_is_found_and_the_choice_explained(study):
    read = read_t2w(study)
    assert first_pixels(read.image) == [1000 + k for k in range(12)]
    assert read.notes[0] == "Read series 4 “t2_tse_tra”: axial T2W, 12 slices, echo time 104 ms."
    assert read.notes[1] == "It is the only axial T2W series here."
    for reason, made in OTHERS.items():
        assert f"{made.number} “{made.description}” ({reason})" in read.notes[2]
    assert read.flags == ()
    assert [pydicom.dcmread(file)[0x00200032][2] for file in read.files] == [3 * k - 30 for k in range(12)]
    assert read.frames == ()


def test_a_dicomdir_stands_for_its_folder(study):
    assert read_t2w(study / "DICOMDIR").notes == read_t2w(study).notes


def test_notes_hold_neither_name_nor_id_even_if_typed_into_the_description(tmp_path):
    Made(description="t2_tra DOE 4711").write(tmp_path / "a")
    Made(5, "t2 jane sag", SAGITTAL).write(tmp_path / "b")
    read = read_t2w(tmp_path)
    assert not any(word in " ".join(read.notes).lower() for word in ("doe", "jane", "4711"))
    assert read.image.GetMetaDataKeys() == ()


def test_one_file_of_a_series_brings_the_rest_of_that_series(tmp_path):
    files = Made().write(tmp_path)
    for file in files:
        file.rename(tmp_path / f"a{file.name}")
    Made(9, "t2_tse_sag", SAGITTAL).write(tmp_path)
    assert first_pixels(read_t2w(tmp_path / "a000.dcm").image) == [1000 + k for k in range(12)]
    with pytest.raises(InputError, match=r"Series 9 “t2_tse_sag” in .* is sagittal"):
        read_t2w(tmp_path / "000.dcm")


@pytest.mark.parametrize("reason", OTHERS)
def test_another_kind_of_series_alone_is_refused_and_named(tmp_path, reason):
    OTHERS[reason].write(tmp_path)
    with pytest.raises(InputError) as refusal:
        read_t2w(tmp_path)
    assert f"is {reason}" in refusal.value.sentence
    assert f"“{OTHERS[reason].description}”" in refusal.value.sentence
    assert refusal.value.remedy == "Choose the axial T2W series."


def test_a_study_without_axial_t2w_lists_what_it_holds(tmp_path):
    OTHERS["sagittal"].write(tmp_path / "a")
    OTHERS["an ADC map"].write(tmp_path / "b")
    with pytest.raises(InputError, match=r"None of the 2 series .*2 “t2_tse_sag” \(sagittal\); 6 .*\(an ADC map\)"):
        read_t2w(tmp_path)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"Modality": "CT"}, "a CT series"),
        ({"Modality": "US"}, "an ultrasound series"),
        ({"DiffusionBValue": 800.0}, "diffusion-weighted"),
        ({"SeriesDescription": "map", "ImageType": ["DERIVED", "PRIMARY", "ADC"]}, "an ADC map"),
        ({"SeriesDescription": "ax", "EchoTime": 10, "RepetitionTime": 600}, "not T2-weighted by its echo time 10 ms"),
        ({"SeriesDescription": "ax", "ScanningSequence": "GR"}, "a gradient-echo series"),
        ({"SeriesDescription": "t2_haste_localizer"}, "a localiser"),
        ({"SeriesDescription": "T2* GRE"}, "a T2* series"),
        ({"ImageOrientationPatient": None}, "without orientation"),
        ({"ImageOrientationPatient": [0] * 6}, "without orientation"),
    ],
)
def test_header_values_give_a_wrong_series_away(tmp_path, tags, reason):
    Made(tags=tags).write(tmp_path)
    with pytest.raises(InputError, match="Series 4"):
        read_t2w(tmp_path)
    assert reason in unsuitable(scan(tmp_path).series[0])


@pytest.mark.parametrize(
    "description",
    ["t2_tse_tra", "T2W_TSE_ax", "Ax T2 FRFSE", "t2_spc_rst_axial", "T2WTSE", "t2tse ax", "AX T2 No Phase Wrap"],
)
def test_the_names_vendors_give_to_t2w_are_known(tmp_path, description):
    Made(description=description, count=3, tags={"EchoTime": None, "RepetitionTime": None}).write(tmp_path)
    (series,) = scan(tmp_path).series
    assert unsuitable(series) is None
    assert is_known_t2w(series)


def test_an_unnamed_series_is_known_by_its_times_and_flagged_without_them(tmp_path):
    Made(description="prostate").write(tmp_path / "timed")
    assert read_t2w(tmp_path / "timed").flags == ()
    Made(description="prostate", tags={"EchoTime": None}).write(tmp_path / "bare")
    assert [flag.code for flag in read_t2w(tmp_path / "bare").flags] == ["contrast_unconfirmed"]


def test_a_short_echo_and_suppressed_fat_are_flagged_as_unusual(tmp_path):
    Made(description="t2_tse_tra_fs", tags={"EchoTime": 45}).write(tmp_path)
    (flag,) = read_t2w(tmp_path).flags
    assert flag.code == "unusual_acquisition"
    assert "echo time is only 45 ms" in flag.sentence
    assert "fat is suppressed" in flag.sentence


@pytest.mark.parametrize(
    ("rival", "why"),
    [
        (Made(9, "t2_tse_tra_fs"), "it is not fat-suppressed"),
        (Made(9, "t2_tra_pelvis", pixel=2.0), "its pixels are finer"),
        (Made(9, "prostate", tags={"EchoTime": None}), "its name or timing says T2W"),
        (Made(9, "t2_space_mpr"), "it was not reformatted from another"),
        (Made(9, "t2_tse_tra", count=5), "it is the complete one of a repeat"),
        (Made(9, "t2_haste_tra", count=5), "it was not taken in single shots"),
        (Made(9, "t2_tra_apex", count=5), "it has slices enough"),
    ],
)
def test_of_two_axial_t2w_series_the_better_is_read_and_the_reason_given(tmp_path, rival, why):
    Made().write(tmp_path / "a")
    rival.write(tmp_path / "b")
    read = read_t2w(tmp_path)
    assert f"Preferred it to series 9 “{rival.description}” because {why}." in read.notes
    assert "series_ambiguous" not in [flag.code for flag in read.flags]


def test_of_two_equal_series_the_later_is_read_and_the_ambiguity_flagged(tmp_path):
    Made().write(tmp_path / "a")
    Made(10).write(tmp_path / "b")
    read = read_t2w(tmp_path)
    assert read.notes[0].startswith("Read series 10 ")
    (flag,) = read.flags
    assert flag.code == "series_ambiguous"
    assert "4 “t2_tse_tra”" in flag.sentence


def test_a_complete_series_is_preferred_to_one_with_a_gap(tmp_path):
    Made().write(tmp_path / "a")
    Made(10).write(tmp_path / "b")[5].unlink()
    read = read_t2w(tmp_path)
    assert read.notes[0].startswith("Read series 4 ")
    assert any("because it is complete" in note for note in read.notes)


@pytest.mark.parametrize(("what", "other"), [("patients", {"patient": "Roe^Ann"}), ("studies", {"study": "1.2.4"})])
def test_several_patients_or_studies_are_not_guessed_between(tmp_path, what, other):
    Made().write(tmp_path / "a")
    Made(**other).write(tmp_path / "b")
    with pytest.raises(InputError, match=f"axial T2W series of 2 {what}.*Give the folder of one .* proseg batch"):
        read_t2w(tmp_path)


def test_patients_in_one_folder_are_told_to_be_sorted(tmp_path):
    for file in Made().write(tmp_path):
        file.rename(tmp_path / f"a{file.name}")
    Made(patient="Roe^Ann").write(tmp_path)
    with pytest.raises(InputError, match=r"of 2 patients\. Sort the files into a folder for each patient"):
        read_t2w(tmp_path)


def move(files: list[Path], k: int, mm: float, axis: int = 2) -> None:
    position = list(pydicom.dcmread(files[k]).ImagePositionPatient)
    position[axis] += mm
    edit(files[k], ImagePositionPatient=position)


SPOILT = {
    "a gap of 6 mm where slices are 3 mm apart": lambda files: files[5].unlink(),
    "several images at one position (12 images at 11 positions)": lambda files: move(files, 5, 3),
    "unevenly spaced slices": lambda files: move(files, 5, 0.8),
    "shifted sideways": lambda files: move(files, 5, 2, axis=0),
    "slices in mixed orientations": lambda files: edit(files[5], ImageOrientationPatient=SAGITTAL),
    "slices of different sizes": lambda files: edit(files[5], PixelSpacing=[1.1, 1.1]),
    "lacks slice positions: Image Position (Patient)": lambda files: edit(files[5], ImagePositionPatient=None),
    "has damaged files (1 of 12)": lambda files: files[11].write_bytes(files[11].read_bytes()[:3000]),
    "has 2 axial slices": lambda files: [file.unlink() for file in files[2:]],
}


@pytest.mark.parametrize("sentence", SPOILT)
def test_slices_that_make_no_volume_are_refused_in_one_sentence(tmp_path, capfd, sentence):
    SPOILT[sentence](Made().write(tmp_path))
    with pytest.raises(InputError) as refusal:
        read_t2w(tmp_path)
    assert sentence in refusal.value.sentence
    assert str(tmp_path) in refusal.value.sentence
    assert refusal.value.remedy
    assert capfd.readouterr() == ("", "")


def test_slightly_uneven_slices_are_read_and_flagged(tmp_path):
    move(Made().write(tmp_path), 5, 0.2)
    read = read_t2w(tmp_path)
    (flag,) = read.flags
    assert flag.code == "uneven_spacing"
    assert 5 in flag.slices
    assert read.image.GetSpacing()[2] == pytest.approx(3)


def test_copies_of_the_same_file_are_passed_over(tmp_path):
    files = Made().write(tmp_path)
    (tmp_path / "again").mkdir()
    for file in files:
        (tmp_path / "again" / file.name).write_bytes(file.read_bytes())
    read = read_t2w(tmp_path)
    assert read.image.GetSize()[2] == 12
    assert "Passed over 12 copies of files read already." in read.notes


@pytest.mark.parametrize("tilt", [0, 20, -35])
def test_an_oblique_axial_series_lies_where_its_header_says(tmp_path, tilt):
    cosine, sine = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    files = Made(orientation=[1, 0, 0, 0, cosine, sine]).write(tmp_path)
    image = read_t2w(tmp_path).image
    for k in (0, 11):
        position = pydicom.dcmread(files[k]).ImagePositionPatient
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((0, 0, k)), position, atol=1e-3)


def test_a_folder_without_dicom_says_what_to_give(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(InputError, match="holds no readable DICOM image"):
        read_t2w(tmp_path)


def test_a_real_series_is_read_in_order(shared_data):
    folder = shared_data / "dicom" / "ProstateX-0000_t2w"
    read = read_t2w(folder)
    assert read.flags == ()
    assert read.notes == ("Read series 4 “t2_tse_tra”: axial T2W, 19 slices, echo time 104 ms.",)
    assert read.image.GetSize() == (384, 384, 19)
    slices = sorted((pydicom.dcmread(file) for file in folder.glob("*.dcm")), key=lambda s: s.ImagePositionPatient[2])
    for k, data in enumerate(slices):
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(read.image)[k], data.pixel_array)
        position = read.image.TransformIndexToPhysicalPoint((0, 0, k))
        np.testing.assert_allclose(position, data.ImagePositionPatient, atol=1e-3)
