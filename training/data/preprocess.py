"""Cases as arrays on the network's grid, made once: training the segmenter needs no SimpleITK and no original files.

``python -m training.data.preprocess --data ../shared/data --out runs/arrays``
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from proseg.labels import CLASS_COUNT
from proseg.model.preprocessing import PIXEL_MM, slice_axis
from training.command import run_command
from training.data.labels import GLAND_UNKNOWN_ZONE


@dataclass(frozen=True)
class Arrays:
    """One case on the network's grid.

    Attributes:
        id, source, patient: as in the data set.
        image: float16 (K, J, I), LPS-oriented, 0.7 mm in-plane, 0 to 1 between the 0.5 and 99.5 percentile.
        labels: uint8 (readers, K, J, I): 0 background, 1 PZ, 2 CG, 3 gland of unknown zone.
        slice_mm: distance between slice centres, mm.
    """

    id: str
    source: str
    patient: str
    image: np.ndarray
    labels: np.ndarray
    slice_mm: float

    @property
    def zonal(self) -> bool:
        """Whether the zones are known, not just the gland."""
        return not (self.labels == GLAND_UNKNOWN_ZONE).any()


def prepare(case, grow: bool = False) -> Arrays:
    """Resample one case and its labels (through their per-class occupancy, not label values) to the network's grid.

    ``grow``: the gland is known to be half a pixel too small all round, which is made good.
    """
    import SimpleITK as sitk

    from proseg.images.geometry import grid_of, to_lps
    from proseg.images.grids import Axis, resample
    from training.data.datasets import load_image, load_labels
    from training.data.truncated import GROWN, depth

    image = to_lps(load_image(case))
    source = grid_of(image)
    rows, columns = (Axis.around(a.centre, round(a.extent / PIXEL_MM), PIXEL_MM) for a in source[1:])
    target = (slice_axis(source[0]), rows, columns)
    labels = []
    for reader in (1, 2) if case.zones_reader2 else (1,):
        values = sitk.GetArrayFromImage(to_lps(load_labels(case, reader)))
        if grow:
            gland = resample(depth(values > 0), source, target) > GROWN
            labels.append(np.where(gland, np.uint8(GLAND_UNKNOWN_ZONE), np.uint8(0)))
            continue
        share = [resample((values == label).astype(np.float32), source, target) for label in range(CLASS_COUNT + 1)]
        labels.append(np.argmax(share, axis=0).astype(np.uint8))
    pixels = resample(sitk.GetArrayViewFromImage(image), source, target)
    low, high = np.percentile(pixels, [0.5, 99.5])
    pixels = np.clip((pixels - low) / max(high - low, 1e-5 * abs(high), 1e-30), 0, 1.2).astype(np.float16)
    return Arrays(case.id, case.source, case.patient, pixels, np.stack(labels), target[0].spacing)


def save(arrays: Arrays, folder: Path) -> None:
    """Write one case as ``<id>.npz``."""
    np.savez_compressed(folder / f"{arrays.id}.npz", **vars(arrays))


def load(folder: Path) -> list[Arrays]:
    """Read every case of a folder that :func:`save` filled, in order of id."""
    cases = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            texts = {key: str(file[key]) for key in ("id", "source", "patient")}
            cases.append(Arrays(**texts, image=file["image"], labels=file["labels"], slice_mm=float(file["slice_mm"])))
    return cases


def main() -> None:
    """Prepare every case of a data set."""
    from training.data.datasets import pooled_cases
    from training.data.truncated import TRUNCATED

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="folders of data sets; the later wins")
    parser.add_argument("--grow-truncated", action="store_true", help="give 15 glands of PROMISE12 their rim back")
    parser.add_argument("--out", type=Path, default=Path("runs/arrays"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for case in pooled_cases(options.data):
        save(prepare(case, options.grow_truncated and case.id in TRUNCATED), options.out)
        print(case.id, flush=True)


if __name__ == "__main__":
    run_command(main)
