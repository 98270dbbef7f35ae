"""Which cases are found in a folder, under which ids, and what is passed over."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from Testing.made_studies import Made, edit

from proseg.errors import InputError
from proseg.reading import cases
from proseg.reading.cases import Found, find_cases
from proseg.reading.t2w import read_t2w

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"


def touch(root: Path, *names: str) -> Path:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return root


def dicom(file: Path, study: str, patient: str = "Doe^Jane") -> None:
    """The smallest DICOM image that says which study it belongs to."""
    file.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MR_IMAGE, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(file), {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID, data.StudyInstanceUID = MR_IMAGE, meta.MediaStorageSOPInstanceUID, study
    data.SeriesInstanceUID, data.Modality, data.PatientName = generate_uid(), "MR", patient
    data.Rows = data.Columns = 2
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    data.PixelData = bytes(8)
    data.save_as(file, enforce_file_format=True)


def found(root: Path, **options) -> dict[str, str]:
    """Paths by id, relative to the folder."""
    return {case.id: case.path.relative_to(root).as_posix() for case in find_cases(root, **options)}


def test_every_kind_of_image_file_is_found_in_the_order_of_the_paths(tmp_path):
    touch(tmp_path, "b.nrrd", "a.nii.gz", "c/e.MHA", "c/d.nii", "pair.hdr", "pair.img", "h.nhdr", "m.mhd", "m.raw")
    assert list(found(tmp_path).items()) == [
        ("a", "a.nii.gz"),
        ("b", "b.nrrd"),
        ("c_d", "c/d.nii"),
        ("c_e", "c/e.MHA"),
        ("h", "h.nhdr"),
        ("m", "m.mhd"),
        ("pair", "pair.hdr"),
    ]


def test_what_is_no_case_is_passed_over(tmp_path):
    touch(tmp_path, "t2.nii.gz", ".t2.abc.tmp.nii.gz", ".hidden/t2.nii", "t2.seg.nrrd", "other.hdr", "a.png", "r.csv")
    (tmp_path / "folder.nii").mkdir()
    os.mkfifo(tmp_path / "pipe.nii")
    os.mkfifo(tmp_path / "pipe")
    assert found(tmp_path) == {"t2": "t2.nii.gz"}


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 2813923\n"
ANNEX = b"/annex/objects/MD5E-s2813923--0123456789abcdef.nii.gz\n"


def test_what_is_not_here_or_in_another_archive_is_a_case_so_that_it_is_told(tmp_path):
    touch(tmp_path, "ann.nii.gz", "b/scan.tar.gz", "b/scan.tgz", "b/scan.7z", "b/scan.rar", "notes.txt")
    others = [
        "c/a.mha.gz",
        "c/b.nrrd.gz",
        "c/c.nii.bz2",
        "c/d.tar.lz4",
        "c/e.7z.001",
        "c/f.part1.rar",
        "c/g.mnc",
        "c/h.mgz",
    ]
    touch(tmp_path, *others, "c/e.7z.002", "c/f.part2.rar", *(f"packed/{number}.dcm.gz" for number in range(3)))
    (tmp_path / "bob.nii.gz").symlink_to(".git/annex/objects/x/MD5E-s1--a.nii.gz")
    (tmp_path / "link to nothing").symlink_to("gone")
    (tmp_path / "gone.json").symlink_to("nowhere.json")  # no image
    (tmp_path / "gone.zip").symlink_to("nowhere.zip")
    (tmp_path / "lfs.mha").write_bytes(LFS)
    (tmp_path / "links").mkdir()
    (tmp_path / "pointers").mkdir()
    for number in range(3):
        (tmp_path / "links" / f"{number}.dcm").symlink_to(f"../.git/annex/objects/{number}.dcm")
        (tmp_path / "pointers" / f"{number}.dcm").write_bytes(LFS if number else ANNEX)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "IM0001").symlink_to("/gone")
    assert set(found(tmp_path).values()) == {
        *("ann.nii.gz", "b/scan.tar.gz", "b/scan.tgz", "b/scan.7z", "b/scan.rar", "bob.nii.gz", "lfs.mha"),
        *("links", "pointers", "one/IM0001", "link to nothing", "gone.zip", "packed", *others),
    }


@pytest.mark.parametrize("ending", ["nii.gz", "nii", "nrrd", "mha"])
def test_what_an_earlier_batch_wrote_is_passed_over(phantom, tmp_path, ending):
    old = tmp_path / "zones of last week"
    old.mkdir()
    (old / "results.csv").write_text("id,status,seconds,sentence\nann,done,1,\nbob,done,1,\n")
    sitk.WriteImage(sitk.Cast(phantom.zones, sitk.sitkUInt8), str(old / f"ann.{ending}"))
    sitk.WriteImage(sitk.Cast(phantom.image, sitk.sitkInt16), str(old / f"bob.{ending}"))  # an image it lay beside
    sitk.WriteImage(sitk.Cast(phantom.zones, sitk.sitkUInt8), str(old / f"eve.{ending}"))  # nothing of that batch
    passed: list[Path] = []
    assert sorted(case.path.name for case in find_cases(tmp_path, passed_over=passed)) == [
        f"bob.{ending}",
        f"eve.{ending}",
    ]
    assert [path.name for path in passed] == [f"ann.{ending}"]
    (old / "results.csv").write_text("id,age\nann,60\n")  # somebody else's table
    assert len(find_cases(tmp_path)) == 3


def test_links_to_files_and_folders_are_followed_and_circles_end(tmp_path):
    outside = touch(tmp_path / "outside", "x.nii")
    root = touch(tmp_path / "in", "a/t2.nii")
    (root / "linked.nii").symlink_to(outside / "x.nii")
    (root / "a" / "loop").symlink_to(root, target_is_directory=True)
    (root / "elsewhere").symlink_to(outside, target_is_directory=True)
    assert found(root) == {"a_t2": "a/t2.nii", "elsewhere_x": "elsewhere/x.nii", "linked": "linked.nii"}


def test_label_maps_and_other_contrasts_beside_an_image_are_passed_over_and_told(tmp_path):
    touch(tmp_path, "a/t2.nii.gz", "a/t2_seg.nii.gz", "a/adc.nii.gz", "b/zones.nii.gz")
    told: list[Path] = []
    assert found(tmp_path, passed_over=told) == {"a_t2": "a/t2.nii.gz", "b_zones": "b/zones.nii.gz"}
    assert told == [tmp_path / "a" / "adc.nii.gz", tmp_path / "a" / "t2_seg.nii.gz"]


def pack(file: Path, folder: Path) -> Path:
    """Move what is in a folder into a ZIP."""
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    shutil.rmtree(folder)
    return file


def test_a_packed_study_or_image_is_one_case(tmp_path):
    for series in ("s1", "s2"):
        dicom(tmp_path / "in" / series / "1.dcm", "1.2.3")
    pack(tmp_path / "ann.zip", tmp_path / "in")
    touch(tmp_path / "in", "x/t2.nii.gz", "x/t2_seg.nii.gz", "readme.txt")
    pack(tmp_path / "bob.ZIP", tmp_path / "in")
    assert found(tmp_path) == {"ann": "ann.zip", "bob": "bob.ZIP"}
    assert [(case.id, case.path) for case in find_cases(tmp_path / "ann.zip")] == [("ann", tmp_path / "ann.zip")]


def test_each_of_several_packed_studies_and_images_is_a_case(tmp_path):
    dicom(tmp_path / "in" / "ann" / "s1" / "1.dcm", "1.2.3")
    dicom(tmp_path / "in" / "ann" / "s2" / "1.dcm", "1.2.3")
    dicom(tmp_path / "in" / "bob" / "1.dcm", "1.2.4", "Bob")
    touch(tmp_path / "in", "cem/t2.nii.gz")
    pack(tmp_path / "export.zip", tmp_path / "in")
    expected = {
        "export_ann": "export.zip/ann",
        "export_bob": "export.zip/bob",
        "export_cem_t2": "export.zip/cem/t2.nii.gz",
    }
    assert found(tmp_path) == expected
    assert [case.path.relative_to(tmp_path).as_posix() for case in find_cases(tmp_path / "export.zip")] == list(
        expected.values()
    )


def test_a_case_in_a_zip_is_read_by_its_path_and_stamped_by_the_zip(tmp_path):
    Made().write(tmp_path / "in" / "ann")
    Made(patient="Roe^Ann", count=5).write(tmp_path / "in" / "bob")
    pack(tmp_path / "two.zip", tmp_path / "in")
    ann, bob = find_cases(tmp_path)
    assert [read_t2w(case.path).image.GetSize()[2] for case in (ann, bob)] == [12, 5]
    stamp = ann.stamp()
    os.utime(tmp_path / "two.zip", (1, 1))
    assert ann.stamp() != stamp


def test_a_zip_beside_the_study_unpacked_from_it_is_no_second_case(tmp_path):
    dicom(tmp_path / "ann" / "1.dcm", "1.2.3")
    shutil.copytree(tmp_path / "ann", tmp_path / "copy")
    pack(tmp_path / "ann.zip", tmp_path / "copy")
    dicom(tmp_path / "bob" / "1.dcm", "1.2.4")
    told: list[Path] = []
    assert found(tmp_path, passed_over=told) == {"ann": "ann", "bob": "bob"}
    assert told == [tmp_path / "ann.zip"]


def test_a_damaged_zip_is_a_case_so_that_it_is_told_and_one_without_images_is_none(tmp_path):
    touch(tmp_path, "bad.zip", "in/notes.txt")
    pack(tmp_path / "docs.zip", tmp_path / "in")
    assert found(tmp_path) == {"bad": "bad.zip"}
    with pytest.raises(InputError, match="holds no image"):
        find_cases(tmp_path / "docs.zip")


def test_the_output_folder_inside_the_input_is_left_out_however_it_is_named(tmp_path):
    touch(tmp_path, "t2.nii", "out/labels.nii", "out/deeper/labels.nii")
    (tmp_path / "name").symlink_to(tmp_path / "out", target_is_directory=True)
    for name in ("out", "name", "x/../out"):
        assert found(tmp_path, leave_out=tmp_path / name) == {"t2": "t2.nii"}
    assert len(found(tmp_path, leave_out=tmp_path)) == 3  # input and output in one folder


def test_a_study_of_several_series_is_one_case_and_each_study_its_own(tmp_path):
    for series in ("1 loc", "4 t2 tra", "5 dwi/b0"):
        dicom(tmp_path / "ann" / series / "1.dcm", "1.2.3")
    dicom(tmp_path / "bob" / "2020" / "IM0001", "1.2.4")
    dicom(tmp_path / "bob" / "2021" / "IM0001", "1.2.5")
    touch(tmp_path, "ann/notes.txt", "cem.nii.gz")
    assert found(tmp_path) == {"ann": "ann", "bob_2020": "bob/2020", "bob_2021": "bob/2021", "cem": "cem.nii.gz"}


def test_studies_mixed_up_in_their_folders_are_taken_folder_by_folder(tmp_path):
    dicom(tmp_path / "s1" / "1.dcm", "1.2.3")
    dicom(tmp_path / "s2" / "1.dcm", "1.2.4")
    dicom(tmp_path / "s3" / "1.dcm", "1.2.3")
    assert found(tmp_path) == {"s1": "s1", "s2": "s2", "s3": "s3"}


def test_patients_that_were_given_one_study_number_are_kept_apart(tmp_path):
    dicom(tmp_path / "ann" / "1.dcm", "1.2.3", "Ann")
    dicom(tmp_path / "bob" / "1.dcm", "1.2.3", "Bob")
    assert found(tmp_path) == {"ann": "ann", "bob": "bob"}


def test_dicom_segmentations_of_an_earlier_batch_are_no_cases(tmp_path):
    for name, study in (("ann", "1.2.3"), ("bob", "1.2.4")):
        Made(patient=name, study=study, count=1).write(tmp_path / name)
        tags = {"Modality": "SEG", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"}
        Made(patient=name, study=study, count=1, tags=tags).write(tmp_path / "zones" / name)
    for file in [*(tmp_path / "zones").rglob("*.dcm")]:
        file.rename(tmp_path / "zones" / f"{file.parent.name}.dcm")
        file.parent.rmdir()
    assert found(tmp_path) == {"ann": "ann", "bob": "bob"}


def test_a_study_whose_uid_is_new_for_every_file_is_one_case_over_several_folders(tmp_path):
    for name in ("ann", "bob"):
        for number, file in enumerate(Made(patient=name).write(tmp_path / "made")):
            edit(file, StudyInstanceUID=generate_uid(), SeriesInstanceUID=generate_uid())
            (tmp_path / name / f"part{number % 3}").mkdir(parents=True, exist_ok=True)
            file.rename(tmp_path / name / f"part{number % 3}" / file.name)
    (tmp_path / "made").rmdir()
    assert found(tmp_path) == {"ann": "ann", "bob": "bob"}
    assert read_t2w(tmp_path / "bob").image.GetSize()[2] == 12


def test_a_study_that_is_the_folder_itself_goes_by_its_name(tmp_path):
    dicom(tmp_path / "Ann 1" / "1.dcm", "1.2.3")
    assert found(tmp_path / "Ann 1") == {"Ann 1": "."}


def test_a_damaged_dicom_image_is_a_case_and_other_dicom_objects_are_none(tmp_path):
    dicom(tmp_path / "good" / "1.dcm", "1.2.3")
    head = (tmp_path / "good" / "1.dcm").read_bytes()[:300]
    assert MR_IMAGE.encode() in head
    touch(tmp_path, "damaged/1.dcm", "sr/1.dcm", "DICOMDIR")
    (tmp_path / "damaged" / "1.dcm").write_bytes(head)
    (tmp_path / "sr" / "1.dcm").write_bytes(bytes(128) + b"DICM" + bytes(100))
    (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + bytes(100))
    assert found(tmp_path) == {"damaged": "damaged", "good": "good"}


def test_the_real_series_is_one_case_that_can_be_read(shared_data):
    (case,) = find_cases(shared_data / "dicom")
    assert case.id == "ProstateX-0000_t2w"
    assert read_t2w(case.path).image.GetSize()[2] == len(list(case.path.glob("*.dcm")))


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["a/t2.nii.gz", "b/t2.nii.gz"], ["a_t2", "b_t2"]),
        (["Müller é/Ω 東.nrrd"], ["Müller é_Ω 東"]),
        (['a"b/c:d*e?.nii', "tab\there.nii"], ["a_b_c_d_e_", "tab_here"]),
        (["trailing./x .nii"], ["trailing._x"]),
        ([" .nii"], ["case"]),
        (["-rf.nii", "=1+1.nii", "a-b.nii"], ["_rf", "_1+1", "a-b"]),
    ],
)
def test_an_id_is_the_path_made_safe(tmp_path, names, ids):
    assert sorted(found(touch(tmp_path, *names))) == sorted(ids)


@pytest.mark.parametrize(
    "names",
    [
        ["a/t2.nii", "a_t2.nii"],
        ["t2.nii", "t2.nii.gz", "t2.mha"],
        ["e\u0301.nii", "\u00e9.nii"],
        ["a?.nii", "a*.nii"],
        ["A.nii", "a.nii"],
    ],
)
def test_equal_ids_are_told_apart_by_the_path_and_never_change_places(tmp_path, names):
    touch(tmp_path, *names)
    if len(list(tmp_path.rglob("*.*"))) < len(names):
        pytest.skip("this file system does not tell these names apart")
    ids = {path: name for name, path in found(tmp_path).items()}
    assert len({name.casefold() for name in ids.values()}) == len(names)
    assert {path: name for name, path in found(touch(tmp_path, "more.nii")).items()}.items() > ids.items()
    (tmp_path / names[0]).unlink()
    left = found(tmp_path)
    assert ids[names[0]] not in left
    assert all(left.get(ids[name], name) == name for name in names[1:])


def test_a_long_path_gives_a_short_id(tmp_path):
    name = "/".join(["ü" * 100] * 3)
    (name_found,) = found(touch(tmp_path, f"{name}.nii"))
    assert len(name_found.encode()) <= cases.MAX_ID_BYTES
    assert name_found.startswith("ü" * 60)


def test_a_name_that_is_not_unicode_gives_an_id_that_can_be_written(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"M\xfcller.nii")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    (case,) = find_cases(tmp_path)
    assert case.id == "M_ller"
    assert case.path.exists()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40), min_size=1, max_size=12))
def test_ids_are_safe_and_unique_whatever_the_names(names):
    paths = [Path("in", f"{name}.nii") for name in dict.fromkeys(names) if ".." not in Path(name).parts]
    paths = [path for path in dict.fromkeys(paths) if path.is_relative_to("in")]
    ids = list(cases._ids(paths, Path("in")))
    assert len({name.casefold() for name in ids}) == len(paths)
    for name in ids:
        assert Path(f"{name}.seg.nrrd").name == f"{name}.seg.nrrd"
        assert name[0] not in ".-=+@"
        assert len(name.encode()) <= cases.MAX_ID_BYTES


@pytest.mark.parametrize("make", ["gone", "a file", "empty", "only results"])
def test_a_folder_without_cases_is_refused_in_one_sentence(tmp_path, make):
    folder = tmp_path / "in ü"
    if make == "a file":
        folder.write_text("")
    elif make != "gone":
        touch(folder, "t2.seg.nrrd") if make == "only results" else folder.mkdir()
    with pytest.raises(InputError) as refusal:
        find_cases(folder)
    assert str(folder) in refusal.value.sentence
    assert refusal.value.remedy
    assert "\n" not in str(refusal.value)


def test_a_folder_that_may_not_be_listed_is_a_case_so_that_it_is_told(tmp_path, closed_folders):
    touch(tmp_path, "open/t2.nii", "closed/t2.nii")
    assert found(tmp_path) == {"closed": "closed", "open_t2": "open/t2.nii"}
    with pytest.raises(InputError, match="closed cannot be read"):
        find_cases(tmp_path / "closed")


def test_the_stamp_changes_with_the_file_and_with_nothing_else(tmp_path):
    touch(tmp_path, "a.nii", "b.nii")
    file = Found("a", tmp_path / "a.nii")
    before = file.stamp()
    assert len(before) == 12
    touch(tmp_path, "b.nii")
    assert file.stamp() == before
    os.utime(file.path, (1, 1))
    assert file.stamp() != before
    assert Found("b", shutil.copy(file.path, tmp_path / "c.nii")).stamp() != file.stamp()


def test_the_stamp_of_a_study_changes_with_any_of_its_files(tmp_path):
    for series in ("a", "b"):
        dicom(tmp_path / series / "1.dcm", "1.2.3")
    (case,) = find_cases(tmp_path)
    before = case.stamp()
    data = pydicom.dcmread(tmp_path / "b" / "1.dcm")
    data.PatientComments = "another"
    data.save_as(tmp_path / "b" / "1.dcm")
    assert case.stamp() != before


def test_importing_cases_imports_nothing_heavy():
    heavy = "('torch', 'SimpleITK', 'numpy')"
    code = f"import sys, proseg.reading.cases; sys.exit(any(name in sys.modules for name in {heavy}))"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(root)}, check=False).returncode == 0
