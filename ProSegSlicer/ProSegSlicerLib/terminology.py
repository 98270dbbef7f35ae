"""This project's terminology in Slicer: without it the segment editor would not know the central gland's code."""

from __future__ import annotations

from pathlib import Path

import vtk

from proseg.outputs.segnrrd import ZONE_CONTEXT
from ProSegSlicerLib.scene import logic

TERMS = Path(__file__).resolve().parents[1] / "Resources" / "Terminologies" / "ProSegSlicer.term.json"


def load_terminology() -> bool:
    """Load the zones' terminology, once; whether it is there now."""
    if not _is_loaded():
        logic("Terminologies").LoadTerminologyFromFile(str(TERMS))
    return _is_loaded()


def _is_loaded() -> bool:
    names = vtk.vtkStringArray()
    logic("Terminologies").GetLoadedTerminologyNames(names)
    return ZONE_CONTEXT in map(names.GetValue, range(names.GetNumberOfValues()))
