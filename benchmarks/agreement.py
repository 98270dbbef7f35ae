"""Whether the fast arithmetic draws what exact arithmetic would: Dice against a reference on real examinations.

``python -m benchmarks.agreement --data ../shared/data --out docs/speed-agreement.md``

Every image of the data is segmented as shipped and by the reference, the same weights in float32, layer by layer; with
``--save FOLDER`` the reference's labels are kept, and with ``--against FOLDER`` labels kept earlier are the reference,
such as those of the program before it was made faster. ``--dtype bfloat16`` is what ships on processors that are faster
in it. A case agrees if each zone and the gland overlap with Dice 0.995 or more. ``python -m benchmarks.speed --only
none`` then shows the result on its page.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.processes import ROOT
from benchmarks.speed.page import AGREEMENT, machine
from benchmarks.tables import table
from proseg.labels import CG, PZ

if TYPE_CHECKING:
    import numpy as np
    import SimpleITK as sitk

LEAST = 0.995
REFERENCE = "the same weights in float32"
Label = Callable[["sitk.Image"], "np.ndarray"]
"""From an image to its labels (K, J, I), 0 = background, 1 = PZ, 2 = CG."""


@dataclass(frozen=True)
class Agreement:
    """How far two labelmaps of one case agree.

    Attributes:
        case: its name.
        pz, cg, gland: Dice of each; 1 where neither has any.
        differing: voxels with different labels.
    """

    case: str
    pz: float
    cg: float
    gland: float
    differing: int

    @property
    def least(self) -> float:
        """The worst of the three."""
        return min(self.pz, self.cg, self.gland)


def agreement(case: str, found: np.ndarray, reference: np.ndarray) -> Agreement:
    """Compare two labelmaps of the same shape."""
    pz, cg = (dice(found == zone, reference == zone) for zone in (PZ, CG))
    return Agreement(case, pz, cg, dice(found > 0, reference > 0), int((found != reference).sum()))


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Dice of two masks; 1 if both are empty."""
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0


def images(data: Path) -> Iterator[tuple[str, Path]]:
    """Names and files of all images: the annotated cases, and the DICOM series beside them."""
    from training.data.datasets import find_cases

    for case in find_cases(data):
        yield case.id, case.image
    series = data / "dicom"
    yield from (
        ((folder.name, folder) for folder in sorted(series.iterdir()) if folder.is_dir()) if series.is_dir() else ()
    )


def labellers(dtype: str | None) -> tuple[Label, Label, str]:
    """The program as shipped, or in another arithmetic on the CPU; the reference; and the former's arithmetic."""
    import SimpleITK as sitk
    import torch

    from proseg.model.devices import Device
    from proseg.segmentation.segmenter import Segmenter

    shipped, reference = Segmenter(), Segmenter(device="cpu")
    reference.pipeline.use(Device("cpu", "The reference.", torch.float32))
    if dtype:
        shipped.pipeline.use(Device("cpu", "Asked for.", getattr(torch, dtype)))
    device = shipped.pipeline.device

    def label(segmenter: Segmenter) -> Label:
        return lambda image: sitk.GetArrayFromImage(segmenter.segment(image).labelmap)

    return label(shipped), label(reference), f"{str(device.dtype).removeprefix('torch.')} on {device.name}"


def kept(folder: Path, case: str) -> Path:
    """Where a case's labels are kept."""
    return folder / f"{case}.nrrd"


def compare(options: argparse.Namespace) -> tuple[list[Agreement], str]:
    """Compare every image, and the arithmetic that ships."""
    import SimpleITK as sitk

    from proseg.reading.t2w import read_t2w

    shipped, reference, dtype = labellers(options.dtype)
    rows = []
    for case, path in images(options.data):
        image = read_t2w(path)
        if options.against:
            truth = sitk.GetArrayFromImage(sitk.ReadImage(str(kept(options.against, case))))
        else:
            truth = reference(image)
        if options.save:
            options.save.mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(sitk.GetImageFromArray(truth), str(kept(options.save, case)), useCompression=True)
        rows.append(agreement(case, shipped(image), truth))
        print(f"{len(rows)} {case}: {rows[-1].least:.4f}", file=sys.stderr, flush=True)
    return rows, dtype


def summary(rows: list[Agreement], dtype: str, reference: str) -> dict[str, object]:
    """What the page of the benchmark tells."""
    worst = min(rows, key=lambda row: row.least)
    return {
        "cases": len(rows),
        "dtype": dtype,
        "reference": reference,
        "worst": worst.least,
        "worst_case": worst.case,
        "mean": statistics.mean(value for row in rows for value in (row.pz, row.cg)),
        "identical": sum(row.differing == 0 for row in rows),
        "rows": [asdict(row) for row in rows],
    }


def describe(found: dict[str, object]) -> str:
    """A page with a row a case, the worst first."""
    rows = sorted((Agreement(**row) for row in found["rows"]), key=lambda row: row.least)
    below = sum(row.least < LEAST for row in rows)
    verdict = f"**{below} below {LEAST}.**" if below else f"None is below {LEAST}."
    cells = ([row.case, *(f"{v:.4f}" for v in (row.pz, row.cg, row.gland)), str(row.differing)] for row in rows)
    return (
        "# Agreement of the fast arithmetic\n\nMade by `python -m benchmarks.agreement`: labels computed in "
        f"{found['dtype']} against {found['reference']}, {found['cases']} examinations, the worst first. {verdict} "
        f"{found['identical']} labelmaps are identical.\n\n"
        + table(["Case", "Dice PZ", "Dice CG", "Dice gland", "Differing voxels"], cells)
    )


def main() -> int:
    """Compare, print, write; returns 1 if a case does not agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="default: ../shared/data")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), help="what other processors would choose")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="keep the reference's labels")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="compare with labels kept earlier")
    parser.add_argument("--results", type=Path, default=ROOT / "runs" / "speed", help="where the benchmark looks")
    options = parser.parse_args()
    rows, dtype = compare(options)
    found = summary(rows, dtype, f"labels kept in `{options.against.name}`" if options.against else REFERENCE)
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / f"{AGREEMENT}.json").write_text(json.dumps({"found": found, **machine()}, indent=1) + "\n")
    text = describe(found)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    return int(found["worst"] < LEAST)


if __name__ == "__main__":
    sys.exit(main())
