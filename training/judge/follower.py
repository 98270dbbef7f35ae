"""Train the follower, which draws slices after those that a reader gives, on what networks made of unseen cases.

``python -m training.judge.follower --data ../shared/data --weights training/held_out/fold*.pt --out runs/followers``

Every case is segmented by weights that have not learned from it, so the follower meets the errors that a reader will
meet. In each step a case is taken, and slices of it are given as an expert drew them: few more often than many, and
those in which the networks err more often than others. A follower is trained for each fold, on the cases that its
weights have learned from, and one on all cases, the one that ships. Each takes a core some minutes; stopped, the same
command goes on with the next one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from proseg.labels import CG, PZ
from proseg.model.follower import SHIPPED, Follower, followed, save_follower
from proseg.segmentation.features import Drawn, Given, features, reduced
from training.command import run_command
from training.data.datasets import find_cases
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.judge.evaluate import unseen
from training.judge.simulated_reader import Examination, examinations, wrong_mm2

EPOCHS, RATE, DECAY, WARM_UP = 20, 3e-3, 1e-3, 50
AT_ONCE = 12  # slices that are drawn in a step
JUDGED_MM = 1.0  # pixels of the loss
COUNTS = (1, 1, 1, 2, 2, 3, 3, 4, 5, 7)  # of slices given, drawn from
POWERS = (0.5, 1.0, 2.0, 4.0)  # of a slice's error, that say how likely it is to be given; drawn from
WORST = 0.7  # how often the worst slices are given, as a reader does; otherwise any, by their error
SPREAD, HELPED = 0.2, 0.6  # of errors, logarithmic, when the worst is looked for; what a neighbour's correction leaves
CLOSED = 0.15  # how often the slices just beyond the gland are given too
OF_ZONES = (14, 17, 23, 24, 26, 33, 34, 36)  # feature maps that tell of given zones; nothing where none are known
SMOOTH = 50.0  # voxels, in Dice; 500 in areas that cross-entropies are divided by


@dataclass(frozen=True)
class Lesson:
    """A case as one reader drew it, ready to learn from: networks' word, truth, and all its slices as given."""

    drawn: Drawn
    given: Given
    gland: Tensor
    pz: Tensor
    truth: Tensor
    wrong: np.ndarray
    zonal: bool
    slices: range

    @staticmethod
    def of(examination: Examination, reader: int) -> Lesson:
        """The lesson of an examination and one of its readers."""
        seen, truth = examination.seen, examination.truths[reader]
        region = seen.region(np.max(examination.truths, axis=0))
        before, drawn = seen.within(region)
        own = truth[region]
        shape = tuple(
            max(8, round(n * mm / JUDGED_MM)) for n, mm in zip(own.shape[1:], seen.spacing_kji[1:], strict=True)
        )
        labels = torch.from_numpy(own.astype(np.float32))[:, None]
        filled = np.flatnonzero((before[0] < 0.9).any(axis=(1, 2)) | own.any(axis=(1, 2)))
        return Lesson(
            drawn,
            Given.of(own, range(len(own)), seen.spacing_kji),
            reduced(drawn.gland, shape),
            reduced(drawn.pz, shape),
            functional.interpolate(labels, shape, mode="nearest-exact")[:, 0],
            wrong_mm2(truth, seen.labels, seen.spacing_kji),
            not (truth == GLAND_UNKNOWN_ZONE).any(),
            range(max(0, filled[0] - 1), min(len(own), filled[-1] + 2)),
        )

    def some(self, rng: np.random.Generator) -> list[int]:
        """Slices to be given, ascending: mostly those that a reader would correct, one after the other."""
        among = np.isin(np.arange(len(self.wrong)), self.slices)
        count = min(int(rng.choice(COUNTS)), among.sum() - 1)
        if rng.random() < WORST:
            wrong = np.where(among, self.wrong * np.exp(SPREAD * rng.normal(size=len(among))), -1.0)
            given = set()
            for _ in range(count):
                k = int(wrong.argmax())
                given.add(k)
                wrong[k] = -1
                wrong[[n for n in (k - 1, k + 1) if 0 <= n < len(wrong)]] *= HELPED
        else:
            likely = np.where(among, self.wrong ** rng.choice(POWERS) + 1e-9, 0)
            given = set(rng.choice(len(likely), count, False, likely / likely.sum()).tolist())
        if rng.random() < CLOSED:
            filled = torch.nonzero(self.truth.sum(dim=(1, 2))).ravel()
            beyond = int(filled[0]) - 1, int(filled[-1]) + 1
            given |= {k for k in beyond if 0 <= k < len(self.wrong)}
        return sorted(given)


