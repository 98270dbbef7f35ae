"""Who reviewed which contours, and how far these had been edited from the networks' own.

A review names the labels it was given for by their fingerprint. So it needs no watching: it holds while the labels are
those that were signed, is withdrawn by any edit, and holds again when the edit is undone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import Enum
from typing import Any

import numpy as np
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.images.geometry import input_slice_indices, superior_mm, to_lps
from proseg.labels import CG, CLASS_COUNT, PZ
from proseg.segmentation.measurements import MM3_PER_ML, box_around
from proseg.segmentation.quality import name_slices

SAME_PLACE_MM = 0.01  # formats and programs round positions differently, by far less than this
# Where the fingerprint's steps begin: an odd place, so that no usual position, binary or decimal, lies on an edge.
STEP_OFFSET = 1 / math.pi


class ReviewStatus(str, Enum):
    """Whether a reviewer stands behind the labels as they are."""

    UNREVIEWED = "unreviewed"
    REVIEWED = "reviewed"
    WITHDRAWN = "withdrawn"  # signed, then edited


@dataclass(frozen=True)
class Comparison:
    """How far labels differ from those that the networks drew.

    Attributes:
        pz_dice: Dice of the peripheral zone, 0..1; None where neither has one, 0 where only one has.
        cg_dice: Dice of the central gland, likewise.
        gland_dice: Dice of both zones together, likewise.
        pz_change_ml: volume of the peripheral zone less that of the networks', mL.
        cg_change_ml: likewise of the central gland, mL.
        gland_change_ml: likewise of both together, mL.
        voxels_changed: number of voxels with another label.
        slices_changed: zero-based indices along the input's slice axis of the slices that hold them, ascending.
        slices_superior_mm: where each lies, mm to the patient's superior; empty in comparisons of earlier versions.
        slices_refined: those of them that a refinement drew to fit what the reader had drawn in the others.
    """

    pz_dice: float | None
    cg_dice: float | None
    gland_dice: float | None
    pz_change_ml: float
    cg_change_ml: float
    gland_change_ml: float
    voxels_changed: int
    slices_changed: tuple[int, ...]
    slices_superior_mm: tuple[float, ...] = ()
    slices_refined: tuple[int, ...] = ()

    @property
    def slices_drawn(self) -> tuple[int, ...]:
        """The slices changed that the reader drew, or cleared."""
        return tuple(index for index in self.slices_changed if index not in self.slices_refined)

    @property
    def changed(self) -> bool:
        """Whether any voxel has another label."""
        return self.voxels_changed > 0

    def sentence(self) -> str:
        """The comparison in plain words."""
        if not self.changed:
            return "Unchanged from the AI's contour."
        lie = dict(zip(self.slices_changed, self.slices_superior_mm, strict=False))
        verb = "Edited in" if not self.slices_refined else "Drawn by the reader in"
        changes = ((verb, self.slices_drawn), ("refined in", self.slices_refined))
        named = [f"{verb} {name_slices(those, lie.__getitem__ if lie else None)}" for verb, those in changes if those]
        edited = f"{', '.join(named)}:"
        edited = edited[0].upper() + edited[1:]
        if self.gland_dice != 1:
            return (
                f"{edited} gland {_change(self.gland_change_ml)} (Dice {_dice(self.gland_dice)} with the AI's contour)."
            )
        return (
            f"{edited} PZ {_change(self.pz_change_ml)} (Dice {_dice(self.pz_dice)} with the AI's contour), "
            "gland unchanged."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name, ready for JSON."""
        names = ("slices_changed", "slices_superior_mm", "slices_refined")
        slices = {name: list(getattr(self, name)) for name in names}
        return asdict(self) | slices

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Comparison:
        """What ``to_dict`` was called on; names it does not know are passed over.

        Raises:
            InputError: it is not what ``to_dict`` gives.
        """
        try:
            told = {"slices_superior_mm": (), "slices_refined": (), **content}
            known = {field.name: told[field.name] for field in fields(cls)}
            slices, refined = (tuple(map(int, known[f"slices_{how}"])) for how in ("changed", "refined"))
            lie = tuple(float(place) for place in known["slices_superior_mm"])
            lie = lie if len(lie) == len(slices) else ()
            return cls(**known | {"slices_changed": slices, "slices_superior_mm": lie, "slices_refined": refined})
        except (KeyError, TypeError, ValueError) as error:
            raise _unreadable() from error


