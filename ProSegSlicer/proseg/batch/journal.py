"""What keeps a batch's output folder from harm: a lock, and a journal of what has begun and what has come out.

A row is appended to the journal when its case ends, which costs the same however long the table is; now and then the
journal is folded into the table. Both survive ``kill -9``: the lock is the system's own and ends with its process,
and a line that was cut off is as if it had never been written.
"""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from proseg.batch.table import Row
from proseg.errors import OutputError
from proseg.system.atomic import atomic, trouble
from proseg.system.locks import lock

JOURNAL, LOCK = ".proseg-batch.journal", ".proseg-batch.lock"
NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL)


class Journal:
    """Lines of JSON: which files of which case are being made, and which row it got.

    Args:
        path: the file; it need not exist.

    Attributes:
        rows: what the file held when it was opened: the last row of each case.
        begun: files by case that somebody began to make and that may be unfinished: they are ours to replace.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        self.begun: dict[str, set[str]] = {}
        self._file: BinaryIO | None = None
        whole = 0
        for line, end in self._lines():
            self._take(line)
            whole = end
        if path.exists():
            with path.open("r+b") as file:
                file.truncate(whole)  # a line that was cut off; the next one shall not continue it

    def begin(self, files: Mapping[str, Iterable[str]]) -> None:
        """Note, before they can appear, that these files are being made.

        Args:
            files: their names by case.

        Raises:
            OutputError: the file cannot be written.
        """
        for name, made in files.items():
            self.begun.setdefault(name, set()).update(made)
        self._append({"id": name, "begun": sorted(self.begun[name])} for name in files)

    def end(self, rows: Iterable[Row], unsettled: Iterable[str] = ()) -> None:
        """Note the rows of cases that have ended.

        Args:
            rows: each with its ``id``.
            unsettled: those of them that may have left some files, but not all.

        Raises:
            OutputError: the file cannot be written.
        """
        rows, unsettled = list(rows), set(unsettled)
        for row in rows:
            if row["id"] not in unsettled:
                self.begun.pop(row["id"], None)
        self._append({"id": row["id"], "row": row, "begun": sorted(self.begun.get(row["id"], ()))} for row in rows)

    def restart(self) -> None:
        """Drop the rows, which stand in the table now; what has begun stays. Without any the file goes.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._file is None and not self.rows and (self.begun or not self.path.exists()):
            return  # nothing was added since
        self.close()
        self.rows = {}
        if self.begun:
            with atomic(self.path) as temporary:
                lines = (_line({"id": name, "begun": sorted(self.begun[name])}) for name in sorted(self.begun))
                temporary.write_bytes(b"".join(lines))
        else:
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, lines: Iterable[dict[str, Any]]) -> None:
        text = b"".join(map(_line, lines))
        if not text:
            return
        try:
            if self._file is None:
                self._file = self.path.open("ab")
            end = self._file.seek(0, os.SEEK_END)
            try:
                self._file.write(text)
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._file.fileno(), end)
                raise
        except OSError as error:
            raise trouble(self.path, error) from error

    def _lines(self) -> Iterator[tuple[dict[str, Any], int]]:
        """The whole lines, each with where it ends, up to the first that is not whole."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            end = 0
            for line in file:
                end += len(line)
                try:
                    content = json.loads(line)
                except ValueError:
                    return
                if not line.endswith(b"\n") or not isinstance(content, dict) or "id" not in content:
                    return
                yield content, end

    def _take(self, line: dict[str, Any]) -> None:
        name = line["id"]
        if "row" in line:
            self.rows[name] = line["row"]
        if line.get("begun"):
            self.begun[name] = set(line["begun"])
        else:
            self.begun.pop(name, None)


class Lock:
    """That only one run writes into a folder: the system's advisory lock on a file in it.

    The system ends it with the process, however that ends. ``flock`` also holds between the machines of an NFS
    (Linux turns it into a lock of the server's); where a file system has no locks, that is said.

    Args:
        path: the file to lock; made, and removed at the end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def acquire(self) -> None:
        """Lock.

        Raises:
            OutputError: another run has the lock, or the file system has none.
        """
        folder = self.path.parent
        while self._file is None:
            try:
                file = self.path.open("a+b")
            except OSError as error:
                raise trouble(folder, error) from error
            try:
                lock(file)
            except OSError as error:
                who = _read_owner(file)
                file.close()
                if error.errno in NO_LOCKS:
                    self.path.unlink(missing_ok=True)
                    raise OutputError(
                        f"{folder} lies on a file system that cannot lock files.",
                        "Choose another folder, or give --no-lock if no other run writes into this one.",
                    ) from error
                raise OutputError(
                    f"Another run{who} is writing into {folder}.", "Wait for it, or choose another output folder."
                ) from error
            if _is_still(self.path, file):  # the other run may just have removed it
                self._file = file
            else:
                file.close()
        self._file.truncate(0)
        self._file.write(f"{socket.gethostname()} {os.getpid()}\n".encode())
        self._file.flush()

    def release(self) -> None:
        """Unlock, and remove the file."""
        if self._file is None:
            return
        if os.name == "posix":  # while it is locked, so that nobody locks a file that is about to go
            self.path.unlink(missing_ok=True)
        self._file.close()
        self._file = None
        if os.name != "posix":
            with suppress(OSError):
                self.path.unlink(missing_ok=True)


def _is_still(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return False


def _read_owner(file: BinaryIO) -> str:
    """Who has the lock, in brackets, if that can be read."""
    try:
        file.seek(0)
        host, process = file.read(300).decode().split()
        return f" (process {process} on {host})"
    except (OSError, ValueError):
        return ""


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"
