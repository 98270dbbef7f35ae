"""Files that hold no image that can be read, named for what they are, each with what to do about it."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path

from proseg.errors import InputError

MOST_OF_POINTER = 4096  # bytes
UNPACK = "Unpack it and give the folder, or the image in it."
CONVERT = "Convert it to NIfTI or NRRD, for example in 3D Slicer, and check left and right."
FETCH_ANNEX = "Fetch it with: datalad get, or git annex get."
HEAD = 512  # bytes that are looked at

_PACKERS = r"(bz2?|xz|lzma|zst|lz4|z)"
# Archives that are not opened, of those in parts the first; images each compressed by itself; other formats.
_UNREAD = re.compile(
    rf"\.(tar(\.(gz|{_PACKERS}))?|t(gz|bz2?|xz|zst|lz)|(7z|rar)(\.0*1)?|zip\.0*1|zipx|iso"
    rf"|(nrrd|nhdr|mha|mhd|hdr)\.(gz|{_PACKERS})|(nii|img)\.{_PACKERS}|(mnc|gipl)(\.gz)?|mg[hz])$",
    re.IGNORECASE,
)
_LATER_PART = re.compile(r"\.part0*([2-9]|[1-9]\d+)\.rar$", re.IGNORECASE)
_PACKED_SLICE = re.compile(rf"\.(dcm|ima|dicom)\.(gz|{_PACKERS})$", re.IGNORECASE)
_STARTS = (  # what a file is, by its first bytes
    (rb"version https://git-lfs", "a Git LFS pointer, not the image itself", "Fetch it with: git lfs pull."),
    (rb"(\.\./)*(\.git)?/?annex/objects/", "a git-annex (DataLad) pointer, not the image itself", FETCH_ANNEX),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (rb"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (rb"BZh[1-9]", "compressed by bzip2", "Unpack it first."),
    (rb"\xfd7zXZ\0", "compressed by xz", "Unpack it first."),
    (rb"\x28\xb5\x2f\xfd", "compressed by zstd", "Unpack it first."),
    (
        rb"\s*<(!doctype html|html|\?xml|head)",
        "a web page or other text, not an image",
        "Download it again, signed in.",
    ),
    (rb"%PDF", "a PDF document", "Give the image itself."),
    (rb"\x89HDF|CDF[\x01\x02]", "a MINC or HDF5 file", CONVERT),
    (rb"\x93NUMPY", "a NumPy array, which has no size in mm", CONVERT),
    (rb"MATLAB ", "a MATLAB file", CONVERT),
    (rb"# === DATA DESCRIPTION FILE", "a Philips PAR header", CONVERT),
    (rb"\0\x05\x16\x07", "a companion file of macOS, not the image itself", "Give the file without '._' in its name."),
)


def what_is(path: Path) -> tuple[str, str] | None:
    """What a file is that is no image here, the end of a sentence, and what to do; None where that is not known.

    Args:
        path: a file or a link.

    Raises:
        OSError: it may not be read.
    """
    if path.is_symlink() and not path.exists():
        return dangling(path)
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        return "not an image: it is empty", "Copy or fetch it again."
    if head.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(path) as file:
                inside = file.read(HEAD)
        except (EOFError, OSError, zlib.error):
            return None
        if _is_tar(inside):
            return "a compressed tar archive", UNPACK
        if inside.startswith(b"\x1f\x8b"):
            return "compressed by gzip twice", "Unpack it once."
        if is_unread(path.name) or is_packed_slice(path.name):
            return "compressed by gzip, which is read of NIfTI alone", "Unpack it first."
        return None
    if _is_tar(head):
        return "a tar archive", UNPACK
    return next(((what, remedy) for start, what, remedy in _STARTS if re.match(start, head, re.IGNORECASE)), None)


def dangling(link: Path) -> tuple[str, str]:
    """What a link is that leads nowhere, and what to do about it."""
    if "annex" in link.readlink().parts:
        return "a link of git-annex (DataLad) to a file that was not fetched", FETCH_ANNEX
    return "a link that leads nowhere", "Mend the link, or copy the file itself."


def is_absent(path: Path) -> bool:
    """Whether a file only stands for one that is not here: a link that leads nowhere, or a pointer not fetched."""
    try:
        if path.is_symlink() and not path.exists():
            return True
        if not path.is_file() or not 0 < path.stat().st_size <= MOST_OF_POINTER:
            return False
        said = what_is(path)
    except OSError:
        return False
    return said is not None and "pointer" in said[0]


def has_bytes(path: Path) -> bool:
    """Whether an image file has voxels of eight bits, as label maps have and MRI has not; false where it is unclear."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        if head.startswith(b"\x1f\x8b"):
            with gzip.open(path) as file:
                head = file.read(HEAD)
    except (EOFError, OSError, zlib.error):
        return False
    if head[344:347] in (b"n+1", b"ni1"):
        return head[72:74] in (b"\x08\0", b"\0\x08")
    return (
        re.search(rb"^(type: *(uint8|uint8_t|uchar|unsigned char)|ElementType *= *MET_UCHAR)\s*$", head, re.M)
        is not None
    )


def is_unread(name: str) -> bool:
    """Whether a file is, by its name, an image or an archive of images that is not read here."""
    return _UNREAD.search(name) is not None and not _LATER_PART.search(name)


def is_packed_slice(name: str) -> bool:
    """Whether a file is one DICOM file compressed by itself, by its name."""
    return _PACKED_SLICE.search(name) is not None


def refuse(path: Path, name: str) -> None:
    """Refuse a file that is known to be something else than an image.

    Raises:
        InputError: it is; the sentence says what.
    """
    if said := what_is(path):
        raise InputError(f"{name} is {said[0]}.", said[1])


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"