@dataclass(frozen=True)
class Review:
    """A reviewer's signature under labels.

    Attributes:
        reviewer: who signed.
        reviewed_at: when, ISO 8601 with the offset from UTC.
        fingerprint: of the labels that were signed.
        comparison: how far these had been edited from the networks'; None where no networks' are known.
    """

    reviewer: str
    reviewed_at: str
    fingerprint: str
    comparison: Comparison | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name, ready for JSON."""
        return asdict(self) | {"comparison": self.comparison and self.comparison.to_dict()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Review:
        """What ``to_dict`` was called on; names it does not know are passed over.

        Raises:
            InputError: it is not what ``to_dict`` gives.
        """
        try:
            reviewer, reviewed_at, signed = (content[name] for name in ("reviewer", "reviewed_at", "fingerprint"))
            if not (
                isinstance(reviewer, str) and isinstance(signed, str) and datetime.fromisoformat(reviewed_at).tzinfo
            ):
                raise _unreadable()
            comparison = content["comparison"]
        except (KeyError, TypeError, ValueError) as error:
            raise _unreadable() from error
        return cls(reviewer, reviewed_at, signed, None if comparison is None else Comparison.from_dict(comparison))


def fingerprint(labelmap: sitk.Image) -> str:
    """What tells labels apart: a SHA-256, hexadecimal, that changes with a single voxel.

    It covers the labels and where they lie in the patient, to `SAME_PLACE_MM`; not the pixel type, nor in which order
    or direction the axes are stored.

    Args:
        labelmap: 3D image, 0 = background, 1 = PZ, 2 = CG.

    Raises:
        InputError: it has other labels.
    """
    lps = to_lps(labelmap)
    steps = [math.floor(place / SAME_PLACE_MM + STEP_OFFSET) for corner in _corners(lps) for place in corner]
    digest = hashlib.sha256(repr((lps.GetSize(), steps)).encode())
    digest.update(np.ascontiguousarray(_labels(lps)))
    return digest.hexdigest()


def compare(ai: sitk.Image, current: sitk.Image, refined: Collection[int] = ()) -> Comparison:
    """How far labels differ from those that the networks drew.

    Args:
        ai: the networks' labelmap, on the input's grid.
        current: the labelmap as it is now, on the same grid, of any pixel type and order of axes.
        refined: indices along the input's slice axis of slices that a refinement drew, not the reader.

    Raises:
        InputError: the grids differ, or there are other labels than 0, 1 and 2.
    """
    grids = to_lps(ai), to_lps(current)
    if not _same_grid(*grids):
        raise InputError(
            "The contours and the AI's do not lie on the same grid.", "Compare contours drawn on the image segmented."
        )
    before, after = (_labels(lps) for lps in grids)
    gland = box_around(before | after)  # a box around the gland is a hundredth of a large image
    before, after = before[gland], after[gland]
    voxel_ml = math.prod(ai.GetSpacing()) / MM3_PER_ML
    dice, change_ml = {}, {}
    for name, zones in (("pz", [PZ]), ("cg", [CG]), ("gland", [PZ, CG])):
        one, other = (np.isin(labels, zones) for labels in (before, after))
        counts = np.count_nonzero(one), np.count_nonzero(other)
        common = np.count_nonzero(one & other)
        dice[name] = 2 * common / sum(counts) if sum(counts) else None
        change_ml[name] = (counts[1] - counts[0]) * voxel_ml
    different = before != after
    slices = input_slice_indices(ai, gland[0].start + np.flatnonzero(different.any(axis=(1, 2))))
    return Comparison(
        **{f"{name}_dice": value for name, value in dice.items()},
        **{f"{name}_change_ml": value for name, value in change_ml.items()},
        voxels_changed=int(np.count_nonzero(different)),
        slices_changed=slices,
        slices_superior_mm=tuple(round(superior_mm(ai, index), 3) for index in slices),
        slices_refined=tuple(index for index in slices if index in refined),
    )


def sign(
    reviewer: str, ai: sitk.Image | None, current: sitk.Image, when: datetime, refined: Collection[int] = ()
) -> Review:
    """A reviewer's signature under the labels as they are now.

    Args:
        reviewer: the reviewer's name.
        ai: the networks' labelmap; None if none is known, as for contours drawn by hand.
        current: the labelmap to sign.
        when: the time; without a time zone it is the computer's own.
        refined: as for ``compare``.

    Raises:
        InputError: the name is empty, the grids differ, or there are other labels than 0, 1 and 2.
    """
    name = " ".join(reviewer.split())
    if not name:
        raise InputError("The reviewer's name is missing.", "Enter your name, then mark as reviewed again.")
    moment = when if when.tzinfo else when.astimezone()
    comparison = None if ai is None else compare(ai, current, refined)
    return Review(name, moment.isoformat(timespec="seconds"), fingerprint(current), comparison)


def status(review: Review | None, current_fingerprint: str) -> ReviewStatus:
    """Whether a reviewer stands behind the labels with this fingerprint."""
    if review is None:
        return ReviewStatus.UNREVIEWED
    holds = review.fingerprint and review.fingerprint == current_fingerprint  # one of nothing stands for no labels
    return ReviewStatus.REVIEWED if holds else ReviewStatus.WITHDRAWN


def sign_off(review: Review | None, current_fingerprint: str) -> str:
    """The status in a sentence, with who signed and when: for panels and reports."""
    if review is None:
        return "Not reviewed."
    moment = datetime.fromisoformat(review.reviewed_at)
    signed = f"on {moment:%Y-%m-%d} at {moment:%H:%M} ({moment.tzname()})"
    if status(review, current_fingerprint) is ReviewStatus.REVIEWED:
        return f"Reviewed by {review.reviewer} {signed}."
    return f"Sign-off withdrawn: edited after {review.reviewer} signed {signed}."


def _labels(labelmap: sitk.Image) -> np.ndarray:
    """Labels [k, j, i] as uint8, whatever the pixel type."""
    found = sitk.GetArrayViewFromImage(labelmap)
    if found.dtype == np.uint8 and found.max(initial=0) < CLASS_COUNT:
        return found
    with np.errstate(invalid="ignore"):  # NaN
        labels = found.astype(np.uint8)
    if not np.array_equal(labels, found) or labels.max(initial=0) >= CLASS_COUNT:
        raise InputError(
            "The contours hold other labels than 0 (background), 1 (PZ) and 2 (CG).", "Remove the other labels."
        )
    return labels


def _corners(image: sitk.Image) -> Iterator[tuple[float, ...]]:
    """Positions in mm that fix a grid: of its first voxel and of the ends of its three axes."""
    yield image.GetOrigin()
    for axis, count in enumerate(image.GetSize()):
        yield image.TransformIndexToPhysicalPoint([count if other == axis else 0 for other in range(3)])


def _same_grid(one: sitk.Image, other: sitk.Image) -> bool:
    return one.GetSize() == other.GetSize() and np.allclose(
        list(_corners(one)), list(_corners(other)), rtol=0, atol=SAME_PLACE_MM
    )


def _change(ml: float) -> str:
    return f"{ml:+.1f} mL" if abs(ml) >= 0.05 else "changed by less than 0.1 mL"


def _dice(dice: float | None) -> str:
    """Two decimals, but no 1.00 for what is not the same."""
    return "above 0.99" if dice is not None and 0.995 <= dice < 1 else f"{dice or 0:.2f}"


def _unreadable() -> InputError:
    return InputError("The review kept with these contours cannot be read.", "Review them again.")
