"""How often the flag of a drawn hydrogel spacer is right: with spacers painted into real cases, and without.

``python -m training.judge.spacers --data ../shared/data --weights training/held_out/fold*.pt --out docs/evaluation``

Behind the expert's gland a layer of gel is painted, 10 mm thick and 30 mm wide, as bright as the image's brightest. A
painted layer is no patient: what real gel looks like, and whether a thinner or dimmer one is told, this cannot say.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from proseg.images.geometry import to_lps
from proseg.model.weights import shipped_weights
from proseg.segmentation.measurements import MM3_PER_ML
from proseg.segmentation.segmenter import Segmenter
from proseg.segmentation.spacer import SPACER_ML
from proseg.system.atomic import write_text
from training.command import run_command
from training.data.datasets import find_cases, load_image, load_labels
from training.judge.evaluate import judged_by, unseen

THICK_MM, HALF_WIDTH_MM, GAP_VOXELS = 10.0, 15.0, 1
BRIGHTEST, UNEVENNESS, BLUR_VOXELS = 99.3, 0.04, 0.5  # a percentile; shares of the gel's own brightness
DRAWN_ML = 2.0  # less of the gel within the contours does no harm worth a flag


@dataclass(frozen=True)
class Judged:
    """A case: gel within the contours, mL; whether flags told, with gel and without; by how much the gland grew, mL."""

    drawn_ml: float
    told: bool
    falsely_told: bool
    grown_ml: float


def painted(image: sitk.Image, gland: np.ndarray, seed: int = 0) -> tuple[sitk.Image, np.ndarray]:
    """An LPS-oriented image with a spacer behind its gland, and where that is.

    Args:
        image: the image.
        gland: the expert's gland (K, J, I).
        seed: of the gel's texture.
    """
    grey = sitk.GetArrayFromImage(image).astype(np.float64)
    across, down, _ = image.GetSpacing()
    j, i = np.indices(grey.shape[1:])
    rows = np.where(gland.any(axis=1), grey.shape[1] - 1 - np.argmax(gland[:, ::-1], axis=1), grey.shape[1])[:, None]
    middle = np.argwhere(gland)[:, 2].mean()
    layer = (j > rows + GAP_VOXELS) & (j <= rows + THICK_MM / down) & (np.abs(i - middle) < HALF_WIDTH_MM / across)
    gel = layer & ~gland
    texture = np.random.default_rng(seed).normal(1, UNEVENNESS, int(gel.sum()))
    grey[gel] = np.percentile(grey, BRIGHTEST) * texture
    made = sitk.GetImageFromArray(grey.astype(np.float32))
    made.CopyInformation(image)
    variance = ((BLUR_VOXELS * across) ** 2, (BLUR_VOXELS * down) ** 2, 0.0)
    return sitk.DiscreteGaussian(made, variance), gel


def judge(segmenter: Segmenter, image: sitk.Image, gland: np.ndarray) -> Judged:
    """Segment an LPS-oriented image as it is and with a spacer."""
    with_gel, gel = painted(image, gland)
    plain, result = segmenter.segment(image), segmenter.segment(with_gel)
    told, falsely = (any(flag.code == "spacer_drawn" for flag in one.flags) for one in (result, plain))
    before, after = (sitk.GetArrayViewFromImage(one.labelmap) > 0 for one in (plain, result))
    voxels = np.array([np.count_nonzero(gel & after), np.count_nonzero(after) - np.count_nonzero(before)])
    drawn, grown = map(float, voxels * np.prod(image.GetSpacing()) / MM3_PER_ML)
    return Judged(drawn, told, falsely, grown)


def page(judged: Sequence[Judged], files: Sequence[Path]) -> str:
    """What came out, in Markdown, with the weights files that drew."""
    drawn = [one for one in judged if one.drawn_ml > DRAWN_ML]
    told, falsely = sum(one.told for one in drawn), sum(one.falsely_told for one in judged)
    grown = [one.grown_ml for one in judged]
    return f"""# A hydrogel spacer that is drawn

Made by `python -m training.judge.spacers` on {judged_by(len(judged), files)}. A layer of gel was painted behind the
expert's gland, and in {len(drawn)} cases more than {DRAWN_ML:g} mL of it were drawn, {_ml(drawn)} on the mean. With
gel the gland grew by {np.mean(grown):.1f} mL on the mean of all cases, by {max(grown):.1f} mL at most. The flag
*spacer_drawn* told of {told} of these ({_share(told, len(drawn))}), and falsely of {falsely} of the {len(judged)}
cases as they are ({_share(falsely, len(judged))}). How bright, how even and how much of it makes a flag
({SPACER_ML:g} mL) was chosen on these same images, and painted gel, of one thickness and brightness, is no patient's:
so the figures are too good.
"""


def _share(some: int, of: int) -> str:
    return f"{some / of:.0%}" if of else "no case"


def _ml(judged: Sequence[Judged]) -> str:
    return f"{np.mean([one.drawn_ml for one in judged] or [0.0]):.1f} mL"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the data set's folder")
    parser.add_argument("--weights", type=Path, nargs="+", help="default: the shipped ones")
    parser.add_argument("--out", type=Path, required=True, help="folder for spacers.md")
    options = parser.parse_args()
    files = options.weights or [shipped_weights()]
    cases, judged = find_cases(options.data), []
    for weights in files:
        segmenter = Segmenter(weights)
        for case in unseen(cases, weights):
            gland = sitk.GetArrayFromImage(to_lps(load_labels(case))) > 0
            judged.append(judge(segmenter, to_lps(sitk.Cast(load_image(case), sitk.sitkFloat32)), gland))
            print(f"{case.id}: {judged[-1]}", flush=True)
    write_text(page(judged, files), options.out / "spacers.md")


if __name__ == "__main__":
    run_command(main)
