"""Files that appear whole or not at all.

Everything is written to a private temporary file beside its destination and renamed into place at the end. Images are
read back before that: the NIfTI writer does not report a full disk.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from proseg.errors import OutputError
from proseg.imagefiles import nameable
from proseg.stopping import uninterrupted

if TYPE_CHECKING:
    from proseg.result import SegmentationResult

SEGMENTATION_ENDING = ".seg.nrrd"
DICOM_ENDING = ".dcm"
IMAGE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
RESULT_ENDINGS = (*IMAGE_ENDINGS, SEGMENTATION_ENDING, DICOM_ENDING)

_COMPOUND_ENDINGS = (SEGMENTATION_ENDING, ".nii.gz")
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


def check_target(
    path: str | os.PathLike[str],
    inputs: Iterable[str | os.PathLike[str]] = (),
    endings: Sequence[str] = RESULT_ENDINGS,
    others: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Find out, before any work is done, whether an output can be written. Creates nothing.

    Args:
        path: where the output shall go; missing folders are made when it is written.
        inputs: the files and folders read in this run: none may be overwritten, nor a DICOM folder given another file.
        endings: the endings that say how to write it.
        others: the other outputs of this run.

    Raises:
        OutputError: it cannot.
    """
    if ending_of(path) not in endings:
        raise OutputError(
            f"{_shown(path)} has an ending that cannot be written here.", f"Use one of: {', '.join(endings)}."
        )
    target = _resolved(path)
    for source in inputs:
        if _same(target, Path(source)):
            raise OutputError(f"{_shown(path)} is the input itself.", "Inputs are never overwritten: use another name.")
        if ending_of(path) == DICOM_ENDING and Path(os.path.realpath(source)) in target.parents:
            raise OutputError(
                f"{_shown(path)} lies in the input folder, whose DICOM files it would join.", "Choose another folder."
            )
    for other in others:
        if _same(target, _resolved(other)):
            raise _twice(path)
    folder = next((parent for parent in target.parents if parent.exists()), None)
    if folder is None:  # a drive that is not there
        raise trouble(path, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))
    if not folder.is_dir():
        raise OutputError(f"{_shown(path)} cannot be written: {folder} is a file, not a folder.", "Choose a folder.")
    if not os.access(folder, os.W_OK | os.X_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise trouble(path, PermissionError(errno.EACCES, ""))


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
        target = _resolved(path)
        if any(_same(target, other) for other in self._staged):
            raise _twice(path)
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


def write_image(
    image: sitk.Image,
    path: str | os.PathLike[str],
    outputs: OutputSet | None = None,
    header: dict[str, str] | None = None,
) -> None:
    """Write an image by its ending, compressed where the format can be, as ``atomic`` does.

    Of the image's own metadata nothing is written: it may name the patient.

    Args:
        image: any scalar image.
        path: where to; one of ``IMAGE_ENDINGS``, or ``.seg.nrrd``.
        outputs: the set that the file shall appear with; without one it appears by itself.
        header: fields to write into the header, where the format has them.

    Raises:
        OutputError: unknown ending, or the file cannot be written.
    """
    check_target(path, endings=(*IMAGE_ENDINGS, SEGMENTATION_ENDING))
    clean = sitk.GetImageFromArray(sitk.GetArrayViewFromImage(image))  # a copy of sitk's would share its metadata
    clean.CopyInformation(image)
    for key, value in (header or {}).items():
        clean.SetMetaData(key, value)
    with atomic(path, outputs) as temporary:
        try:
            with nameable([temporary]) as (name,):
                sitk.WriteImage(clean, name, useCompression=ending_of(path) != ".nii")
                whole = _equal(sitk.ReadImage(name), clean)
        except RuntimeError:
            whole = False
        if not whole:
            raise _incomplete(path)


def write_result(
    result: SegmentationResult,
    out: str | os.PathLike[str],
    outputs: OutputSet | None = None,
    files: Sequence[Path] = (),
) -> None:
    """Write the labels of a result by the ending of ``out``: one of ``RESULT_ENDINGS``.

    ``.seg.nrrd`` is a Slicer segmentation with names, colours, terminology and provenance, ``.dcm`` a DICOM
    Segmentation; the others are labelmaps (0 background, 1 PZ, 2 CG) on the input's grid.

    Args:
        result: the segmentation.
        out: where to.
        outputs: the set that the file shall appear with; without one it appears by itself.
        files: the DICOM files that the image was read from (``T2WImage.files``); only ``.dcm`` needs them.

    Raises:
        OutputError: unknown ending, or the file cannot be written.
        InputError: ``.dcm``, but the image does not come from DICOM.
    """
    if ending_of(out) == DICOM_ENDING:
        from proseg.dicom.seg import write_dicom_seg

        write_dicom_seg(result, files, out, outputs)
    elif ending_of(out) == SEGMENTATION_ENDING:
        from proseg.segnrrd import header

        write_image(result.labelmap, out, outputs, header(result.labelmap, result.provenance))
    else:
        write_image(result.labelmap, out, outputs)


def _shown(path: str | os.PathLike[str]) -> str:
    return str(path) or "An empty name"


def _resolved(path: str | os.PathLike[str]) -> Path:
    """Where a file really is: links are followed, so that a link stays one. Refuses what is not a plain file."""
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
        raise OutputError(f"{_shown(path)} is a folder.", "Give the name of a file in it.")
    if not stat.S_ISREG(mode):
        raise OutputError(f"{_shown(path)} is a device, not a file.", "Choose another name.")
    return target


def _remove(staged: dict[Path, Path]) -> None:
    for temporary in staged.values():
        temporary.unlink(missing_ok=True)


def _same(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return os.path.normcase(one) == os.path.normcase(other)


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


def _equal(one: sitk.Image, other: sitk.Image) -> bool:
    return one.GetSize() == other.GetSize() and np.array_equal(
        sitk.GetArrayViewFromImage(one), sitk.GetArrayViewFromImage(other), equal_nan=True
    )


def trouble(path: str | os.PathLike[str], error: OSError) -> OutputError:
    """What the system's error says of a file that cannot be written, in a sentence with a next step."""
    reason, remedy = _REASONS.get(error.errno or 0, (error.strerror or str(error), "Choose another file or folder."))
    return OutputError(f"{_shown(path)} cannot be written: {reason}.", remedy)


def _twice(path: str | os.PathLike[str]) -> OutputError:
    return OutputError(f"{_shown(path)} is asked for twice in one run.", "Give every output its own name.")


def _incomplete(path: str | os.PathLike[str]) -> OutputError:
    if shutil.disk_usage(_resolved(path).parent).free < 2**20:
        return trouble(path, OSError(errno.ENOSPC, ""))
    return OutputError(f"{_shown(path)} could not be written whole.", "Choose another folder or another ending.")
