"""What a segmentation run hands back: labels, probabilities, measurements, quality flags and where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from proseg.flags import QualityFlag, Severity
from proseg.images.geometry import from_lps, to_lps
from proseg.labels import BACKGROUND, CLASS_COUNT

if TYPE_CHECKING:
    from proseg.images.nifti import NiftiHeader
    from proseg.segmentation.measurements import Measurements


@dataclass(frozen=True)
class Provenance:
    """Which model made the result, on what, and with which packages.

    Attributes:
        model: the model's name.
        version: the model's version.
        sha256: digest of its weights file, hexadecimal.
        device: what computed it, e.g. ``"cpu"``.
        device_reason: why that device was taken, a sentence.
        dtype: the arithmetic, e.g. ``"float32"``.
        timings_s: seconds by stage.
        packages: versions by package name.
    """

    model: str
    version: str
    sha256: str
    device: str
    device_reason: str
    dtype: str
    timings_s: dict[str, float]
    packages: dict[str, str]


class SliceOrigin(str, Enum):
    """Whose word the contours of a slice are."""

    READER = "reader"  # given by a reader, drawn or left empty
    REFINED = "refined"  # drawn again to fit what the reader gave
    AI = "ai"  # as the networks alone have it


@dataclass(frozen=True)
class Findings:
    """What is known of a segmented T2W image, however its contours were made: by the networks, by hand, or by both.

    Attributes:
        image: the input as given (scalar, 3D).
        labelmap: UInt8 on the input's exact grid: 0 background, 1 PZ, 2 CG.
        slice_confidence: the Dice, 0..1, that the probabilities expect of each slice, by input slice index: slices
            with gland, and their neighbours where undecided. Of the networks' own contours, also after editing.
        measurements: volumes (mL), extents (mm) and what follows from them, of ``labelmap``.
        flags: what a reviewer should look at in the networks' own contours.
        notes: sentences on how the input was read.
        provenance: which model made this, and how; None where no model did.
        nifti: the header of a NIfTI input, which NIfTI labelmaps keep the place of; else None.
        slice_origins: after a refinement, by input slice index, whose word each slice is: slices with gland, those
            whose gland went, and those given. Empty where there was none.
    """

    image: sitk.Image
    labelmap: sitk.Image
    slice_confidence: dict[int, float]
    measurements: Measurements
    flags: tuple[QualityFlag, ...]
    notes: tuple[str, ...]
    provenance: Provenance | None
    nifti: NiftiHeader | None = field(default=None, kw_only=True, repr=False)
    slice_origins: Mapping[int, SliceOrigin] = field(default_factory=dict, kw_only=True)

    @property
    def has_gland(self) -> bool:
        """Whether any voxel is labelled."""
        return bool(np.any(sitk.GetArrayViewFromImage(self.labelmap)))

    @property
    def serious_flags(self) -> tuple[QualityFlag, ...]:
        """The flags that ask for a look before use: warnings and critical ones."""
        return tuple(flag for flag in self.flags if flag.severity is not Severity.INFO)

    @property
    def slices_to_check(self) -> tuple[int, ...]:
        """Input slice indices named by any flag, ascending."""
        return tuple(sorted({index for flag in self.flags for index in flag.slices}))


@dataclass(frozen=True)
class SegmentationResult(Findings):
    """What the networks made of a T2W image, as they made it.

    Attributes:
        provenance: which model made this, and how.
        probabilities: float32 (3, k, j, i) on the LPS-oriented input, only inside ``box``; outside it background is 1.
        box: where ``probabilities`` lies in the LPS-oriented input array: slices along k, j, i.
    """

    provenance: Provenance
    probabilities: np.ndarray
    box: tuple[slice, slice, slice]

    def probability_image(self, label: int) -> sitk.Image:
        """Probability of a label on the input's exact grid, float32 0..1."""
        return self._on_input_grid(self.probabilities[label], float(label == BACKGROUND))

    def uncertainty_image(self) -> sitk.Image:
        """Uncertainty on the input's exact grid, float32 0..1: entropy over the three classes divided by log 3."""
        p = np.clip(self.probabilities, np.finfo(np.float32).tiny, 1)  # p log p tends to 0 with p
        entropy = -np.einsum("ckji,ckji->kji", p, np.log(p)) / np.log(CLASS_COUNT)
        return self._on_input_grid(np.clip(entropy, 0, 1), 0.0)

    def _on_input_grid(self, boxed: np.ndarray, outside: float) -> sitk.Image:
        lps = to_lps(self.image)
        whole = np.full(lps.GetSize()[::-1], outside, np.float32)
        whole[self.box] = boxed
        image = sitk.GetImageFromArray(whole)
        image.CopyInformation(lps)
        return from_lps(image, self.image)
