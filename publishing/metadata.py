"""What the repository says of itself: CITATION.cff, the extension's CMakeLists.txt, the catalog entry.

Read as Slicer's tools read them, without running CMake.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from proseg.errors import InputError, brief


@dataclass(frozen=True)
class Metadata:
    """What is written in a repository; empty where it is not.

    Attributes:
        project: of ``project(…)`` in CMakeLists.txt, which is the extension's name.
        extension: the lines ``set(EXTENSION_… "…")`` of CMakeLists.txt, by what stands in place of "…".
        modules: names of the Slicer modules, of ``set(MODULE_NAME …)``.
        entries: the catalog entries of docs/catalog, by file name without ``.json``.
        citation: CITATION.cff.
    """

    project: str
    extension: Mapping[str, str]
    modules: tuple[str, ...]
    entries: Mapping[str, Any]
    citation: Mapping[str, Any]

    @property
    def contributors(self) -> list[str]:
        """The authors of CITATION.cff in Slicer's form "Name (Organization)"."""
        return [_contributor(author, self.citation) for author in self.citation.get("authors") or []]

    @property
    def topics(self) -> list[str]:
        """The keywords of CITATION.cff in the form of GitHub's topics."""
        return [re.sub(r"[^a-z0-9]+", "-", str(keyword).lower()) for keyword in self.citation.get("keywords") or []]


def read(root: Path) -> Metadata:
    """Read what the repository in ``root`` says of itself.

    Raises:
        InputError: a file is missing or has not the form that its name promises.
    """
    cmake = _text(root / "CMakeLists.txt")
    modules = [_text(path) for path in sorted(root.glob("*/CMakeLists.txt"))]
    citation = _parsed(root / "CITATION.cff", yaml.safe_load)
    project = re.search(r"^project\((\w+)", cmake, re.MULTILINE)
    return Metadata(
        project=project[1] if project else "",
        extension=dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"$\n]*)"\)$', cmake, re.MULTILINE)),
        modules=tuple(re.findall(r"^set\(MODULE_NAME (\w+)\)$", "\n".join(modules), re.MULTILINE)),
        entries={path.stem: _parsed(path, json.loads) for path in sorted((root / "docs" / "catalog").glob("*.json"))},
        citation=citation if isinstance(citation, dict) else {},
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {brief(error)}.", "Is this the root of the repository?") from error


def _parsed(path: Path, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(_text(path))
    except (yaml.YAMLError, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be understood: {brief(error)}.", "Correct it.") from error


def _contributor(author: Mapping[str, str], citation: Mapping[str, Any]) -> str:
    """A person with the affiliation; a group, which CFF gives none, with the account that owns the repository."""
    if "name" in author:
        owner = str(citation.get("repository-code", "")).rstrip("/").split("/")[-2:-1]
        return f"{author['name']} ({''.join(owner)})"
    parts = (author.get(part, "") for part in ("given-names", "name-particle", "family-names"))
    return f"{' '.join(filter(None, parts))} ({author.get('affiliation', '')})"
