"""A T2W image in, zones to review out: the one way through the core, for every caller."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

import proseg
from proseg.errors import InputError
from proseg.flags import QualityFlag, Severity
from proseg.images.checks import T2WImage, check_t2w
from proseg.images.geometry import from_lps, grid_of, input_slice_indices, superior_mm, to_lps
from proseg.model.devices import choose_device
from proseg.model.follower import Follower, load_follower
from proseg.model.weights import load_model
from proseg.segmentation.cleanup import clean_up, raw_labels
from proseg.segmentation.ends import check_slices
from proseg.segmentation.given import labels_on_grid
from proseg.segmentation.measurements import measure
from proseg.segmentation.pipeline import Pipeline, Prediction, Progress
from proseg.segmentation.quality import assess, gland_confidence, slice_confidence
from proseg.segmentation.refining import Word, refined, same_image
from proseg.segmentation.result import Provenance, SegmentationResult
from proseg.segmentation.spacer import gel, spacer, spacer_flags
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
            drawn = labels = clean_up(prediction.probabilities, spacing)
            bright = gel(voxels, drawn, prediction.box)
            beyond = spacer(bright, drawn, spacing)
            if beyond.any():  # out of the probabilities too, which refinements go on from
                prediction.probabilities[:, beyond] = np.reshape((1, 0, 0), (3, 1))
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
            )
            left_out = (drawn > 0) & (labels == 0)
            flags += spacer_flags(bright, left_out, prediction.box[0].start, spacing, *place)
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
        *,
        slices: Sequence[int] = (),
        known: SegmentationResult | None = None,
    ) -> SegmentationResult:
        """Draw what a reader did not give so that it fits what the reader gave.

        With ``slices``, these stay as the labelmap has them, voxel for voxel, and all others are drawn again. Without,
        the labelmap is cut or grown to the two ends alone, and slices that have gland and lie between them stay.

        Args:
            image: as for ``segment``.
            labelmap: 0 background, 1 PZ, 2 CG, on the image's grid or on a part of it.
            first: index along the input's slice axis of one end of the gland; None leaves it as it is.
            last: of the other end, the one with the higher index.
            psa_ng_ml: serum PSA in ng/mL, for the PSA density.
            progress: told the stage and the fraction done.
            slices: indices along the input's slice axis of slices that the reader has corrected or accepted; one
                without gland says that there is none.
            known: what ``segment`` made of this image, which saves running the networks again.

        Returns:
            The result of ``segment`` with these labels and their measurements, whose word each slice is, and a note.

        Raises:
            InputError: the image, the labels or the slices cannot be used, or ``known`` is of another image.
        """
        t2w = image if isinstance(image, T2WImage) else check_t2w(image)
        given = to_lps(labels_on_grid(labelmap, t2w.image, may_be_empty=bool(slices)))
        check_slices(given.GetSize()[2], first, last, *slices)
        if known is None:
            known = self.segment(t2w, psa_ng_ml, progress)
        elif not same_image(known.image, t2w.image):
            raise InputError("What is known of the image is of another one.", "Segment this image first.")
        word = Word.of(t2w.image, slices, first, last)
        return refined(known, given, word, lambda: self.follower, self.model.calibration, psa_ng_ml)

    @cached_property
    def follower(self) -> Follower:
        """What draws slices after those that a reader gives; loaded when it is first asked for."""
        return load_follower()

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
