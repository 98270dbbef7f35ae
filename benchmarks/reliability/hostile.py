"""Inputs made by hand: what no program writes by accident, and what file systems hold besides files.

Each maker gets an empty folder and returns what to hand to proseg; its name says what it is, and whether proseg is to
refuse it or to give a result. POSIX only.
"""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import SimpleITK as sitk

from benchmarks.reliability import sources
from benchmarks.reliability.damage import Recipe

RESULT, REFUSED = "result", "refused"
GIB = 1 << 30
Maker = Callable[[Path], Path]
MAKERS: dict[str, tuple[str, Maker]] = {}


def hostile(name: str, expected: str = REFUSED) -> Callable[[Maker], Maker]:
    """Enter a maker into ``MAKERS``."""

    def enter(make: Maker) -> Maker:
        MAKERS[name] = (expected, make)
        return make

    return enter


def _edited(name: str, kind: str, *edits: list, expected: str = REFUSED) -> None:
    MAKERS[name] = (expected, Recipe(kind, edits).make)


def _named(name: str, content: bytes, file: str = "t2.nii.gz") -> None:
    def make(folder: Path) -> Path:
        (folder / file).write_bytes(content)
        return folder / file

    MAKERS[name] = (REFUSED, make)


for _ending in ("nii", "nii.gz", "nrrd", "mha", "mhd", "dcm", "zip"):
    _named(f"zero-length .{_ending}", b"", f"t2.{_ending}")
_named("text", b"This is no image.\n" * 50)
_named("a web page", b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "t2.nii")
_named("a program", b"\x7fELF\x02\x01\x01" + bytes(4000), "t2.nrrd")
_named(
    "a pickle",
    b"\x80\x04\x95\x1e\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
    "t2.mha",
)
_named("the magic of gzip alone", b"\x1f\x8b", "t2.nii.gz")
_named("the magic of ZIP alone", b"PK\x03\x04", "t2.zip")
_named("the magic of DICOM alone", bytes(128) + b"DICM", "t2.dcm")

for _kind, _place in (("nii", "pixdim3"), ("nii.gz", "pixdim1"), ("hdr", "pixdim2")):
    _edited(f"NaN spacing, {_kind}", _kind, ["field", _place, float("nan")])
_edited("NaN spacing, nrrd", "nrrd", ["line", "space directions", "(1.5,0,0) (0,nan,0) (0,0,5)"])
_edited("NaN spacing, mha", "mha", ["line", "ElementSpacing", "1.5 1.5 nan"])
_edited("NaN position, nii", "nii", ["field", "srow3", float("nan")])
_edited("infinite position, mha", "mha", ["line", "Offset", "0 0 inf"])
_edited(
    "singular direction, nii", "nii", ["field", "qform_code", 0.0], *(["field", f"srow{n}", 0.0] for n in (0, 1, 2))
)
_edited("singular direction, nrrd", "nrrd", ["line", "space directions", "(1.5,0,0) (1.5,0,0) (0,0,5)"])
_edited("singular direction, mha", "mha", ["line", "TransformMatrix", "1 0 0 1 0 0 0 0 1"])
_edited("singular direction, DICOM", "dicom", ["element", "all", "20003700", rb"1\0\0\1\0\0 ".hex()])
_edited("huge dimensions, nii", "nii", *(["field", f"dim{n}", 32767.0] for n in (1, 2, 3)))
_edited("huge dimensions, nii.gz", "nii.gz", *(["field", f"dim{n}", 32767.0] for n in (1, 2, 3)))
_edited("huge dimensions, nrrd", "nrrd", ["line", "sizes", "999999 999999 999999"])
_edited("huge dimensions, raw.nrrd", "raw.nrrd", ["line", "sizes", "4294967296 4294967296 4294967296"])
_edited("huge dimensions, mha", "mha", ["line", "DimSize", "65535 65535 65535"])
_edited("huge dimensions, zip.mha", "zip.mha", ["line", "DimSize", "2147483647 2147483647 2147483647"])
_edited(
    "huge dimensions, DICOM",
    "dicom",
    *(["element", "all", tag, "ffff"] for tag in ("28001000", "28001100")),
)
_edited("negative dimensions, nii", "nii", ["field", "dim3", -6.0])
_edited("negative dimensions, nrrd", "nrrd", ["line", "sizes", "80 80 -6"])
_edited("negative dimensions, mha", "mha", ["line", "DimSize", "80 80 -6"])
_edited("no dimensions, nii", "nii", ["field", "dim0", 0.0])
_edited("255 dimensions, nii", "nii", ["field", "dim0", 255.0])
_edited("more voxels than the file holds, nii", "nii", ["field", "dim3", 60.0])
_edited("more voxels than the file holds, nrrd", "nrrd", ["line", "sizes", "80 80 60"])
_edited("more voxels than the file holds, mha", "mha", ["line", "DimSize", "80 80 60"])
_edited("a compressed size that is not true, mha", "zip.mha", ["line", "CompressedDataSize", "999999999999"])
_edited("voxels from a file of the system, nhdr", "nhdr", ["line", "data file", "/etc/passwd"])
_edited("voxels from a file of the system, mhd", "mhd", ["line", "ElementDataFile", "../../../../../../etc/passwd"])
_edited("voxels from an endless device, nhdr", "nhdr", ["line", "encoding", "raw"], ["line", "data file", "/dev/zero"])
_edited("voxels from an endless device, mhd", "mhd", ["line", "ElementDataFile", "/dev/zero"])
_edited("voxels from standard input, mhd", "mhd", ["line", "ElementDataFile", "/dev/stdin"])
_edited("voxels from a list of files, mhd", "mhd", ["line", "ElementDataFile", "LIST"])
_edited("a missing slice, DICOM", "dicom", ["no file", 3])
_edited("a slice twice, DICOM", "dicom", ["copy file", 3], expected=RESULT)
_edited("a slice cut short, DICOM", "dicom", ["cut", 4000])
_edited("a ZIP cut short", "zip", ["cut", 30000])


