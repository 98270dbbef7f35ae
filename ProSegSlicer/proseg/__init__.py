"""ProSeg: peripheral zone and central gland on T2-weighted prostate MRI, without Slicer.

The names below are loaded on first use, so that ``import proseg`` costs neither torch nor SimpleITK.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Segmenter": "segmentation.segmenter",
    "SegmentationResult": "segmentation.result",
    "read_t2w": "reading.t2w",
    "write_result": "outputs.writing",
    "make_phantom": "phantom",
    "ProSegError": "errors",
}
__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'proseg' has no attribute {name!r}")
    return getattr(import_module(f"proseg.{_HOME[name]}"), name)
