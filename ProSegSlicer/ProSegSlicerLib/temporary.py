"""Private folders for a run's files, which show a patient; and an end to those that a killed Slicer left behind."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "prosegslicer-"
STALE_S = 24 * 3600.0  # no run takes a day


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
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _is_stale(old):
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=PREFIX))


def _is_stale(folder: Path) -> bool:
    try:
        return not folder.is_symlink() and time.time() - folder.stat().st_mtime > STALE_S
    except OSError:  # another run has just removed it
        return False
