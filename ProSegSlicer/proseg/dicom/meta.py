"""What the first bytes of a DICOM file say: that it is one, what it holds, how its pixels are packed.

The File Meta Information (DICOM PS3.10 section 7.1) is read as bytes: it is there also where the rest is damaged or
packed in a way that nothing here can open.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

# SOP classes: MR Image Storage; Enhanced MR, Enhanced MR Color and Legacy Converted Enhanced MR Image Storage.
MR_IMAGES = {f"1.2.840.10008.5.1.4.1.1.4{end}" for end in ("", ".1", ".3", ".4")}
DICOMDIR = "1.2.840.10008.1.3.10"
HEAD_BYTES = 16384

# Transfer syntaxes that SimpleITK's GDCM unpacks: PS3.6 table A-1, tried one by one.
UNPACKED = {
    *(f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".1.99", ".2", ".5")),
    *(f"1.2.840.10008.1.2.4.{end}" for end in ("50", "51", "57", "70", "80", "81", "90", "91", "201", "202", "203")),
}
NAMES = {
    "1.2.840.10008.1.2.1.98": "encapsulated uncompressed",
    "1.2.840.10008.1.2.4.92": "JPEG 2000 multi-component",
    "1.2.840.10008.1.2.4.93": "JPEG 2000 multi-component",
    **{f"1.2.840.10008.1.2.4.{end}": "JPIP" for end in ("94", "95", "204", "205")},
    **{f"1.2.840.10008.1.2.4.{end}": "MPEG-2 video" for end in ("100", "100.1", "101", "101.1")},
    **{f"1.2.840.10008.1.2.4.{end}": "MPEG-4 video" for end in ("102", "103", "104", "105", "106")},
    **{f"1.2.840.10008.1.2.4.{end}": "HEVC video" for end in ("107", "108")},
    **{f"1.2.840.10008.1.2.4.{end}": "JPEG XL" for end in ("110", "111", "112")},
    "1.2.840.10008.1.2.8.1": "deflated frames",
}
_LONG = {b"OB", b"OW", b"UN", b"SQ", b"UT", b"UC", b"UR"}  # value representations with a length of four bytes


def head_of(file: Path, count: int = HEAD_BYTES) -> bytes:
    """The first bytes of a file."""
    with file.open("rb") as stream:
        return stream.read(count)


def starts_as_dicom(head: bytes) -> bool:
    """Whether bytes start as DICOM does: ``DICM`` after the preamble or, in old files, straight with group 8."""
    return head[128:132] == b"DICM" or (head[:2] == b"\x08\x00" and head[3:4] == b"\x00")


def is_dicom(file: Path) -> bool:
    """Whether a file starts as DICOM does."""
    return starts_as_dicom(head_of(file, 132))


def file_meta(head: bytes) -> dict[int, str]:
    """The values of group 2, by element, of the first bytes of a file; empty in files without a preamble."""
    found: dict[int, str] = {}
    at = 132
    while head[128:132] == b"DICM" and at + 12 <= len(head):
        group, element, kind, length = struct.unpack_from("<HH2sH", head, at)
        at += 8
        if kind in _LONG:
            (length,) = struct.unpack_from("<I", head, at)
            at += 4
        if group != 2:
            break
        found[element] = head[at : at + length].rstrip(b" \0").decode("ascii", "replace")
        at += length
    return found


def sop_class(head: bytes) -> str:
    """The SOP class UID of what a file holds; empty where its first bytes do not say."""
    if uid := file_meta(head).get(0x0002):
        return uid
    named = re.search(rb"\x08\x00\x16\x00(?:UI..|....)([.0-9]+)", head, re.DOTALL)
    return named[1].decode() if named else ""


def is_mr_image(head: bytes) -> bool:
    """Whether a file holds MR images, and not something that only refers to some."""
    return sop_class(head) in MR_IMAGES


def is_of_series(head: bytes, series: str) -> bool:
    """Whether the first bytes of a file hold a Series Instance UID."""
    uid = re.escape(series.encode())
    return re.search(rb"\x20\x00\x0e\x00(?:UI..|....)" + uid + rb"(?![.0-9])", head, re.DOTALL) is not None


def packing(head: bytes) -> str | None:
    """The name of the transfer syntax of a file if it is one that cannot be unpacked here, else None."""
    syntax = file_meta(head).get(0x0010, "")
    if not re.fullmatch(r"[.0-9]{1,64}", syntax) or syntax in UNPACKED:  # the rest is damage
        return None
    return NAMES.get(syntax, f"transfer syntax {syntax}")
