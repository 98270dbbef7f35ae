"""TAPS, the PyPI package ``lavlab-taps``: gland only, SegResNet in ONNX Runtime, as it is called and set by itself.

It resamples to 0.8 × 0.8 × 3 mm, slides a window of 128 × 128 × 32 with an overlap of half, blurs, goes back to the
input's grid and checks the result. ``taps.segment`` builds its session anew at each call; here the session is kept and
has computed a window before, so that it is as warm as can be.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

WHAT = "gland only; reads and writes its file"


def measure(path: str, folder: str) -> dict[str, Any]:
    """Segment one file.

    Args:
        path: the NIfTI file.
        folder: where its mask goes.

    Returns:
        ``seconds`` of ``taps.segment`` with a warm session; ``windows``, passes of its network; ``peak_mb``;
        ``version``; ``note``, where something was odd.
    """
    import numpy as np
    import torch
    from taps import __version__, inference

    from benchmarks.processes import own_peak_mb

    kept = _Kept(inference.ONNXPredictor(inference.resolve_checkpoint(None), device="cpu"))
    kept(torch.from_numpy(np.zeros((1, 1, *inference.ROI_SIZE), np.float32)))
    inference.ONNXPredictor = lambda *_, **__: kept
    kept.windows, note = 0, ""
    began = time.perf_counter()
    try:
        inference.segment(path, Path(folder) / "taps.nii.gz", None, device="cpu")
    except inference.BlankMaskError:
        note = "it found no gland in the generated image, so it wrote no file"
    return {
        "seconds": time.perf_counter() - began,
        "windows": kept.windows,
        "peak_mb": own_peak_mb(),
        "version": __version__,
        "note": note,
    }


class _Kept:
    """A session that is kept, and counts what it is asked."""

    def __init__(self, session: Any) -> None:
        self.session, self.windows = session, 0

    def __call__(self, window: Any) -> Any:
        self.windows += 1
        return self.session(window)
