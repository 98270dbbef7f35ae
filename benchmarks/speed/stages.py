"""Where the time of one case goes, by wrapping the core's own functions from outside; the core knows nothing of it."""

from __future__ import annotations

import functools
import importlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proseg.segmentation.segmenter import Segmenter

# Stage -> the functions it consists of, named where they are looked up. What runs within one of them belongs to it.
STAGES: dict[str, tuple[str, ...]] = {
    "check, orient": ("proseg.segmentation.segmenter:check_t2w", "proseg.segmentation.segmenter:to_lps"),
    "resample": ("proseg.segmentation.pipeline:resample", "proseg.segmentation.pipeline:inside"),
    "normalise": ("proseg.segmentation.pipeline:normalise",),
    "lay the box": (
        "proseg.segmentation.pipeline:extents",
        "proseg.segmentation.pipeline:box_around",
        "proseg.segmentation.pipeline:cut_off",
    ),
    "resample back": ("proseg.segmentation.pipeline:back",),
    "clean-up": (
        "proseg.segmentation.segmenter:clean_up",
        "proseg.segmentation.segmenter:raw_labels",
        "proseg.segmentation.segmenter:Segmenter._on_input_grid",
    ),
    "measure, flag": (
        "proseg.segmentation.segmenter:slice_confidence",
        "proseg.segmentation.segmenter:assess",
        "proseg.segmentation.segmenter:measure",
    ),
}
NETWORKS = ("locator", "segmenter", "thin_pz")
OTHER = "other"
NAMES = (
    *("check, orient", "resample", "normalise", *NETWORKS, "lay the box", "resample back", "clean-up"),
    *("measure, flag", OTHER),
)


class Stages:
    """Seconds by stage since the last :meth:`lap`.

    Attributes:
        seconds: by stage; networks by their name.
        shapes: the inputs that each network was given, as (shape, further arguments).
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.shapes: dict[str, list[tuple[tuple[int, ...], tuple[Any, ...]]]] = defaultdict(list)
        self._open: list[float] = []  # of each running stage the seconds that belong to a network within it

    def lap(self, total: float) -> dict[str, float]:
        """The seconds of one case that took ``total``, and begin anew: every stage, and what no stage claims."""
        found = {name: self.seconds.get(name, 0.0) for name in NAMES if name != OTHER}
        self.seconds.clear()
        return found | {OTHER: total - sum(found.values()), "total": total}

    def timed(self, stage: str, function: Callable[..., Any], always: bool = False) -> Callable[..., Any]:
        """The function, its seconds counted for ``stage``; within another stage it is not, unless ``always``."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if self._open and not always:
                return function(*args, **kwargs)
            self._open.append(0.0)
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                took = time.perf_counter() - began
                self.seconds[stage] += took - self._open.pop()
                if self._open:
                    self._open[-1] += took

        return call


class _Network:
    """A network that notes how long it takes and what it is given, and is otherwise the network."""

    def __init__(self, name: str, network: Any, stages: Stages) -> None:
        self._network = network
        self._note = lambda given: stages.shapes[name].append(given)
        self._timed = stages.timed(name, self._run, always=True)

    def __call__(self, volume: Any, *args: Any, **kwargs: Any) -> Any:
        self._note((tuple(volume.shape), args))
        return self._timed(volume, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        result = self._network(*args, **kwargs)
        if result.device.type == "cuda":  # it only promises its result: wait for it
            import torch

            torch.cuda.synchronize()
        return result


@contextmanager
def watched(segmenter: Segmenter) -> Iterator[Stages]:
    """Watch a segmenter; afterwards everything is as it was."""
    stages = Stages()
    with ExitStack() as after:
        for stage, targets in STAGES.items():
            for owner, name in map(find, targets):
                _put(after, owner, name, lambda function, stage=stage: stages.timed(stage, function))
        for name in NETWORKS:
            _put(after, segmenter.pipeline, name, lambda network, name=name: _Network(name, network, stages))
        yield stages


def find(target: str) -> tuple[Any, str]:
    """Owner and name of ``module:function`` or ``module:Class.method``.

    Raises:
        AttributeError: there is no such function; the table above has to follow the core.
    """
    module, _, path = target.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    getattr(owner, name)
    return owner, name


def _put(after: ExitStack, owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    """Replace an attribute until ``after`` is closed."""
    plain = vars(owner)[name]
    static = isinstance(plain, staticmethod)
    wrapped = wrap(plain.__func__ if static else plain)
    setattr(owner, name, staticmethod(wrapped) if static else wrapped)
    after.callback(setattr, owner, name, plain)
