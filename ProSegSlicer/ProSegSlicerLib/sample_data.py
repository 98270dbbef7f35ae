"""The tutorial's example: an entry in Slicer's Sample Data module, beside the ones Slicer brings.

The image is generated, not downloaded: no patient is shown, it works offline, and its true zones are known.
"""

from __future__ import annotations

from typing import Any

from ProSegSlicerLib.volumes import add_volume

CATEGORY = "ProSegSlicer"
NAME = "ProSegPhantom"
TITLE = "Generated prostate T2W"


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
        nodeNames=TITLE,
        customDownloader=lambda _source: [load_phantom()],
    )


def load_phantom(seed: int = 0) -> Any:
    """Generate a T2W-like prostate examination and add it to the scene."""
    from proseg.phantom import make_phantom

    return add_volume(make_phantom(seed).image, TITLE)
