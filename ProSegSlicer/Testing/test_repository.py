"""What holds the repository together: lists, versions, the direction of imports, what a reader is told."""

from __future__ import annotations

import ast
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from Testing import cmake_lists

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "ProSegSlicer"
CORE = sorted((MODULE / "proseg").rglob("*.py"))
CORE_MAY_IMPORT = {"proseg", "numpy", "SimpleITK", "torch", "PIL"} | sys.stdlib_module_names
CORE_MAY_IMPORT_LATE = {"distributed", "highdicom", "pydicom"}  # of extras: where they are used, inside a function
# An absolute path into somebody's home or work folder; a URL's path, a relative one or "someone"'s is none.
MACHINE_PATH = re.compile(rb"(?<![\w.~\-])/(?:work|root|home|Users)/(?!someone\b)\w|[A-Z]:\\+Users\\")


def repository_files() -> list[Path]:
    """Every file that git tracks or would: those of a clone, and those about to be committed."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git clone, so which files belong to the project is unknown")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def python_files() -> list[Path]:
    return [path for path in repository_files() if path.suffix == ".py"]


def imported_packages(path: Path) -> set[str]:
    """Top-level names of all absolute imports, at the top of the file or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def the_only_command(script: str) -> str:
    """The one line of a script that does something: no comment, shell option or change of folder."""
    lines = [line for line in script.splitlines() if line and not line.startswith(("#", "set ", "cd "))]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize("name", cmake_lists.ROOMS)
def test_slicer_installs_every_python_file_and_resource(name: str) -> None:
    listed = cmake_lists.listed(name, cmake_lists.CMAKE_FILE.read_text(encoding="utf-8"))
    assert listed == cmake_lists.there(name), "run: python ProSegSlicer/Testing/cmake_lists.py"


def test_the_lists_are_brought_up_to_date_and_nothing_else_is_changed() -> None:
    text = cmake_lists.CMAKE_FILE.read_text(encoding="utf-8")
    stale = text.replace("  proseg/errors.py\n", "").replace("  proseg/cli/main.py\n", "  proseg/gone.py\n")
    assert stale != text
    assert cmake_lists.refreshed(stale) == cmake_lists.refreshed(text) == text


def test_the_core_imports_only_its_run_time_dependencies() -> None:
    allowed = CORE_MAY_IMPORT | CORE_MAY_IMPORT_LATE
    strays = {path.name: imported_packages(path) - allowed for path in CORE}
    assert {name: packages for name, packages in strays.items() if packages} == {}


def test_the_core_loads_without_the_packages_of_its_extras() -> None:
    names = sorted(".".join(path.relative_to(MODULE).with_suffix("").parts) for path in CORE)
    names = [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]
    blocked = "".join(f"sys.modules[{name!r}] = None; " for name in sorted(CORE_MAY_IMPORT_LATE))
    program = f"import sys, importlib; {blocked}[importlib.import_module(name) for name in {names}]"
    subprocess.run([sys.executable, "-c", program], cwd=MODULE, check=True)


@pytest.mark.parametrize(
    ("package", "stranger"),
    [
        ("training", "benchmarks"),
        ("ProSegSlicer/proseg", "training"),
        *(("publishing", stranger) for stranger in ("training", "benchmarks", "torch", "requests")),
        *(("ProSegSlicer/ProSegSlicerLib", stranger) for stranger in ("torch", "monai", "training", "Testing")),
        ("ProSegSlicer/Scripts", "torch"),
    ],
)
def test_imports_point_one_way(package: str, stranger: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    assert [path.name for path in files if stranger in imported_packages(path)] == []


def test_qt_stays_in_the_files_named_for_it() -> None:
    files = [path for path in (MODULE / "ProSegSlicerLib").rglob("*.py") if not path.name.startswith("qt_")]
    assert files
    assert {path.name for path in files if imported_packages(path) & {"qt", "ctk", "PySide6", "PythonQt"}} == set()


def test_the_scripts_are_ascii() -> None:
    """Slicer opens what ``--python-script`` names in the system's own encoding."""
    scripts = list((MODULE / "Scripts").glob("*.py"))
    assert scripts
    assert all(path.read_bytes().isascii() for path in scripts)


def test_the_versions_agree() -> None:
    def first(pattern: str, path: str) -> str | None:
        found = re.search(pattern, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
        return found and found[1]

    version = first(r'^__version__ = "(\d+\.\d+\.\d+)"$', "ProSegSlicer/proseg/__init__.py")
    assert version
    assert first(r"^version: (\S+)$", "CITATION.cff") == version
    assert first(r"^## \[(\d\S*)\]", "CHANGELOG.md") == version


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    found = {path.relative_to(ROOT).as_posix(): MACHINE_PATH.search(path.read_bytes()) for path in repository_files()}
    assert {name: match[0] for name, match in found.items() if match} == {}


@pytest.mark.parametrize("line", [rb"see /hom" + rb"e/ann/x.nii", rb'"/wor' + rb'k/main"', rb"C:\Use" + rb"rs\ann"])
def test_a_machine_path_would_be_seen(line: bytes) -> None:
    assert MACHINE_PATH.search(line)


@pytest.mark.parametrize("line", [b"https://example.org/home/ann", b"../work/x", b"/home/someone/x"])
def test_an_address_a_relative_path_or_an_example_is_no_machine_path(line: bytes) -> None:
    assert not MACHINE_PATH.search(line)


def test_the_working_tree_is_at_most_40_megabytes() -> None:
    """Slicer's Extensions Index refuses large repositories, and everyone who builds the extension clones it."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = [ROOT / name for name in names.split("\0") if name]  # not what a newcomer's first commands left beside
    sizes = {path.relative_to(ROOT).as_posix(): path.stat().st_size for path in paths if path.is_file()}
    largest = sorted(sizes, key=lambda name: sizes[name])[-8:]
    assert sum(sizes.values()) <= 40e6, f"the largest: {largest}"


def test_no_python_file_outgrows_its_reader() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    assert {name: length for name, length in lengths.items() if length >= 400} == {}


def test_the_readme_tells_what_ci_runs() -> None:
    command = the_only_command((ROOT / ".ci" / "run").read_text())
    blocks = re.findall(r"^```\w*\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.M)
    assert command in [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]


def test_the_readme_names_the_licence_file() -> None:
    assert "LICENSE.txt" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_icon_is_the_same_for_extension_and_module() -> None:
    icon, copy = ROOT / "ProSegSlicer.png", MODULE / "Resources" / "Icons" / "ProSegSlicer.png"
    assert icon.read_bytes() == copy.read_bytes()


def test_no_test_can_reach_the_network() -> None:
    with pytest.raises(pytest.fail.Exception, match="network access"):
        socket.create_connection(("proseg.invalid", 80), timeout=1)
