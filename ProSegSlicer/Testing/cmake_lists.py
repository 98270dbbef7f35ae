"""The lists of files in ProSegSlicer/CMakeLists.txt, which say what Slicer installs.

``python ProSegSlicer/Testing/cmake_lists.py`` writes them anew from the files that are there.
"""

from __future__ import annotations

import re
from pathlib import Path

MODULE = Path(__file__).resolve().parents[1]
CMAKE_FILE = MODULE / "CMakeLists.txt"
# What a list takes, in this order: a file, or all files of a kind in a folder and those within it.
ROOMS = {
    "MODULE_PYTHON_SCRIPTS": (
        (".", "ProSegSlicer.py"),
        ("ProSegSlicerLib", "*.py"),
        ("Scripts", "*.py"),
        ("proseg", "*.py"),
    ),
    "MODULE_PYTHON_RESOURCES": (("Resources", "*"),),
}


def listed(name: str, cmake: str) -> list[str]:
    """The entries of ``set(name …)`` in the text of a CMake file."""
    return _pattern(name).search(cmake)[2].split()


def there(name: str) -> list[str]:
    """The files that a list should have, relative to the module's folder."""
    found = []
    for folder, kind in ROOMS[name]:
        paths = (MODULE / folder).glob(kind) if folder == "." else (MODULE / folder).rglob(kind)
        found += sorted(path.relative_to(MODULE).as_posix() for path in paths if _belongs(path))
    return found


def refreshed(cmake: str) -> str:
    """The text of the CMake file with its lists as they should be."""
    for name in ROOMS:
        entries = "".join(f"  {entry}\n" for entry in there(name))
        cmake = _pattern(name).sub(lambda found, entries=entries: f"{found[1]}{entries}{found[3]}", cmake)
    return cmake


def _belongs(path: Path) -> bool:
    return path.is_file() and not any(part.startswith((".", "__pycache__")) for part in path.relative_to(MODULE).parts)


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"^(set\({name}\n)(.*?)(^ *\))", re.DOTALL | re.MULTILINE)


if __name__ == "__main__":
    CMAKE_FILE.write_text(refreshed(CMAKE_FILE.read_text(encoding="utf-8")), encoding="utf-8")
