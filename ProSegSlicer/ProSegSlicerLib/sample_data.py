"""The tutorial's example: an entry in Slicer's Sample Data module, beside the ones Slicer brings.

The image is generated, not downloaded: no patient is shown, it works offline, and its true zones are known.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer.util

from ProSegSlicerLib.volumes import add_volume

CATEGORY = "ProSegSlicer"
NAME = "Generated prostate T2W"  # of the button, and of the volume
THUMBNAIL = Path(__file__).resolve().parents[1] / "Resources" / "Icons" / "GeneratedProstateT2W.png"


def register() -> None:
    """Add the entry to the Sample Data module; nothing where that module is not loaded."""
    try:
        import SampleData
    except ImportError:
        return
    # The empty address and file name are never used, but the module cannot do without them.
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        uris="",
        fileNames="",
        nodeNames=NAME,
        thumbnailFileName=str(THUMBNAIL),
        customDownloader=lambda _source: [_load_and_show()],
    )


def load_phantom(seed: int = 0) -> Any:
    """Generate a T2W-like prostate examination and add it to the scene."""
    from proseg.phantom import make_phantom

    return add_volume(make_phantom(seed).image, NAME)


def _load_and_show() -> Any:
    """What a click on the button does: Slicer shows what it reads from files, but nothing that code adds."""
    volume = load_phantom()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    return volume
