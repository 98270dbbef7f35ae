"""The wheel that ``make wheel`` builds: what is in it, and that it works where nothing else of the repository is."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from Testing import cmake_lists
from Testing.bare_python import make_python, program, run

ROOT = Path(__file__).resolve().parents[2]
PIP_WHEEL = ("pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since a build leaves folders behind, and puts into the wheel what an earlier one left."""
    source = tmp_path_factory.mktemp("source") / "proseg"
    shutil.copytree(ROOT / "ProSegSlicer", source / "ProSegSlicer", ignore=shutil.ignore_patterns("Testing", "*.egg-*"))
    for name in ("pyproject.toml", "README.md", "LICENSE.txt"):
        shutil.copy(ROOT / name, source)
    built = run(sys.executable, "-m", *PIP_WHEEL, "--wheel-dir", source / "dist", source)
    assert built.returncode == 0, built.stderr
    (path,) = (source / "dist").iterdir()
    return path


def test_make_builds_the_wheel_in_this_way() -> None:
    assert " ".join(PIP_WHEEL) in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_wheel_holds_the_core_its_weights_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    core = {name for name in cmake_lists.there("MODULE_PYTHON_SCRIPTS") if name.startswith("proseg/")}
    models = [path.name for path in (cmake_lists.MODULE / "Resources" / "Models").iterdir()]
    assert names == {*core, "proseg/py.typed", *(f"proseg/_resources/Models/{name}" for name in models)}


def test_a_type_checker_is_told_of_the_type_hints() -> None:
    assert (cmake_lists.MODULE / "proseg" / "py.typed").read_bytes() == b""


def test_the_demo_runs_from_the_wheel_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    python = make_python(tmp_path / "python")
    installed = run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--ignore-installed"),
        wheel,
    )
    assert installed.returncode == 0, installed.stderr
    demo = run(program(tmp_path / "python", "proseg"), "demo", "--device", "cpu", cwd=tmp_path)
    assert demo.returncode == 0, demo.stderr
    assert "Agreement of the gland with the generated truth: Dice 0.9" in demo.stdout
    assert (tmp_path / "demo" / "zones.seg.nrrd").stat().st_size > 0
    whence = run(python, "-c", "import proseg; print(proseg.__file__)", cwd=tmp_path).stdout.strip()
    assert Path(whence).is_relative_to(tmp_path)
