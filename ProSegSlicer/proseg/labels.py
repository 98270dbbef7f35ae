"""The labels of a zonal segmentation and how they are named, coloured and coded.

Codes: SNOMED CT for the peripheral zone (279706003) and the prostate (41216001). The central gland (transition and
central zone with the anterior stroma) has no SNOMED CT or DICOM code of its own; coding it as transition zone would be
anatomically wrong, so it carries a private code of the scheme 99PROSEG.
"""

from __future__ import annotations

from dataclasses import dataclass

BACKGROUND, PZ, CG = 0, 1, 2
CLASS_COUNT = 3


@dataclass(frozen=True)
class Code:
    """A coded concept: coding scheme designator, code value, code meaning."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Zone:
    """One zone of the prostate: its label value, short and full name, colour (RGB, 0-255) and coded type."""

    label: int
    short: str
    name: str
    colour: tuple[int, int, int]
    type: Code


ANATOMICAL_STRUCTURE = Code("SCT", "123037004", "Anatomical Structure")
PROSTATE = Code("SCT", "41216001", "Prostate")
ZONES = (
    Zone(PZ, "PZ", "Peripheral zone", (180, 140, 190), Code("SCT", "279706003", "Peripheral zone of prostate")),
    Zone(CG, "CG", "Central gland", (120, 190, 160), Code("99PROSEG", "CG", "Central gland of prostate")),
)
