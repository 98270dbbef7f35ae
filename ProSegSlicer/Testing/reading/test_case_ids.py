"""Under which ids the cases of a folder go: safe as names of files, different, and always the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from Testing.reading.test_cases import found, touch

from proseg.reading import cases
from proseg.reading.cases import find_cases


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