@hostile("an empty folder")
def _empty_folder(folder: Path) -> Path:
    (folder / "study").mkdir()
    return folder / "study"


@hostile("a folder named like a file")
def _folder_as_file(folder: Path) -> Path:
    (folder / "t2.nii.gz").mkdir()
    return folder / "t2.nii.gz"


@hostile("a path through a file")
def _through_a_file(folder: Path) -> Path:
    return sources.write("nii", folder) / "t2.nii"


@hostile("a named pipe")
def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "t2.nii.gz")
    return folder / "t2.nii.gz"


@hostile("a socket")
def _socket(folder: Path) -> Path:
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket may only have some hundred bytes
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("t2.nii")
    finally:
        os.chdir(here)
    return folder / "t2.nii"


@hostile("an endless device")
def _zero(_: Path) -> Path:
    return Path("/dev/zero")


@hostile("an empty device")
def _null(_: Path) -> Path:
    return Path("/dev/null")


@hostile("a link to itself")
def _loop(folder: Path) -> Path:
    (folder / "t2.nii").symlink_to(folder / "t2.nii")
    return folder / "t2.nii"


@hostile("a link to nothing")
def _dangling(folder: Path) -> Path:
    (folder / "t2.nii").symlink_to(folder / "gone.nii")
    return folder / "t2.nii"


@hostile("a link to an image", RESULT)
def _link(folder: Path) -> Path:
    (folder / "link.nii").symlink_to(sources.write("nii", folder))
    return folder / "link.nii"


@hostile("folders linked in a circle")
def _circle(folder: Path) -> Path:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "c").symlink_to(folder / "a")
    return folder / "a"


@hostile("folders 200 deep")
def _deep(folder: Path) -> Path:
    (folder / "/".join(["d"] * 200)).mkdir(parents=True)
    return folder / "d"


@hostile("pipes, sockets and loops among the slices", RESULT)
def _among_slices(folder: Path) -> Path:
    study = sources.write("dicom", folder)
    os.mkfifo(study / "000.dcm")
    (study / "007.dcm").symlink_to(study / "007.dcm")
    (study / "008.dcm").mkdir()
    (study / "009.dcm").symlink_to("/dev/zero")
    return study


@hostile("a header whose voxels are a named pipe, hdr")
def _voxels_fifo(folder: Path) -> Path:
    path = sources.write("hdr", folder)
    for image in (folder / "t2.img", folder / "t2.img.gz"):
        image.unlink(missing_ok=True)
    os.mkfifo(folder / "t2.img")
    return path


@hostile("a header whose voxels are a named pipe, mhd")
def _voxels_fifo_mhd(folder: Path) -> Path:
    path = sources.write("mhd", folder)
    os.mkfifo(folder / "pipe.raw")
    path.write_text(path.read_text().replace("t2.zraw", "pipe.raw"))
    return path


@hostile("a header without its voxels, hdr")
def _no_voxels(folder: Path) -> Path:
    path = sources.write("hdr", folder)
    for image in (folder / "t2.img", folder / "t2.img.gz"):
        image.unlink(missing_ok=True)
    return path


@hostile("a file of 64 GiB with nothing in it, nii")
def _sparse(folder: Path) -> Path:
    path = sources.write("nii", folder)
    os.truncate(path, 352)
    os.truncate(path, 64 * GIB)
    return path


