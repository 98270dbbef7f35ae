"""The houses are built as docs/architecture.md says: imports point as in its tables, tests lie as sources do."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOUSES = {"proseg": ROOT / "ProSegSlicer" / "proseg", "training": ROOT / "training", "benchmarks": ROOT / "benchmarks"}

# Where the tests of a house lie: those of room/file.py in room/test_file.py below that.
TESTS = Path(__file__).resolve().parent
MIRRORS = {
    "ProSegSlicer/proseg": TESTS,
    "training": TESTS / "training",
    "ProSegSlicer/ProSegSlicerLib": TESTS / "slicer",
}
# The parts of the panel are nothing without it, so each is tested on the whole panel, by what a reader does there;
# ``startup`` is what the module does once and ``self_test`` what it checks itself; they are tested with it.
TESTED_TOGETHER = {
    "qt_binding": "test_panel_scene.py",
    "qt_editor": "test_panel_review.py",
    "qt_export": "test_panel_review.py",
    "qt_look": "test_panel_looks.py",
    "qt_panel": "test_panel_scene.py",
    "qt_place": "test_panel_place.py",
    "qt_psa": "test_panel_psa.py",
    "qt_questions": "test_panel_review.py",
    "qt_refine": "test_panel_refine.py",
    "qt_results": "test_panel_results.py",
    "qt_review": "test_panel_review.py",
    "qt_run": "test_panel_run.py",
    "qt_slices": "test_panel_slices.py",
    "self_test": "test_module.py",
    "startup": "test_module.py",
}


def table(house: str) -> dict[str, set[str]]:
    """What each room may import, in the order of the table: a room stands below all that it imports."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition(f"| room of `{house}` |")[2]
    rows = [row.split("|") for row in text.split("\n\n")[0].splitlines()[2:]]
    return {row[1].strip(" `"): set(re.findall(r"`(\w+)`", row[3])) for row in rows}


def names_in(source: str) -> set[str]:
    """Dotted names of all absolute imports, at the top of a file or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported(source: str, house: str) -> set[str]:
    """The rooms of a house that a file imports from."""
    inside = {name.split(".")[1] for name in names_in(source) if name.startswith(f"{house}.")}
    return {name for name in inside if (HOUSES[house] / name).is_dir() or (HOUSES[house] / f"{name}.py").is_file()}


def arrows(house: str) -> dict[str, set[str]]:
    """The other rooms that each room imports from."""
    found: dict[str, set[str]] = {}
    for path in HOUSES[house].rglob("*.py"):
        room = path.relative_to(HOUSES[house]).parts[0].removesuffix(".py")
        if not room.startswith("__"):
            found.setdefault(room, set()).update(imported(path.read_text(encoding="utf-8"), house) - {room})
    return found


@pytest.mark.parametrize("house", HOUSES)
def test_every_room_is_in_the_table_and_imports_what_the_table_lists(house: str) -> None:
    assert arrows(house) == table(house)


@pytest.mark.parametrize("house", HOUSES)
def test_no_arrow_of_the_table_leads_back(house: str) -> None:
    rooms = list(table(house))
    assert all(rooms.index(other) < rooms.index(room) for room, others in table(house).items() for other in others)


@pytest.mark.parametrize("house", HOUSES)
def test_no_module_imports_itself_through_others(house: str) -> None:
    root = HOUSES[house].parent
    files = {".".join(path.relative_to(root).with_suffix("").parts): path for path in HOUSES[house].rglob("*.py")}
    graph = {}
    for module, path in files.items():
        names = names_in(path.read_text(encoding="utf-8"))
        graph[module] = {name for name in {*names, *(name.rpartition(".")[0] for name in names)} if name in files}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize(
    ("line", "rooms"),
    [
        ("from proseg.outputs.page import write_page", {"outputs"}),
        ("def late():\n    import proseg.batch.loop", {"batch"}),
        ("from proseg import flags, __version__", {"flags"}),
        ("import numpy", set()),
    ],
)
def test_an_arrow_would_be_seen(line: str, rooms: set[str]) -> None:
    assert imported(line, "proseg") == rooms


def named_functions() -> list[tuple[str, str]]:
    """The functions that the table "Where to look" leads to, and the files it says they are in."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.partition("### Where to look\n")[2].partition("\n### ")[0]
    return re.findall(r"`(\w+)` in `([\w/]+\.py)`", section)


def test_who_looks_where_the_page_says_finds_the_function() -> None:
    assert len(named_functions()) > 8
    for name, path in named_functions():
        tree = ast.parse((ROOT / "ProSegSlicer" / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (name, path)


def does_something(path: Path) -> bool:
    """Whether a file defines a function; one of words and numbers alone is tested where these are used."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in nodes)


def mirror_of(path: Path, house: Path, tests: Path) -> Path:
    """The file in which a source file is tested; a package's own file in one that is called as the package is."""
    room = tests / path.relative_to(house).parent
    if path.stem == "__init__":
        return room / f"test_{path.parent.name}.py"
    return room / TESTED_TOGETHER.get(path.stem, f"test_{path.stem}.py")


def untested(house: Path, tests: Path) -> list[str]:
    """The source files of a house that do something and have no file of tests."""
    files = [path for path in sorted(house.rglob("*.py")) if path.stem != "__main__" and does_something(path)]
    assert files
    return [str(path.relative_to(house)) for path in files if not mirror_of(path, house, tests).is_file()]


@pytest.mark.parametrize("house", MIRRORS)
def test_every_source_file_has_its_file_of_tests(house: str) -> None:
    assert untested(ROOT / house, MIRRORS[house]) == []


def test_what_is_tested_together_is_there_and_has_no_file_of_its_own() -> None:
    library, tests = ROOT / "ProSegSlicer" / "ProSegSlicerLib", MIRRORS["ProSegSlicer/ProSegSlicerLib"]
    assert [name for name in TESTED_TOGETHER if not (library / f"{name}.py").is_file()] == []
    assert [name for name in TESTED_TOGETHER if (tests / f"test_{name}.py").is_file()] == []


def test_a_source_file_without_tests_would_be_seen(tmp_path: Path) -> None:
    house, tests = tmp_path / "house", tmp_path / "tests"
    for folder in (house / "room", tests / "room"):
        folder.mkdir(parents=True)
    (house / "words.py").write_text("WORD = 1\n")
    for name in ("room/__init__.py", "room/one.py", "room/two.py", "room/__main__.py"):
        (house / name).write_text("def work():\n    pass\n")
    (tests / "room" / "test_one.py").touch()
    assert untested(house, tests) == [str(Path("room", "__init__.py")), str(Path("room", "two.py"))]
    (tests / "room" / "test_room.py").touch()
    assert untested(house, tests) == [str(Path("room", "two.py"))]
