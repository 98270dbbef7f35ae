"""What the module does once Slicer is loaded. Costs nothing to import: Slicer does so each time it starts."""

from __future__ import annotations


def prepare_slicer() -> None:
    """Add the module's terminology and sample data, remove what a killed Slicer left."""
    from ProSegSlicerLib.sample_data import register
    from ProSegSlicerLib.temporary import remove_left
    from ProSegSlicerLib.terminology import load_terminology

    load_terminology()
    register()
    remove_left()
