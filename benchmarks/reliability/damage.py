"""Damage to good files: plain edits of bytes, header fields, text lines and DICOM elements, that can be written down.

An edit is a list of an operation's name and its arguments, so that a damaged input is a line of JSON and can be made
again. ``mutations`` draws such edits by the thousand.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reliability import sources

Edit = list[Any]

# Offset and struct format of the fields of a NIfTI-1 header (nifti1.h) that a reader acts upon.
NIFTI_FIELDS = {
    "sizeof_hdr": (0, "i"),
    "dim_info": (39, "B"),
    **{f"dim{n}": (40 + 2 * n, "h") for n in range(8)},
    "intent_code": (68, "h"),
    "datatype": (70, "h"),
    "bitpix": (72, "h"),
    **{f"pixdim{n}": (76 + 4 * n, "f") for n in range(8)},
    "vox_offset": (108, "f"),
    "scl_slope": (112, "f"),
    "scl_inter": (116, "f"),
    "xyzt_units": (123, "B"),
    "qform_code": (252, "h"),
    "sform_code": (254, "h"),
    **{f"quatern{n}": (256 + 4 * n, "f") for n in range(3)},
    **{f"qoffset{n}": (268 + 4 * n, "f") for n in range(3)},
    **{f"srow{n}": (280 + 4 * n, "f") for n in range(12)},
    "magic": (344, "i"),
    "extension": (348, "i"),
}
LONG_VR = (b"OB", b"OW", b"OF", b"OD", b"OL", b"SQ", b"UC", b"UN", b"UR", b"UT")  # with lengths of 4 bytes


@dataclass(frozen=True)
class Recipe:
    """A damaged input: a kind of good source and what is done to it.

    Attributes:
        kind: one of ``sources.KINDS``.
        edits: what is done, in order.
    """

    kind: str
    edits: tuple[Edit, ...]

    def to_json(self) -> str:
        """The recipe as a line."""
        return json.dumps([self.kind, *self.edits])

    @staticmethod
    def from_json(line: str) -> Recipe:
        """The recipe of a line."""
        kind, *edits = json.loads(line)
        return Recipe(kind, tuple(edits))

    def make(self, folder: Path) -> Path:
        """Make the damaged input in an empty folder; returns what to hand to proseg."""
        if self.kind != sources.ARCHIVE:
            path = sources.write(self.kind, folder)
            for edit in self.edits:
                _apply(path, self.kind, edit)
            return path
        inside = [edit for edit in self.edits if edit[0] in DICOM_EDITS or edit[0] in FOLDER_EDITS]
        path = sources.write(self.kind, folder)
        if inside:
            _repack(path, inside)
        for edit in self.edits:
            if edit not in inside:
                _apply(path, self.kind, edit)
        return path


def _apply(path: Path, kind: str, edit: Edit) -> None:
    name, *arguments = edit
    if name in FOLDER_EDITS:
        if path.is_dir():
            FOLDER_EDITS[name](sorted(path.iterdir()), *arguments)
        return
    if name in DICOM_EDITS:
        which, *arguments = arguments
        files = sorted(path.iterdir())
        for file in files if which == "all" else files[which % max(1, len(files)) :][:1]:
            file.write_bytes(DICOM_EDITS[name](file.read_bytes(), *arguments))
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    file = sources.main_file(path)
    data = file.read_bytes()
    if name == "field":
        zipped = kind == "nii.gz"
        data = gzip.decompress(data) if zipped else data
        data = nifti_field(data, *arguments)
        data = gzip.compress(data, 1, mtime=0) if zipped else data
    else:
        data = (BYTE_EDITS | LINE_EDITS)[name](data, *arguments)
    file.write_bytes(data)


def _repack(path: Path, edits: list[Edit]) -> None:
    """Damage the DICOM files inside an archive."""
    folder = path.parent / "study"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(path.parent)  # our own archive
    for edit in edits:
        _apply(folder, sources.DICOM, edit)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.writestr(zipfile.ZipInfo(f"study/{file.name}"), file.read_bytes(), zipfile.ZIP_DEFLATED)
            file.unlink()
    folder.rmdir()


def set_bytes(data: bytes, place: int, new: str) -> bytes:
    """Other bytes (hexadecimal) in the place of those there; a negative place counts from the end."""
    place, fresh = _place(data, place), bytes.fromhex(new)
    return data[:place] + fresh + data[place + len(fresh) :]


def insert(data: bytes, place: int, new: str) -> bytes:
    """More bytes between those there."""
    place = _place(data, place)
    return data[:place] + bytes.fromhex(new) + data[place:]


def cut(data: bytes, place: int) -> bytes:
    """Nothing from here on."""
    return data[: _place(data, place)]


def drop(data: bytes, place: int, count: int) -> bytes:
    """Some bytes less."""
    place = _place(data, place)
    return data[:place] + data[place + count :]


def repeat(data: bytes, place: int, count: int, times: int) -> bytes:
    """Some bytes several times."""
    place = _place(data, place)
    return data[:place] + data[place : place + count] * times + data[place + count :]


def fill(data: bytes, place: int, count: int, value: int) -> bytes:
    """One value over a stretch, as a bad sector leaves it."""
    place = _place(data, place)
    there = len(data[place : place + count])
    return data[:place] + bytes([value]) * there + data[place + count :]


def flip(data: bytes, place: int, bit: int) -> bytes:
    """One bit the other way round."""
    if not data:
        return data
    place = _place(data, place)
    return data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :]


def nifti_field(data: bytes, name: str, value: float) -> bytes:
    """Another value in a field of a NIfTI-1 header, cut to what the field can hold."""
    offset, form = NIFTI_FIELDS[name]
    if form == "f":
        packed = struct.pack(
            "<f", value if math.isnan(value) or abs(value) < 3.4e38 else math.copysign(math.inf, value)
        )
    else:
        size = struct.calcsize(form)
        whole = int(value) if math.isfinite(value) else -1
        packed = (whole % (1 << 8 * size)).to_bytes(size, "little")
    return data[:offset] + packed + data[offset + len(packed) :]


def line(data: bytes, key: str, value: str) -> bytes:
    """Another value after ``key`` in a text header; where there is no such line, a new one."""
    new, count = re.subn(_line_of(key), lambda found: found[1] + value.encode("utf-8", "replace"), data, count=1)
    return new if count else extra_line(data, key, value)


def extra_line(data: bytes, key: str, value: str) -> bytes:
    """One more line, the second of the file."""
    mark = b": " if data.startswith(b"NRRD") else b" = "
    first, end, rest = data.partition(b"\n")
    return first + end + key.encode() + mark + value.encode("utf-8", "replace") + b"\n" + rest


def no_line(data: bytes, key: str) -> bytes:
    """A line less."""
    return re.sub(_line_of(key) + rb"\n", b"", data, count=1)


def _line_of(key: str) -> bytes:
    return rb"(?m)^(" + re.escape(key.encode()) + rb"(?:: | = ))[^\n]*"


def element(data: bytes, tag: str, value: str, length: int | None = None) -> bytes:
    """Another value (hexadecimal) in a DICOM element, or a new element; ``length`` is what its header claims."""
    parts, wanted, fresh = split(data), bytes.fromhex(tag), bytes.fromhex(value)
    fresh += b" " * (len(fresh) % 2)
    places = [place for place, part in enumerate(parts) if part[0] == wanted]
    vr = parts[places[0]][1] if places else b"UN"
    new = _element(wanted, vr, fresh, length)
    rest = [_element(*part) for part in parts]
    at = places[0] if places else sum(part[0] != b"" and _order(part[0]) < _order(wanted) for part in parts)
    rest[at : at + bool(places)] = [new]
    return data[:132] + b"".join(rest)


def no_element(data: bytes, tag: str) -> bytes:
    """A DICOM file without an element."""
    return data[:132] + b"".join(_element(*part) for part in split(data) if part[0] != bytes.fromhex(tag))


def again(data: bytes, tag: str) -> bytes:
    """A DICOM file with an element twice."""
    return data[:132] + b"".join(_element(*part) * (1 + (part[0] == bytes.fromhex(tag))) for part in split(data))


def split(data: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """The elements of a DICOM file, explicit VR little endian: tag, VR and value; what is no element comes last."""
    parts, at = [], 132
    while at + 8 <= len(data):
        tag, vr = data[at : at + 4], data[at + 4 : at + 6]
        wide = vr in LONG_VR
        start = at + (12 if wide else 8)
        length = int.from_bytes(data[at + 8 : start] if wide else data[at + 6 : start], "little")
        if not vr.isalpha() or start + length > len(data):
            break
        parts.append((tag, vr, data[start : start + length]))
        at = start + length
    return [*parts, (b"", b"", data[at:])]


def _element(tag: bytes, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    if not tag:
        return value
    told = len(value) if length is None else length
    if vr in LONG_VR:
        return tag + vr + b"\0\0" + (told % 2**32).to_bytes(4, "little") + value
    return tag + vr + (told % 2**16).to_bytes(2, "little") + value


def _order(tag: bytes) -> tuple[int, ...]:
    return struct.unpack("<2H", tag)


def _place(data: bytes, place: int) -> int:
    return place % len(data) if data else 0


def _no_file(files: list[Path], which: int) -> None:
    if files:
        files[which % len(files)].unlink()


def _copy_file(files: list[Path], which: int) -> None:
    if files:
        file = files[which % len(files)]
        file.with_name(f"copy of {file.name}").write_bytes(file.read_bytes())


BYTE_EDITS: dict[str, Callable[..., bytes]] = {
    "set": set_bytes, "insert": insert, "cut": cut, "drop": drop, "repeat": repeat, "fill": fill, "flip": flip,
}  # fmt: skip
LINE_EDITS: dict[str, Callable[..., bytes]] = {"line": line, "extra line": extra_line, "no line": no_line}
DICOM_EDITS: dict[str, Callable[..., bytes]] = {"element": element, "no element": no_element, "again": again}
FOLDER_EDITS: dict[str, Callable[..., None]] = {"no file": _no_file, "copy file": _copy_file}
