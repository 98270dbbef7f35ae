"""Train the segmenters of several folds side by side on one GPU.

``python -m training.data.patch_store --out /dev/shm/patches --patches 22400 --progressive --harsh --processes 14 &``
``python -m training.fit.side_by_side --store /dev/shm/patches --out runs/cv --folds 0 1 2 3 4 --patches 17688``

Leaves in ``OUT/fold<n>`` what ``training.fit.export`` takes from a run of ``training.fit.train``, and learns as that
does with ``--store``, two patches a step. The script that this was made from learned 320 (pixels of medium size) to 460
(coarse ones) patches a second in nine trainings on an NVIDIA H200; tests have no GPU and compare what is learned, on a
CPU.
"""

from __future__ import annotations

import argparse
import gc
import json
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import torch
from torch import Tensor

from proseg.errors import InputError
from proseg.model.network import NetworkConfig, ProSeg
from training.command import run_command
from training.data.augment import COARSE, SHAPES
from training.data.patch_store import StoredPatches
from training.data.preprocess import Arrays, load
from training.fit.recorded import RecordedTraining, Shape
from training.fit.train import SAY_SECONDS, split

AHEAD = 64  # patches that wait on the GPU for the training that is furthest
QUEUED = 16  # patches a training may queue before it waits for the GPU
POLL_SECONDS = 0.2

Patch = tuple[Tensor, Tensor, float]


class SharedPatches:
    """The patches of a store, each brought to the GPU once for all the trainings that learn from it.

    Args:
        store: of all the patches that any of them takes.
        takers: by fold, the numbers of its patches in the order it takes them.
    """

    def __init__(self, store: StoredPatches, takers: dict[int, list[int]], device: torch.device) -> None:
        self.store, self.device = store, device
        self.wanted: dict[int, int] = {}
        for numbers in takers.values():
            for number in numbers:
                self.wanted[number] = self.wanted.get(number, 0) + 1
        self.there: dict[int, Patch] = {}
        self.furthest = 0
        self.changed = threading.Condition()
        self.failure: Exception | None = None

    def bring(self) -> None:
        """Bring patches until the last; an error is raised where a patch is taken."""
        side = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None
        try:
            for place, number in enumerate(self.store.numbers):
                if not self.wanted.get(number):
                    continue
                with self.changed:
                    while number > self.furthest + AHEAD:
                        self.changed.wait(POLL_SECONDS)
                image, labels, slice_mm = self.store[place]
                if side:
                    with torch.cuda.stream(side):
                        image, labels = image.to(self.device), labels.to(self.device)
                    side.synchronize()
                with self.changed:
                    self.there[number] = image, labels, slice_mm
                    self.changed.notify_all()
        except Exception as error:  # goes on in the trainings' threads
            with self.changed:
                self.failure = error
                self.changed.notify_all()

    def take(self, numbers: list[int]) -> Iterator[Patch]:
        """A training's patches, in order."""
        for number in numbers:
            with self.changed:
                self.furthest = max(self.furthest, number)
                self.changed.notify_all()
                while number not in self.there:
                    if self.failure:
                        raise self.failure
                    self.changed.wait(POLL_SECONDS)
                patch = self.there[number]
                self.wanted[number] -= 1
                if not self.wanted[number]:
                    del self.there[number]
            yield patch


def train(training: RecordedTraining, patches: Iterator[Patch]) -> None:
    """Learn from all the patches."""
    in_use: list[Patch] = []  # a patch's memory must not be given away before the GPU has read it
    with training.turn():
        for patch in patches:
            training.learn(*patch)
            in_use.append(patch)
            if len(in_use) == QUEUED:
                training.settle()
                in_use.clear()
        training.settle()


def all_shapes() -> list[Shape]:
    """The shapes of patches of cases that have as many slices as a patch wants."""
    groups = [*(group for _, _, group in COARSE), SHAPES]
    return [(depth, size, size) for group in groups for depth, size in group]


def save(training: RecordedTraining, about: dict, out: Path) -> None:
    """Write the averaged weights and what they are, as ``training.fit.train`` does."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "run.json").write_text(json.dumps(about, indent=1))
    weights = {f"module.{name}": weight for name, weight in training.averaged().items()}
    torch.save({"average": weights, "step": training.learned}, out / "checkpoint.pt")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--arrays", type=Path, default=Path("runs/arrays"), help="folder made by training.data.preprocess"
    )
    parser.add_argument("--store", type=Path, required=True, help="patches, as training.data.patch_store makes them")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--folds", type=int, nargs="+", required=True, help="folds to hold out, -1 for none")
    parser.add_argument("--patches", type=int, required=True, help="how many each learns from")
    parser.add_argument("--focal", type=float, default=10.0, help="weight of the focal term")
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--float32", action="store_true", help="no bfloat16")
    parser.add_argument("--seed", type=int, default=2026, help="of the first weights")
    return parser.parse_args(arguments)


def main() -> None:
    """Train the folds of the command line, and say how far they are now and then."""
    options = parse()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    cases = load(options.arrays)
    learn, held_out = zip(*(split(cases, fold) for fold in options.folds), strict=True)
    stores = [StoredPatches(some, options.store) for some in learn]
    if (fewest := min(map(len, stores))) < options.patches:
        raise InputError(f"{options.store} has {fewest} patches for a fold.", "Fill a larger one, or ask for fewer.")
    config = NetworkConfig()
    gc.freeze()  # every recording collects garbage, which takes longer than to record with all of torch to look through
    trainings: dict[int, RecordedTraining] = {}
    for fold in options.folds:
        torch.manual_seed(options.seed)
        how = {"rate": options.rate, "focal": options.focal, "half": not options.float32}
        trainings[fold] = RecordedTraining(ProSeg(config), device, options.patches, **how)
        trainings[fold].record(all_shapes())
    takers = {fold: store.numbers[: options.patches] for fold, store in zip(options.folds, stores, strict=True)}
    shared = SharedPatches(StoredPatches(cases_of(learn), options.store), takers, device)
    threading.Thread(target=shared.bring, daemon=True).start()
    said = {key: str(value) if isinstance(value, Path) else value for key, value in vars(options).items()}

    def work(fold: int, some: list[Arrays], others: list[Arrays]) -> None:
        train(trainings[fold], shared.take(takers[fold]))
        ids = {"learned": sorted(case.id for case in some), "held_out": [case.id for case in others]}
        about = {"network": config.to_dict(), "options": said | stores[0].look | {"fold": fold}, **ids}
        save(trainings[fold], about, options.out / f"fold{fold}")

    began = time.monotonic()
    with ThreadPoolExecutor(len(trainings)) as threads:
        working = [threads.submit(work, *fold) for fold in zip(options.folds, learn, held_out, strict=True)]
        while wait(working, SAY_SECONDS).not_done:
            speed = sum(training.learned for training in trainings.values()) / (time.monotonic() - began)
            done = (f"fold {fold}: {its.learned}, loss {its.loss:.3f}" for fold, its in trainings.items())
            print(f"{speed:.0f} patches a second  {'  '.join(done)}", flush=True)
    for finished in working:
        finished.result()


def cases_of(groups: Iterable[list[Arrays]]) -> list[Arrays]:
    """Each case of several groups once."""
    return list({case.id: case for group in groups for case in group}.values())


if __name__ == "__main__":
    run_command(main)
