"""Private folders for a run's files, which show a patient; and an end to those that a killed Slicer left behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proseg.system import temporary
from proseg.system.temporary import remove_folder

PREFIX = "prosegslicer-"


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that only this user can read, gone afterwards; as far as the system lets go of it."""
    folder = make_folder()
    try:
        yield folder
    finally:
        remove_folder(folder)


def make_folder() -> Path:
    """A folder that only this user can read; whoever asks for it has ``remove_folder`` remove it."""
    return temporary.make_folder(PREFIX, _parent())


def remove_left() -> None:
    """Remove what a Slicer that was killed left behind, its worker's folders too."""
    for parent in {_parent(), None}:  # the setting may have been another one
        for prefix in (PREFIX, temporary.PREFIX):
            temporary.remove_orphans(prefix, parent)


def _parent() -> Path | None:
    """Where Slicer's settings want temporary files; None outside Slicer, for the system's own place."""
    path = getattr(getattr(sys.modules.get("slicer"), "app", None), "temporaryPath", "")
    return Path(path) if path and Path(path).is_dir() else None
