"""The rules of Slicer's Extensions Index, as far as a clone shows whether they are kept.

They are those of its check (``scripts/check_description_files.py``), of its list for a pull request and of Slicer's
schema of catalog entries, 1.0.1, read in 2026. The Index looks at the published repository; what only that has (its
topics, addresses that answer) is in docs/publishing.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image, UnidentifiedImageError

from publishing.metadata import Metadata, read
from publishing.snapshot import git

MB = 1_000_000
CLONE_MB = 100  # the Index refuses more, history included
TREE_MB = 40  # this project's own limit: what a user downloads who adds the folder by hand
TOPIC = "3d-slicer-extension"
SCHEMA = "slicer-extension-catalog-entry-schema-v1.0.1.json"
CATEGORIES = {"Analysis", "Quantification", "Segmentation"}  # of those that the Index knows, the ones that could fit
FIELDS = {  # of the schema: kind, values if only some are allowed
    "$schema": (str, None),
    "category": (str, None),
    "scm_url": (str, None),
    "scm_revision": (str, None),
    "scm_type": (str, ("git", "local")),
    "build_dependencies": (list, None),
    "build_subdirectory": (str, None),
    "enabled": (bool, None),
    "tier": (int, (1, 3, 5)),
}
REQUIRED_FIELDS = ("$schema", "category", "scm_url")
ICON_SIZE = (128, 128)
PICTURE_FORMATS = ("PNG", "JPEG", "GIF")


@dataclass(frozen=True)
class Finding:
    """What a rule found.

    Attributes:
        rule: its name.
        faults: what is against it, in sentences; none where it is kept.
        seen: what there is to see where it is kept, such as a size.
    """

    rule: str
    faults: tuple[str, ...]
    seen: str = ""

    def __str__(self) -> str:
        return f"{'NO ' if self.faults else 'ok '} {self.rule}: {' '.join(self.faults) or self.seen}"


def check_metadata(root: Path) -> list[Finding]:
    """Check all that is written and drawn in the repository in ``root``: all rules but those of size and history."""
    metadata = read(root)
    rules: tuple[tuple[str, str, Callable[[Metadata, Path], Iterator[str]]], ...] = (
        ("names", f"extension {metadata.project}, modules {', '.join(metadata.modules)}", _names),
        ("catalog entry", f"fits {SCHEMA}", _entry),
        ("topic", ", ".join(metadata.topics), _topic),
        ("contributors", metadata.extension.get("CONTRIBUTORS", ""), _contributors),
        ("licence", "Apache-2.0", _licence),
        ("icon", "PNG of 128 by 128 pixels", _icon),
        ("screenshots", metadata.extension.get("SCREENSHOTURLS", ""), _screenshots),
        ("README", "name, description, picture, tutorial, publication, licence", _readme),
    )
    return [Finding(name, tuple(rule(metadata, root)), seen) for name, seen, rule in rules]


def check_clone(root: Path) -> list[Finding]:
    """Check the size and the history of a fresh clone in ``root``."""
    clone, history = _megabytes(root), _megabytes(root / ".git")
    commits = int(git(root, "rev-list", "--count", "--all"))
    return [
        Finding("history", () if commits == 1 else (f"There are {commits} commits instead of one.",), "one commit"),
        _size("clone", clone, CLONE_MB),
        _size("tree", clone - history, TREE_MB),
    ]


def _names(metadata: Metadata, root: Path) -> Iterator[str]:
    repository = metadata.extension.get("HOMEPAGE", "").rpartition("/")[2]
    if repository != f"Slicer{metadata.project}":
        yield f"The repository {repository} of EXTENSION_HOMEPAGE is not called Slicer{metadata.project}."
    if not metadata.project or not metadata.modules:
        yield "CMakeLists.txt names no extension, with project(…), or no module, with set(MODULE_NAME …)."
    for name in (metadata.project, *metadata.modules):
        if name.lower().startswith("slicer"):
            yield f"{name} begins with Slicer, which no extension or module may."
    if metadata.citation.get("repository-code") != metadata.extension.get("HOMEPAGE"):
        yield "repository-code of CITATION.cff is not EXTENSION_HOMEPAGE."


def _entry(metadata: Metadata, root: Path) -> Iterator[str]:
    if list(metadata.entries) != [metadata.project]:
        yield f"docs/catalog holds {sorted(metadata.entries)} instead of {metadata.project}.json alone."
        return
    entry = metadata.entries[metadata.project]
    if not isinstance(entry, dict):
        yield "The catalog entry is no JSON object."
        return
    for name in REQUIRED_FIELDS:
        if name not in entry:
            yield f"The field {name} is missing."
    for name, value in entry.items():
        kind, allowed = FIELDS.get(name, (None, None))
        if kind is None:
            yield f"The schema knows no field {name}."
        elif type(value) is not kind or (allowed and value not in allowed):
            yield f"The field {name} may not be {value!r}."
        elif kind is list and not all(isinstance(item, str) for item in value):
            yield f"The field {name} may hold texts only."
    if str(entry.get("category")) not in CATEGORIES:
        yield f"The category {entry.get('category')!r} is none of {sorted(CATEGORIES)}."
    if not str(entry.get("$schema")).rstrip("#").endswith(f"/{SCHEMA}"):
        yield f"The schema is not {SCHEMA}."
    if entry.get("scm_url") != f"{metadata.extension.get('HOMEPAGE')}.git":
        yield f"scm_url {entry.get('scm_url')!r} is not EXTENSION_HOMEPAGE and .git."
    if entry.get("build_dependencies", []) != metadata.extension.get("DEPENDS", "").replace("NA", "").split():
        yield "build_dependencies are not those of EXTENSION_DEPENDS."


def _topic(metadata: Metadata, root: Path) -> Iterator[str]:
    if TOPIC not in metadata.topics:
        yield f"The keywords of CITATION.cff, which become the repository's topics, lack {TOPIC}."


def _contributors(metadata: Metadata, root: Path) -> Iterator[str]:
    if metadata.extension.get("CONTRIBUTORS") != ", ".join(metadata.contributors):
        yield f"EXTENSION_CONTRIBUTORS are not the authors of CITATION.cff: {', '.join(metadata.contributors)}."
    for name in metadata.contributors:
        if not re.fullmatch(r"[^()]*\w[^()]* \([^()]*\w[^()]*\)", name):
            yield f"{name!r} has not the form Name (Organization)."


def _licence(metadata: Metadata, root: Path) -> Iterator[str]:
    path = root / "LICENSE.txt"
    if not path.is_file():
        yield "LICENSE.txt is missing."
    elif not re.search(r"Apache License\s+Version 2\.0", path.read_text(encoding="utf-8")):
        yield "LICENSE.txt is not the Apache License 2.0."
    if metadata.citation.get("license") != "Apache-2.0":
        yield "CITATION.cff names another licence than Apache-2.0."


def _icon(metadata: Metadata, root: Path) -> Iterator[str]:
    yield from _pictures([metadata.extension.get("ICONURL", "")], metadata, root, ("PNG",), ICON_SIZE)


def _screenshots(metadata: Metadata, root: Path) -> Iterator[str]:
    addresses = metadata.extension.get("SCREENSHOTURLS", "").split()
    if not addresses:
        yield "EXTENSION_SCREENSHOTURLS names none."
    yield from _pictures(addresses, metadata, root, PICTURE_FORMATS)


def _pictures(
    addresses: list[str],
    metadata: Metadata,
    root: Path,
    formats: tuple[str, ...],
    size: tuple[int, int] | None = None,
) -> Iterator[str]:
    """Faults of pictures whose addresses should lead to files of the repository, on the branch that is published."""
    repository = urlsplit(metadata.extension.get("HOMEPAGE", "")).path
    revision = next((e.get("scm_revision") for e in metadata.entries.values() if isinstance(e, dict)), None)
    place = f"https://raw.githubusercontent.com{repository}/{revision}/"
    for address in addresses:
        if not address.startswith(place):
            yield f"The address {address!r} does not begin with {place}."
            continue
        name = address.removeprefix(place)
        try:
            with Image.open(root / name) as picture:
                picture.load()  # a truncated one opens
                if picture.format not in formats:
                    yield f"{name} is {picture.format} instead of {' or '.join(formats)}."
                if size and picture.size != size:
                    yield f"{name} has {picture.width} by {picture.height} pixels instead of {size[0]} by {size[1]}."
        except FileNotFoundError:
            yield f"{name} is missing."
        except (OSError, UnidentifiedImageError) as error:
            yield f"{name} is no picture ({error})."


def _readme(metadata: Metadata, root: Path) -> Iterator[str]:
    """The homepage of the extension, which is the README as GitHub shows it."""
    path = root / "README.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    wanted = {
        "the extension's name": rf"\b{metadata.project}",
        "a picture": r"!\[|<img ",
        "the tutorial": r"\]\(docs/tutorial\.md",
        "the publication": r"doi\.org/",
        "the licence": r"LICENSE\.txt",
    }
    for what, pattern in wanted.items():
        if not re.search(pattern, text):
            yield f"README.md lacks {what}."


def _size(what: str, megabytes: float, limit: int) -> Finding:
    seen = f"{megabytes:.1f} of {limit} MB"
    faults = (f"{seen}: {megabytes - limit:.1f} MB too much.",) if megabytes > limit else ()
    return Finding(f"size of the {what}", faults, seen)


def _megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()) / MB
