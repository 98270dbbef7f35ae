"""A training whose steps a GPU replays from recordings, so that several of them keep it busy.

The network runs some thousand short kernels a step, which Python launches five times slower than a GPU computes them
(42 ms a patch on an NVIDIA H200, 8.5 ms recorded as CUDA graphs). Recorded once for each shape of patch, a step is one
call, and trainings side by side in one process, each in its own stream, fill what a single one leaves idle.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from proseg.model.network import ProSeg
from training.fit.losses import ZonalLoss
from training.fit.train import average_decay, learning_rate_at, weight_groups

Shape = tuple[int, int, int]  # slices, rows, columns


@dataclass
class Step:
    """What one shape of patch is learned with.

    Attributes:
        image: (1, 1, D, H, W) float32, where a patch is put before each replay.
        labels: (1, 1, D, H, W) int64, likewise.
        slice_mm: likewise, a scalar.
        recording: of the forward and backward pass; None on a CPU, which computes it anew each time.
    """

    image: Tensor
    labels: Tensor
    slice_mm: Tensor
    recording: torch.cuda.CUDAGraph | None


class RecordedTraining:
    """What :class:`training.fit.train.Trainer` does to a ProSeg network, patch for patch.

    The optimiser moves weights in single precision; with ``half`` the network computes with bfloat16 copies of its
    filters, made once a step instead of once a patch.

    Args:
        network: is moved to ``device`` and trained.
        budget: how many patches the cosine of the learning rate spans.
        rate: its peak.
        focal: weight of the focal term.
        patches: of an optimiser step.
        half: bfloat16, as ``Trainer`` computes without ``--float32``.
    """

    def __init__(
        self,
        network: ProSeg,
        device: torch.device,
        budget: int,
        rate: float = 1e-3,
        focal: float = 10.0,
        patches: int = 2,
        half: bool = True,
    ) -> None:
        self.network = network.to(device, memory_format=torch.channels_last)
        self.device, self.budget, self.peak, self.patches, self.half = device, budget, rate, patches, half
        self.on_gpu = device.type == "cuda"
        self.computing = dict(network.named_parameters())
        self.copies = list(self.computing.values())
        self.kept = [nn.Parameter(copy.detach().clone()) for copy in self.copies]
        self.average = [weight.detach().clone() for weight in self.kept]
        if half:
            for name, copy in self.computing.items():
                if "norm" not in name and (copy.ndim >= 2 or name.endswith("bias")):
                    copy.data = copy.data.bfloat16()
        for weight in [*self.kept, *self.copies]:
            weight.grad = torch.zeros_like(weight)
        self.rate = torch.tensor(rate, device=device)  # tensors, for a recording reads numbers once and for all
        self.towards = torch.tensor(0.0, device=device)
        groups = weight_groups(self.kept)
        self.optimiser = torch.optim.AdamW(groups, lr=self.rate, fused=self.on_gpu, capturable=self.on_gpu)
        self.loss_of = ZonalLoss(focal=focal)
        self.stream = torch.cuda.Stream(device) if self.on_gpu else None
        self.steps: dict[Shape, Step] = {}
        self.memory: tuple[int, int] | None = None  # one pool for all recordings, of which one runs at a time
        self.updating: torch.cuda.CUDAGraph | None = None
        self.learned = self.settled = 0
        self.loss = float("nan")
        self.losses = torch.zeros((), device=device)

    def turn(self) -> AbstractContextManager:
        """Within it the GPU does this training's work, beside that of others."""
        return torch.cuda.stream(self.stream) if self.stream else nullcontext()

    def record(self, shapes: list[Shape]) -> None:
        """Record the steps for shapes of patches, before the first patch and while nothing else uses the GPU."""
        if not self.on_gpu:
            return
        before = [weight.detach().clone() for weight in self.kept]
        for shape in shapes:
            step = self.step_for(shape)
            step.recording = self._recorded(lambda step=step: self._learn(step))
        self.updating = self._recorded(self._update)
        with torch.no_grad():  # what the runs before each recording have done to the weights is taken back
            for weight, average, copy, old in zip(self.kept, self.average, self.copies, before, strict=True):
                for changed in (weight, average, copy):
                    changed.copy_(old)
                weight.grad.zero_()
                copy.grad.zero_()
            for state in self.optimiser.state.values():
                for value in state.values():
                    value.zero_()
            self.losses.zero_()
        torch.cuda.synchronize(self.device)

    def step_for(self, shape: Shape) -> Step:
        """The step for a shape of patch, made if there is none yet."""
        if shape not in self.steps:
            image = torch.randn((1, 1, *shape), device=self.device)
            labels = (image > 1).long()
            self.steps[shape] = Step(image, labels, torch.tensor(3.0, device=self.device), None)
        return self.steps[shape]

    def learn(self, image: Tensor, labels: Tensor, slice_mm: float) -> None:
        """Learn from a patch, (1, D, H, W) each; every ``patches`` of them the weights are moved."""
        step = self.step_for(tuple(image.shape[1:]))
        step.image[0].copy_(image, non_blocking=True)
        step.labels[0].copy_(labels, non_blocking=True)
        step.slice_mm.fill_(slice_mm)
        if step.recording:
            step.recording.replay()
        else:
            self._learn(step)
        self.learned += 1
        if self.learned % self.patches:
            return
        begun = self.learned - self.patches
        self.rate.fill_(learning_rate_at(begun / self.budget, self.peak))
        self.towards.fill_(1 - average_decay(begun // self.patches) if begun else 1.0)
        if self.updating:
            self.updating.replay()
        else:
            self._update()

    def averaged(self) -> dict[str, Tensor]:
        """The averaged weights by name, on the CPU."""
        return {name: average.detach().cpu() for name, average in zip(self.computing, self.average, strict=True)}

    def settle(self) -> None:
        """Wait until all that was given has been learned, and note its mean loss."""
        if count := self.learned - self.settled:
            self.loss = float(self.losses) / count
            self.losses.zero_()
            self.settled = self.learned

    def _recorded(self, work: Callable[[], None]) -> torch.cuda.CUDAGraph:
        with self.turn():
            for _ in range(2):  # libraries choose their kernels before anything is recorded
                work()
        self.stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.memory, stream=self.stream):
            work()
        self.memory = graph.pool()
        return graph

    def _learn(self, step: Step) -> None:
        with torch.autocast(self.device.type, torch.bfloat16, self.half, cache_enabled=False):
            logits = self.network(step.image, step.slice_mm)
        loss = self.loss_of(logits.float(), step.labels)
        (loss / self.patches).backward()
        self.losses += loss.detach()

    def _update(self) -> None:
        with torch.no_grad():
            torch._foreach_copy_([weight.grad for weight in self.kept], [copy.grad for copy in self.copies])
        nn.utils.clip_grad_norm_(self.kept, 5.0)
        self.optimiser.step()
        with torch.no_grad():
            torch._foreach_copy_(self.copies, self.kept)
            apart = torch._foreach_sub(self.kept, self.average)
            torch._foreach_mul_(apart, self.towards)
            torch._foreach_add_(self.average, apart)
            torch._foreach_zero_([copy.grad for copy in self.copies])
