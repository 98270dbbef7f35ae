"""Whether the lengths that a DICOM file names can be true, looked at before GDCM takes the memory for them.

GDCM asks for as many bytes as a length says, up to 4 GB, and clears them, before it finds that the file has no such
bytes: a single wrong byte can cost seconds and gigabytes. So the data elements are walked over first (DICOM PS3.5
sections 7.1 and 7.5). Values are not looked at.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from proseg.dicom.meta import HEAD_BYTES, file_meta

BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
UNDEFINED = 0xFFFFFFFF
MOST_INFLATED = 1 << 28  # bytes of a file that is deflated as a whole
MAX_DEPTH = 32  # sequences within each other
PIXELS, ITEM, ITEM_END, SEQUENCE_END = (0x7FE0, 0x0010), (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)

_SHORT = {  # value representations with a length of two bytes
    *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"),
    *(b"ST", b"TM", b"UI", b"UL", b"US"),
}
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_EMPTY = {b"\0\0", b"\xff\xff"}  # what some makers write for the kind; GDCM takes the length behind it for two bytes


def lengths_fit(file: Path) -> bool:
    """Whether the lengths of a DICOM file's elements fit each other and the file.

    Raises:
        OSError: the file cannot be read.
    """
    if not file.stat().st_size:
        return False
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            syntax, start = _after_meta(data)
            if syntax == DEFLATED:
                whole = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[start:], MOST_INFLATED)
                if len(whole) < MOST_INFLATED:
                    _Walk(whole, "<", True).elements(0, len(whole))
                return len(whole) < MOST_INFLATED
            explicit = data[start + 4 : start + 6] in _SHORT | _LONG  # whatever the syntax says, as GDCM does
            _Walk(data, ">" if syntax == BIG_ENDIAN else "<", explicit).elements(start, len(data))
        except (_MisfitError, struct.error, zlib.error):
            return False
    return True


class _MisfitError(Exception):
    """The walk has come to what cannot be."""


def _after_meta(data: mmap.mmap) -> tuple[str, int]:
    """The transfer syntax, and where group 2 ends, which is always explicit VR little endian."""
    if data[128:132] != b"DICM":
        return "", 0
    at, meta = 132, _Walk(data, "<", True)
    while data[at : at + 2] == b"\x02\x00":
        _, _, length, at = meta.element(at, len(data))
        at += length
    if at > len(data):
        raise _MisfitError
    return file_meta(data[:HEAD_BYTES]).get(0x0010, ""), at


@dataclass
class _Walk:
    """A way over data elements: in which bytes, their order (``struct``'s), and whether they tell their kind (VR)."""

    data: mmap.mmap | bytes
    order: str
    explicit: bool

    def elements(self, at: int, end: int, depth: int = 0, until: tuple[int, int] | None = None) -> int:
        """Walk over elements up to ``end`` or, where it is given, behind the tag ``until``; returns the place there."""
        if depth > MAX_DEPTH:
            raise _MisfitError
        while end - at >= 8:
            tag, kind, length, at = self.element(at, end)
            if tag == until:
                return at
            if length == UNDEFINED:
                inside = _Walk(self.data, self.order, self.explicit and kind != b"UN")  # PS3.5 section 6.2.2, note 2
                at = self._fragments(at, end) if tag == PIXELS else inside._items(at, end, depth + 1)
            elif length > end - at:
                raise _MisfitError
            else:
                # Without a kind an item tells a sequence. Makers put anything into sequences of their own.
                nested = kind == b"SQ" or (not kind and self.data[at : at + 4] == b"\xfe\xff\x00\xe0")
                if nested and tag[0] % 2 == 0 and length:
                    self._items(at, at + length, depth + 1)
                at += length
            if tag == PIXELS and depth == 0 and not any(self.data[at:end]):
                return end  # padding
        if until:
            raise _MisfitError
        return end

    def element(self, at: int, end: int) -> tuple[tuple[int, int], bytes, int, int]:
        """Tag, kind (empty where not told) and length of an element, and where its value begins."""
        group, element = struct.unpack_from(f"{self.order}HH", self.data, at)
        kind = self.data[at + 4 : at + 6]
        if not self.explicit or group == ITEM[0]:
            (length,) = struct.unpack_from(f"{self.order}I", self.data, at + 4)
            return (group, element), b"", length, at + 8
        if kind in _SHORT or kind in _EMPTY:
            (length,) = struct.unpack_from(f"{self.order}H", self.data, at + 6)
            return (group, element), kind, length, at + 8
        if end - at < 12:  # a kind of no edition of the standard is taken as PS3.5 section 6.2 has new ones
            raise _MisfitError
        (length,) = struct.unpack_from(f"{self.order}I", self.data, at + 8)
        return (group, element), kind, length, at + 12

    def _items(self, at: int, end: int, depth: int) -> int:
        """Walk over the items of a sequence."""
        while end - at >= 8:
            tag, _, length, at = self.element(at, end)
            if tag == SEQUENCE_END:
                return at
            if tag != ITEM or (length != UNDEFINED and length > end - at):
                raise _MisfitError
            if length == UNDEFINED:
                at = self.elements(at, end, depth, ITEM_END)
            else:
                at = self.elements(at, at + length, depth)
        return end

    def _fragments(self, at: int, end: int) -> int:
        """Walk over the fragments of compressed pixels."""
        while end - at >= 8:
            tag, _, length, at = self.element(at, end)
            if tag == SEQUENCE_END:
                return at
            if tag != ITEM or length > end - at:
                raise _MisfitError
            at += length
        return end
