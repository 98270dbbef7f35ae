"""This project's terminology in Slicer: without it the segment editor would not know the central gland's code."""

from __future__ import annotations

from pathlib import Path

from proseg.segnrrd import ZONE_CONTEXT
from ProSegSlicerLib.scene import logic

TERMS = Path(__file__).resolve().parents[1] / "Resources" / "Terminologies" / "ProSegSlicer.term.json"


def load_terminology() -> bool:
    """Load the zones' terminology, once; whether it is there now."""
    terminologies = logic("Terminologies")
    if not terminologies.IsTerminologyContextLoaded(ZONE_CONTEXT):
        terminologies.LoadTerminologyFromFile(str(TERMS))
    return terminologies.IsTerminologyContextLoaded(ZONE_CONTEXT)
