"""Private temporary folders: removed in any case, and an end to those that a killed run left."""

from __future__ import annotations

import errno
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proseg.errors import InputError

PREFIX = "proseg-unpacked-"
STALE_S = 24 * 3600.0  # no run keeps one for a day


class TemporaryFolder:
    """A folder that only this user can read.

    Removed by ``remove``, or with the last reference to this object, or when the program ends. What is left of programs
    that were killed is removed a day later, when the next folder is made.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self) -> None:
        self.path = make_folder(PREFIX)
        self._end = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def remove(self) -> None:
        """Remove the folder and all that is in it; may be called again."""
        self._end()


@contextmanager
def private_folder(name: str) -> Iterator[Path]:
    """A temporary folder for the body of a ``with`` statement, to unpack ``name`` into.

    Raises:
        InputError: it cannot be made.
    """
    with no_room_for(name):
        folder = TemporaryFolder()
    try:
        yield folder.path
    finally:
        folder.remove()


@contextmanager
def no_room_for(name: str) -> Iterator[None]:
    """Turn the body's failures to write what is unpacked of ``name`` into a sentence.

    Raises:
        InputError: they happened.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        try:
            where = f"{name} cannot be unpacked in the temporary folder {tempfile.gettempdir()}"
            why = "the disk is full" if full else error.strerror
        except FileNotFoundError:  # so Python says that it tried them all
            where = f"{name} must be unpacked to be read, and no temporary folder can be written to"
            why = "the disk is full, or permission is denied"
        raise InputError(
            f"{where}: {why}.", "Free some space, or name another folder in the environment variable TMPDIR."
        ) from None


def make_folder(prefix: str) -> Path:
    """A folder that only this user can read; whoever asks for it removes it. Removes what is stale of the same prefix.

    Raises:
        OSError: it cannot be made.
    """
    for old in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        if _is_stale(old):
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=prefix))


def _is_stale(folder: Path) -> bool:
    try:
        return not folder.is_symlink() and time.time() - folder.stat().st_mtime > STALE_S
    except OSError:  # another run has just removed it
        return False
