"""Self-training: zones for cases of which only the gland is outlined, as earlier weights see them inside that outline.

``python -m training.fit.pseudo_zones --weights runs/fold0.pt --arrays runs/arrays --out runs/arrays-with-zones``

The outline stays the expert's; only where PZ and CG meet is the network's. Weights that have not learned from a fold
make zones that know nothing of it, so its figures stay honest. The folder can be trained on with ``training.fit.train
--arrays``.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from proseg.images.grids import Axis
from proseg.labels import CG, PZ
from proseg.model.devices import choose_device
from proseg.model.preprocessing import PIXEL_MM
from proseg.model.weights import load_model
from proseg.segmentation.pipeline import Pipeline
from training.command import run_command
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.data.preprocess import Arrays, load, save


def with_zones(case: Arrays, pipeline: Pipeline) -> Arrays:
    """A gland-only case with the likelier zone in every voxel of its gland; a case with zones as it is."""
    if case.zonal:
        return case
    spacing = (case.slice_mm, PIXEL_MM, PIXEL_MM)
    grid = tuple(Axis(count, step, 0.0) for count, step in zip(case.image.shape, spacing, strict=True))
    prediction = pipeline.predict(case.image.astype(np.float32), grid)
    likelier = np.full(case.image.shape, CG, np.uint8)
    likelier[prediction.box][prediction.probabilities[PZ] > prediction.probabilities[CG]] = PZ
    return replace(case, labels=np.where(case.labels == GLAND_UNKNOWN_ZONE, likelier, case.labels))


def main() -> None:
    """Make the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="weights file; must not know the fold to hold out")
    parser.add_argument(
        "--arrays", type=Path, default=Path("runs/arrays"), help="folder made by training.data.preprocess"
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    pipeline = Pipeline(load_model(options.weights), choose_device("auto"))
    options.out.mkdir(parents=True, exist_ok=True)
    for case in load(options.arrays):
        save(with_zones(case, pipeline), options.out)
        print(f"{case.id}: {'as it is' if case.zonal else 'zones added'}", flush=True)


if __name__ == "__main__":
    run_command(main)
