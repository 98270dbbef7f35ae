"""Go on from the networks of a weights file instead of random ones."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

from proseg.errors import InputError, WeightsError
from proseg.model.network import ProSeg
from proseg.model.weights import load_model
from training.data.preprocess import Arrays

PART = {"segment": "segmenter", "locate": "locator"}  # of a weights file, by task


def initialise(network: ProSeg, weights: Path, task: str, held_out: list[Arrays]) -> list[str]:
    """Copy into ``network`` the same network of a weights file, which must not have learned from held-out cases.

    Returns:
        The ids of the cases that it has learned from.

    Raises:
        InputError: it has, or nobody knows.
        WeightsError: the file cannot be used, or its network has another shape.
    """
    model = load_model(weights)
    card = weights.with_suffix(".json")
    if not card.is_file():
        raise InputError(f"{weights} has no JSON beside it that names the cases it learned from.", "Add the JSON.")
    learned = json.loads(card.read_text())["learned"]
    seen = sorted({case.id for case in held_out} & set(learned))
    if seen:
        raise InputError(
            f"{weights} has learned from {seen[0]}, which shall be held out.", "Start from another file or fold."
        )
    source = getattr(model, PART[task])
    if source.config != network.config:
        raise WeightsError(f"The {PART[task]} of {weights} has another configuration.", "Start without it.")
    network.load_state_dict(source.state_dict())
    return learned


def seed_after(weights: Path | None, seed: int) -> int:
    """The seed of the patches: after weights to go on from one of its own, or the same patches would return."""
    return zlib.crc32(weights.read_bytes(), seed) if weights else seed
