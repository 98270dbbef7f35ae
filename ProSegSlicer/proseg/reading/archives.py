"""Examinations in ZIP files: what lies in one, and unpacking no more of it than is needed, into a private folder.

A ZIP comes from anywhere, so nothing in it is trusted. Its names are never used as paths: what is unpacked gets names
of this module's making. Its sizes are counted while it is unpacked. It is read by Python's ``zipfile``.
"""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType

from proseg.dicom.meta import starts_as_dicom
from proseg.errors import InputError
from proseg.system.folders import visible
from proseg.system.temporary import TemporaryFolder, no_room_for

ENDING = ".zip"
START = (b"PK\x03\x04", b"PK\x05\x06")  # of an archive with files, and without
# Images that are one file each. Those of a header and a file of voxels are not taken out of archives: the header of one
# names the other file, which could be any file of this computer.
WHOLE_IMAGES = (".nii.gz", ".nii", ".nrrd", ".mha")
MAX_BYTES = 8 * 1024**3  # unpacked; a large examination has some 2 GiB
MAX_RATIO, ALWAYS_BYTES = 100, 256 * 1024**2  # noise does not pack a hundredfold; little is unpacked in any case
CHUNK = 1 << 20
FOLDER_INSTEAD = "Unpack it and give the folder."
PACK_AGAIN = "Copy or pack it again and retry."


@dataclass(frozen=True)
class Entry:
    """A file in an archive.

    Attributes:
        path: where it lies in the archive, without anything that leads out of it.
        info: its entry in the archive.
        is_dicom: whether it starts as DICOM does, else it is an image by its ending.
    """

    path: PurePosixPath
    info: zipfile.ZipInfo
    is_dicom: bool


