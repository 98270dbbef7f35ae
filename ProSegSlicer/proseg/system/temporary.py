"""Private temporary folders: removed in any case, and an end to those that a killed run left."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
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
    that were killed is removed when the next folder is made; on Windows a day later.

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
        raise InputError(
            f"{name} cannot be unpacked in the temporary folder {tempfile.gettempdir()}: "
            f"{'the disk is full' if full else error.strerror}.",
            "Free some space, or name another folder in the environment variable TMPDIR.",
        ) from None


def make_folder(prefix: str) -> Path:
    """A folder that only this user can read; whoever asks for it removes it. Removes what was left of the same prefix.

    Raises:
        OSError: it cannot be made.
    """
    remove_left(prefix)
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{_here()}-{os.getpid()}-"))


def remove_left(prefix: str) -> None:
    """Remove the folders of this prefix whose program is no more, and those that are stale."""
    for old in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        if not old.is_symlink() and (_is_ownerless(old.name.removeprefix(prefix)) or _is_stale(old)):
            shutil.rmtree(old, ignore_errors=True)


def _is_stale(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime > STALE_S
    except OSError:  # another run has just removed it
        return False


def _is_ownerless(name: str) -> bool:
    """Whether the process that made a folder is gone; not told of other machines', nor on Windows."""
    here, _, rest = name.partition("-")
    number = rest.partition("-")[0]
    if os.name == "nt" or here != _here() or not number.isdecimal():  # Windows' os.kill ends what it asks about
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # somebody else's
        return False
    return False


def _here() -> str:
    """This machine, or container, in a few characters: process numbers mean something only on it."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]
