"""Which cases lie in a folder: image files, DICOM studies that lie as folders of files, and ZIP files of either.

Looking is quick: an image file is known by its ending, and of a folder of DICOM files as few headers are read as say
which study it belongs to; in a ZIP as well. Whether a case can be segmented is found out when its turn comes.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from proseg.dicom.meta import head_of, is_dicom, is_mr_image
from proseg.errors import InputError
from proseg.images.foreign import has_bytes, is_absent, is_packed_slice, is_unread
from proseg.images.names import IMAGE_ENDINGS, RESULT_ENDINGS, companions, image_ending
from proseg.reading.archives import ENDING, Archive, within_zip
from proseg.system.folders import walk
from proseg.system.temporary import private_folder

if TYPE_CHECKING:
    from proseg.dicom.headers import Header

MAX_ID_BYTES = 160  # leaves room for an ending and for a temporary file's name in the 255 of a file system
GIVE_A_FOLDER = "Give a folder or ZIP with NIfTI, NRRD or MetaImage files, or with DICOM studies."

# Endings of what may be a DICOM file or a folder; of an image or an archive what is not here is a case by its name.
_ABSENT = re.compile(r"(\.(dcm|ima|dicom|zip|\d+))?", re.IGNORECASE)
RESULT_MODALITIES = {"SEG", "RTDOSE", "RTSTRUCT"}
RESULTS = "results.csv"  # the table of a batch
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')  # on any system: a batch's results travel
_STARTS_BADLY = re.compile(r"^[-=+@]")  # an option on a command line, a formula in a spreadsheet


@dataclass(frozen=True)
class Found:
    """A case in a folder.

    Attributes:
        id: its name in tables and the stem of its output files: unique in the folder and safe on every system.
        path: what ``read_t2w`` shall read: an image file, a DICOM folder, a ZIP, or a place in one of several cases, as
            in ``export.zip/ann``.
    """

    id: str
    path: Path

    def stamp(self) -> str:
        """Twelve hexadecimal digits that change when the image file, or a file in the folder, does.

        Name, size and time are compared, not content, so that it costs little to ask. A file that is gone counts not.
        Of a case in a ZIP, the ZIP counts.
        """
        files = _files_below(self.path) if self.path.is_dir() else iter([self.path])
        with suppress(OSError):
            if within := within_zip(self.path):
                files = iter([within[0]])
        seen = hashlib.blake2s(digest_size=6)
        for file in files:
            with suppress(OSError):
                status = file.stat()
                seen.update(os.fsencode(file.name) + b"\0%d\0%d\0" % (status.st_size, int(status.st_mtime)))
        return seen.hexdigest()


def find_cases(
    folder: str | os.PathLike[str],
    leave_out: str | os.PathLike[str] | None = None,
    passed_over: list[Path] | None = None,
) -> list[Found]:
    """Find the cases in a folder and the folders within it, in the order of their paths.

    A case is an image file, by its ending, or a DICOM study: the deepest folder that holds all of its series, or, where
    that holds another study as well, each folder of its files. A ZIP file of one case is that case; of a ZIP of more,
    each is one. A study in a ZIP that lies unpacked in the folder as well is passed over. What may not be listed, is
    damaged or in another archive than a ZIP, a link that leads nowhere, and a pointer to what was not fetched count as
    cases, so that their trouble is told; of several DICOM files that are not here their folder is one. Links to folders
    are followed, see ``folders.walk``. Hidden files and folders are passed over, and segmentations (``.seg.nrrd``), the
    labelmaps of an earlier batch, and by their names label maps and other contrasts beside an image
    (``images.names.companions``).

    Args:
        folder: where to look; a folder, or a ZIP file.
        leave_out: a folder within it not to look into, such as the one that results go to.
        passed_over: gets the label maps, other contrasts and unpacked studies that were passed over.

    Returns:
        The cases. Ids are their paths in ``folder`` without ending, folders joined by ``_``; where two would be the
        same, or one too long, each gets digits made from its path, so that no id ever passes to another case.

    Raises:
        InputError: the folder does not exist, is none, may not be read, or holds no case.
    """
    root = Path(folder).expanduser()
    if not root.is_dir() and not (root.is_file() and _has_ending(root.name, (ENDING,))):
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise InputError(f"{root} {what}.", GIVE_A_FOLDER)
    images: list[Path] = []
    written: set[Path] = set()
    closed: list[Path] = []
    absent: list[Path] = []
    archives: list[Path] = [] if root.is_dir() else [root]
    dicom: dict[Path, str] = {}  # study by folder of files
    outputs = Path(leave_out).expanduser() if leave_out is not None else None
    for place, names in walk(root, outputs, closed) if root.is_dir() else ():
        files = [place / name for name in names]
        images += filter(_is_image, files)
        written |= _written_by_batch(place, files)
        archives += (file for file in files if _has_ending(file.name, (ENDING,)) and file.is_file())
        if (study := _study([file for file in files if not image_ending(file.name)])) is not None:
            dicom[place] = study
        else:
            gone = [
                file
                for file in files
                if is_packed_slice(file.name) or (_ABSENT.fullmatch(file.suffix) and is_absent(file))
            ]
            # a folder with others in it would be read with the studies that lie there
            absent += [place] if len(gone) > 1 and not any(path.is_dir() for path in place.iterdir()) else gone
    if root in closed:
        raise InputError(f"{root} cannot be read.", "Check that you may read it.")
    beside = companions(image for image in images if image not in written) | written
    cases = [*(image for image in images if image not in beside), *closed, *absent, *_studies(dicom)]
    if archives:
        try:
            with private_folder(str(root)) as temporary:
                for archive in archives:
                    cases += _packed(archive, temporary, set(dicom.values()), beside)
        except InputError:  # no temporary folder: told when they are read
            cases += archives
    if passed_over is not None:
        passed_over += sorted(beside)
    paths = sorted(cases, key=lambda path: path.relative_to(root).parts)
    if not paths:
        raise InputError(f"{root} holds no image.", GIVE_A_FOLDER)
    return name_cases(paths, root)


def name_cases(paths: Sequence[Path], root: Path) -> list[Found]:
    """Cases with the ids that ``find_cases`` gives to paths below a folder."""
    return [Found(name, path) for name, path in zip(_ids(paths, root), paths, strict=True)]


def safe_name(text: str) -> str:
    """A text made safe as a file name and in a table, on every system; ``case`` where nothing of it is left."""
    name = text.encode(errors="replace").decode()  # names of files need not be Unicode
    name = _UNSAFE.sub("_", name).strip(" .")
    return _STARTS_BADLY.sub("_", name) or "case"


def _has_ending(name: str, endings: tuple[str, ...]) -> bool:
    return name.lower().endswith(endings)


def _is_image(file: Path) -> bool:
    if is_unread(file.name) and (file.is_file() or file.is_symlink()):
        return True
    if not image_ending(file.name) or _has_ending(file.name, RESULT_ENDINGS):
        return False
    if not file.is_file():
        return file.is_symlink() and not file.exists()
    # many programs write .hdr files: with its voxels beside it, it is a NIfTI pair
    return file.suffix.lower() != ".hdr" or any(file.with_suffix(s).exists() for s in (".img", ".IMG", ".img.gz"))


def _written_by_batch(folder: Path, files: Sequence[Path]) -> set[Path]:
    """The labelmaps in the output folder of an earlier batch, by its table and by their voxels of eight bits.

    Where a batch wrote beside its images, as with ``.seg.nrrd`` it may, those have names of the table as well.
    """
    table = folder / RESULTS
    if table not in files:
        return set()
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not reader.fieldnames or not {"id", "status", "sentence"} <= set(reader.fieldnames):
                return set()
            ids = {row["id"] for row in reader}
    except (OSError, ValueError, csv.Error):
        return set()
    images = [file for file in files if image_ending(file.name)]
    return {file for file in images if file.name.removesuffix(image_ending(file.name)) in ids and has_bytes(file)}


def _packed(file: Path, temporary: Path, known: set[str], beside: set[Path]) -> list[Path]:
    """The cases in a ZIP: itself if it is one or cannot be read, else paths that lead into it.

    Studies that are ``known`` are added to ``beside``, as are label maps and other contrasts. A header is unpacked into
    the folder ``temporary`` to be read.
    """
    images: list[Path] = []
    studies: dict[PurePosixPath, str] = {}
    try:
        with Archive(file) as archive:
            for entry in archive.entries(known=studies):
                place = entry.path.parent
                if not entry.is_dicom:
                    images += [] if _has_ending(entry.path.name, RESULT_ENDINGS) else [file / entry.path]
                    continue
                (unpacked,) = archive.unpack([entry], temporary)
                if (study := _study([unpacked])) is not None:
                    studies[place] = str(file / place) if study == str(unpacked.parent) else study
    except (InputError, OSError):
        return [file]  # told when it is read
    dicom = {file / place: study for place, study in studies.items()}
    doubled = {place for place, study in dicom.items() if study in known}
    beside |= companions(images) | doubled
    found = [
        *(image for image in images if image not in beside),
        *_studies({place: study for place, study in dicom.items() if place not in doubled}),
    ]
    return [file] if len(found) == 1 and not doubled else found


def _study(files: Sequence[Path]) -> str | None:
    """The study of a folder's DICOM files, by the first images among them; None where there is none but of results.

    Where the UID is new for every file, it is the patient's of that day. Where no header can be read, a damaged MR
    image still makes the folder a study, of its own, so that it is told.
    """
    first: Header | None = None
    damaged = None
    for file in _dicom_among(files):
        from proseg.dicom.headers import read_header

        try:
            header = read_header(file)
            if header is None:
                damaged = str(file.parent) if is_mr_image(head_of(file)) else damaged
            elif header.modality in RESULT_MODALITIES:
                continue
            elif not header.study:
                return str(file.parent)
            elif first is None and header.patient.strip("^"):  # the next tells whether the UID is new for every file
                first = header
            elif first and header.study != first.study and _alike(header, first):
                return f"{header.patient} on {header.study_date}"
            else:
                first = first or header
                break
        except OSError:  # unreadable: told when the case that it belongs to is read
            continue
    return f"{first.study} {first.patient}" if first else damaged


def _dicom_among(files: Sequence[Path]) -> Iterator[Path]:
    for file in files:
        with suppress(OSError):
            if file.name.upper() != "DICOMDIR" and file.is_file() and is_dicom(file):
                yield file


def _alike(one: Header, other: Header) -> bool:
    """Whether two images are of one series but for their UIDs."""
    return all(
        getattr(one, what) == getattr(other, what) for what in ("patient", "study_date", "number", "description")
    )


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
    for place, names in walk(folder):
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
    relative = re.sub(rf"{re.escape(ENDING)}(?=/)", "", relative, flags=re.IGNORECASE)
    ending = next((e for e in (*IMAGE_ENDINGS, ENDING) if not path.is_dir() and relative.lower().endswith(e)), "")
    return safe_name(relative[: len(relative) - len(ending)])
