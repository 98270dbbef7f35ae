"""Private folders for a run's files, which show a patient; and an end to those that a killed Slicer left behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proseg.system import temporary

PREFIX = "prosegslicer-"


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that only this user can read, gone afterwards; as far as the system lets go of it."""
    folder = make_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_folder() -> Path:
    """A folder that only this user can read; whoever asks for it removes it. Removes what is stale."""
    return temporary.make_folder(PREFIX)


def remove_left() -> None:
    """Remove what a Slicer that was killed left of a patient; for the start of the next one."""
    temporary.remove_left(PREFIX)
