"""Locks on files: the system's own, which end with the process that holds them, however it ends."""

from __future__ import annotations

import os
from typing import BinaryIO

_BEYOND = 1 << 30  # Windows locks bytes, and a locked one cannot be read: lock one that is not there


def lock(file: BinaryIO) -> None:
    """Lock an open file for this process, until it is closed; does not wait.

    Raises:
        OSError: another process has the lock, or the file system has none.
    """
    if os.name == "nt":
        import msvcrt

        file.seek(_BEYOND)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
