"""Identifiers planted into inputs, and a search for them in whatever an output hides its bytes in."""

from __future__ import annotations

import base64
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import SimpleITK as sitk

from proseg.phantom import make_phantom

NAME, GIVEN, ID, BIRTH_DATE = "Quastenflosser", "Wilhelmine", "PID7391846", "19470811"
WORDS = (NAME, GIVEN, ID, BIRTH_DATE, "Zweitname", "Lindenstrasse")
PERSON = {
    "PatientName": f"{NAME}^{GIVEN}",
    "PatientID": ID,
    "PatientBirthDate": BIRTH_DATE,
    "OtherPatientIDs": f"X{ID}",
    "OtherPatientNames": "Zweitname^Wilma",
    "PatientAddress": "Lindenstrasse 8",
    "PatientComments": f"{NAME}, born {BIRTH_DATE}",
    "ImageComments": NAME,
    "SeriesDescription": f"t2_tse_tra {NAME}",
    "ProtocolName": f"t2 {ID}",
    "StudyDescription": f"MR {GIVEN}",
}
FOLDER = f"{NAME}_{GIVEN}_{ID}_{BIRTH_DATE}"  # as PACS viewers name their exports
DEEPEST = 4  # layers of packing that are looked into

_GZIP, _ZLIB = re.compile(rb"\x1f\x8b\x08"), re.compile(rb"\x78[\x01\x5e\x9c\xda]")
_BASE64 = re.compile(rb"[A-Za-z0-9+/\r\n]{24,}={0,2}")
_LONGEST = 2**24


def write_study(folder: Path) -> list[Path]:
    """A generated DICOM examination whose headers and file names tell who the patient is."""
    from pydicom.uid import generate_uid
    from Testing.made_dicom import write_series

    image = make_phantom(size=(96, 96, 12), spacing=(1.4, 1.4, 4.5)).image
    files = write_series(image, folder, **PERSON, StudyInstanceUID=generate_uid(entropy_srcs=[str(folder)]))
    return [file.rename(file.with_name(f"{NAME}_{ID}_{file.name}")) for file in files]


def write_images(folder: Path) -> list[Path]:
    """The same as NIfTI, NRRD and MetaImage, with the patient in header and folder but not in the file's own name."""
    image = make_phantom(size=(96, 96, 12), spacing=(1.4, 1.4, 4.5)).image
    folder.mkdir(parents=True, exist_ok=True)
    for key in ("ITK_FileNotes", "aux_file", "PatientName", "Name"):
        image.SetMetaData(key, NAME)
    files = [folder / f"case7{ending}" for ending in (".nii.gz", ".nrrd", ".mha")]
    for file in files:
        sitk.WriteImage(image, str(file))
    return files


def planted_in(content: bytes) -> set[str]:
    """The words in some bytes: plain, in UTF-16, compressed, in base64, or in a ZIP, one in the other."""
    found = set()
    for layer in _layers(content, DEEPEST):
        small = layer.lower()
        for word in WORDS:
            if any(word.lower().encode(encoding) in small for encoding in ("utf-8", "utf-16-le", "utf-16-be")):
                found.add(word)
    return found


def planted_below(folder: Path, *, names: bool = True) -> dict[str, set[str]]:
    """What files in a folder hold, and with ``names`` what they are called, by their names; only what holds any."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        words = planted_in(path.read_bytes()) if path.is_file() else set()
        words |= planted_in(name.encode()) if names else set()
        if words:
            found[name] = words
    return found


def _layers(content: bytes, depth: int) -> Iterator[bytes]:
    yield content
    if depth == 0:
        return
    for pattern, bits in ((_GZIP, 31), (_ZLIB, 15)):
        for match in pattern.finditer(content):
            yield from _layers_of(_inflated(content[match.start() :], bits), depth)
    for match in _BASE64.finditer(content):
        text = re.sub(rb"[\r\n=]", b"", match[0])
        yield from _layers_of(base64.b64decode(text[: len(text) // 4 * 4]), depth)
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                yield entry.filename.encode() + entry.comment + entry.extra
                yield from _layers_of(archive.read(entry), depth)


def _layers_of(content: bytes, depth: int) -> Iterator[bytes]:
    if len(content) > 3:
        yield from _layers(content, depth - 1)


def _inflated(content: bytes, bits: int) -> bytes:
    try:
        return zlib.decompressobj(bits).decompress(content, _LONGEST)
    except zlib.error:
        return b""
