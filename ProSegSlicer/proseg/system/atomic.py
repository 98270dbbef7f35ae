"""Files that appear whole or not at all.

Everything is written to a private temporary file beside its destination and renamed into place at the end.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from proseg.errors import OutputError
from proseg.system.stopping import uninterrupted

_COMPOUND_ENDINGS = (".seg.nrrd", ".nii.gz")
_FULL = ("the disk is full", "Free some space or choose another folder.")
_FORBIDDEN = ("permission is denied", "Choose a folder you may write to, or close the program that uses the file.")
_REASONS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EROFS: ("the disk is read-only", "Choose another folder."),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter name."),
    errno.ENOTDIR: ("a file stands where a folder is needed", "Choose another folder."),
}


def ending_of(path: str | os.PathLike[str]) -> str:
    """The ending in lower case, compound ones whole: ``".seg.nrrd"`` of ``Case.Seg.NRRD``; empty if there is none."""
    name = Path(path).name.lower()
    return next((ending for ending in _COMPOUND_ENDINGS if name.endswith(ending)), Path(name).suffix)


class OutputSet:
    """The files of one run: all of them appear, or none.

    A context manager. Inside it, ``with outputs.file(path) as temporary`` gives the temporary file to write for each
    output; leaving the set without an exception renames them all into place, replacing what was there. With any
    exception, an interrupt included, nothing that was there before changes and no temporary file stays.
    """

    def __init__(self) -> None:
        self._staged: dict[Path, Path] = {}  # temporary file by destination
        weakref.finalize(self, _remove, self._staged)  # should an interrupt keep __exit__ from it

    def __enter__(self) -> OutputSet:
        return self

    @contextmanager
    def file(self, path: str | os.PathLike[str]) -> Iterator[Path]:
        """Yield an empty private file beside ``path``, with the same ending in lower case, making missing folders.

        Raises:
            OutputError: an ``OSError`` came up, here or in the body, or ``path`` is in the set already.
        """
        target = resolved(path)
        if any(same_file(target, other) for other in self._staged):
            raise asked_twice(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with uninterrupted():
                self._staged[target] = _temporary(target)
            yield self._staged[target]
        except OSError as error:
            raise trouble(path, error) from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with uninterrupted():
            try:
                if kind is None:
                    self._publish()
            finally:
                _remove(self._staged)

    def _publish(self) -> None:
        before: dict[Path, Path] = {}  # copies of what is replaced, to put back if a later rename fails
        done: list[Path] = []
        target = Path()
        try:
            for target, temporary in self._staged.items():
                if len(self._staged) > 1 and target.exists():
                    before[target] = _temporary(target)
                    shutil.copy2(target, before[target])
                os.chmod(temporary, _permissions(target))
            for target, temporary in self._staged.items():
                os.replace(temporary, target)
                done.append(target)
        except BaseException as error:
            for finished in done:
                with suppress(OSError):
                    os.replace(before[finished], finished) if finished in before else finished.unlink()
            if isinstance(error, OSError):
                raise trouble(target, error) from error
            raise
        finally:
            for copy in before.values():
                copy.unlink(missing_ok=True)


@contextmanager
def atomic(path: str | os.PathLike[str], outputs: OutputSet | None = None) -> Iterator[Path]:
    """Write one file whole or not at all: yields the temporary file to write, renamed to ``path`` at the end.

    Args:
        path: the destination; missing folders are made.
        outputs: the set that the file shall appear with; without one it appears by itself.

    Raises:
        OutputError: an ``OSError`` came up, here or in the body.
    """
    if outputs is not None:
        with outputs.file(path) as temporary:
            yield temporary
    else:
        with OutputSet() as own, own.file(path) as temporary:
            yield temporary


def write_text(text: str, path: str | os.PathLike[str], outputs: OutputSet | None = None) -> None:
    """Write a text file, UTF-8 with Unix line ends, as ``atomic`` does."""
    with atomic(path, outputs) as temporary:
        temporary.write_bytes(text.encode())


def trouble(path: str | os.PathLike[str], error: OSError) -> OutputError:
    """What the system's error says of a file that cannot be written, in a sentence with a next step."""
    reason, remedy = _REASONS.get(error.errno or 0, (error.strerror or str(error), "Choose another file or folder."))
    return OutputError(f"{shown(path)} cannot be written: {reason}.", remedy)


def shown(path: str | os.PathLike[str]) -> str:
    """A path as a message names it, an empty one too."""
    return str(path) or "An empty name"


def resolved(path: str | os.PathLike[str]) -> Path:
    """Where a file really is: links are followed, so that a link stays one.

    Raises:
        OutputError: something is there that is no plain file.
    """
    try:
        target = Path(os.path.realpath(path))
        mode = target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return target
    except OSError as error:
        raise trouble(path, error) from error
    except ValueError as error:  # a null character
        raise OutputError(f"{os.fspath(path)!r} is not a file name.", "Choose another name.") from error
    if stat.S_ISDIR(mode):
        raise OutputError(f"{shown(path)} is a folder.", "Give the name of a file in it.")
    if not stat.S_ISREG(mode):
        raise OutputError(f"{shown(path)} is a device, not a file.", "Choose another name.")
    return target


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths name one file, there or yet to be written."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return os.path.normcase(one) == os.path.normcase(other)


def asked_twice(path: str | os.PathLike[str]) -> OutputError:
    """What to say of an output that is named twice in one run."""
    return OutputError(f"{shown(path)} is asked for twice in one run.", "Give every output its own name.")


def _remove(staged: dict[Path, Path]) -> None:
    for temporary in staged.values():
        temporary.unlink(missing_ok=True)


def _temporary(target: Path) -> Path:
    ending = ending_of(target)
    stem = target.name[: len(target.name) - len(ending)][:40]  # a file system's limit on names holds for this one too
    handle, name = tempfile.mkstemp(prefix=f".{stem}.", suffix=f".tmp{ending}", dir=target.parent)
    os.close(handle)
    return Path(name)


def _permissions(target: Path) -> int:
    """Those of the file to be replaced, else what the user's umask gives a new file."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
