"""Headers of NIfTI, NRRD and MetaImage files, looked at before ITK acts upon them.

ITK believes a header: it asks for the memory that a header names, opens the file that it names, and crashes on some
that no program writes. So what is impossible is refused here, in a sentence. What is merely wrong is left to ITK.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from proseg.errors import InputError
from proseg.flags import QualityFlag, Severity
from proseg.images.nifti import contradiction, header_file, is_zipped, open_any, orientation_assumed, read_header

EXPORT_AGAIN = "Export or copy the image again and retry."
MAX_VOXELS = 2**26  # 1024 × 1024 × 64; with one larger the memory needed would pass 2 GB
FARTHEST_MM = 1e6  # from the scanner's origin
MAX_HEADER = 1 << 20  # bytes of a text header
MAX_FIELD = 1024  # characters of a field of a text header; ITK's parsers have buffers of a fixed size
MAX_NUMBER = 64  # characters of one word or number in it
BEYOND = 1 << 16  # bytes that a compressed file may hold beyond those its header names

# Fields of MetaImage that hold numbers, as many as there are dimensions, or their square.
_META_NUMBERS = (
    *("offset", "position", "origin", "elementspacing", "elementsize", "centerofrotation"),
    *("transformmatrix", "rotation", "orientation"),
)
_META_DIRECTIONS = {"transformmatrix", "rotation", "orientation"}
_ANATOMICAL = r"(right|left)-(anterior|posterior)-(superior|inferior)(-time)?|[rl][ap][si]t?"  # spaces of NRRD
_NRRD_TEXT, _NRRD_BINARY = ("txt", "text", "ascii", "hex"), ("raw", "gz", "gzip")
_META_COUNTS = ("ndims", "elementnumberofchannels")
_MOST_DIMENSIONS = 10  # ITK's MetaImage keeps room for so many


def check_header(path: Path, kind: str, name: str) -> None:
    """Refuse a file whose header cannot be true; ``name`` is what the error calls it.

    Args:
        path: the file.
        kind: its format; only ``NIfTI``, ``NRRD`` and ``MetaImage`` are looked at.
        name: what an error calls it.

    Raises:
        InputError: the header is impossible, or names more than there is.
    """
    checks: dict[str, Callable[[Path, str], None]] = {
        "NIfTI": _check_nifti,
        "NRRD": _check_nrrd,
        "MetaImage": _check_meta,
    }
    if kind in checks:
        checks[kind](path, name)


def check_size(size: Iterable[int], components: int, name: str) -> None:
    """Refuse more voxels than any examination has; a header can name any number.

    Raises:
        InputError: there are too many.
    """
    if math.prod(size) * components > MAX_VOXELS:
        raise InputError(
            f"{name} names {' × '.join(map(str, size))} voxels, more than the {MAX_VOXELS / 1e6:.0f} million that can "
            "be segmented.",
            "Check its header, or resample it to coarser voxels.",
        )


def _check_nifti(path: Path, name: str) -> None:
    """Refuse what ITK lets pass, a file cut short (read as zeros) or a zero spacing (read as 1 mm), or stops at."""
    if not (named := header_file(path)).is_file():
        return
    try:
        header = read_header(path)
        if header is None:  # a form of Analyze only ITK knows
            return
        rank, size, separate = header.rank, header.size, header.separate
        if rank > 7 or min([1, *size]) < 0 or header.bits < 0 or not 0 <= header.offset < MAX_HEADER:
            raise _damaged(name)
        check_size(size, max(1, header.bits // 64), name)
        expected = 0 if separate else int(header.offset) + math.prod(size) * header.bits // 8
        zipped = is_zipped(named)
        with open_any(named) as file:
            length = _rest(file, expected + BEYOND) if zipped else named.stat().st_size
    except (EOFError, OSError, ValueError, OverflowError, zlib.error, struct.error):
        raise _damaged(name) from None
    if separate and any(file.exists() and not file.is_file() for file in voxels_of(named)):  # a pipe, a device
        raise _damaged(name)
    if separate and header.kind == "Analyze" and not any(file.is_file() for file in voxels_of(named)):
        raise InputError(f"The file with the voxels of {name} (.img) is missing.", "Copy both files together.")
    if length < expected:
        raise InputError(f"{name} is incomplete: it holds {length} of {expected} bytes.", EXPORT_AGAIN)
    if zipped and not separate and length > expected + BEYOND:
        raise InputError(f"{name} holds more than the {expected} bytes that its header names.", EXPORT_AGAIN)
    if not all(math.isfinite(mm) and mm != 0 for mm in header.pixdim[1 : 1 + min(rank, 3)]):
        raise InputError(f"{name} has a voxel spacing of zero.", EXPORT_AGAIN)
    used = (*(header.quatern if header.qform_code > 0 else ()), *(header.srow if header.sform_code > 0 else ()))
    if not all(abs(number) < FARTHEST_MM for number in used):  # NaN fails too
        raise _misplaced(name)


def voxels_of(header: Path) -> list[Path]:
    """Where the voxels of a NIfTI pair can lie."""
    return [header.with_suffix(ending) for ending in (".img", ".img.gz", ".IMG", ".IMG.GZ")]


def _rest(file: BinaryIO, enough: int) -> int:
    """How many bytes a compressed file still holds: to its end, so that its checksum is compared, or until enough."""
    length = 0
    while length <= enough and (chunk := file.read(1 << 20)):
        length += len(chunk)
    return length


def _check_nrrd(path: Path, name: str) -> None:
    """Refuse a header that is too long, speaks of too much or names files elsewhere."""
    fields = _nrrd_fields(path, name)
    encoding = {"bz2": "bzip2"}.get(fields.get("encoding", "").lower(), fields.get("encoding", "").lower())
    if encoding not in (*_NRRD_TEXT, *_NRRD_BINARY):
        raise InputError(
            f"{name} is written with the encoding {encoding or 'of no name'}, which cannot be read here.",
            "Save it with encoding gzip or raw.",
        )
    if "space directions" not in fields and {"space", "spacings"} <= set(fields):
        raise InputError(
            f"{name} names a space but no directions in it, so nothing tells how its voxels lie.",
            "Save it again with 'space directions', or without 'space'.",
        )
    if encoding in _NRRD_BINARY and "endian" not in fields and not re.search(r"char|int8", fields.get("type", "")):
        raise InputError(
            f"{name} does not tell the order of its bytes.", "Add a line 'endian: little' or 'endian: big'."
        )
    check_size(_wholes(fields.get("sizes", "1").split(), name), 1, name)
    if "datafile" in fields:
        _check_data_file(fields["datafile"], path, name)


def _nrrd_fields(path: Path, name: str) -> dict[str, str]:
    """The fields of an NRRD header by name in lower case: https://teem.sourceforge.net/nrrd/format.html."""
    with path.open("rb") as file:
        head = file.read(MAX_HEADER)
    header, *rest = re.split(rb"\r?\n\r?\n", head, maxsplit=1)
    if not rest and len(head) == MAX_HEADER:
        raise _damaged(name)
    fields: dict[str, str] = {}
    for line in _lines(header)[1:]:
        if line.startswith("#") or re.match(r"[^:]*:=", line):  # a comment; a note of a program's own
            continue
        key, colon, value = line.partition(":")
        key, value = key.strip().lower().replace("data file", "datafile"), value.strip()
        if not colon or key in fields or not _plain(value):
            raise _damaged(name)
        fields[key] = value
    return fields


