"""Imports between rooms are those of the tables in docs/architecture.md, and no module leads back to itself."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOUSES = {"proseg": ROOT / "ProSegSlicer" / "proseg", "training": ROOT / "training", "benchmarks": ROOT / "benchmarks"}


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
