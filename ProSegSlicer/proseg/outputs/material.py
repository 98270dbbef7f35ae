"""What files about contours are made of, itself as files: handed over by who must not wait, written out by another.

Slicer hands over what its scene holds, uncompressed and as it is, which takes a moment also for a large image; the
worker measures, compares, draws and compresses. So every file of an export is made of the same voxels.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from proseg.errors import InputError
from proseg.flags import QualityFlag, Severity
from proseg.outputs.dicom_seg import write_dicom_seg
from proseg.outputs.own import OwnSegment
from proseg.outputs.page import write_page
from proseg.outputs.report import report, report_row, to_csv, to_json
from proseg.outputs.review import Comparison, Review, compare
from proseg.outputs.segnrrd import compress
from proseg.outputs.writing import DICOM_ENDING, SEGMENTATION_ENDING, write_image
from proseg.segmentation.measurements import measure
from proseg.segmentation.result import Findings, Provenance, SliceOrigin
from proseg.system.atomic import OutputSet, ending_of, write_text

CONTENT, SEGMENTATION = "material.json", f"zones{SEGMENTATION_ENDING}"
NIFTI_NOTE = "ITK_FileNotes"  # ITK's name for NIfTI's field descrip


@dataclass(frozen=True)
class Material:
    """All that is known of contours, whoever drew them.

    Attributes:
        labelmap: UInt8 on the input's grid: 0 background, 1 PZ, 2 CG.
        source: what reports call the image.
        image: the T2W image on the same grid; None where it is gone, or no file shows it.
        ai: what the networks drew, on the same grid; None where they did not.
        report: of the networks' run, as ``proseg.outputs.report.report`` gave it; None likewise.
        psa_ng_ml: serum PSA, ng/mL, or None.
        review: the review kept with the contours.
        slice_origins: by index along the input's slice axis, whose word each slice with gland is.
        note: what the NIfTI header says of it.
        series: the files of the DICOM series that the image was loaded from.
        segmentation: Slicer's own file of all segments, uncompressed, where one is wanted.
        own: what a reader drew besides the zones.
    """

    labelmap: sitk.Image
    source: str
    image: sitk.Image | None = None
    ai: sitk.Image | None = None
    report: dict[str, Any] | None = None
    psa_ng_ml: float | None = None
    review: Review | None = None
    slice_origins: Mapping[int, SliceOrigin] = field(default_factory=dict)
    note: str = ""
    series: tuple[Path, ...] = ()
    segmentation: Path | None = field(default=None, compare=False)
    own: tuple[OwnSegment, ...] = ()

    @cached_property
    def findings(self) -> Findings:
        """Contours and measurements as they are, with the networks' confidence and flags."""
        return findings(self.image, self.labelmap, self.report, self.psa_ng_ml, self.slice_origins)

    @cached_property
    def comparison(self) -> Comparison | None:
        """How far the contours are from the networks'; None where these drew nothing."""
        refined = [index for index, origin in self.slice_origins.items() if origin is SliceOrigin.REFINED]
        return None if self.ai is None else compare(self.ai, self.labelmap, refined)

    def save(self, folder: Path) -> None:
        """Write it into a folder that is there; ``segmentation`` has to lie in it already."""
        images = {name: getattr(self, name) for name in IMAGES}
        for name, image in images.items():
            if image is not None:
                sitk.WriteImage(image, str(folder / f"{name}.nrrd"), useCompression=False)
        for place, segment in enumerate(self.own):
            sitk.WriteImage(segment.voxels, str(folder / f"own{place}.nrrd"), useCompression=False)
        content = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name not in images}
        content["review"] = self.review and self.review.to_dict()
        content["own"] = [(segment.name, segment.colour) for segment in self.own]
        (folder / CONTENT).write_text(json.dumps(content, default=os.fspath), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Material:
        """What ``save`` wrote.

        Raises:
            InputError: there is none.
        """
        try:
            content = json.loads((folder / CONTENT).read_text(encoding="utf-8"))
            images = {name: folder / f"{name}.nrrd" for name in IMAGES}
            content |= {name: sitk.ReadImage(str(path)) for name, path in images.items() if path.exists()}
            content["review"] = content["review"] and Review.from_dict(content["review"])
            content["slice_origins"] = {int(k): SliceOrigin(v) for k, v in content["slice_origins"].items()}
            content["series"] = tuple(map(Path, content["series"]))
            content["segmentation"] = content["segmentation"] and Path(content["segmentation"])
            content["own"] = tuple(
                OwnSegment(name, sitk.ReadImage(str(folder / f"own{place}.nrrd")), tuple(colour))
                for place, (name, colour) in enumerate(content["own"])
            )
            return cls(**content)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise InputError(f"{folder} holds nothing to export.", "Export again.") from error


IMAGES = ("labelmap", "image", "ai")


def findings(
    image: sitk.Image | None,
    labelmap: sitk.Image,
    report: dict[str, Any] | None,
    psa_ng_ml: float | None,
    slice_origins: Mapping[int, SliceOrigin],
) -> Findings:
    """Contours and measurements as they are; confidence, flags and notes are the networks', as their report has them.

    Args:
        image: the T2W image; None where it is gone, and the labelmap tells its grid.
        labelmap: UInt8 on its grid: 0 background, 1 PZ, 2 CG.
        report: of the networks' run; None where they drew nothing: then there are neither confidence nor flags.
        psa_ng_ml: serum PSA, ng/mL, or None.
        slice_origins: by index along the input's slice axis, whose word each slice with gland is.
    """
    told = report or {}
    return Findings(
        image=image if image is not None else labelmap,
        labelmap=labelmap,
        slice_confidence={int(index): value for index, value in told.get("slice_confidence", {}).items()},
        measurements=measure(labelmap, psa_ng_ml),
        flags=flags(report),
        notes=tuple(told.get("notes", ())),
        provenance=Provenance(**told["provenance"]) if report else None,
        slice_origins=slice_origins,
    )


def flags(report: dict[str, Any] | None) -> tuple[QualityFlag, ...]:
    """What the networks asked a reviewer to look at; none without a report of theirs."""
    return tuple(
        QualityFlag(flag["code"], Severity(flag["severity"]), flag["sentence"], tuple(flag["slices"]))
        for flag in (report["flags"] if report else ())
    )


def report_on(material: Material) -> dict[str, Any]:
    """The report on the contours as they are, ready for JSON."""
    return report(material.findings, material.source, material.review, material.comparison, material.own)


def write(material: Material, path: str | os.PathLike[str], outputs: OutputSet | None = None) -> None:
    """Write one file by its ending, one of ``ENDINGS``, whole or not at all.

    Raises:
        OutputError: it cannot be written.
        InputError: the material lacks what the format shows.
    """
    _WRITERS[ending_of(path)](material, path, outputs)


def write_all(material: Material, paths: Sequence[Path]) -> None:
    """Write several; all files appear, or none.

    Raises:
        OutputError, InputError: as ``write``.
    """
    with OutputSet() as outputs:
        for path in paths:
            write(material, path, outputs)


_Writer = Callable[[Material, "str | os.PathLike[str]", "OutputSet | None"], None]


def _segmentation(material: Material, path: str | os.PathLike[str], outputs: OutputSet | None) -> None:
    if material.segmentation is None:
        raise InputError("Slicer wrote no segmentation to hand on.", "Export again.")
    compress(material.segmentation, path, outputs)


def _dicom(material: Material, path: str | os.PathLike[str], outputs: OutputSet | None) -> None:
    write_dicom_seg(
        material.findings,
        material.series,
        path,
        outputs,
        review=material.review,
        comparison=material.comparison,
        own=material.own,
    )


def _labelmap(material: Material, path: str | os.PathLike[str], outputs: OutputSet | None) -> None:
    write_image(material.labelmap, path, outputs, {NIFTI_NOTE: material.note})


def _json(material: Material, path: str | os.PathLike[str], outputs: OutputSet | None) -> None:
    write_text(to_json(report_on(material)), path, outputs)


def _csv(material: Material, path: str | os.PathLike[str], outputs: OutputSet | None) -> None:
    write_text(to_csv([report_row(report_on(material))]), path, outputs)


def _html(material: Material, path: str | os.PathLike[str], outputs: OutputSet | None) -> None:
    write_page(
        material.findings,
        material.source,
        path,
        outputs,
        review=material.review,
        comparison=material.comparison,
        own=material.own,
    )


_WRITERS: dict[str, _Writer] = {
    SEGMENTATION_ENDING: _segmentation,
    DICOM_ENDING: _dicom,
    ".nii.gz": _labelmap,
    ".json": _json,
    ".csv": _csv,
    ".html": _html,
}
ENDINGS = tuple(_WRITERS)
ZONES_ALONE = (".nii.gz", ".csv")  # one label a voxel, and one row a case, have no room for what overlaps the zones
