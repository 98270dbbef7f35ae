"""The extension as Slicer would install it: its CMake files, run against stand-ins, and what comes out, at work.

Nothing is compiled, so neither a compiler nor make is needed: see cmake_standin/no_compiler.cmake.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cmake
import numpy as np
import pytest
import SimpleITK as sitk
from Testing import cmake_lists
from Testing.bare_python import make_python, run

ROOT = Path(__file__).resolve().parents[2]
STAND_INS = Path(__file__).resolve().parent / "cmake_standin"
PROBE = Path(__file__).resolve().parent / "installed_probe.py"


def installed(source: Path, folder: Path, **options) -> Path:
    """Configure and install the extension in ``source``; returns what Slicer would put on its module path."""
    program = Path(cmake.CMAKE_BIN_DIR) / "cmake"
    build, prefix = folder / "build", folder / "Slicer"
    for command in (
        [
            *(program, "-S", source, "-B", build, "-G", "Unix Makefiles", f"-DCMAKE_MAKE_PROGRAM={program}"),
            *(f"-DCMAKE_TOOLCHAIN_FILE={STAND_INS / 'no_compiler.cmake'}", f"-DSlicer_DIR={STAND_INS}"),
            *("-DBUILD_TESTING=ON", "-Wno-dev"),
        ],
        [program, "--install", build, "--prefix", prefix],
    ):
        run(*command, check=True, **options)
    (tree,) = prefix.glob("lib/*/qt-scripted-modules")
    return tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    return installed(ROOT, tmp_path_factory.mktemp("installed ü"))


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    return make_python(tmp_path_factory.mktemp("python"))


def troubles(python: Path, tree: Path, cwd: Path) -> list[str]:
    """What ``installed_probe`` finds wrong with a tree."""
    (cwd / "tests").mkdir()
    (cwd / "tests" / "Testing").symlink_to(PROBE.parent, target_is_directory=True)  # for its stand-ins for Qt
    path = os.pathsep.join([str(tree), str(cwd / "tests")])
    # as text, since Python would look for modules beside a script
    probed = run(python, "-c", PROBE.read_text(), tree, ROOT, cwd=cwd, env={"PYTHONPATH": path})
    assert probed.returncode == 0, probed.stderr
    return json.loads(probed.stdout.splitlines()[-1])


def test_every_file_is_installed_in_its_place_unchanged(tree):
    listed = [name for room in cmake_lists.ROOMS for name in cmake_lists.there(room)]
    assert sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()) == sorted(listed)
    assert [name for name in listed if (tree / name).read_bytes() != (cmake_lists.MODULE / name).read_bytes()] == []


def test_neither_compiler_nor_build_program_is_needed(tmp_path):
    assert (installed(ROOT, tmp_path, env={"PATH": str(tmp_path)}) / "proseg").is_dir()


def test_slicer_gets_to_know_the_tests(tree):
    build = next(parent for parent in tree.parents if (parent / "build").is_dir()) / "build"
    told = run(Path(cmake.CMAKE_BIN_DIR) / "ctest", "--show-only=json-v1", cwd=build, check=True)
    tests = {test["name"]: test["command"] for test in json.loads(told.stdout)["tests"]}
    assert set(tests) == {"py_ProSegSlicer", "py_ProSegCore", "py_nomainwindow_ProSegSlicerGenericTest"}
    assert f"['{ROOT / 'ProSegSlicer'}'], 'ProSegSlicer'" in tests["py_ProSegSlicer"][-1]
    assert f"'{ROOT / 'pyproject.toml'}'" in tests["py_ProSegCore"][-1]


@pytest.mark.parametrize("missing", [["pytest"], ["torch"], []])
def test_the_suite_is_skipped_where_slicer_lacks_a_package_and_run_where_it_has_all(tree, missing, monkeypatch):
    build = next(parent for parent in tree.parents if (parent / "build").is_dir()) / "build"
    told = run(Path(cmake.CMAKE_BIN_DIR) / "ctest", "--show-only=json-v1", cwd=build, check=True)
    (core,) = [test for test in json.loads(told.stdout)["tests"] if test["name"] == "py_ProSegCore"]
    properties = {entry["name"]: entry["value"] for entry in core["properties"]}
    codes: list[int] = []
    ran: list[list[str]] = []
    monkeypatch.setitem(sys.modules, "slicer", SimpleNamespace(util=SimpleNamespace(exit=codes.append)))
    monkeypatch.setitem(sys.modules, "pytest", SimpleNamespace(main=lambda arguments: ran.append(arguments) or 0))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in missing else object())
    exec(core["command"][-1], {})
    assert codes == [properties["SKIP_RETURN_CODE"] if missing else 0]
    assert bool(ran) is not bool(missing)
    assert properties["RUN_SERIAL"] is True


def test_the_installed_tree_lacks_nothing_and_needs_nothing_from_the_repository(tree, python, tmp_path):
    assert troubles(python, tree, tmp_path) == []


MISSED = {
    ("proseg/images/geometry.py", "proseg/reading/cases.py", "Resources/requirements.txt"): (
        "No module named 'proseg.images.geometry'",
        "batch.py needs proseg.reading.cases, which is missing",
        "The requirements cannot be used",
    ),
    ("Resources/UI/ProSegSlicer.ui",): ("The panel does not open",),
}


@pytest.mark.parametrize("gone", MISSED)
def test_a_file_missing_from_the_lists_is_missed(python, tmp_path, gone):
    """Be it imported at once, inside a function, or read as data."""
    source = tmp_path / "source"
    (source / "ProSegSlicer").mkdir(parents=True)
    for path in (*ROOT.iterdir(), *cmake_lists.MODULE.iterdir()):
        copy = source / path.relative_to(ROOT)
        if path.name != "CMakeLists.txt" and not copy.exists():
            copy.symlink_to(path, target_is_directory=path.is_dir())
    shutil.copy(ROOT / "CMakeLists.txt", source)
    lists = cmake_lists.CMAKE_FILE.read_text(encoding="utf-8")
    for name in gone:
        assert f"  {name}\n" in lists
        lists = lists.replace(f"  {name}\n", "")
    (source / "ProSegSlicer" / "CMakeLists.txt").write_text(lists, encoding="utf-8")
    found = "\n".join(troubles(python, installed(source, tmp_path), tmp_path))
    assert [words for words in MISSED[gone] if words not in found] == []


def test_a_listed_file_that_does_not_exist_stops_the_configuration(tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20.6...3.22.6)\nproject(X NONE)\nfind_package(Slicer REQUIRED)\n"
        "include(${Slicer_USE_FILE})\nslicerMacroBuildScriptedModule(NAME X SCRIPTS gone.py)\n"
    )
    with pytest.raises(subprocess.CalledProcessError) as stopped:
        installed(tmp_path, tmp_path)
    assert "gone.py is listed, but does not exist" in stopped.value.stderr


def test_a_batch_runs_from_the_installed_tree_alone(tree, python, phantom, tmp_path):
    (tmp_path / "in").mkdir()
    sitk.WriteImage(phantom.image, str(tmp_path / "in" / "t2w ü.nii.gz"))
    ran = run(
        *(python, tree / "Scripts" / "ProSegBatch.py", "--", "--input", "in", "--output", "out", "--device", "cpu"),
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    with (tmp_path / "out" / "results.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["id"], row["status"]) == ("t2w ü", "done")
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "t2w ü.seg.nrrd")))
    truth = sitk.GetArrayFromImage(phantom.zones)
    assert labels.shape == truth.shape
    assert 2 * np.sum((labels > 0) & (truth > 0)) / (np.sum(labels > 0) + np.sum(truth > 0)) > 0.85
