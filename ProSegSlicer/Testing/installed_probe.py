"""What an installed tree of the extension lacks: run by test_installation.py in a Python that has nothing else of it.

With the tree and the repository as its arguments it prints the troubles found, as a JSON list of sentences.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path

OURS = ("ProSegSlicerLib", "proseg")


def troubles(tree: Path, repository: Path) -> Iterator[str]:
    """Everything that would keep this tree from working, one sentence each."""
    files = sorted(file for package in OURS for file in (tree / package).rglob("*.py"))
    for file in files:
        if file.name != "__main__.py" and not file.name.startswith("qt_"):
            yield from _import_trouble(tree, ".".join(file.relative_to(tree).with_suffix("").parts))
    for file in (*files, *tree.glob("*.py"), *tree.glob("Scripts/*.py")):
        yield from _missing_imports(file)  # those inside functions come up late, or never in a test
    yield from _resource_troubles(tree)
    yield from _panel_troubles(tree)
    for name, module in list(sys.modules.items()):
        where = getattr(module, "__file__", None)
        if where and Path(where).is_relative_to(repository) and "site-packages" not in Path(where).parts:
            yield f"{name} was taken from the repository"


def _import_trouble(tree: Path, name: str) -> Iterator[str]:
    try:
        module = importlib.import_module(name.removesuffix(".__init__"))
    except Exception as error:
        yield f"{name} cannot be imported: {error}"
    else:
        if not Path(module.__file__).is_relative_to(tree):
            yield f"{name} was taken from elsewhere: {module.__file__}"


def _missing_imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module in OURS:  # from PACKAGE import MODULE
                names += [
                    f"{node.module}.{alias.name}"
                    for alias in node.names
                    if not hasattr(importlib.import_module(node.module), alias.name)
                ]
        for name in names:
            if name.partition(".")[0] in OURS and importlib.util.find_spec(name) is None:
                yield f"{file.name} needs {name}, which is missing"


def _panel_troubles(tree: Path) -> Iterator[str]:
    """What opening the panel runs into, on the tests' stand-ins for Qt and the application."""
    from Testing.slicer import standins

    standins.MODULE_FILE = tree / "ProSegSlicer.py"  # where Slicer says that the module lies
    try:
        with standins.installed():
            widget = standins.open_panel()
            if not Path(sys.modules["ProSegSlicer"].__file__).is_relative_to(tree):
                yield "ProSegSlicer.py was taken from elsewhere"
            widget.cleanup()
    except Exception as error:
        yield f"The panel does not open: {error}"


def _resource_troubles(tree: Path) -> Iterator[str]:
    from proseg.model.weights import load_model
    from ProSegSlicerLib.dependencies import requirement
    from ProSegSlicerLib.terminology import load_terminology

    for what, use in (
        ("The weights", load_model),
        ("The requirements", requirement),
        ("The terminology", load_terminology),
    ):
        try:
            if not use():
                yield f"{what} cannot be used"
        except Exception as error:
            yield f"{what} cannot be used: {error}"


if __name__ == "__main__":
    print(json.dumps(list(troubles(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))))
