"""Which cases lie in a folder: image files, and DICOM studies that lie as folders of files.

Looking is quick: an image file is known by its ending, and of a folder of DICOM files as few headers are read as say
which study it belongs to. Whether a case can be segmented is found out when its turn comes.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from proseg.errors import InputError

# What `read_t2w` reads; those written as two files are named by their headers.
IMAGE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr")
RESULT_ENDINGS = (".seg.nrrd", ".seg.nhdr")  # segmentations, ours and Slicer's, are results and no cases
MAX_ID_BYTES = 160  # leaves room for an ending and for a temporary file's name in the 255 of a file system
GIVE_A_FOLDER = "Give a folder with NIfTI, NRRD or MetaImage files, or with DICOM studies."

_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')  # on any system: a batch's results travel
_STARTS_BADLY = re.compile(r"^[-=+@]")  # an option on a command line, a formula in a spreadsheet


@dataclass(frozen=True)
class Found:
    """A case in a folder.

    Attributes:
        id: its name in tables and the stem of its output files: unique in the folder and safe on every system.
        path: what ``read_t2w`` shall read: an image file or a DICOM folder.
    """

    id: str
    path: Path

    def stamp(self) -> str:
        """Twelve hexadecimal digits that change when the image file, or a file in the folder, does.

        Name, size and time are compared, not content, so that it costs little to ask. A file that is gone counts not.
        """
        files = _files_below(self.path) if self.path.is_dir() else iter([self.path])
        seen = hashlib.blake2s(digest_size=6)
        for file in files:
            with suppress(OSError):
                status = file.stat()
                seen.update(os.fsencode(file.name) + b"\0%d\0%d\0" % (status.st_size, int(status.st_mtime)))
        return seen.hexdigest()


def find_cases(folder: str | os.PathLike[str], leave_out: str | os.PathLike[str] | None = None) -> list[Found]:
    """Find the cases in a folder and the folders within it, in the order of their paths.

    A case is an image file, by its ending, or a DICOM study: the deepest folder that holds all of its series, or, where
    that holds another study as well, each folder of its files. A folder that may not be listed counts as a case, so
    that its trouble is told. Hidden files and folders, links to folders, and segmentations (``.seg.nrrd``) are passed
    over. Label maps of other formats cannot be told from images by their names, and are taken.

    Args:
        folder: where to look.
        leave_out: a folder within it not to look into, such as the one that results go to.

    Returns:
        The cases. Ids are their paths in ``folder`` without ending, folders joined by ``_``; where two would be the
        same, or one too long, each gets digits made from its path, so that no id ever passes to another case.

    Raises:
        InputError: the folder does not exist, is none, may not be read, or holds no case.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise InputError(f"{root} {what}.", GIVE_A_FOLDER)
    images: list[Path] = []
    closed: list[Path] = []
    dicom: dict[Path, str] = {}  # study by folder of files
    for place, names in _walk(root, Path(leave_out).expanduser() if leave_out is not None else None, closed):
        images += [place / name for name in names if _is_image(place / name)]
        if (study := _study([place / name for name in names if not _has_ending(name, IMAGE_ENDINGS)])) is not None:
            dicom[place] = study
    if root in closed:
        raise InputError(f"{root} cannot be read.", "Check that you may read it.")
    paths = sorted((*images, *closed, *_studies(dicom)), key=lambda path: path.relative_to(root).parts)
    if not paths:
        raise InputError(f"{root} holds no image.", GIVE_A_FOLDER)
    return [Found(name, path) for name, path in zip(_ids(paths, root), paths, strict=True)]


def _walk(root: Path, leave_out: Path | None, closed: list[Path]) -> Iterator[tuple[Path, list[str]]]:
    """Each folder with the names of its visible files; folders that cannot be listed are added to ``closed``."""
    outputs = None if leave_out is None else os.path.realpath(leave_out)
    for place, folders, files in os.walk(root, onerror=lambda error: closed.append(Path(error.filename))):
        folders[:] = sorted(
            name for name in folders if _visible(name) and os.path.realpath(os.path.join(place, name)) != outputs
        )
        yield Path(place), sorted(filter(_visible, files))


def _visible(name: str) -> bool:
    return not name.startswith(".")


def _has_ending(name: str, endings: tuple[str, ...]) -> bool:
    return name.lower().endswith(endings)


def _is_image(file: Path) -> bool:
    if not _has_ending(file.name, IMAGE_ENDINGS) or _has_ending(file.name, RESULT_ENDINGS) or not file.is_file():
        return False
    # many programs write .hdr files: with its voxels beside it, it is a NIfTI pair
    return file.suffix.lower() != ".hdr" or any(file.with_suffix(s).exists() for s in (".img", ".IMG", ".img.gz"))


def _study(files: Sequence[Path]) -> str | None:
    """The study of a folder's DICOM files, by the first image among them; None where there is no MR image.

    Where no header can be read, a damaged MR image still makes the folder a study, of its own, so that it is told.
    """
    from proseg.dicom_headers import MR_IMAGE, is_dicom, read_header

    damaged = None
    for file in files:
        try:
            if file.name.upper() == "DICOMDIR" or not file.is_file() or not is_dicom(file):
                continue
            if header := read_header(file):
                return f"{header.study} {header.patient}" if header.study else str(file.parent)
            with file.open("rb") as stream:
                if MR_IMAGE in stream.read(16384):
                    damaged = str(file.parent)
        except OSError:  # unreadable: told when the case that it belongs to is read
            continue
    return damaged


def _studies(dicom: dict[Path, str]) -> Iterator[Path]:
    """The folders to read the studies from, by the study of each folder of files."""
    places: dict[str, list[Path]] = defaultdict(list)
    inside: dict[Path, set[str]] = defaultdict(set)
    for place, study in dicom.items():
        places[study].append(place)
        for folder in (place, *place.parents):
            inside[folder].add(study)
    for own in places.values():
        common = Path(os.path.commonpath(own))
        yield from [common] if len(inside[common]) == 1 else own


def _files_below(folder: Path) -> Iterator[Path]:
    for place, names in _walk(folder, None, []):
        yield from (place / name for name in names if (place / name).is_file())


def _ids(paths: Sequence[Path], root: Path) -> Iterator[str]:
    plain = [_id(path, root) for path in paths]
    # some file systems do not tell upper from lower case, or ways to write an accent
    counts = Counter(unicodedata.normalize("NFC", name).casefold() for name in plain)
    for name, path in zip(plain, paths, strict=True):
        if counts[unicodedata.normalize("NFC", name).casefold()] == 1 and len(name.encode()) <= MAX_ID_BYTES:
            yield name
        else:
            short = name.encode()[: MAX_ID_BYTES - 9].decode(errors="ignore")
            relative = os.fsencode(path.relative_to(root).as_posix())
            yield f"{short}-{hashlib.blake2s(relative, digest_size=4).hexdigest()}"


def _id(path: Path, root: Path) -> str:
    relative = path.relative_to(root).as_posix()
    if relative == ".":
        relative = root.resolve().name
    ending = next((e for e in IMAGE_ENDINGS if not path.is_dir() and relative.lower().endswith(e)), "")
    name = relative[: len(relative) - len(ending)].encode(errors="replace").decode()  # names need not be Unicode
    name = _UNSAFE.sub("_", name).strip(" .")
    return _STARTS_BADLY.sub("_", name) or "case"
