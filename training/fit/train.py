"""Train ProSeg.

``python -m training.fit.train --out runs/fold0 --fold 0 --minutes 120``

Holds out one fold of patients (none with ``--fold -1``), learns from the rest until the minutes of training time, or
with ``--budget-patches`` so many patches, are spent, and keeps an exponential moving average of the weights, which is
what ships. Stop it at any time; the same command goes on from the last checkpoint.

``--progressive`` shows coarse pixels first, which learns as much a patch in a third of the time at the beginning. Of
several folds on two cores, two side by side with ``--patches 1`` each keep both busy.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset

from proseg.model.network import NetworkConfig, ProSeg
from training.command import run_command
from training.data.folds import assign_folds
from training.data.learning_curve import subset
from training.data.preprocess import Arrays, load
from training.data.thin_pz import thin_pz_repeated
from training.fit.losses import ZonalLoss
from training.fit.start import initialise, seed_after
from training.networks.baselines import BASELINES, PROSEG

LOCATOR = NetworkConfig(widths=(16, 32, 48, 64), depths=(1, 1, 1, 1), strip=5)
SAY_SECONDS, CHECKPOINT_SECONDS = 30, 120
SLOWEST_STEP_SECONDS = 10.0  # a step longer than this was a paused process, not training
AVERAGE_DECAY = 0.998  # of the moving average of the weights, a step


def split(cases: list[Arrays], fold: int, folds: int = 5) -> tuple[list[Arrays], list[Arrays]]:
    """Cases to learn from and cases held out; ``fold`` -1 holds out nothing."""
    where = assign_folds(cases, folds)
    return [case for case in cases if where[case.id] != fold], [case for case in cases if where[case.id] == fold]


def average_decay(steps: int) -> float:
    """How much of the average stays after so many steps: a short training forgets its beginning sooner.

    (1 + steps) / (10 + steps), as TensorFlow's ``ExponentialMovingAverage`` has it, and ``AVERAGE_DECAY`` at most,
    which is reached after 4,500 steps.
    """
    return min(AVERAGE_DECAY, (1 + steps) / (10 + steps))


def learning_rate_at(progress: float, peak: float) -> float:
    """The learning rate: warm-up over the first 2 % of the budget, then a cosine to a hundredth of its peak."""
    warm = min(1.0, (progress + 1e-4) / 0.02)
    return peak * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def weight_groups(parameters: Iterable[nn.Parameter]) -> list[dict]:
    """Parameters for an optimiser: filters decay, biases and norms do not."""
    plain, filters = [], []
    for parameter in parameters:
        (filters if parameter.ndim >= 2 else plain).append(parameter)
    return [{"params": filters, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}]


@torch.no_grad()
def moving_average(average: list[Tensor], current: list[Tensor], steps: Tensor) -> None:
    """Move averaged tensors of one dtype towards the current ones, as far as :func:`average_decay` says."""
    keep = average_decay(int(steps))
    if average[0].is_floating_point():
        torch._foreach_lerp_(average, current, 1 - keep)  # all at once, as torch's own averages do
    else:
        torch._foreach_copy_(average, current)


class Trainer:
    """One training run that can be stopped and resumed."""

    def __init__(
        self, network: nn.Module, options: argparse.Namespace, make_patches: Callable[..., Dataset], cases: list[Arrays]
    ) -> None:
        self.options, self.make_patches, self.cases = options, make_patches, cases
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        layout = torch.channels_last if isinstance(network, ProSeg) else torch.preserve_format  # others are 3D
        self.network = network.to(self.device, memory_format=layout)
        self.average = AveragedModel(self.network, multi_avg_fn=moving_average, use_buffers=True)
        groups = weight_groups(network.parameters())
        self.optimiser = torch.optim.AdamW(groups, lr=options.rate, fused=self.device.type == "cuda")
        self.loss = ZonalLoss(focal=options.focal, ends=options.ends)
        self.step, self.spent, self.recent = 0, 0.0, float("nan")
        # On the CPU each patch of a step runs on a thread of its own: faster than two threads inside every operation.
        self.threads = ThreadPoolExecutor(options.patches if self.device.type == "cpu" else 1)
        self.checkpoint = options.out / "checkpoint.pt"

    def save(self) -> None:
        """Write the checkpoint and the averaged weights, each whole or not at all."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "spent": self.spent,
        }
        temporary = self.checkpoint.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self.checkpoint)

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.spent = state["step"], state["spent"]

    def progress(self) -> float:
        """How much of the budget is spent: of its patches if these are given, else of its minutes."""
        if self.options.budget_patches:
            return self.step / self.options.budget_patches
        return self.spent / (self.options.minutes * 60)

    def run(self) -> None:
        """Train until the time is spent, with a line of progress and a checkpoint now and then."""
        data = self.make_patches(self.cases, start=self.step)
        # Forked workers hang in torch's threads if this process has used them already.
        start = {"multiprocessing_context": "spawn", "prefetch_factor": 4} if self.options.workers else {}
        loader = iter(DataLoader(data, batch_size=None, num_workers=self.options.workers, **start))
        began = said = saved = time.monotonic()
        while (progress := self.progress()) < 1:
            for group in self.optimiser.param_groups:
                group["lr"] = learning_rate_at(progress, self.options.rate)
            patches = list(islice(loader, self.options.patches))
            loss = float(np.mean(list(self.threads.map(self.learn, patches))))
            self.step += len(patches)
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)
            self.average.update_parameters(self.network)
            self.recent = loss if math.isnan(self.recent) else 0.99 * self.recent + 0.01 * loss
            now = time.monotonic()
            self.spent += min(now - began, SLOWEST_STEP_SECONDS)
            began = now
            if now - said > SAY_SECONDS:
                said = now
                done = f"{self.progress():6.1%}  {self.spent / 60:6.1f} min"
                print(f"{done}  patch {self.step}  loss {self.recent:.4f}", flush=True)
            if now - saved > CHECKPOINT_SECONDS:
                saved = now
                self.save()
        self.save()

    def learn(self, patch: tuple[Tensor, Tensor, float]) -> float:
        """Add the gradients of one patch; returns its loss."""
        image, labels, slice_mm = patch[0][None].to(self.device), patch[1][None].to(self.device), patch[2]
        # A cache would be shared by threads.
        with torch.autocast(self.device.type, torch.bfloat16, not self.options.float32, cache_enabled=False):
            logits = self.network(image, slice_mm)
        loss = self.loss(logits.float(), labels)
        (loss / self.options.patches).backward()
        return float(loss.detach())


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=["segment", "locate"], default="segment", help="which network to train")
    parser.add_argument(
        "--arrays", type=Path, default=Path("runs/arrays"), help="folder made by training.data.preprocess"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of this run")
    parser.add_argument("--fold", type=int, default=0, help="fold of patients to hold out, -1 for none")
    parser.add_argument("--minutes", type=float, default=120, help="training time, pauses not counted")
    parser.add_argument(
        "--budget-patches", type=int, help="train for so many patches instead: fair between busy machines"
    )
    parser.add_argument("--harsh", action="store_true", help="also learn from worse and stranger images")
    parser.add_argument("--treated", action="store_true", help="also learn from painted spacers, markers, TURP …")
    parser.add_argument("--raw-scans", action="store_true", help="also learn from coil brightness, noise, wrap-around")
    parser.add_argument("--progressive", action="store_true", help="coarse pixels first; needs --budget-patches")
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--patches", type=int, default=2, help="patches an optimiser step")
    parser.add_argument("--focal", type=float, default=10.0, help="weight of the focal term")
    parser.add_argument(
        "--ends", type=float, default=0.0, help="weight of the term for where the gland begins and ends"
    )
    parser.add_argument("--no-partial", action="store_true", help="learn nothing from gland-only cases")
    parser.add_argument("--thin-pz", type=int, default=1, help="show patients with a thin PZ so many times as often")
    parser.add_argument("--start-from", type=Path, help="weights file to go on from instead of random weights")
    parser.add_argument("--float32", action="store_true", help="no bfloat16: faster on some CPUs")
    parser.add_argument("--workers", type=int, default=1, help="processes that prepare patches")
    parser.add_argument("--store", type=Path, help="take patches that training.data.patch_store makes")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--without", nargs="*", default=[], choices=["directional", "cross_slice", "gate", "pyramid"])
    parser.add_argument("--norm", default="instance", choices=["instance", "group", "batch"])
    parser.add_argument("--network", default=PROSEG, choices=[PROSEG, *BASELINES], help="ProSeg, or one to compare")
    parser.add_argument("--cases", type=int, help="learn from so many cases only: for the learning curve")
    options = parser.parse_args(arguments)
    if options.progressive and not options.budget_patches:
        parser.error("--progressive needs --budget-patches, to know how far the training is")
    looks = options.progressive or options.harsh or options.treated or options.raw_scans
    if options.store and looks:
        parser.error("--progressive and --harsh are said when a store is made; --treated and --raw-scans need none")
    if options.task == "locate" and (looks or options.store or options.ends or options.thin_pz > 1):
        parser.error(
            "--progressive, --harsh, --treated, --raw-scans, --store, --ends and --thin-pz are for --task segment"
        )
    if options.thin_pz < 1 or (options.store and options.thin_pz > 1):
        parser.error("--thin-pz takes a whole number above 0, and no store")
    return options


def source_of_patches(options: argparse.Namespace, learn: list[Arrays]) -> Callable[..., Dataset]:
    """What makes the patches, called with the cases and how many patches to leave out.

    A store decides how its patches look and how many there are; the options are made to say so.
    """
    steps = {"steps": 10**6, "seed": seed_after(options.start_from, options.seed)}
    if options.task == "locate":
        from training.data.overviews import Overviews

        return partial(Overviews, **steps)
    if options.store:
        from training.data.patch_store import StoredPatches

        patches = StoredPatches(learn, options.store)
        vars(options).update(patches.look)
        options.budget_patches = min(options.budget_patches or len(patches), len(patches))
        return partial(StoredPatches, folder=options.store)
    from training.data.augment import Patches

    budget = options.budget_patches if options.progressive else None
    looks = {"harsh": options.harsh, "treated": options.treated, "raw_scans": options.raw_scans}
    return partial(Patches, **steps, budget=budget, **looks)


def main() -> None:
    """Train with the options of the command line."""
    options = parse()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    config = LOCATOR if options.task == "locate" else NetworkConfig()
    config = replace(config, norm=options.norm, **dict.fromkeys(options.without, False))
    learn, held_out = split(load(options.arrays), options.fold)
    if options.no_partial:
        learn = [case for case in learn if case.zonal]
    if options.cases:
        learn = subset(learn, options.cases)
    network = ProSeg(config) if options.network == PROSEG else BASELINES[options.network]()
    before = initialise(network, options.start_from, options.task, held_out) if options.start_from else []
    make_patches = source_of_patches(options, learn)
    run = {
        "network": config.to_dict() if options.network == PROSEG else None,
        "options": {key: str(value) if isinstance(value, Path) else value for key, value in vars(options).items()},
        "learned": sorted({case.id for case in learn} | set(before)),
        "held_out": [case.id for case in held_out],
    }
    (options.out / "run.json").write_text(json.dumps(run, indent=1))
    trainer = Trainer(network, options, make_patches, thin_pz_repeated(learn, options.thin_pz))
    trainer.resume()
    print(f"{len(learn)} cases to learn from, {len(held_out)} held out; {trainer.device}", flush=True)
    trainer.run()


if __name__ == "__main__":
    run_command(main)