def train(lessons: Sequence[Lesson], epochs: int = EPOCHS, name: str = "") -> Follower:
    """A follower that has seen each lesson so often, with other slices given each time, and half the time mirrored."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    follower = Follower()
    optimiser = torch.optim.AdamW(follower.parameters(), RATE, weight_decay=DECAY)
    total, step = epochs * len(lessons), 0
    for epoch in range(epochs):
        gains = []
        for place in rng.permutation(len(lessons)):
            lesson = lessons[place]
            optimiser.param_groups[0]["lr"] = (
                RATE * min(1, (step + 1) / WARM_UP) * (0.5 + 0.5 * np.cos(np.pi * step / total))
            )
            given = lesson.some(rng)
            ks = [k for k in lesson.slices if k not in given]
            if not ks:  # those just beyond the gland were all that was left
                continue
            ks = sorted(rng.choice(ks, min(AT_ONCE, len(ks)), False).tolist())
            seen = features(lesson.drawn, lesson.given.part(given), ks)
            if not lesson.zonal:
                seen[:, OF_ZONES] = 0
            shown = [seen, lesson.gland[ks], lesson.pz[ks], lesson.truth[ks]]
            if rng.random() < 0.5:
                shown = [one.flip(-1) for one in shown]
            seen, gland, pz, truth = shown
            loss = loss_of(*followed(follower(seen), gland, pz), truth, lesson.zonal)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(follower.parameters(), 1.0)
            optimiser.step()
            step += 1
            gains.append(loss.item() - loss_of(gland, pz, truth, lesson.zonal).item())
        print(f"{name}: epoch {epoch + 1}/{epochs}, loss against no follower {np.mean(gains):+.4f}", flush=True)
    return follower.eval()


def loss_of(gland: Tensor, pz: Tensor, truth: Tensor, zonal: bool) -> Tensor:
    """Cross-entropy and soft Dice of gland and, where they are known, of zones within it, from logits (n, J, I)."""
    is_gland, likely = (truth > 0).float(), torch.sigmoid(gland)
    size = is_gland.sum() + 10 * SMOOTH
    loss = functional.binary_cross_entropy_with_logits(gland, is_gland, reduction="sum") / size
    loss = loss + 2 * _apart(likely, is_gland)
    if zonal:
        is_pz, share = (truth == PZ).float(), torch.sigmoid(pz)
        of_zones = functional.binary_cross_entropy_with_logits(pz, is_pz, reduction="none") * is_gland
        loss = loss + of_zones.sum() / size + 2 * _apart(likely * share, is_pz)
        loss = loss + _apart(likely * (1 - share), (truth == CG).float())
    return loss


def _apart(likely: Tensor, true: Tensor) -> Tensor:
    return 1 - (2 * (likely * true).sum() + SMOOTH) / (likely.sum() + true.sum() + SMOOTH)


def main() -> None:
    """Segment the cases, train a follower for each fold and one on all cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a data set's folder")
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="of folds")
    parser.add_argument("--device", default="auto", help="of the segmenter; a follower is trained on the CPU")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    cases = find_cases(options.data)
    folds = [list(examinations(unseen(cases, one), one, options.device)) for one in options.weights]
    lessons = {
        examination.case: [Lesson.of(examination, reader) for reader in range(len(examination.truths))]
        for fold in folds
        for examination in fold
    }
    held_out = {
        f"follower-{weights.stem}.pt": {examination.case for examination in fold}
        for weights, fold in zip(options.weights, folds, strict=True)
    }
    for name, without in {**held_out, SHIPPED: set()}.items():
        if (options.out / name).with_suffix(".json").exists():  # which is written last
            print(f"{name} is there. Delete it, and it is made anew.")
            continue
        learned = sorted(set(lessons) - without)
        follower = train([lesson for case in learned for lesson in lessons[case]], name=name)
        save_follower(follower, options.out / name, learned)


if __name__ == "__main__":
    run_command(main)
