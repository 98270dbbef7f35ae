"""The tutorial's example: an entry in Slicer's Sample Data module, beside the ones Slicer brings.

The image is generated, not downloaded: no patient is shown, it works offline, and its true zones are known.
"""

from __future__ import annotations

import atexit
from pathlib import Path
from typing import Any

import slicer.util

from proseg import __version__
from ProSegSlicerLib.temporary import make_folder, remove_folder
from ProSegSlicerLib.volumes import add_volume

CATEGORY = "ProSegSlicer"
NAME = "Generated prostate T2W"  # of the button, and of the volume
ADDRESS = "prosegslicer:phantom"  # nothing lies there: ``_file_at`` makes it
FILE = f"GeneratedProstateT2W-{__version__}.nrrd"  # in Slicer's cache, so that another version makes it anew
THUMBNAIL = Path(__file__).resolve().parents[1] / "Resources" / "Icons" / "GeneratedProstateT2W.png"


def register() -> None:
    """Add the entry to the Sample Data module; nothing where that module is not loaded."""
    try:
        import SampleData
    except ImportError:
        return
    # The button calls ``customDownloader``; scripts (``SampleData.downloadSample``) go by the address.
    SampleData.SampleDataLogic.registerUrlRewriteRule(CATEGORY, _file_at)
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        uris=ADDRESS,
        fileNames=FILE,
        nodeNames=NAME,
        thumbnailFileName=str(THUMBNAIL),
        customDownloader=lambda _source: [_load_and_show()],
    )


def _file_at(address: str) -> str:
    """Where to download from instead: of the example, a file that is generated now; of all others, where they are."""
    if address != ADDRESS:
        return address
    import SimpleITK as sitk

    from proseg.phantom import make_phantom

    folder = make_folder()
    atexit.register(remove_folder, folder)  # Slicer copies the file after this
    sitk.WriteImage(make_phantom().image, str(folder / FILE), useCompression=True)
    return (folder / FILE).as_uri()


def load_phantom(seed: int = 0) -> Any:
    """Generate a T2W-like prostate examination and add it to the scene."""
    from proseg.phantom import make_phantom

    return add_volume(make_phantom(seed).image, NAME)


def _load_and_show() -> Any:
    """What a click on the button does: Slicer shows what it reads from files, but nothing that code adds."""
    volume = load_phantom()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    return volume
