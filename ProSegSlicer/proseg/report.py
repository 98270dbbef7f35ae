"""The report of a run: a dictionary ready for JSON. It names no patient: of the input, only the file's own name."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from proseg.geometry import orientation_code
from proseg.result import SegmentationResult

SCHEMA_VERSION = "1.0"
INTENDED_USE = "Research use: a qualified reader reviews and corrects every contour before use."


def report(result: SegmentationResult, source: str | os.PathLike[str]) -> dict[str, Any]:
    """What a run found, as plain numbers, strings, lists and dictionaries.

    Units stand in the keys (``_ml``, ``_mm``, ``_s``); slices are zero-based along the input's slice axis; axes of
    size and spacing are in the order of the input file (i, j, k).

    Args:
        result: the segmentation.
        source: the input file or DICOM folder; only its name is kept.
    """
    image = result.image
    timings = {stage: _rounded(seconds) for stage, seconds in result.provenance.timings_s.items()}
    content = {
        "schema_version": SCHEMA_VERSION,
        "intended_use": INTENDED_USE,
        "input": {
            "name": Path(os.path.abspath(source)).name,
            "size": list(image.GetSize()),
            "spacing_mm": [round(step, 6) for step in image.GetSpacing()],
            "orientation": orientation_code(image),
        },
        "gland_found": result.has_gland,
        "measurements": {name: _rounded(value) for name, value in result.measurements.to_dict().items()},
        "slice_confidence": {str(index): _rounded(value) for index, value in sorted(result.slice_confidence.items())},
        "slices_to_check": list(result.slices_to_check),
        "flags": [
            {
                "code": flag.code,
                "severity": flag.severity.value,
                "sentence": flag.sentence,
                "slices": list(flag.slices),
            }
            for flag in result.flags
        ],
        "notes": list(result.notes),
        "provenance": asdict(result.provenance) | {"timings_s": timings},
    }
    return _plain(content)


def to_json(content: dict[str, Any]) -> str:
    """A report as JSON text, indented, ending with a line end; the same for the same content."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


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