def _meta_fields(path: Path, name: str) -> dict[str, str]:
    """The fields of a MetaImage header by name in lower case: https://itk.org/Wiki/ITK/MetaIO/Documentation."""
    with path.open("rb") as file:
        head = file.read(MAX_HEADER)
    found = re.search(rb"^[ \t]*ElementDataFile[ \t]*[=:][^\n]*", head, re.MULTILINE)
    if not found:
        raise _damaged(name)
    fields: dict[str, str] = {}
    for line in _lines(head[: found.end()]):
        parts = re.fullmatch(r"\s*([\w|]+)\s*[=:]\s*(.*?)\s*", line)  # SimpleITK's keys of DICOM have a bar
        if not parts or parts[1].lower() in fields or not _plain(parts[2]):
            raise _damaged(name)
        fields[parts[1].lower()] = parts[2]
    return fields


def _check_meta(path: Path, name: str) -> None:
    """Refuse a header with impossible numbers, or one that speaks of too much or names files elsewhere."""
    fields = _meta_fields(path, name)
    rank, components = (_wholes([fields.get(key, "1")], name)[0] for key in _META_COUNTS)
    size = _wholes(fields.get("dimsize", "").split(), name)
    if not 1 <= rank <= _MOST_DIMENSIONS or len(size) != rank:
        raise _damaged(name)
    check_size(size, components, name)
    for key in _META_NUMBERS:
        try:
            numbers = [float(word) for word in fields.get(key, "").split()]
        except ValueError:
            raise _damaged(name) from None
        if numbers and len(numbers) not in (rank, rank**2):
            raise _damaged(name)
        if not all(abs(number) < FARTHEST_MM for number in numbers):
            raise _misplaced(name)
    if fields["elementdatafile"].upper() != "LOCAL":
        path = _check_data_file(fields["elementdatafile"], path, name)
    if _wholes([fields.get("compresseddatasize", "0")], name)[0] > path.stat().st_size:
        raise _damaged(name)


