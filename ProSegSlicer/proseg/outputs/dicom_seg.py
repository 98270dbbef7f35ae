"""DICOM Segmentation (SEG): the zones on the slices of the series they were drawn on, through highdicom.

The object joins the patient's study, as a series of its own. Of the source it repeats what the standard asks for:
patient, study, frame of reference, and references to every slice. Segments carry the codes that Slicer's terminology
and the ``.seg.nrrd`` files carry. Whether a zone is the networks' own, edited or drawn by hand stands in its Segment
Algorithm Type; whether a reviewer stands behind it, in descriptions and content creator.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from proseg import __version__
from proseg.dicom.slices import (
    as_one_series,
    check_source,
    discreet,
    labels_on_slices,
    read_headers,
    refer_truly,
    refusing,
    slice_axis,
    slices_of,
    unify,
)
from proseg.labels import ANATOMICAL_STRUCTURE, PROSTATE, ZONES, Code, Zone
from proseg.outputs.own import OwnSegment
from proseg.outputs.review import Comparison, Review, ReviewStatus, fingerprint, sign_off, status
from proseg.segmentation.result import Findings, Provenance, SegmentationResult
from proseg.system.atomic import OutputSet, atomic

if TYPE_CHECKING:
    from pydicom import Dataset

MAKER = "ProSegSlicer"
CONTENT_LABEL = "PROSTATE_ZONES"
PRIVATE_SCHEME = "99PROSEG"
NOT_STANDARD = "The header of the DICOM series is not as the standard has it."
TISSUE = Code("SCT", "85756007", "Tissue")
LONGEST = 64  # characters in DICOM's LO, and in a group of PN

HOW = {  # Segment Algorithm Type (DICOM PS3.3 C.8.20.2), in words
    "AUTOMATIC": "drawn by AI",
    "SEMIAUTOMATIC": "drawn by AI and edited",
    "MANUAL": "drawn by hand",
}


def write_dicom_seg(
    findings: Findings,
    files: Sequence[Path],
    path: str | os.PathLike[str],
    outputs: OutputSet | None = None,
    review: Review | None = None,
    comparison: Comparison | None = None,
    own: Sequence[OwnSegment] = (),
) -> None:
    """Write the zones as a DICOM Segmentation, whole or not at all.

    A zone without voxels is described all the same and has no frames; where there is neither zone, all frames are
    there, empty: that the prostate was looked for and not found is a result too.

    Args:
        findings: the segmentation.
        files: the source series' DICOM files, one a slice in any order, or its one multi-frame file.
        path: where to.
        outputs: the set that the file shall appear with; without one it appears by itself.
        review: the review kept with the segmentation; whether it still holds for these labels is found out here.
        comparison: of these labels with the networks' own; None where not known.
        own: what a reader drew besides the zones; further segments, which may overlap them.

    Raises:
        InputError: the files are no series on whose slices the zones lie, or none were given.
        OutputError: the file cannot be written, or a package is missing.
    """
    check_source(files)
    with discreet():
        headers = read_headers(list(dict.fromkeys(files)))
        true_series = as_one_series(headers)
        slices = slices_of(headers)
        labels = labels_on_slices(findings.labelmap, slices)
        unify(headers, slices, findings.labelmap.GetSpacing()[slice_axis(findings.labelmap, slices[0])])
        positions = [slices[number].position for number in labels]
        pixels = np.stack(list(labels.values()))
        if own:  # one label a voxel would not do
            drawn = [np.stack(list(labels_on_slices(segment.voxels, slices).values())) for segment in own]
            pixels = np.stack([*(pixels == zone.label for zone in ZONES), *drawn], axis=-1).astype(np.uint8)
        made = _segmentation(findings, headers, pixels, positions, review, comparison, own)
        refer_truly(made, true_series)
        with atomic(path, outputs) as temporary, refusing(NOT_STANDARD):
            made.save_as(temporary, enforce_file_format=True)


def _segmentation(
    findings: Findings,
    headers: list[Dataset],
    pixels: np.ndarray,
    positions: list[np.ndarray],
    review: Review | None,
    comparison: Comparison | None,
    own: Sequence[OwnSegment],
) -> Dataset:
    import highdicom as hd
    from highdicom.coding_schemes import CodingSchemeIdentificationItem

    provenance, source = findings.provenance, headers[0]
    kinds = {zone: _kind(zone, findings, comparison) for zone in ZONES}
    mark = fingerprint(findings.labelmap)
    standing = status(review, mark)
    texts = [sign_off(review, mark), *([comparison.sentence()] if comparison else [])]
    versions = [f"proseg {__version__}", *([_model(provenance)] if provenance else [])]
    summary = f"{_summary(list(kinds.values()))}, {standing.value}"
    described = {
        "segment_descriptions": [
            *(_segment(zone, kinds[zone], provenance, source.SeriesInstanceUID, " ".join(texts)) for zone in ZONES),
            *(
                _own_segment(segment, len(ZONES) + place, source.SeriesInstanceUID)
                for place, segment in enumerate(own, 1)
            ),
        ],
        "series_instance_uid": hd.UID(),
        "series_number": _series_number(source),
        "sop_instance_uid": hd.UID(),
        "instance_number": 1,
        "manufacturer": MAKER,
        "manufacturer_model_name": _line(provenance.model) if provenance else MAKER,
        "software_versions": tuple(_line(version) for version in versions),
        "device_serial_number": _line(provenance.sha256) if provenance else __version__,
        "content_label": CONTENT_LABEL,
        "content_description": _line(summary if pixels.any() else f"No prostate found; {summary}"),
        "content_creator_name": _person(review.reviewer if review and standing is ReviewStatus.REVIEWED else MAKER),
        "series_description": _line(f"{MAKER} zones, {summary}"),
        "omit_empty_frames": bool(pixels.any()),
    }
    with refusing(NOT_STANDARD):
        made = hd.seg.Segmentation(
            headers,
            pixels,
            hd.seg.SegmentationTypeValues.BINARY,
            plane_positions=[hd.PlanePositionSequence("PATIENT", position) for position in positions],
            **described,
        )
    made.SpecificCharacterSet = source.SpecificCharacterSet  # UTF-8, for a reviewer may have any name
    made.CodingSchemeIdentificationSequence = [
        CodingSchemeIdentificationItem(
            PRIVATE_SCHEME, name=f"{MAKER} codes", responsible_organization=f"The {MAKER} developers"
        )
    ]
    return made


def _segment(zone: Zone, kind: str, provenance: Provenance | None, series: str, text: str) -> Dataset:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    algorithm = None
    if provenance and kind != "MANUAL":
        algorithm = hd.AlgorithmIdentificationSequence(
            name=_line(provenance.model),
            version=_line(provenance.version),
            family=codes.cid7162.ArtificialIntelligence,
            source=MAKER,
            parameters={"weights SHA-256": provenance.sha256},
        )
    segment = hd.seg.SegmentDescription(
        segment_number=zone.label,
        segment_label=zone.name,
        segmented_property_category=_coded(ANATOMICAL_STRUCTURE),
        segmented_property_type=_coded(zone.type),
        algorithm_type=kind,
        algorithm_identification=algorithm,
        tracking_uid=_tracking_uid(series, zone),
        tracking_id=f"{MAKER} {zone.short}",
        anatomic_regions=[_coded(PROSTATE)],
        display_color=hd.color.CIELabColor.from_rgb(*zone.colour),
    )
    segment.SegmentDescription = f"{zone.name}, {HOW[kind]}. {text}"[:1024]
    return segment


def _own_segment(segment: OwnSegment, number: int, series: str) -> Dataset:
    """A segment that nobody coded: tissue, as Slicer has it, by the reader's name for it."""
    import highdicom as hd

    name = _line(segment.name) or f"Segment {number}"
    made = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=_coded(TISSUE),
        segmented_property_type=_coded(TISSUE),
        algorithm_type="MANUAL",
        tracking_uid=f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{series} {number} {name}').int}",
        tracking_id=_line(f"{MAKER} {name}"),
        display_color=hd.color.CIELabColor.from_rgb(*segment.colour),
    )
    made.SegmentDescription = f"{segment.name}, {HOW['MANUAL']} besides the zones."[:1024]
    return made


