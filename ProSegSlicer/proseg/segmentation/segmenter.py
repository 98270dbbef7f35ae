"""A T2W image in, zones to review out: the one way through the core, for every caller."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

import proseg
from proseg.flags import QualityFlag, Severity
from proseg.images.checks import T2WImage, check_t2w
from proseg.images.geometry import from_lps, grid_of, input_slice_indices, superior_mm, to_lps
from proseg.model.devices import choose_device
from proseg.model.weights import load_model
from proseg.segmentation.cleanup import clean_up, raw_labels
from proseg.segmentation.ends import check_slices, with_ends
from proseg.segmentation.given import labels_on_grid
from proseg.segmentation.measurements import measure
from proseg.segmentation.pipeline import Pipeline, Prediction, Progress
from proseg.segmentation.quality import assess, gland_confidence, slice_confidence
from proseg.segmentation.result import Provenance, SegmentationResult
from proseg.segmentation.spacer import spacer_flags
from proseg.system.threads import is_forked

NOT_LOCATED = QualityFlag(
    "gland_not_located",
    Severity.WARNING,
    "The prostate was not found in the overview of the image; only its middle was searched.",
)


class Segmenter:
    """Weights on a device, ready for any number of images; in a forked process they compute on one thread.

    Args:
        weights: a weights file; the shipped one by default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Raises:
        WeightsError: the weights cannot be used.
        DeviceError: the device cannot be used.
    """

    def __init__(self, weights: Path | None = None, device: str = "auto") -> None:
        if is_forked():
            torch.set_num_threads(1)
        self.model = load_model(weights)
        self.pipeline = Pipeline(self.model, choose_device(device))

    def segment(
        self,
        image: T2WImage | sitk.Image,
        psa_ng_ml: float | None = None,
        progress: Progress = lambda stage, done: None,
    ) -> SegmentationResult:
        """Segment peripheral zone and central gland.

        Args:
            image: what ``read_t2w`` returned, or any SimpleITK image of an axial T2W volume in any orientation.
            psa_ng_ml: serum PSA in ng/mL, for the PSA density.
            progress: told the stage and the fraction done.

        Raises:
            InputError: the image or the PSA cannot be used.
        """
        if is_forked():
            torch.set_num_threads(1)
        t2w = image if isinstance(image, T2WImage) else check_t2w(image)
        clock = Stopwatch()
        with clock.time("prepare"):
            lps = to_lps(t2w.image)
            grid, voxels = grid_of(lps), sitk.GetArrayViewFromImage(lps)
        with clock.time("networks"):
            prediction = self.pipeline.predict(voxels, grid, progress)
        progress("Measuring", 0.8)
        spacing = tuple(axis.spacing for axis in grid)
        with clock.time("clean-up"):
            labels = clean_up(prediction.probabilities, spacing)
            labelmap = self._on_input_grid(labels, prediction, lps, t2w.image)
        with clock.time("measure"):
            calibration = self.model.calibration
            probabilities = calibration.probabilities(prediction.probabilities)
            confidence = slice_confidence(probabilities, labels, prediction.box[0].start, calibration)
            place = partial(input_slice_indices, t2w.image), partial(superior_mm, t2w.image)
            flags = assess(
                labels,
                raw_labels(prediction.probabilities),
                confidence,
                believed=gland_confidence(prediction.probabilities, labels) >= calibration.least,
                spacing_kji=spacing,
                box=prediction.box,
                image_shape=voxels.shape,
                to_input_slices=place[0],
                superior=place[1],
            ) + spacer_flags(voxels, labels, prediction.box, spacing, *place)
            measurements = measure(labelmap, psa_ng_ml)
        by_input_slice = {input_slice_indices(t2w.image, [k])[0]: value for k, value in confidence.items()}
        progress("Done", 1.0)
        return SegmentationResult(
            image=t2w.image,
            labelmap=labelmap,
            probabilities=probabilities,
            box=prediction.box,
            slice_confidence=dict(sorted(by_input_slice.items())),
            measurements=measurements,
            flags=(*t2w.flags, *flags, *(() if prediction.located else (NOT_LOCATED,))),
            notes=t2w.notes,
            provenance=self._provenance(clock.seconds),
            nifti=t2w.nifti,
        )

    def refine(
        self,
        image: T2WImage | sitk.Image,
        labelmap: sitk.Image,
        first: int | None = None,
        last: int | None = None,
        psa_ng_ml: float | None = None,
        progress: Progress = lambda stage, done: None,
    ) -> SegmentationResult:
        """Cut or grow a reader's labels so that the gland begins and ends with the slices that the reader names.

        Slices that have gland and lie between the two stay as they are given, voxel for voxel.

        Args:
            image: as for ``segment``.
            labelmap: 0 background, 1 PZ, 2 CG, on the image's grid or on a part of it.
            first: index along the input's slice axis of one end of the gland; None leaves it as it is.
            last: of the other end, the one with the higher index.
            psa_ng_ml: serum PSA in ng/mL, for the PSA density.
            progress: told the stage and the fraction done.

        Returns:
            The result of ``segment`` with these labels and their measurements, and a note on what was given.

        Raises:
            InputError: the image, the labels or the slices cannot be used.
        """
        t2w = image if isinstance(image, T2WImage) else check_t2w(image)
        given = to_lps(labels_on_grid(labelmap, t2w.image))
        check_slices(given.GetSize()[2], first, last)
        ends = {"first": first, "last": last}
        if input_slice_indices(t2w.image, [0]) != (0,):  # the input's slices run from the base to the apex
            ends = {"first": last, "last": first}
        ends = {end: k if k is None else input_slice_indices(t2w.image, [k])[0] for end, k in ends.items()}
        result = self.segment(t2w, psa_ng_ml, progress)
        spacing = given.GetSpacing()[::-1]
        before = sitk.GetArrayFromImage(given)
        labels = with_ends(before, result.probabilities, result.box, spacing, **ends)
        lps = sitk.GetImageFromArray(labels)
        lps.CopyInformation(given)
        refined = from_lps(lps, t2w.image)
        return replace(
            result,
            labelmap=refined,
            measurements=measure(refined, psa_ng_ml),
            notes=(*result.notes, _what_was_given(before, labels, first, last)),
        )

    @staticmethod
    def _on_input_grid(labels: np.ndarray, prediction: Prediction, lps: sitk.Image, image: sitk.Image) -> sitk.Image:
        whole = np.zeros(lps.GetSize()[::-1], np.uint8)
        whole[prediction.box] = labels
        labelmap = sitk.GetImageFromArray(whole)
        labelmap.CopyInformation(lps)
        return from_lps(labelmap, image)

    def _provenance(self, timings: dict[str, float]) -> Provenance:
        device = self.pipeline.device
        return Provenance(
            model=self.model.name,
            version=self.model.version,
            sha256=self.model.sha256,
            device=device.name,
            device_reason=device.reason,
            dtype=str(device.dtype).removeprefix("torch."),
            timings_s=timings | {"total": sum(timings.values())},
            packages={
                "proseg": proseg.__version__,
                "python": platform.python_version(),
                "torch": torch.__version__,
                "SimpleITK": sitk.Version.VersionString(),
                "numpy": np.__version__,
            },
        )


def _what_was_given(before: np.ndarray, after: np.ndarray, first: int | None, last: int | None) -> str:
    """A note on refined labels (K, J, I): which ends were given and what came of it."""
    had, has = (labels.any(axis=(1, 2)) for labels in (before, after))
    ends = " and ".join(f"the {name} slice ({k})" for name, k in (("first", first), ("last", last)) if k is not None)
    return (
        f"Given labels were kept but for their ends: of {ends or 'neither end'} as given, "
        f"{np.count_nonzero(had & ~has)} slices were cleared and {np.count_nonzero(has & ~had)} drawn."
    )


class Stopwatch:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Time the body of a ``with`` statement."""
        began = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - began
