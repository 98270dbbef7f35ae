"""How often the flag of a drawn hydrogel spacer is right: with spacers painted into real cases, and without.

``python -m training.judge.spacers --data ../shared/data --out docs/evaluation/spacers.md``

Behind the expert's gland a layer of gel is painted, 10 mm thick and 30 mm wide, as bright as the image's brightest. A
painted layer is no patient: what real gel looks like, and whether a thinner or dimmer one is told, this cannot say.
With ``--unseen`` only cases count that the weights have not learned from.
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
from training.judge.evaluate import unseen

THICK_MM, HALF_WIDTH_MM, GAP_VOXELS = 10.0, 15.0, 1
BRIGHTEST, UNEVENNESS, BLUR_VOXELS = 99.3, 0.04, 0.5  # a percentile; shares of the gel's own brightness
DRAWN_ML = 2.0  # less of the gel within the contours does no harm worth a flag


@dataclass(frozen=True)
class Judged:
    """A case: gel within the contours, mL; whether flags told, with gel and without; by how much the gland grew, mL."""

    drawn_ml: float
    told: bool
    falsely_told: bool
    grown_ml: float = 0.0


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
    voxel_ml = float(np.prod(image.GetSpacing())) / MM3_PER_ML
    grown = np.count_nonzero(after) - np.count_nonzero(before)
    return Judged(np.count_nonzero(gel & after) * voxel_ml, told, falsely, grown * voxel_ml)


def page(judged: Sequence[Judged], new: bool = False) -> str:
    """What came out, in Markdown; ``new``: of cases that the networks have not learned from."""
    drawn = [one for one in judged if one.drawn_ml > DRAWN_ML]
    cases = len(judged)
    told, falsely = sum(one.told for one in drawn), sum(one.falsely_told for one in judged)
    grown = [one.grown_ml for one in judged]
    known = "of which the networks have learned from none" if new else "which the\nshipped networks have learned from"
    return f"""# A hydrogel spacer that is drawn

Made by `python -m training.judge.spacers`. A layer of gel, painted behind the gland of {cases} cases, was drawn
(more than {DRAWN_ML:g} mL of it) in {len(drawn)}. The flag *spacer_drawn* told of {told} of these, and falsely of
{falsely} of the {cases} cases as they are. The gland grew by {np.mean(grown):.1f} mL on average, {max(grown):.1f} mL at
most. The flag's threshold, {SPACER_ML:g} mL, was chosen on these cases, {known},
and painted gel is no patient's: so the figures are too good.
"""


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the data set's folder")
    parser.add_argument("--weights", type=Path, help="others than the shipped ones")
    parser.add_argument("--unseen", action="store_true", help="leave out the cases that the weights have learned from")
    parser.add_argument("--out", type=Path, required=True, help="the page to write")
    options = parser.parse_args()
    segmenter = Segmenter(options.weights)
    judged, cases = [], find_cases(options.data)
    for case in unseen(cases, options.weights or shipped_weights()) if options.unseen else cases:
        gland = sitk.GetArrayFromImage(to_lps(load_labels(case))) > 0
        judged.append(judge(segmenter, to_lps(sitk.Cast(load_image(case), sitk.sitkFloat32)), gland))
        print(f"{case.id}: {judged[-1]}", flush=True)
    write_text(page(judged, options.unseen), options.out)


if __name__ == "__main__":
    run_command(main)