def _kind(zone: Zone, findings: Findings, comparison: Comparison | None) -> str:
    """Who drew a zone, as the Segment Algorithm Type has it."""
    if findings.provenance is None:
        return "MANUAL"
    if isinstance(findings, SegmentationResult):
        return "AUTOMATIC"
    # Without a comparison nobody knows: not to be passed off as the networks' own.
    same = comparison is not None and getattr(comparison, f"{zone.short.lower()}_dice") in (None, 1)
    return "AUTOMATIC" if same else "SEMIAUTOMATIC"


def _summary(kinds: list[str]) -> str:
    return HOW[next(kind for kind in ("MANUAL", "SEMIAUTOMATIC", "AUTOMATIC") if kind in kinds)]


def _coded(code: Code) -> Any:
    import highdicom as hd

    return hd.sr.CodedConcept(value=code.value, scheme_designator=code.scheme, meaning=code.meaning)


def _tracking_uid(series: str, zone: Zone) -> str:
    """The same for the same zone on the same images: drawn again or edited, it is what is tracked."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{series} {zone.type.scheme} {zone.type.value}').int}"


def _series_number(source: Dataset) -> int:
    """One that shows where it belongs: 401 for the segmentation of series 4; 1 where that has none."""
    number = source.get("SeriesNumber")
    return max(1, int(number) * 100 + 1) if number is not None and abs(int(number)) < 10**7 else 1


def _model(provenance: Provenance) -> str:
    return f"{provenance.model} {provenance.version}"


def _line(text: str) -> str:
    """A text as DICOM's LO has it: short, and without the sign that separates values."""
    return " ".join(text.replace("\\", "/").split())[:LONGEST]


def _person(name: str) -> str:
    """A name as DICOM has it: what was typed becomes the family name, unless it comes in DICOM's own form."""
    plain = name.replace("\\", " ").replace("=", " ")[: LONGEST - 1]
    return plain if "^" in plain else f"{plain}^"
