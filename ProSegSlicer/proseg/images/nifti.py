"""What a NIfTI header says of the place of an image: two forms, of which every program follows one, and what is kept.

The sform is any affine, the qform a rotation with the sizes of ``pixdim``; each has a code, 0 where not given. The form
that ITK follows is followed, so what 3D Slicer and ITK-SNAP show: the sform where its code is 1 (scanner) or the
qform has none, else the qform, and the qform where the sform is sheared. Labelmaps keep both, so that they lie on their
image in programs that follow the other one as well (nibabel, FSL).

Header fields: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h, and nifti2.h for the 540-byte header.
"""

from __future__ import annotations

import gzip
import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from proseg.flags import QualityFlag, Severity

HEADER_BYTES = 540  # of NIfTI-2; NIfTI-1 and Analyze have 348
SCANNER = 1  # the code of a form in the scanner's coordinates
SAME_MM = 0.1  # forms that nowhere in the image lie farther apart say the same
NEAR_MM = 2.0  # a qform without a code that lies no farther from the sform is one that was left there
SKEW = 1e-4  # cosine between two axes that ITK takes for perpendicular
SPACING_MM = (0.05, 20.0)  # beyond these the header is wrong, whatever the scanner
SAME_SIZE = 0.01  # a share of a voxel's size
_MM = {1: 1000.0, 3: 0.001}  # of a unit by its code, metre and micrometre; all others are taken for mm
_LPS = np.array([-1.0, -1.0, 1.0])  # NIfTI's axes grow to right and anterior


