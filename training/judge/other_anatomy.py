"""Volumes without a prostate: what the core must not draw a confident gland into.

``python -m training.judge.other_anatomy --data ../shared/data --out docs/evaluation/other-anatomy.md``

Generated pelves without a prostate, rough heads, knees and thighs, test objects (water, checkerboard, noise), and the
slices of real examinations that lie above or below the gland. The command segments them all and says what was found;
an honest answer is nothing at all, or a flag that asks for a look. Every real examination is segmented too, and the
flags it gets are counted: what keeps wrong anatomy out must leave right anatomy alone.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from proseg.flags import Severity
from proseg.phantom import make_phantom
from proseg.segmentation.result import SegmentationResult
from proseg.segmentation.segmenter import Segmenter
from proseg.system.atomic import write_text
from training.command import run_command
from training.data.datasets import find_cases, load_image, load_labels

GAP_SLICES = 2  # between the gland and what is cut off beyond it: its end is where readers disagree
LEAST_SLICES = 4  # fewer are no examination
SIZE, SPACING = (160, 160, 20), (1.2, 1.2, 3.5)


class Painter:
    """A volume of soft-edged shapes in mm from its middle, arrays [k, j, i] growing to S, P and L."""

    def __init__(self, seed: int, air: float = 0.0) -> None:
        self.random = np.random.default_rng([11, seed])
        k, j, i = (step * (np.arange(n) - (n - 1) / 2) for n, step in zip(SIZE[::-1], SPACING[::-1], strict=True))
        self.z, self.y, self.x = k[:, None, None], j[:, None], i[None, None]
        self.signal = np.full(SIZE[::-1], air, np.float32)

    def texture(self, detail_mm: float) -> np.ndarray:
        """Smooth noise of zero mean and unit deviation."""
        noise = sitk.GetImageFromArray(self.random.standard_normal(SIZE[::-1]).astype(np.float32))
        noise.SetSpacing(SPACING)
        smooth = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(noise, detail_mm))
        return smooth / smooth.std()

    def ball(
        self, centre: tuple[float, float, float], radii: tuple[float, float, float], value: float | np.ndarray
    ) -> None:
        """Paint an ellipsoid, (L, P, S) mm; an infinite radius makes it a rod."""
        (cx, cy, cz), (rx, ry, rz) = centre, radii
        reach = np.sqrt(((self.x - cx) / rx) ** 2 + ((self.y - cy) / ry) ** 2 + ((self.z - cz) / rz) ** 2)
        cover = np.clip((1 - reach) * min(radii) / 1.5 + 0.5, 0, 1).astype(np.float32)
        self.signal += cover * (value - self.signal)

    def image(self, noise: float = 0.02) -> sitk.Image:
        """The volume with Rician noise, in the units of no scanner."""
        real, imaginary = noise * self.random.standard_normal((2, *self.signal.shape))
        return _image(np.hypot(self.signal + real, imaginary) * 700)


def _image(array: np.ndarray, spacing: tuple[float, float, float] = SPACING) -> sitk.Image:
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing(spacing)
    return image


def head(seed: int) -> sitk.Image:
    """An axial T2W head: scalp, skull, liquor, grey and white matter, ventricles, eyes in the lower slices."""
    p = Painter(seed)
    scale = p.random.uniform(0.92, 1.08)
    p.ball((0, 0, -10), (80 * scale, 95 * scale, 90), 0.45)
    p.ball((0, 0, -10), (75 * scale, 90 * scale, 86), 0.06)
    p.ball((0, 0, -10), (69 * scale, 84 * scale, 80), 0.95)
    brain = 0.33 + 0.12 * (p.texture(3.0) > 0.3) + 0.02 * p.texture(1.5)
    p.ball((0, 0, -10), (66 * scale, 81 * scale, 77), brain)
    for side in (-1, 1):
        p.ball((side * 11, -18, 8), (6, 20, 12), 0.95)
        p.ball((side * 14, 22, 6), (6, 18, 10), 0.95)
        p.ball((side * 17, 0, 0), (8, 14, 12), 0.22)  # basal ganglia
        p.ball((side * 32, -86, -38), (12, 12, 11), 0.97)
    return p.image()


def _muscle(p: Painter) -> np.ndarray:
    return 0.16 + 0.02 * p.texture(1.5) + 0.02 * p.texture(5.0)


def knee(seed: int) -> sitk.Image:
    """An axial T2W knee: both condyles, cartilage, joint fluid, kneecap, muscles behind."""
    p = Painter(seed)
    scale = p.random.uniform(0.9, 1.1)
    p.ball((0, 0, 0), (66 * scale, 66 * scale, np.inf), 0.6 + 0.03 * p.texture(4.0))
    p.ball((0, 5, 0), (56 * scale, 54 * scale, np.inf), _muscle(p))
    marrow = 0.5 + 0.04 * p.texture(1.5)
    for side in (-1, 1):
        p.ball((side * 21, 6, 0), (26, 31, 45), 0.9)
        p.ball((side * 21, 6, 0), (24, 29, 43), 0.4)
        p.ball((side * 21, 6, 0), (22, 27, 41), 0.06)
        p.ball((side * 21, 6, 0), (21, 26, 40), marrow)
    p.ball((0, -40, 5), (22, 10, 20), 0.06)
    p.ball((0, -40, 5), (20, 8, 18), marrow)
    p.ball((0, 40, 0), (6, 6, np.inf), 0.08)  # artery
    return p.image()


def thigh(seed: int) -> sitk.Image:
    """An axial T2W thigh, off-centre: fat, muscles in their sheaths, the shaft of the femur."""
    p = Painter(seed)
    p.ball((0, 0, 0), (82, 78, np.inf), 0.65 + 0.03 * p.texture(5.0))
    for angle in np.linspace(0, 2 * np.pi, 8)[:-1]:
        reach = p.random.uniform(34, 42)
        p.ball((reach * np.cos(angle), reach * np.sin(angle), 0), (25, 22, np.inf), _muscle(p))
    p.ball((0, -4, 0), (16, 16, np.inf), 0.05)
    p.ball((0, -4, 0), (9, 9, np.inf), 0.6)
    return p.image()


def water(seed: int) -> sitk.Image:
    """A bottle of water with dark rods in it."""
    p = Painter(seed)
    p.ball((0, 0, 0), (70, 70, np.inf), 0.9)
    for number in range(3 + seed % 4):
        place = p.random.uniform(-40, 40, 2)
        p.ball((*place, 0), (4 + number, 4 + number, np.inf), 0.1)
    return p.image()


def checkerboard(seed: int) -> sitk.Image:
    """Squares of 6, 12, 24 … mm."""
    side = 5 * 2 ** (seed % 3)
    k, j, i = np.indices(SIZE[::-1])
    return _image(np.random.default_rng(seed).normal(300 * (1 + (i // side + j // side + k // 4) % 2), 8))


def noise(seed: int) -> sitk.Image:
    """Nothing but noise, at times smooth."""
    p = Painter(seed)
    p.signal += 0.5 + 0.2 * p.texture((0.5, 3.0, 8.0)[seed % 3])
    return p.image()


def empty_pelvis(seed: int) -> sitk.Image:
    """A generated pelvis without a prostate, in fields of view of 154, 200 and 320 mm."""
    size, pixel_mm, slice_mm = ((220, 0.7, 3.0), (256, 0.78, 3.5), (320, 1.0, 4.0))[seed % 3]
    return make_phantom(seed + 1000, (size, size, 22), (pixel_mm, pixel_mm, slice_mm), prostate=False).image


MADE = {
    "pelvis without a prostate": empty_pelvis,
    "head": head,
    "knee": knee,
    "thigh": thigh,
    "water with rods": water,
    "checkerboard": checkerboard,
    "noise": noise,
}


def beyond_the_gland(image: sitk.Image, labels: sitk.Image) -> Iterator[tuple[str, sitk.Image]]:
    """The slices of an examination that lie below and above its gland, where there are enough of them."""
    filled = np.flatnonzero(sitk.GetArrayViewFromImage(labels).any(axis=(1, 2)))
    depth = image.GetSize()[2]
    for name, first, stop in (("one", 0, filled[0] - GAP_SLICES), ("other", filled[-1] + 1 + GAP_SLICES, depth)):
        if stop - first >= LEAST_SLICES:
            low = image.TransformIndexToPhysicalPoint((0, 0, 0))[2]
            high = image.TransformIndexToPhysicalPoint((0, 0, depth - 1))[2]
            below = (name == "one") == (low < high)
            yield "below" if below else "above", image[:, :, int(first) : int(stop)]


@dataclass(frozen=True)
class Answer:
    """What the core said of a volume: how much gland it drew, and its most serious flag, if any."""

    kind: str
    gland_ml: float
    lowest_confidence: float
    codes: tuple[str, ...]
    serious: bool

    @property
    def confident(self) -> bool:
        """A gland and not a word of warning."""
        return self.gland_ml > 0 and not self.serious

    @staticmethod
    def of(kind: str, result: SegmentationResult) -> Answer:
        """The answer of a result."""
        serious = [flag for flag in result.flags if flag.severity is not Severity.INFO]
        return Answer(
            kind,
            result.measurements.gland_ml,
            min(result.slice_confidence.values(), default=float("nan")),
            tuple(dict.fromkeys(flag.code for flag in serious)),
            bool(serious),
        )


def table(answers: list[Answer]) -> str:
    """A Markdown table of what was said, by kind of volume."""
    lines = [
        "| Volume | Number | Nothing found | Gland with a warning | Gland without | Warnings |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for kind in dict.fromkeys(answer.kind for answer in answers):
        group = [answer for answer in answers if answer.kind == kind]
        nothing = sum(answer.gland_ml == 0 for answer in group)
        confident = sum(answer.confident for answer in group)
        codes = Counter(code for answer in group if answer.gland_ml > 0 for code in answer.codes)
        said = ", ".join(f"{code} {count}" for code, count in codes.most_common())
        cells = [kind, len(group), nothing, len(group) - nothing - confident, confident, said or "–"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Segment every volume and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a data set's folder, for slices beyond the gland and real cases")
    parser.add_argument("--weights", type=Path, help="default: the shipped ones")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--each", type=int, default=6, help="generated volumes of a kind")
    parser.add_argument("--out", type=Path, required=True, help="Markdown file")
    options = parser.parse_args()
    segmenter = Segmenter(options.weights, options.device)
    answers = []

    def ask(kind: str, image: sitk.Image) -> None:
        answers.append(answer := Answer.of(kind, segmenter.segment(image)))
        print(f"{kind}: {answer.gland_ml:.1f} mL, {', '.join(answer.codes) or 'no warning'}", flush=True)

    for kind, make in MADE.items():
        for seed in range(options.each):
            ask(kind, make(seed))
    cases = find_cases(options.data) if options.data else []
    for case in cases:
        image, labels = load_image(case), load_labels(case)
        for where, part in beyond_the_gland(image, labels):
            ask(f"slices {where} a real gland", part)
        ask("real examinations, for comparison", image)
    heading = (
        "# Where there is no prostate\n\nMade by `python -m training.judge.other_anatomy`. The threshold of "
        "*doubtful_gland* was chosen on such volumes and on the real examinations, most of which the networks have "
        "learned from: new weights and new seeds must confirm it."
    )
    write_text(f"{heading}\n\n{table(answers)}", options.out)


if __name__ == "__main__":
    run_command(main)
