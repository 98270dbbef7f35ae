"""What becomes of a hydrogel spacer: left out, told of, or drawn; with spacers painted into real cases, and without.

``python -m training.judge.spacers --data ../shared/data --weights training/held_out/fold*.pt --out docs/evaluation``

Behind the expert's gland a layer of gel is painted, 10 mm thick and 30 mm wide, as bright as the image's brightest. A
painted layer is no patient: what real gel looks like, and whether a thinner or dimmer one is told, this cannot say.
"""

from __future__ import annotations

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
from training.data.datasets import load_image, load_labels, pooled_cases
from training.judge.evaluate import judged_by, judging_parser, unseen

THICK_MM, HALF_WIDTH_MM, GAP_VOXELS = 10.0, 15.0, 1
BRIGHTEST, UNEVENNESS, BLUR_VOXELS = 99.3, 0.04, 0.5  # a percentile; shares of the gel's own brightness
LEFT_OUT, LIKELY_DRAWN = "spacer_left_out", "spacer_drawn"  # flags
DRAWN_ML = 2.0  # less of the gel within the contours does no harm worth a flag


@dataclass(frozen=True)
class Judged:
    """A case: gel within the contours, mL; flags on spacers, with gel and without; by how much the gland grew, mL."""

    drawn_ml: float
    told: frozenset[str]
    falsely_told: frozenset[str]
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
    told, falsely = (frozenset(flag.code for flag in one.flags) & {LEFT_OUT, LIKELY_DRAWN} for one in (result, plain))
    before, after = (sitk.GetArrayViewFromImage(one.labelmap) > 0 for one in (plain, result))
    voxels = np.array([np.count_nonzero(gel & after), np.count_nonzero(after) - np.count_nonzero(before)])
    drawn, grown = map(float, voxels * np.prod(image.GetSpacing()) / MM3_PER_ML)
    return Judged(drawn, told, falsely, grown)


def page(judged: Sequence[Judged], files: Sequence[Path]) -> str:
    """What came out, in Markdown, with the weights files that drew."""
    left_out, grown = [one for one in judged if LEFT_OUT in one.told], [one.grown_ml for one in judged]
    drawn = [one for one in judged if one.drawn_ml > DRAWN_ML]
    silent = sum(not one.told for one in drawn)
    falsely = {code: sum(code in one.falsely_told for one in judged) for code in (LEFT_OUT, LIKELY_DRAWN)}
    return f"""# A hydrogel spacer behind the gland

Made by `python -m training.judge.spacers` on {judged_by(len(judged), files)}. A layer of gel was painted behind the
expert's gland. In {len(left_out)} of {len(judged)} cases ({_share(len(left_out), len(judged))}) it was told from the
peripheral zone, left out, and a flag said so (*spacer_left_out*). More than {DRAWN_ML:g} mL of it stayed within the
contours in {len(drawn)}, in {silent} of them without a flag. With gel the gland grew by {np.mean(grown):.1f} mL on the
mean of all cases ({np.mean(np.abs(grown)):.1f} mL without sign; from {min(grown):.1f} to {max(grown):.1f}; by more than
2 mL in {sum(one > 2 for one in grown)}).

Of the {len(judged)} cases as they are, nothing was left out in {len(judged) - falsely[LEFT_OUT]}, and the flag
*spacer_drawn*, which leaves the contours alone, was raised in {falsely[LIKELY_DRAWN]}.

How bright, even and thick a layer must be, and how much of it makes a flag ({SPACER_ML:g} mL), was chosen on these same
images, and painted gel, of one thickness and brightness, is no patient's: so the figures are too good.
"""


def _share(some: int, of: int) -> str:
    return f"{some / of:.0%}" if of else "no case"


def main() -> None:
    """Run the command."""
    options = judging_parser(__doc__, "spacers.md").parse_args()
    files = options.weights or [shipped_weights()]
    cases, judged = pooled_cases(options.data), []
    for weights in files:
        segmenter = Segmenter(weights, options.device)
        for case in unseen(cases, weights):
            gland = sitk.GetArrayFromImage(to_lps(load_labels(case))) > 0
            judged.append(judge(segmenter, to_lps(sitk.Cast(load_image(case), sitk.sitkFloat32)), gland))
            print(f"{case.id}: {judged[-1]}", flush=True)
    write_text(page(judged, files), options.out / "spacers.md")


if __name__ == "__main__":
    run_command(main)
