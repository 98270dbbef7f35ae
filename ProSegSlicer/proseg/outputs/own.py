"""What a reader drew besides the zones, such as a lesion: it may overlap them, and it is nobody else's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from proseg.images.geometry import input_slice_indices, superior_mm, to_lps
from proseg.segmentation.measurements import MM3_PER_ML


@dataclass(frozen=True)
class OwnSegment:
    """A segment that is neither PZ nor CG.

    Attributes:
        name: the reader's.
        voxels: UInt8 on the input's grid, 1 inside.
        colour: RGB, 0-255.
    """

    name: str
    voxels: sitk.Image
    colour: tuple[int, int, int] = (128, 174, 128)

    @property
    def volume_ml(self) -> float:
        """Voxels counted, mL."""
        count = np.count_nonzero(sitk.GetArrayViewFromImage(self.voxels))
        return count * math.prod(self.voxels.GetSpacing()) / MM3_PER_ML

    @property
    def slices(self) -> tuple[int, ...]:
        """The slices that hold it, counted from 0 along the input's slice axis, ascending."""
        lps = to_lps(self.voxels)
        return input_slice_indices(self.voxels, np.flatnonzero(sitk.GetArrayViewFromImage(lps).any(axis=(1, 2))))

    def superior(self, index: int) -> float:
        """Where a slice lies, mm to the patient's superior."""
        return superior_mm(self.voxels, index)

    def to_dict(self) -> dict[str, Any]:
        """What a report tells of it, ready for JSON."""
        slices = self.slices
        return {
            "name": self.name,
            "volume_ml": round(self.volume_ml, 3),
            "slices": list(slices),
            "slices_superior_mm": [round(self.superior(index), 3) for index in slices],
        }