@dataclass(frozen=True)
class NiftiHeader:
    """The header of a NIfTI or Analyze file, as it is stored.

    Attributes:
        kind: ``NIfTI-1``, ``NIfTI-2`` or ``Analyze``.
        order: ``<`` little-endian or ``>``, as ``struct`` has it.
        stored: the bytes of the header.
        size: voxels along each axis.
        rank: how many axes the header names.
        pixdim: eight numbers: the handedness of the qform, voxel sizes, and what else lies there.
        bits: of a voxel.
        offset: where the voxels begin.
        separate: whether they lie in a file of their own.
        qform_code, sform_code: 0 where the form is not given.
        quatern: b, c, d of the qform's rotation, and the place of the first voxel.
        srow: the sform's twelve numbers, row by row.
        units: ``xyzt_units``.
    """

    kind: str
    order: str
    stored: bytes
    rank: int
    size: tuple[int, ...]
    pixdim: tuple[float, ...]
    bits: int
    offset: int
    separate: bool
    qform_code: int
    sform_code: int
    quatern: tuple[float, ...]
    srow: tuple[float, ...]
    units: int

    @property
    def zooms(self) -> np.ndarray:
        """Voxel sizes i, j, k without the signs that some programs give them, in the header's unit."""
        return np.abs(np.array(self.pixdim[1:4]))

    @property
    def unit_mm(self) -> float:
        """Millimetres of the header's unit; 1 where sizes can only be mm, whatever the unit says."""
        told = _MM.get(self.units & 7, 1.0)
        return 1.0 if self._possible(1.0) and not self._possible(told) else told

    @property
    def has_wrong_unit(self) -> bool:
        """Whether the voxel sizes would be impossible in the unit that the header names."""
        return self.unit_mm != _MM.get(self.units & 7, 1.0)

    def _possible(self, mm: float) -> bool:
        """Whether a voxel can measure so many units of ``mm`` along each axis."""
        sizes = mm * (np.linalg.norm(np.reshape(self.srow, (3, 4))[:, :3], axis=0) if self._has_sform() else self.zooms)
        return bool((SPACING_MM[0] <= sizes).all() and (sizes <= SPACING_MM[1]).all())

    def _has_sform(self) -> bool:
        axes = np.reshape(self.srow, (3, 4))
        return self.sform_code > 0 and bool(np.isfinite(axes).all()) and abs(np.linalg.det(axes[:, :3])) >= 1e-12

    def _is_blank(self) -> bool:
        """Whether the sform holds nothing, whatever its code says."""
        return not any(self.srow[:3] + self.srow[4:7] + self.srow[8:11])

    def sform(self) -> np.ndarray | None:
        """The sform as an affine (3, 4) from voxels i, j, k to mm in LPS; None where it is not given or flat."""
        if not self._has_sform():
            return None
        return np.reshape(self.srow, (3, 4)) * _LPS[:, None] * self.unit_mm

    def qform(self) -> np.ndarray | None:
        """The qform likewise; None where it is not given. The formula is nifti1.h's, method 2."""
        b, c, d = self.quatern[:3]
        if self.qform_code <= 0 or not np.isfinite([*self.quatern, *self.zooms]).all():
            return None
        rest = 1 - (b * b + c * c + d * d)
        if rest < 1e-7:  # rounded: half a turn
            b, c, d = np.array([b, c, d]) / max(np.sqrt(b * b + c * c + d * d), 1e-12)
            rest = 0.0
        a = np.sqrt(rest)
        rotation = np.array(
            [
                [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
                [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
                [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
            ]
        )
        rotation[:, 2] *= -1 if self.pixdim[0] < 0 else 1
        affine = np.column_stack([rotation * self.zooms, self.quatern[3:]])
        return affine * _LPS[:, None] * self.unit_mm

    def followed(self) -> tuple[str, np.ndarray | None]:
        """The name of the form that is followed, and its affine; nothing where there is neither."""
        sform, qform = self.sform(), self.qform()
        if sform is not None and (qform is None or (self.sform_code == SCANNER and skew(sform) <= SKEW)):
            return "sform", sform
        return ("qform", qform) if qform is not None else ("", None)

    @property
    def sizes_mm(self) -> np.ndarray:
        """Voxel sizes i, j, k: those of the form that is followed, whatever ``pixdim`` holds."""
        _, affine = self.followed()
        return self.zooms * self.unit_mm if affine is None else np.linalg.norm(affine[:, :3], axis=0)

    @property
    def has_magic(self) -> bool:
        """Whether the header says of itself that it is NIfTI."""
        return self.stored[4:7] in (b"n+2", b"ni2") or self.stored[344:347] in (b"n+1", b"ni1")

    def needs_own_geometry(self) -> bool:
        """Whether ITK would misplace the image, or refuse it.

        It turns axes with a negative ``pixdim`` round, whatever the forms say, wants axes that are perpendicular to the
        last digit, and takes voxel sizes from ``pixdim`` alone.
        """
        name, affine = self.followed()
        if self.has_wrong_unit or (affine is None and self.sform_code > 0 and self._is_blank()):
            return True
        return min(self.pixdim[1:4]) < 0 or (name == "sform" and (skew(affine) > SKEW or self._has_other_sizes(affine)))

    def placing_flags(self) -> tuple[QualityFlag, ...]:
        """What a reviewer should know of the place: ``orientation_assumed`` or ``placing_contradicts``, or nothing."""
        name, affine = self.followed()
        said = []
        if self.has_wrong_unit:
            said.append(
                "The header names another unit than mm, in which its voxel sizes would be impossible: mm were taken"
            )
        if affine is None:
            assumed = orientation_assumed(f"The {self.kind} header gives no orientation")
            return (assumed, *map(contradiction, said))
        sform, qform = self.sform(), self.qform()
        if sform is not None and qform is not None and (apart := self._apart(sform, qform)) > SAME_MM:
            other = "sform" if name == "qform" else "qform"
            said.append(
                f"The header's sform and qform lie up to {apart:.3g} mm apart: the {name} was followed, as 3D Slicer "
                f"and ITK-SNAP do, and programs that follow the {other} show the image elsewhere"
            )
        elif name == "sform" and skew(affine) > SKEW:
            said.append("The header's sform is slightly sheared, and was read without the shear")
        elif name == "sform" and self._has_other_sizes(affine):
            said.append("The header names other voxel sizes than its sform, which was followed")
        if min(self.pixdim[1:4]) < 0:
            said.append(
                f"The header has a negative voxel size: the {name} was followed, and programs that believe the sign, "
                "as 3D Slicer does, show the image mirrored"
            )
        return tuple(map(contradiction, said))

    def stamp(self, file: bytes) -> bytes:
        """A NIfTI-1 file of an image on the same voxels, with this header's forms, codes, voxel sizes and unit.

        Args:
            file: little-endian, as ITK writes it.

        Of an Analyze header, which has no forms, only sizes are kept. Where a sheared sform stands alone, ITK would
        not read it; beside it a qform is set, the nearest rotation.
        """
        if self.qform_code <= 0 and (sform := self.sform()) is not None and skew(sform) > SKEW:
            return self._with_qform(sform).stamp(file)
        changed = bytearray(file)
        struct.pack_into("<8f", changed, 76, *self.pixdim)
        if self.kind != "Analyze":
            changed[123] = self.units
        struct.pack_into("<2h6f12f", changed, 252, self.qform_code, self.sform_code, *self.quatern, *self.srow)
        return bytes(changed)

    def plain(self) -> bytes:
        """A NIfTI-1 header of the same voxels in the same byte order for a file of its own, in mm and without a place.

        Raises:
            struct.error: NIfTI-1 cannot name so large a size.
        """
        two = self.kind == "NIfTI-2"
        (kind,) = struct.unpack_from(f"{self.order}h", self.stored, 12 if two else 70)
        scale = struct.unpack_from(f"{self.order}2{'d' if two else 'f'}", self.stored, 176 if two else 112)
        plain = bytearray(352)
        struct.pack_into(f"{self.order}i", plain, 0, 348)
        struct.pack_into(f"{self.order}8h", plain, 40, self.rank, *(*self.size, *(1,) * 7)[:7])
        struct.pack_into(f"{self.order}2h", plain, 70, kind, self.bits)
        sizes = [*self.sizes_mm, *self.pixdim[4:]]
        struct.pack_into(f"{self.order}11f", plain, 76, 1, *sizes, 352, *scale)
        plain[123], plain[344:347] = 2, b"n+1"
        return bytes(plain)

    def _with_qform(self, sform: np.ndarray) -> NiftiHeader:
        """The same header with a qform near its sform: that which it has without a code, or the nearest rotation."""
        coded = replace(self, qform_code=self.sform_code)
        if (qform := coded.qform()) is not None and self._apart(sform, qform) < NEAR_MM:
            return coded
        direction, _, origin = straight(sform)
        rotation = _LPS[:, None] * direction
        hand = 1.0 if np.linalg.det(rotation) > 0 else -1.0
        rotation[:, 2] *= hand
        quatern = (*quaternion(rotation), *(_LPS * origin / self.unit_mm))
        return replace(coded, pixdim=(hand, *self.pixdim[1:]), quatern=tuple(map(float, quatern)))

    def _has_other_sizes(self, affine: np.ndarray) -> bool:
        sizes = np.linalg.norm(affine[:, :3], axis=0) / self.unit_mm
        return not (np.abs(sizes / np.maximum(self.zooms, 1e-9) - 1) <= SAME_SIZE).all()  # NaN is another, too

    def _apart(self, one: np.ndarray, other: np.ndarray) -> float:
        """How far two affines lie apart at most, in mm, over the corners of the image."""
        last = np.array(self.size[:3]) - 1
        corners = np.array([[i, j, k, 1] for i in (0, last[0]) for j in (0, last[1]) for k in (0, last[2])])
        return float(np.linalg.norm((one - other) @ corners.T, axis=0).max())


def contradiction(sentence: str) -> QualityFlag:
    """The flag for a header that contradicts itself; the sentence, without its end, says how and what was followed."""
    return QualityFlag("placing_contradicts", Severity.WARNING, f"{sentence}: check where the contours lie.")


def orientation_assumed(why: str) -> QualityFlag:
    """The flag for an image whose file does not say where the patient's left is.

    Args:
        why: what is missing, the beginning of a sentence.
    """
    return QualityFlag(
        "orientation_assumed",
        Severity.WARNING,
        f"{why}: its rows were taken to run to the patient's left, its columns to the back, and its slices upwards. "
        "Left and right, front and back or head and feet may be exchanged: check them.",
    )


def skew(affine: np.ndarray) -> float:
    """The largest cosine between two different axes of an affine (3, 3 or 4); 0 where they are perpendicular."""
    axes = affine[:, :3] / np.linalg.norm(affine[:, :3], axis=0)
    return float(np.abs(axes.T @ axes - np.eye(3)).max())


def straight(affine: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Direction, spacing and origin of an affine in LPS, as SimpleITK has them; the nearest rotation where it shears.

    The nearest rotation is the orthogonal factor of the polar decomposition of the axes.
    """
    spacing = np.linalg.norm(affine[:, :3], axis=0)
    left, _, right = np.linalg.svd(affine[:, :3] / spacing)
    return left @ right, spacing, affine[:, 3]


def quaternion(rotation: np.ndarray) -> tuple[float, float, float]:
    """b, c, d of the unit quaternion of a rotation whose a is not negative.

    Bar-Itzhack, New method for extracting the quaternion from a rotation matrix, J. Guid. Control Dyn. 23 (2000):
    the eigenvector of the largest eigenvalue.
    """
    r = rotation
    lower = [
        [r[0, 0] - r[1, 1] - r[2, 2], 0, 0, 0],
        [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], 0, 0],
        [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], 0],
        [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r[0, 0] + r[1, 1] + r[2, 2]],
    ]
    b, c, d, a = np.linalg.eigh(np.array(lower))[1][:, -1]
    return tuple(np.array([b, c, d]) * (1 if a >= 0 else -1))


def is_zipped(path: Path) -> bool:
    """Whether a file starts as gzip does, whatever its name."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def open_any(path: Path) -> IO[bytes]:
    """A file for reading, unpacked where it is compressed by gzip."""
    return gzip.open(path) if is_zipped(path) else path.open("rb")


def header_file(path: Path) -> Path:
    """The file with the header: of the voxels of a pair the one beside them."""
    if path.name.lower().endswith((".img", ".img.gz")):
        return path.with_name(re.sub(r"(?i)\.img(\.gz)?$", "", path.name) + ".hdr")
    return path


def read_header(path: Path) -> NiftiHeader | None:
    """The header of a NIfTI or Analyze file, or of the pair that a file of voxels belongs to; None if it is none.

    Raises:
        OSError, EOFError, zlib.error, struct.error: the file cannot be read, or is cut short within the header.
    """
    with open_any(header_file(path)) as file:
        stored = file.read(HEADER_BYTES)
    if len(stored) < 4:
        return None
    order = next((o for o in "<>" if struct.unpack_from(f"{o}i", stored)[0] in (348, 540)), None)
    if order is None:
        return None

    def get(form: str, at: int) -> tuple:
        return struct.unpack_from(order + form, stored, at)

    if get("i", 0)[0] == 540:
        (rank, *size), pixdim = get("8q", 16), get("8d", 104)
        (bits,), (offset,), (units,) = get("h", 14), get("q", 168), get("i", 500)
        (qform, sform), place = get("2i", 344), get("18d", 352)
        kind, separate = "NIfTI-2", stored[4:7] == b"ni2"
    else:
        (rank, *size), pixdim = get("8h", 40), get("8f", 76)
        (bits,), (offset,), (units,) = get("h", 72), get("f", 108), get("B", 123)
        (qform, sform), place = get("2h", 252), get("18f", 256)
        kind, separate = "NIfTI-1", stored[344:347] == b"ni1"
        if stored[344:347] not in (b"ni1", b"n+1"):  # whatever the name says, as ITK has it
            separate = path.name.lower().endswith((".hdr", ".img", ".img.gz"))
            kind, qform, sform, units, place = "Analyze", 0, 0, 0, (0.0,) * 18
    return NiftiHeader(
        *(kind, order, stored, rank, tuple(size[: max(0, rank)]), pixdim, bits),
        *(offset, separate, qform, sform, place[:6], place[6:], units),
    )
