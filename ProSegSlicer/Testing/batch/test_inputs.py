"""Which cases the inputs of a batch stand for, what they are called, and what a manifest may not do."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proseg.batch.inputs import collect
from proseg.batch.manifest import read_manifest
from proseg.errors import InputError
from proseg.reading.cases import find_cases


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Images by patient, which hold nothing: what they hold is of no matter here."""
    for name in ("ann/t2.nii.gz", "bob/t2.nii.gz", "bob/other.mha"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    return tmp_path / "in"


def named(cases) -> dict[str, str]:
    return {case.id: case.path.name for case in cases}


def manifest(folder: Path, text: str) -> Path:
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_folder_has_the_cases_and_the_ids_that_slicers_batch_has(tree):
    found = [(case.id, case.path) for case in find_cases(tree)]
    assert [(case.id, case.path) for case in collect([str(tree)], tree / "out")] == found


def test_files_get_ids_from_the_folder_that_they_have_in_common(tree):
    files = [str(tree / "ann" / "t2.nii.gz"), str(tree / "bob" / "t2.nii.gz")]
    assert named(collect(files, tree)) == {"ann_t2": "t2.nii.gz", "bob_t2": "t2.nii.gz"}
    assert named(collect(files[:1], tree)) == {"t2": "t2.nii.gz"}


@pytest.mark.parametrize("pattern", ["*/t2.nii.gz", "**/t2*", "[ab]*/t2.nii.gz"])
def test_a_pattern_stands_for_what_it_matches_below_its_fixed_part(tree, pattern):
    assert list(named(collect([f"{tree}/{pattern}"], tree / "out"))) == ["ann_t2", "bob_t2"]


def test_a_path_may_lead_into_a_zip(tree):
    with zipfile.ZipFile(tree / "export.zip", "w") as made:
        made.writestr("ann/t2.nii", b"")
    cases = collect([str(tree / "export.zip" / "ann")], tree / "out")
    assert [case.path for case in cases] == [tree / "export.zip" / "ann"]


def test_nothing_comes_twice_however_often_it_is_named(tree):
    cases = collect([str(tree), str(tree / "ann"), f"{tree}/*/t2.nii.gz"], tree / "out")
    assert sorted(named(cases)) == sorted(named(find_cases(tree)))


def test_the_files_of_one_dicom_series_are_one_case(shared_data, tmp_path):
    series = tmp_path / "series"
    shutil.copytree(next((shared_data / "dicom").iterdir()), series)
    (case,) = collect([f"{series}/*"], tmp_path / "out")
    assert case.path == series


def test_a_manifest_gives_ids_and_psa_and_its_paths_are_relative_to_it(tree):
    listed = manifest(tree, "ID; Path ;note; PSA\nP-001;ann/t2.nii.gz;x;6.5\n;bob/t2.nii.gz;;\n;;;\n")
    first, second = collect([str(listed)], tree / "out")
    assert (first.id, first.path, first.psa_ng_ml, first.named) == ("P-001", tree / "ann" / "t2.nii.gz", 6.5, True)
    assert (second.id, second.path, second.psa_ng_ml, second.named) == ("bob_t2", tree / "bob/t2.nii.gz", None, False)


@pytest.mark.parametrize("path", ["../secret.nii", "ann/../../secret.nii", "/etc/secret.nii", "ann/../../in2/x.nii"])
def test_a_manifest_does_not_lead_out_of_its_folder_unless_a_root_allows_it(tree, path):
    listed = manifest(tree, f"path\n{path}\n")
    with pytest.raises(InputError, match=r"Row 2 of list.csv leads out of in: .*--root"):
        read_manifest(listed)
    assert len(read_manifest(listed, Path("/"))) == 1


def test_a_root_does_not_change_what_paths_are_relative_to(tree):
    listed = manifest(tree / "ann", "path\n../bob/t2.nii.gz\n")
    (case,) = read_manifest(listed, tree)
    assert (case.id, case.path) == ("bob_t2", tree / "bob" / "t2.nii.gz")


@given(st.text(st.characters(exclude_characters='\r\n\0"', exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_whatever_an_id_is_it_becomes_the_name_of_a_file_in_the_output_folder(tmp_path_factory, text):
    listed = manifest(tmp_path_factory.getbasetemp(), f'path,id\na.nii,"{text}"\n')
    (case,) = read_manifest(listed)
    assert Path("out", f"{case.id}.nii").parent == Path("out")
    assert case.id not in ("", ".", "..")
    assert not set(case.id) & set('/\\:*?"<>|\0')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no column 'path'"),
        ("case,size\na,1\n", "has no column 'path'"),
        ("path\n", "names no case"),
        ("path,path\na,b\n", "two columns of one name"),
        ('path\n"a.nii\n', "cannot be read as a manifest"),
        ("path,id\na.nii,x\nb.nii,X\n", "Two cases have the id X: a.nii and b.nii"),
        ("path,id\na.nii,x/y\nb.nii,x_y\n", "Two cases have the id x_y"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_in_a_sentence(tree, text, words):
    with pytest.raises(InputError, match=words):
        collect([str(manifest(tree, text))], tree / "out")


def test_a_manifest_that_is_no_text_is_refused(tree):
    (tree / "list.csv").write_bytes(b"path\n\xff\xfe\0\3\n")
    with pytest.raises(InputError, match="cannot be read as a manifest"):
        read_manifest(tree / "list.csv")


@pytest.mark.parametrize(("given", "words"), [("gone.nii", "does not exist"), ("*/gone.nii", "Nothing matches")])
def test_what_is_not_there_is_told(tree, given, words):
    with pytest.raises(InputError, match=words):
        collect([str(tree / given)], tree / "out")


def test_a_case_of_a_folder_and_one_of_a_manifest_do_not_share_an_id(tree):
    listed = manifest(tree, "path,id\nann/t2.nii.gz,bob_t2\n")
    with pytest.raises(InputError, match="Two cases have the id bob_t2"):
        collect([str(listed), str(tree / "ann"), str(tree / "bob")], tree / "out")


def test_inputs_without_anything_in_common_are_told_to_be_named(tree, monkeypatch):
    def apart(_):
        raise ValueError("Paths don't have the same drive")

    monkeypatch.setattr("proseg.batch.inputs.os.path.commonpath", apart)
    with pytest.raises(InputError, match="several drives"):
        collect([str(tree)], tree / "out")