def missing_fields(path: Path, kind: str) -> tuple[QualityFlag, ...]:
    """What a reviewer should know of a header that ``check_header`` let pass, and that leaves out a place or a size.

    Returns:
        ``orientation_assumed``, ``spacing_doubtful`` and ``placing_contradicts``; only of ``NRRD`` and ``MetaImage``.
    """
    flags = []
    if kind == "NRRD":
        fields = _nrrd_fields(path, path.name)
        if not re.fullmatch(_ANATOMICAL, fields.get("space", "").lower()) or "space directions" not in fields:
            flags.append(orientation_assumed("The NRRD header names no orientation in the patient"))
        if not {"space directions", "spacings"} & set(fields):
            flags.append(spacing_doubtful("The NRRD header gives no voxel size, so 1 mm was taken"))
    elif kind == "MetaImage":
        fields = _meta_fields(path, path.name)
        if not _META_DIRECTIONS & set(fields):
            flags.append(orientation_assumed("The MetaImage header gives no orientation"))
        if not {"elementspacing", "elementsize"} & set(fields):
            flags.append(spacing_doubtful("The MetaImage header gives no voxel size, so 1 mm was taken"))
        elif "-" in fields.get("elementspacing", fields.get("elementsize", "")):
            flags.append(
                contradiction("The MetaImage header has a negative voxel size, which was taken for a mirrored axis")
            )
    return tuple(flags)


def spacing_doubtful(why: str) -> QualityFlag:
    """The flag for voxel sizes that were surely lost on the way.

    Args:
        why: what speaks for it, the beginning of a sentence.
    """
    return QualityFlag(
        "spacing_doubtful",
        Severity.WARNING,
        f"{why}: the spacing was probably lost, and then contours and volumes are wrong. Compare with the scanner's.",
    )


def _check_data_file(named: str, header: Path, name: str) -> Path:
    """The file of voxels that a header names.

    Several files are refused, and one outside the header's folder: who knows who wrote the header.
    """
    if not named or named.split()[0].upper() == "LIST" or "%" in named:
        raise InputError(f"{name} keeps its voxels in several files.", "Export it as one file.")
    folder = header.parent.resolve()
    try:
        file = (folder / named).resolve()
        there = file.is_file()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name too long or with a null character
        raise _damaged(name) from None
    if not file.is_relative_to(folder):
        raise InputError(f"{name} keeps its voxels outside its own folder.", "Put both files into one folder.")
    if not there:
        raise InputError(
            f"The file “{named[:MAX_NUMBER]}” with the voxels of {name} is missing.", "Copy both files together."
        )
    return file


def _lines(header: bytes) -> Sequence[str]:
    return [line for line in header.decode(errors="replace").splitlines() if line.strip()]


def _plain(value: str) -> bool:
    """Whether a field's value is text of a length that ITK's parsers can hold."""
    return value.isprintable() and len(value) <= MAX_FIELD and max(map(len, re.split(r"[\s,()]+", value))) <= MAX_NUMBER


def _wholes(words: list[str], name: str) -> list[int]:
    """Whole numbers of at least 1; 0 is left to ITK."""
    if not all(word.isdecimal() and len(word) <= 12 for word in words):
        raise _damaged(name)
    return [int(word) for word in words]


def _damaged(name: str) -> InputError:
    return InputError(f"{name} is damaged or incomplete and cannot be read.", EXPORT_AGAIN)


def _misplaced(name: str) -> InputError:
    return InputError(f"{name} has an impossible position or direction in its header.", EXPORT_AGAIN)