class Archive:
    """A ZIP file, open for reading; a context manager.

    Args:
        path: the file.
        inside: the folder or file in it to which to keep, empty for all of it.

    Raises:
        InputError: it is no ZIP, damaged, or its ``inside`` does not exist. Methods raise it for damage that they find,
            and for what is encrypted.
    """

    def __init__(self, path: Path, inside: str | PurePosixPath = "") -> None:
        self.path, self.inside = path, PurePosixPath(inside)
        with self._told():
            self._zip = zipfile.ZipFile(path)
        self._infos = [
            (where, info) for info in self._zip.infolist() if not info.is_dir() and (where := _safe(info.filename)).name
        ]
        if self.inside.parts:
            self._infos = [(where, info) for where, info in self._infos if where.is_relative_to(self.inside)]
            if not self._infos:
                self._zip.close()
                raise InputError(f"{self.shown} does not exist.", "Check the path within the ZIP.")

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    @property
    def shown(self) -> str:
        """What people call it."""
        return str(self.path / self.inside)

    def entries(self, known: Container[PurePosixPath] = ()) -> Iterator[Entry]:
        """The images in it, DICOM objects included, in the order of their paths. Hidden files are passed over.

        Args:
            known: folders whose DICOM files are of no interest; may grow meanwhile, so that of each only one is given.
        """
        for where, info in sorted(self._infos, key=lambda pair: pair[0].parts):
            if not all(map(visible, where.parts)) or "__MACOSX" in where.parts:
                continue
            if where.name.lower().endswith(WHOLE_IMAGES):
                yield Entry(where, info, False)
            elif (
                info.file_size > 132
                and where.parent not in known
                and where.name.upper() != "DICOMDIR"
                and starts_as_dicom(self._head(info))
            ):
                yield Entry(where, info, True)

    def why_empty(self) -> InputError:
        """What to say where ``entries`` gives none."""
        names = [where.name.lower() for where, _ in self._infos]
        if any(name.endswith((".mhd", ".nhdr", ".hdr")) for name in names):
            return InputError(f"{self.shown} holds images that are made of two files each.", FOLDER_INSTEAD)
        if any(name.endswith((ENDING, ".rar", ".7z", ".tar", ".tgz", ".gz")) for name in names):
            return InputError(f"{self.shown} holds no image, only another archive.", FOLDER_INSTEAD)
        return InputError(f"{self.shown} holds no image.", "Give a ZIP of the DICOM study, or of one image file.")

    def unpack(self, entries: Iterable[Entry], folder: Path) -> dict[Path, Entry]:
        """Write entries into a folder, a folder for each of theirs; returns them by the files made.

        Raises:
            InputError: also where they are too much, or the disk is full.
        """
        entries = list(entries)
        left = most = min(MAX_BYTES, max(ALWAYS_BYTES, MAX_RATIO * self.path.stat().st_size))
        if sum(entry.info.file_size for entry in entries) > most:  # and zipfile gives no more than these
            raise self._too_much(most)
        places: dict[PurePosixPath, Path] = {}
        made: dict[Path, Entry] = {}
        for number, entry in enumerate(entries):
            place = places.setdefault(entry.path.parent, folder / str(len(places)))
            ending = next((end for end in WHOLE_IMAGES if entry.path.name.lower().endswith(end)), "")
            file = place / f"{number}{ending if not entry.is_dicom else '.dcm'}"
            with no_room_for(self.shown):
                place.mkdir(exist_ok=True)
                out = file.open("wb")
            with out:
                for chunk in self._chunks(entry.info):
                    left -= len(chunk)
                    if left < 0:
                        raise self._too_much(most)
                    with no_room_for(self.shown):
                        out.write(chunk)
            made[file] = entry
        return made

    def _too_much(self, most: int) -> InputError:
        return InputError(
            f"{self.shown} unpacks to more than the {most / 1024**3:.2g} GiB that are allowed.",
            "Unpack it and give the folder, or give a folder within the ZIP.",
        )

    def _head(self, info: zipfile.ZipInfo) -> bytes:
        with self._told(info), self._zip.open(info) as stream:
            return stream.read(132)

    def _chunks(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        with self._told(info):
            stream = self._zip.open(info)
        with stream:
            while True:
                with self._told(info):
                    chunk = stream.read(CHUNK)
                if not chunk:
                    return
                yield chunk

    @contextmanager
    def _told(self, info: zipfile.ZipInfo | None = None) -> Iterator[None]:
        """Turn what ``zipfile`` raises into a sentence."""
        if info and info.flag_bits & 1:
            raise InputError(f"{self.shown} is protected by a password.", FOLDER_INSTEAD)
        try:
            yield
        except NotImplementedError:  # a way to compress that Python lacks
            raise InputError(f"{self.shown} is compressed in a way that cannot be read here.", FOLDER_INSTEAD) from None
        except PermissionError:
            raise
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError):
            raise InputError(f"{self.shown} is damaged or no ZIP file.", PACK_AGAIN) from None


def is_zip(path: Path) -> bool:
    """Whether a file starts as a ZIP does.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return stream.read(4) in START


def within_zip(path: Path) -> tuple[Path, PurePosixPath] | None:
    """A path that leads into a ZIP, as in ``export.zip/ann``, taken apart; None if it is none.

    Raises:
        OSError: the file cannot be read.
    """
    for parent in (path, *path.parents):
        if parent.is_file():
            return (parent, PurePosixPath(path.relative_to(parent).as_posix())) if is_zip(parent) else None
        if parent.is_dir():
            return None
    return None


@contextmanager
def unpacked(archive: Archive) -> Iterator[tuple[TemporaryFolder, dict[Path, Entry]]]:
    """The images of an archive in a temporary folder, which outlives the body only if that raises nothing.

    Whoever keeps the folder removes it.

    Raises:
        InputError: as ``Archive`` does, or it holds no image.
    """
    with no_room_for(archive.shown):
        folder = TemporaryFolder()
    try:
        files = archive.unpack(archive.entries(), folder.path)
        if not files:
            raise archive.why_empty()
        yield folder, files
    except BaseException:
        folder.remove()
        raise


def _safe(name: str) -> PurePosixPath:
    """The name of an entry as a path that stays inside."""
    parts = name.replace("\\", "/").split("/")
    return PurePosixPath(*(part for part in parts if part not in ("", ".", "..") and not part.endswith(":")))
