"""Patches made once, by several processes, for several trainings at a time.

A GPU learns from a patch faster than a core makes one, and trainings that are to be compared learn from the same
patches anyway. Start the trainings while the store is being filled; a training whose next patch is not there yet waits:

``python -m training.data.patch_store --out /dev/shm/patches --patches 4000 --progressive --processes 8``
``python -m training.fit.train --store /dev/shm/patches --workers 0 --fold 0 --out runs/fold0``

The store holds patches of every case. A training takes those of the cases it may learn from, in the store's order, so
trainings of all networks and all folds share one store.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from proseg.errors import InputError
from training.command import run_command
from training.data.augment import Patches
from training.data.preprocess import Arrays, load

INDEX = "store.json"
WAIT_SECONDS = 120.0  # for a patch; a store that takes longer is no longer being filled


class StoredPatches(Dataset):
    """The patches of some cases in a store; items as those of :class:`training.data.augment.Patches`, images rounded.

    Args:
        cases: take patches of these.
        folder: the store.
        start: leave out so many of their patches.

    Attributes:
        look: options of ``training.fit.train`` that say how the patches look.

    Raises:
        InputError: the folder is no store, or has no patches of one of the cases; later, that it is not being filled.
    """

    def __init__(self, cases: list[Arrays], folder: Path, start: int = 0) -> None:
        self.folder = folder
        index = folder / INDEX
        if not index.is_file():
            raise InputError(
                f"{folder} is no store of patches.", "Make one: python -m training.data.patch_store --out …"
            )
        made = json.loads(index.read_text())
        order, self.look = made["order"], made["look"]
        wanted = {case.id for case in cases}
        if missing := sorted(wanted - set(order)):
            raise InputError(f"{folder} has no patches of {missing[0]}.", "Fill a larger one, from the same arrays.")
        self.numbers = [number for number, case_id in enumerate(order) if case_id in wanted][start:]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor, float]:
        """The patch of one training step, as soon as it is there."""
        path = file_of(self.folder, self.numbers[step])
        until = time.monotonic() + WAIT_SECONDS
        while not path.exists():
            if time.monotonic() > until:
                raise InputError(f"{path} has not been made.", "Go on filling the store: the same command again.")
            time.sleep(0.01)
        image, labels, slice_mm = torch.load(path, weights_only=True)
        return image.float(), labels.long(), slice_mm


def file_of(folder: Path, number: int) -> Path:
    """Where a store keeps one of its patches: image float16, labels uint8, slice distance in mm."""
    return folder / f"{number:06d}.pt"


class Making(Dataset):
    """Makes the patches of a store that are not there yet, each file whole or not at all; items are their numbers.

    Args:
        make: makes the :class:`Patches` of the cases it is given.
        arrays: folder of the cases. Each process reads them for itself: handed over at its start, half a gigabyte kept
            fourteen processes from their first patch for three minutes.
        folder: the store.
        count: how many patches.
    """

    def __init__(self, make: Callable[[list[Arrays]], Patches], arrays: Path, folder: Path, count: int) -> None:
        self.make, self.arrays, self.folder, self.count = make, arrays, folder, count

    def __len__(self) -> int:
        return self.count

    @cached_property
    def patches(self) -> Patches:
        """What makes the patches, read when the first is wanted."""
        return self.make(load(self.arrays))

    def __getitem__(self, number: int) -> int:
        """See to it that one patch is there."""
        path = file_of(self.folder, number)
        if not path.exists():
            image, labels, slice_mm = self.patches[number]
            temporary = path.with_suffix(".tmp")
            torch.save((image.half(), labels.to(torch.uint8), slice_mm), temporary)
            temporary.replace(path)
        return number


def main() -> None:
    """Fill a store; stopped, the same command goes on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--arrays", type=Path, default=Path("runs/arrays"), help="folder made by training.data.preprocess"
    )
    parser.add_argument("--out", type=Path, required=True, help="the store's folder; memory is a good place")
    parser.add_argument("--patches", type=int, required=True, help="how many to make")
    parser.add_argument("--progressive", action="store_true", help="coarse pixels first")
    parser.add_argument("--harsh", action="store_true", help="also worse and stranger images")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many make them; 0: this one")
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    budget = options.patches if options.progressive else None
    make = partial(Patches, steps=options.patches, seed=options.seed, budget=budget, harsh=options.harsh)
    patches = make(load(options.arrays))
    order = [patches.case(number).id for number in range(options.patches)]
    options.out.mkdir(parents=True, exist_ok=True)
    temporary = options.out / "store.tmp"
    look = {"progressive": options.progressive, "harsh": options.harsh}
    temporary.write_text(json.dumps({"look": look, "order": order}))
    temporary.replace(options.out / INDEX)
    torch.set_num_threads(1)
    workers = {"num_workers": options.processes, "multiprocessing_context": "spawn"} if options.processes else {}
    making = Making(make, options.arrays, options.out, options.patches)
    for number in DataLoader(making, batch_size=None, **workers):
        if (number + 1) * 10 // options.patches > number * 10 // options.patches:
            print(f"{number + 1} of {options.patches} patches", flush=True)


if __name__ == "__main__":
    run_command(main)
