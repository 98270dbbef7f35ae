"""Private temporary folders: removed in any case, and an end to those that a killed run left.

A file in each folder is locked by the process that made it, for as long as both live: a folder whose lock can be had
has no owner any more, and goes. Process numbers would not do: they are given anew, and containers that share a
temporary folder do not see each other's.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from proseg.errors import InputError
from proseg.system.locks import lock
from proseg.system.stopping import uninterrupted

PREFIX = "proseg-unpacked-"
OWNER = ".owner"
STALE_S = 24 * 3600.0  # where files cannot be locked: no run keeps a folder for a day
YOUNG_S = 5.0  # a folder's lock comes after the folder
_owned: dict[Path, BinaryIO] = {}


class TemporaryFolder:
    """A folder that only this user can read.

    Removed by ``remove``, or with the last reference to this object, or when the program ends. What is left of programs
    that were killed is removed when the next folder is made.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self) -> None:
        with uninterrupted():  # a signal between the two would leave a folder that nobody removes
            self.path = make_folder(PREFIX)
            self._end = weakref.finalize(self, remove_folder, self.path)

    def remove(self) -> None:
        """Remove the folder and all that is in it; may be called again."""
        with uninterrupted():
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


def make_folder(prefix: str, parent: Path | None = None) -> Path:
    """A folder that only this user can read; whoever asks for it has ``remove_folder`` remove it.

    Removes what has no owner of the same prefix.

    Args:
        prefix: of its name.
        parent: where; None for the system's temporary folder.

    Raises:
        OSError: it cannot be made.
    """
    remove_orphans(prefix, parent)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        file = (folder / OWNER).open("w+b")
    except OSError:
        return folder
    try:
        lock(file)
    except OSError:  # a file system without locks
        file.close()
        (folder / OWNER).unlink(missing_ok=True)
    else:
        _owned[folder] = file
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a folder of ``make_folder`` and all that is in it, as far as the system lets go of it."""
    if file := _owned.pop(folder, None):
        file.close()  # Windows removes no file that is open
    shutil.rmtree(folder, ignore_errors=True)


def remove_orphans(prefix: str, parent: Path | None = None) -> None:
    """Remove the folders of a prefix whose process has ended without doing so."""
    for old in Path(parent or tempfile.gettempdir()).glob(f"{prefix}*"):
        if old not in _owned and _is_orphan(old):
            shutil.rmtree(old, ignore_errors=True)


def _is_orphan(folder: Path) -> bool:
    try:
        status = folder.lstat()
        if folder.is_symlink() or (hasattr(os, "getuid") and status.st_uid != os.getuid()):
            return False
        age = time.time() - status.st_mtime
        if not (folder / OWNER).exists():
            return age > STALE_S
        return age > YOUNG_S and not _is_locked(folder / OWNER)
    except OSError:  # another run has just removed it
        return False


def _is_locked(path: Path) -> bool:
    with path.open("r+b") as file:
        try:
            lock(file)
        except OSError:
            return True
    return False
