"""Images whose series UIDs do not tell what belongs together, and images that do not belong where they lie."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.uid import generate_uid
from Testing.made_studies import AXIAL, CORONAL, SAGITTAL, SECONDARY, Made, edit, first_pixels

from proseg.errors import InputError
from proseg.reading.t2w import read_t2w

ALL = [1000 + k for k in range(12)]


def beside(folder: Path, *others: Made) -> list[Path]:
    """The series that tests look for, and others, in a folder each."""
    for number, other in enumerate(others):
        other.write(folder / str(number))
    return Made(description="ax t2").write(folder / "t2")


def anew(folder: Path, *keywords: str) -> None:
    """Give every file UIDs of its own."""
    for file in folder.rglob("*.dcm"):
        edit(file, **{keyword: generate_uid() for keyword in keywords})


def one_for_all(folder: Path, **tags: object) -> None:
    """Give all files one series UID, and other tags."""
    uid = generate_uid()
    for file in folder.rglob("*.dcm"):
        edit(file, SeriesInstanceUID=uid, **tags)


@pytest.mark.parametrize(
    "keywords",
    [
        ("SeriesInstanceUID",),
        ("SeriesInstanceUID", "SOPInstanceUID"),
        ("SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"),
        ("SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "StudyInstanceUID"),
    ],
)
def test_images_with_uids_of_their_own_are_put_together_and_a_note_says_so(tmp_path, keywords):
    files = beside(tmp_path, Made(3, "t2_tse_sag", SAGITTAL), Made(9, "ax t2 fs"), Made(7, "ep2d_ADC"))
    anew(tmp_path, *keywords)
    read = read_t2w(tmp_path)
    assert first_pixels(read.image) == ALL
    assert read.notes[0].startswith("Read series 4 “ax t2”")
    assert any("put together by series number, description and geometry" in note for note in read.notes)
    assert "Preferred it to series 9 “ax t2 fs” because it is not fat-suppressed." in read.notes
    assert first_pixels(read_t2w(files[0]).image) == ALL


@pytest.mark.parametrize("folders", [3, 36])
def test_images_with_uids_of_their_own_are_put_together_wherever_they_lie(tmp_path, folders):
    beside(tmp_path, Made(3, "t2_tse_sag", SAGITTAL), Made(9, "ax t2 fs"))
    anew(tmp_path, "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "StudyInstanceUID")
    for number, file in enumerate(sorted(tmp_path.rglob("*.dcm"))):
        (tmp_path / f"part{number % folders}").mkdir(exist_ok=True)
        file.rename(tmp_path / f"part{number % folders}" / f"{number}.dcm")
    read = read_t2w(tmp_path)
    assert first_pixels(read.image) == ALL
    assert read.notes[0].startswith("Read series 4 “ax t2”")


def test_numbers_that_are_new_for_every_file_as_well_do_not_matter(tmp_path):
    for number, file in enumerate(beside(tmp_path, Made(3, "t2_tse_sag", SAGITTAL))):
        edit(file, SeriesNumber=100 + number)
    anew(tmp_path, "SeriesInstanceUID", "SOPInstanceUID")
    assert first_pixels(read_t2w(tmp_path).image) == ALL


@pytest.mark.parametrize("part_of", [lambda k: k // 6, lambda k: k % 2, lambda k: k % 3])
def test_parts_of_a_volume_with_uids_of_their_own_are_put_together(tmp_path, part_of):
    for k, file in enumerate(Made().write(tmp_path)):
        edit(file, SeriesInstanceUID=f"1.2.3.4.{part_of(k)}")
    read = read_t2w(tmp_path)
    assert first_pixels(read.image) == ALL
    assert any("had several series UIDs" in note for note in read.notes)


@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_a_repeat_of_the_same_number_is_no_part_of_the_volume(tmp_path, shift):
    Made().write(tmp_path / "a")
    for k, file in enumerate(Made().write(tmp_path / "b")):
        edit(file, ImagePositionPatient=[-30, -30, -30 + 3 * k + shift])
    read = read_t2w(tmp_path)
    assert len({file.parent for file in read.files}) == 1
    assert read.image.GetSpacing()[2] == 3


def test_nameless_patients_with_uids_for_every_file_are_kept_apart_by_their_folders(tmp_path):
    for name, start in (("a", -30), ("b", -31.3)):
        Made(patient="", tags={"PatientID": ""}).write(tmp_path / name)
        for file in (tmp_path / name).iterdir():
            edit(file, ImagePositionPatient=[-30, -30, start + 3 * pydicom.dcmread(file).InstanceNumber])
    anew(tmp_path, "SeriesInstanceUID", "StudyInstanceUID", "SOPInstanceUID")
    assert read_t2w(tmp_path / "a").image.GetSize()[2] == 12
    read = read_t2w(tmp_path)  # nothing tells that these are two patients; the doubt is flagged
    assert read.image.GetSize()[2] == 12
    assert [flag.code for flag in read.flags] == ["series_ambiguous"]


def test_one_uid_for_everything_makes_no_copies_of_different_images(tmp_path):
    beside(tmp_path, Made(3, "t2_tse_sag", SAGITTAL), Made(9, "ax t2 fs"), Made(7, "ep2d_ADC"))
    one_for_all(tmp_path, SOPInstanceUID=generate_uid(), StudyInstanceUID=generate_uid())
    read = read_t2w(tmp_path)
    assert first_pixels(read.image) == ALL
    assert {file.parent.name for file in read.files} == {"t2"}


def test_slices_lost_within_a_series_are_not_taken_for_strays(tmp_path):
    files = Made(count=30).write(tmp_path)
    for file in files[12:28]:
        file.unlink()
    with pytest.raises(InputError, match="lacks slices: a gap of 51 mm"):
        read_t2w(tmp_path)


def test_patients_are_not_put_together(tmp_path):
    Made().write(tmp_path / "a")
    Made(patient="Roe^Ann").write(tmp_path / "b")
    anew(tmp_path, "SeriesInstanceUID", "StudyInstanceUID")
    with pytest.raises(InputError, match="axial T2W series of 2 patients"):
        read_t2w(tmp_path)


OTHERS = {
    "sagittal": Made(3, "t2_tse_sag", SAGITTAL),
    "coronal": Made(3, "t2_tse_cor", CORONAL, count=20),
    "an ADC map at the same places": Made(7, "ep2d_diff_ADC"),
    "T1 at other places": Made(8, "t1_tra", step=2.2, tags={"EchoTime": 12, "RepetitionTime": 600}),
    "a pelvis of larger pixels": Made(9, "t2 pelvis", pixel=4, step=5),
    "a localiser": Made(1, "loc", count=3, step=20),
}


@pytest.mark.parametrize("other", OTHERS)
def test_series_that_were_given_one_uid_are_told_from_each_other(tmp_path, other):
    beside(tmp_path, OTHERS[other])
    one_for_all(tmp_path)
    assert first_pixels(read_t2w(tmp_path).image) == ALL


@pytest.mark.parametrize("other", ["sagittal", "coronal", "a pelvis of larger pixels", "T1 at other places"])
def test_series_of_one_uid_are_told_apart_without_number_and_description(tmp_path, other):
    beside(tmp_path, OTHERS[other])
    one_for_all(tmp_path, SeriesNumber=None, SeriesDescription="")
    assert first_pixels(read_t2w(tmp_path).image) == ALL


STRAYS = {
    "a sagittal reference image": Made(count=1, orientation=SAGITTAL),
    "two coronal ones": Made(count=2, orientation=CORONAL),
    "an axial one far beyond the others": Made(count=1, tags={"ImagePositionPatient": [-30, -30, -250]}),
    "two without a place": Made(count=2, tags={"ImagePositionPatient": None}),
    "a map at all places": Made(tags={"ImageType": ["DERIVED", "SECONDARY", "T2 MAP"]}),
    "an axial scout of larger pixels": Made(count=1, pixel=3),
    "a capture": Made(count=1, tags={"SOPClassUID": SECONDARY, "ImageOrientationPatient": None}),
    "an image without a place": Made(
        count=1, tags={"ImagePositionPatient": None, "ImageOrientationPatient": None, "PixelSpacing": None}
    ),
    "a derived map at a slice's place": Made(count=1, tags={"ImageType": ["DERIVED", "SECONDARY", "MAP"]}),
    "a projection apart": Made(count=1, step=1, tags={"ImageType": ["DERIVED", "SECONDARY", "MIP"]}),
    "three planes of a localiser": Made(count=3, step=40, orientation=SAGITTAL),
}


@pytest.mark.parametrize("stray", STRAYS)
def test_an_image_that_does_not_belong_to_the_volume_is_set_aside_with_a_note(tmp_path, stray):
    files = Made().write(tmp_path / "a")
    uid = pydicom.dcmread(files[0]).SeriesInstanceUID
    for file in STRAYS[stray].write(tmp_path / "b"):
        edit(file, SeriesInstanceUID=uid)
    read = read_t2w(tmp_path)
    assert first_pixels(read.image) == ALL
    assert read.flags == ()
    assert read.notes[-1].startswith("Set aside: ")


@pytest.mark.parametrize(("counts", "read"), [((12, 5), "0"), ((5, 12), "1"), ((12, 12), "1")])
def test_repeats_in_one_series_are_told_apart_by_their_times_alone(tmp_path, counts, read):
    for number, count in enumerate(counts):
        tags = {"AcquisitionDate": "20240506", "AcquisitionTime": f"10{number}000"}
        Made(count=count, tags=tags).write(tmp_path / str(number))
    one_for_all(tmp_path)
    image = read_t2w(tmp_path)
    assert {file.parent.name for file in image.files} == {read}
    assert first_pixels(image.image) == ALL


def test_a_slice_that_is_needed_is_no_stray(tmp_path):
    files = Made().write(tmp_path)
    edit(files[5], ImageType=["DERIVED", "SECONDARY", "OTHER"])
    edit(files[7], EchoTime=90)
    assert first_pixels(read_t2w(tmp_path).image) == ALL
    edit(files[5], ImageOrientationPatient=SAGITTAL)
    with pytest.raises(InputError, match="mixed orientations"):
        read_t2w(tmp_path)


def test_every_other_slice_is_no_volume_where_one_is_doubled(tmp_path):
    files = Made(count=24, step=3).write(tmp_path)
    for k, file in enumerate(files):
        edit(file, AcquisitionNumber=k % 2)
    (tmp_path / "again.dcm").write_bytes(files[6].read_bytes())
    edit(tmp_path / "again.dcm", SOPInstanceUID=generate_uid(), ImagePositionPatient=[-30, -30, -30 + 18.0])
    with pytest.raises(InputError, match="several images at one position"):
        read_t2w(tmp_path)


def test_a_localiser_of_many_slices_in_three_planes_is_no_volume(tmp_path):
    for number, plane in enumerate((AXIAL, SAGITTAL, CORONAL)):
        Made(1, "haste", plane, count=12, step=10).write(tmp_path / str(number))
    one_for_all(tmp_path)
    with pytest.raises(InputError, match="mixed orientations, like a localiser"):
        read_t2w(tmp_path)


DIXON = {
    "Philips": {"IP": "IP", "OP": "OP", "W": "W", "F": "F"},
    "Siemens": {"IP": "IN_PHASE", "OP": "OPP_PHASE", "W": "WATER", "F": "FAT"},
    "GE": {"IP": "INPHASE", "OP": "OUTPHASE", "W": "WATER", "F": "FAT"},
}


@pytest.mark.parametrize("maker", DIXON)
def test_a_series_that_holds_all_four_images_of_dixon_is_taken_apart_by_image_type(tmp_path, maker):
    for kind, word in DIXON[maker].items():
        Made(501, "t2 tra", tags={"ImageType": ["DERIVED", "PRIMARY", "M", word]}).write(tmp_path / kind)
    one_for_all(tmp_path)
    read = read_t2w(tmp_path)
    assert {file.parent.name for file in read.files} == {"IP"}
    notes = " ".join(read.notes)
    assert "the opposed-phase images of a Dixon series" in notes
    assert "the fat images of a Dixon series" in notes
    assert "because the other is the water image of a Dixon series" in notes


@pytest.mark.parametrize("keyword", ["SequenceName", "SeriesDescription"])
def test_a_series_that_holds_all_four_images_of_dixon_is_taken_apart_by_name(tmp_path, keyword):
    for kind in ("in", "opp", "W", "F"):
        Made(501, "t2 tra dixon", tags={keyword: f"t2_dixon_{kind}"}).write(tmp_path / kind)
    one_for_all(tmp_path)
    read = read_t2w(tmp_path)
    assert {file.parent.name for file in read.files} == {"in"}
