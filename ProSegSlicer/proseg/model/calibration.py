"""What a network's probabilities are worth, as measured on cases it had not learned from.

A few numbers in the JSON beside a weights file (``training.judge.calibration`` fits them); without them everything
stays as the network says it. No label depends on them: the temperatures work on gland against background and on zone
against zone, each about its own tie, so what was likelier stays likelier.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from proseg.labels import CG, PZ

_TINY = 1e-6  # probabilities are kept this far from 0 and 1, where their logit would be infinite
_AS_IT_IS = (0.0, 1.0)


@dataclass(frozen=True)
class Calibration:
    """How to read a network's probabilities.

    Attributes:
        gland: temperature of gland against background; above 1 the network was too sure of itself.
        zones: temperature of PZ against CG within the gland.
        slices: offset and slope, on the logit, from the Dice that a slice's probabilities expect to the one to expect.
        beyond: the same for slices next to the gland without any: how likely it is that none is there.
        least: Dice that the network's own probabilities expect of a whole gland, below which there may be no prostate
            at all; of real glands it is higher.
    """

    gland: float = 1.0
    zones: float = 1.0
    slices: tuple[float, float] = _AS_IT_IS
    beyond: tuple[float, float] = _AS_IT_IS
    least: float = 0.8

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Calibration:
        """The inverse of :meth:`to_dict`; what is missing stays as the network says it.

        Raises:
            TypeError, ValueError: unknown names, values that are no numbers, or temperatures that are not positive.
        """
        known = {key: tuple(map(float, v)) if isinstance(v, (list, tuple)) else float(v) for key, v in values.items()}
        made = Calibration(**known)
        numbers = (made.gland, made.zones, *made.slices, *made.beyond, made.least)
        if not (len(numbers) == 7 and all(map(math.isfinite, numbers)) and min(made.gland, made.zones) > 0):
            raise ValueError("A calibration has 7 finite numbers, its temperatures positive.")
        return made

    def probabilities(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, float32, of (3, ...) background, PZ and CG that sum to 1."""
        if self.gland == self.zones == 1:
            return probabilities
        zones = probabilities[PZ] + probabilities[CG]
        gland = _moved(zones, (0.0, 1 / self.gland))
        share = _moved(probabilities[PZ] / np.maximum(zones, _TINY), (0.0, 1 / self.zones))
        return np.stack([1 - gland, gland * share, gland * (1 - share)]).astype(np.float32)

    def undone(self, probabilities: np.ndarray) -> np.ndarray:
        """The network's own probabilities, of calibrated ones."""
        return Calibration(1 / self.gland, 1 / self.zones).probabilities(probabilities)

    def slice_dice(self, expected: float) -> float:
        """The Dice to expect of a slice whose probabilities expect this one."""
        return float(_moved(expected, self.slices))

    def absence(self, expected: float) -> float:
        """How likely it is that a slice next to the gland has none, where its probabilities say so much."""
        return float(_moved(expected, self.beyond))


def _moved(value: np.ndarray | float, line: tuple[float, float]) -> np.ndarray | float:
    """A probability whose logit is moved along a line (offset, slope)."""
    if line == _AS_IT_IS:
        return value
    value = np.clip(value, _TINY, 1 - _TINY)
    return 1 / (1 + np.exp(-(line[0] + line[1] * np.log(value / (1 - value)))))
