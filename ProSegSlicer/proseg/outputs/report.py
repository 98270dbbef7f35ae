"""The report of a run: a dictionary ready for JSON, and a row of it for a table.

It names no patient: of the input, only a file's own name. The only other name in it is that of the reviewer.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proseg.flags import Severity
from proseg.images.geometry import orientation_code, superior_mm
from proseg.outputs.review import Comparison, Review, ReviewStatus, fingerprint, status
from proseg.segmentation.result import Findings, Provenance, SegmentationResult

if TYPE_CHECKING:
    import SimpleITK as sitk

    from proseg.images.checks import T2WImage
    from proseg.outputs.own import OwnSegment

SCHEMA_VERSION = "1.2"  # 1.1: review; 1.2: where slices lie, own_segments, slice_origins
DICOM_NAME = "DICOM series"
INTENDED_USE = "Research use: a qualified reader reviews and corrects every contour before use."

# The table's columns, in this order; units stand in the names as they do in the report.
COLUMNS = (
    *("name", "gland_found", "pz_ml", "cg_ml", "gland_ml", "width_mm", "height_mm", "length_mm", "ellipsoid_ml"),
    *("psa_ng_ml", "psa_density"),  # the density in ng/mL per mL
    *("critical_flags", "warning_flags", "info_flags", "flag_codes"),
    *("slices_to_check", "slices_to_check_superior_mm", "lowest_confidence"),
    *("review_status", "reviewer", "reviewed_at", "edited", "pz_dice_with_ai", "cg_dice_with_ai", "gland_dice_with_ai"),
    *("model", "model_version", "weights_sha256", "device", "total_s"),
)
# A cell that begins so is a formula to spreadsheets (OWASP, "CSV Injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def report(
    findings: Findings,
    source: str | os.PathLike[str],
    review: Review | None = None,
    comparison: Comparison | None = None,
    own: Sequence[OwnSegment] = (),
) -> dict[str, Any]:
    """What a run found, and who reviewed it, as plain numbers, strings, lists and dictionaries.

    Units stand in the keys (``_ml``, ``_mm``, ``_s``); slices are zero-based along the input's slice axis; axes of
    size and spacing are in the order of the input file (i, j, k); ``…superior_mm`` says where the slices of the list
    beside it lie, mm to the patient's superior. Flags and confidence are those of the networks' own
    contours; ``review.edited`` says whether these were edited since, null where that is not known. So is
    ``provenance`` where no model drew them.

    Args:
        findings: the segmentation.
        source: the input file or DICOM folder; only its name is kept.
        review: the review kept with the segmentation; whether it still holds for these labels is found out here.
        comparison: of these labels with the networks' own. While the review holds, its own serves.
        own: what a reader drew besides the zones.
    """
    image = findings.image
    content = {
        "schema_version": SCHEMA_VERSION,
        "intended_use": INTENDED_USE,
        "input": {
            "name": _name(source),
            "size": list(image.GetSize()),
            "spacing_mm": [round(step, 6) for step in image.GetSpacing()],
            "orientation": orientation_code(image),
        },
        "gland_found": findings.has_gland,
        "measurements": {name: _rounded(value) for name, value in findings.measurements.to_dict().items()},
        "own_segments": [segment.to_dict() for segment in own],
        "slice_confidence": {str(index): _rounded(value) for index, value in sorted(findings.slice_confidence.items())},
        "slices_to_check": list(findings.slices_to_check),
        "slices_to_check_superior_mm": _superior(image, findings.slices_to_check),
        "slice_origins": {str(index): origin.value for index, origin in sorted(findings.slice_origins.items())},
        "flags": [
            {
                "code": flag.code,
                "severity": flag.severity.value,
                "sentence": flag.sentence,
                "slices": list(flag.slices),
                "slices_superior_mm": _superior(image, flag.slices),
            }
            for flag in findings.flags
        ],
        "notes": list(findings.notes),
        "review": _review(findings, review, comparison),
        "provenance": findings.provenance and _provenance(findings.provenance),
    }
    return _plain(content)


def source_name(t2w: T2WImage) -> str | os.PathLike[str]:
    """What a report calls an image that was read: its file, but a DICOM series by no name at all.

    DICOM folders, and the files in them, are often named after the patient.
    """
    return DICOM_NAME if t2w.files else t2w.source


def report_row(content: Mapping[str, Any]) -> dict[str, str | float]:
    """A report as one row of a table, by the names in ``COLUMNS``; what is not known is empty.

    Args:
        content: what ``report`` returned, or its JSON read back.
    """
    flags, review = content["flags"], content["review"]
    provenance = content["provenance"] or {}
    severities = [flag["severity"] for flag in flags]
    confidence = [value for value in content["slice_confidence"].values() if value is not None]
    compared = review["comparison_with_ai"] or {}
    row = {
        "name": content["input"]["name"],
        "gland_found": content["gland_found"],
        **content["measurements"],
        **{f"{severity.value}_flags": severities.count(severity.value) for severity in Severity},
        "flag_codes": ";".join(flag["code"] for flag in flags),
        "slices_to_check": ";".join(str(index) for index in content["slices_to_check"]),
        "slices_to_check_superior_mm": ";".join(str(mm) for mm in content["slices_to_check_superior_mm"]),
        "lowest_confidence": min(confidence, default=None),
        "review_status": review["status"],
        "reviewer": review["reviewer"],
        "reviewed_at": review["reviewed_at"],
        "edited": review["edited"],
        **{f"{part}_dice_with_ai": compared.get(f"{part}_dice") for part in ("pz", "cg", "gland")},
        "model": provenance.get("model"),
        "model_version": provenance.get("version"),
        "weights_sha256": provenance.get("sha256"),
        "device": provenance.get("device"),
        "total_s": provenance.get("timings_s", {}).get("total"),
    }
    return {name: _cell(row.get(name)) for name in COLUMNS}


def to_csv(rows: Iterable[Mapping[str, str | float]], columns: Sequence[str] = COLUMNS) -> str:
    """Rows as CSV (RFC 4180: commas, CRLF, a heading), to be written as UTF-8.

    Text that a spreadsheet would run as a formula gets an apostrophe before it.

    Args:
        rows: values by column; a column that a row lacks stays empty.
        columns: the columns, in order; others that a row has are left out.
    """
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\r\n")
    table.writeheader()
    for row in rows:
        table.writerow({name: _inert(value) for name, value in row.items()})
    return text.getvalue()


def to_json(content: dict[str, Any]) -> str:
    """A report as JSON text, indented, ending with a line end; the same for the same content."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _superior(image: sitk.Image, slices: Sequence[int]) -> list[float]:
    return [_rounded(superior_mm(image, index)) for index in slices]


