"""Walking through folders: what is hidden is passed over, links are followed, nothing is seen twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def walk(
    root: Path, leave_out: str | os.PathLike[str] | None = None, closed: list[Path] | None = None
) -> Iterator[tuple[Path, list[str]]]:
    """Each folder from ``root`` down with the sorted names of its visible files; folders come sorted as well.

    Links to folders are followed, as collections made of links want it. A folder that can be reached in several ways
    comes once, under its own place where that lies in ``root``; so links that lead in a circle end.

    Args:
        root: where to begin.
        leave_out: a folder not to go into.
        closed: gets the folders that cannot be listed.
    """
    here = Path(os.path.realpath(root))
    outputs = None if leave_out is None else os.path.realpath(leave_out)
    seen = {_identity(root)}

    def wanted(path: str) -> bool:
        linked = os.path.islink(path)
        real = os.path.realpath(path) if linked or outputs else path
        if real == outputs or (linked and Path(real).is_relative_to(here)):  # the latter comes under its own place
            return False
        identity = _identity(path)
        new = identity is None or identity not in seen
        seen.add(identity)
        return new

    def refuse(error: OSError) -> None:
        if closed is not None:
            closed.append(Path(error.filename))

    for place, folders, files in os.walk(root, onerror=refuse, followlinks=True):
        folders[:] = sorted(name for name in sorted(folders) if visible(name) and wanted(os.path.join(place, name)))
        yield Path(place), sorted(filter(visible, files))


def visible(name: str) -> bool:
    """Whether a file or folder is not hidden."""
    return not name.startswith(".")


def _identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """What tells one folder from another, whatever the way to it; None where the system does not say."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_ino else None