@hostile("4 GiB of zeros in 4 MB, nii.gz")
def _bomb(folder: Path) -> Path:
    path = sources.write("nii.gz", folder)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1) + gzip_start() + bomb(4 * GIB))
    return path


@hostile("as many voxels as are allowed, all zero, nii.gz")
def _at_the_limit(folder: Path) -> Path:
    path = sources.write("nii.gz", folder)
    header = gzip.decompress(path.read_bytes())[:352]
    header = header[:42] + struct.pack("<3h", 1024, 1024, 64) + header[48:]
    header = header[:80] + struct.pack("<3f", 0.2, 0.2, 3) + header[92:]
    path.write_bytes(gzip.compress(header + bytes(1024 * 1024 * 64 * 2), 1))
    return path


@hostile("4 GiB of zeros in 4 MB, nrrd")
def _nrrd_bomb(folder: Path) -> Path:
    path = sources.write("nrrd", folder)
    header = path.read_bytes().partition(b"\n\n")[0].replace(b"sizes: 80 80 6", b"sizes: 65536 65536 1")
    path.write_bytes(header + b"\n\n" + gzip_start() + bomb(4 * GIB))
    return path


@hostile("4 GiB of zeros in 4 MB, ZIP")
def _zip_bomb(folder: Path) -> Path:
    head = sources.main_file(sources.write("dicom", folder)).read_bytes()
    name, size = b"t2.dcm", len(head) + 4 * GIB - (1 << 20)
    opener = zlib.compressobj(1, zlib.DEFLATED, -15)
    packed = opener.compress(head) + opener.flush(zlib.Z_FULL_FLUSH) + bomb(size - len(head))
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0, 0, len(packed), size, len(name), 0)
    entry = b"PK\x01\x02\x14\0" + common + bytes(14) + name
    local = b"PK\x03\x04" + common + name
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(local) + len(packed), 0)
    (folder / "t2.zip").write_bytes(local + packed + entry + end)
    shutil.rmtree(folder / "study")
    return folder / "t2.zip"


@hostile("a ZIP of 50,000 empty files")
def _many(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "t2.zip", "w") as archive:
        for number in range(50_000):
            archive.writestr(f"{number}", b"")
    return folder / "t2.zip"


@hostile("a ZIP in a ZIP")
def _nested(folder: Path) -> Path:
    inner = sources.write("zip", folder)
    with zipfile.ZipFile(folder / "outer.zip", "w") as archive:
        archive.write(inner, "inner.zip")
    return folder / "outer.zip"


@hostile("a ZIP whose names lead out of it", RESULT)
def _escaping(folder: Path) -> Path:
    inner = sources.write("zip", folder)
    with zipfile.ZipFile(inner) as good, zipfile.ZipFile(folder / "t2.zip", "w") as archive:
        for number, info in enumerate(good.infolist()):
            name = (f"../../{number}.dcm", f"/tmp/{number}.dcm", f"C:\\{number}.dcm")[number % 3]
            archive.writestr(name, good.read(info))
    return folder / "t2.zip"


@hostile("a ZIP with a link to a file of the system")
def _zip_link(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "t2.zip", "w") as archive:
        link = zipfile.ZipInfo("t2.nii")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return folder / "t2.zip"


@hostile("a name with a line break", RESULT)
def _line_break(folder: Path) -> Path:
    return sources.write("nii", folder).rename(folder / "a\nb\x1b[31m.nii")


@hostile("a damaged file whose name has a line break")
def _damaged_line_break(folder: Path) -> Path:
    (folder / "a\nb\x1b[31m.nii").write_bytes(b"nothing")
    return folder / "a\nb\x1b[31m.nii"


@hostile("a name that is no Unicode", RESULT)
def _no_unicode(folder: Path) -> Path:
    return sources.write("mha", folder).rename(folder / os.fsdecode(b"M\xfcller.mha"))


@hostile("a name of 255 bytes", RESULT)
def _long_name(folder: Path) -> Path:
    return sources.write("nii", folder).rename(folder / f"{'ü' * 125}a.nii")


@hostile("an image of one bright voxel", RESULT)
def _one_voxel(folder: Path) -> Path:
    image = sitk.Image(sources.examination()) * 0
    image[40, 40, 3] = 1000
    sitk.WriteImage(image, str(folder / "t2.nrrd"))
    return folder / "t2.nrrd"


def bomb(size: int) -> bytes:
    """So many zeros (whole MiB), deflated; without a checksum, to which no reader should come."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    mebibyte = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return mebibyte * (size >> 20) + packer.flush()


def gzip_start() -> bytes:
    """The header of a gzip member."""
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff"