def _review(findings: Findings, review: Review | None, comparison: Comparison | None) -> dict[str, Any]:
    standing = status(review, fingerprint(findings.labelmap)) if review else ReviewStatus.UNREVIEWED
    if comparison is None and standing is ReviewStatus.REVIEWED:
        comparison = review.comparison
    if comparison is not None:
        edited = comparison.changed
    else:
        edited = False if isinstance(findings, SegmentationResult) else None
    return {
        "status": standing.value,
        "reviewer": review and review.reviewer,
        "reviewed_at": review and review.reviewed_at,
        "edited": edited,
        "comparison_with_ai": comparison and _compared(comparison),
    }


def _compared(comparison: Comparison) -> dict[str, Any]:
    """With more decimals than elsewhere: a Dice of 1 shall mean that nothing was edited."""
    values = comparison.to_dict().items()
    content = {name: round(value, 6) if isinstance(value, float) else value for name, value in values}
    return content | {"sentence": comparison.sentence()}


def _provenance(provenance: Provenance) -> dict[str, Any]:
    timings = {stage: _rounded(seconds) for stage, seconds in provenance.timings_s.items()}
    return asdict(provenance) | {"timings_s": timings}


def _name(source: str | os.PathLike[str]) -> str:
    """The file's own name, without its folders; bytes in it that are no UTF-8 become question marks."""
    return Path(os.path.abspath(source)).name.encode("utf-8", "replace").decode()


def _cell(value: Any) -> str | float:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value


def _inert(value: str | float) -> str | float:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def _rounded(value: float | None) -> float | None:
    """To a thousandth: a microlitre, a micrometre, a millisecond."""
    return None if value is None else round(float(value), 3)


def _plain(value: Any) -> Any:
    """JSON knows neither numpy's numbers nor infinities: plain Python ones, and null for what is not finite."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
