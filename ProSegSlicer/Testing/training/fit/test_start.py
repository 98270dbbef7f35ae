"""Where a training may start: from weights that fit and know nothing of what is held out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from Testing.made_runs import TINY

from proseg.errors import InputError, WeightsError
from proseg.model.network import ProSeg
from proseg.model.weights import save_model
from training.data.preprocess import Arrays
from training.fit.start import initialise, seed_after
from training.fit.train import parse, source_of_patches

PLAIN = replace(TINY, directional=False, cross_slice=False, pyramid=False)
KNOWN, CASE = (
    Arrays(name, "A", name, np.zeros((1, 1, 1), np.float16), np.zeros((1, 1, 1, 1), np.uint8), 3.0)
    for name in ("c0", "c1")
)


@pytest.fixture
def earlier(tmp_path: Path) -> tuple[Path, ProSeg]:
    """A weights file that has learned from c0, and its segmenter."""
    torch.manual_seed(7)
    network = ProSeg(PLAIN)
    save_model(tmp_path / "earlier.pt", network, ProSeg(TINY), "ProSeg", "0", ["c0"])
    return tmp_path / "earlier.pt", network


def test_a_run_can_go_on_from_earlier_weights(earlier: tuple[Path, ProSeg]) -> None:
    path, before = earlier
    network = ProSeg(PLAIN)
    assert initialise(network, path, "segment", [CASE]) == ["c0"]
    for found, wanted in zip(network.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-3)  # half precision


def test_weights_that_know_a_held_out_case_are_no_place_to_start(earlier: tuple[Path, ProSeg]) -> None:
    with pytest.raises(InputError, match="has learned from c0"):
        initialise(ProSeg(PLAIN), earlier[0], "segment", [KNOWN])


def test_weights_that_do_not_say_what_they_know_are_no_place_to_start(earlier: tuple[Path, ProSeg]) -> None:
    earlier[0].with_suffix(".json").unlink()
    with pytest.raises(InputError, match="no JSON"):
        initialise(ProSeg(PLAIN), earlier[0], "segment", [])


def test_weights_of_another_shape_are_no_place_to_start(earlier: tuple[Path, ProSeg]) -> None:
    with pytest.raises(WeightsError, match="another configuration"):
        initialise(ProSeg(TINY), earlier[0], "segment", [])


def test_going_on_from_weights_shows_other_patches_and_the_same_ones_again_after_a_pause(
    earlier: tuple[Path, ProSeg], tmp_path: Path
) -> None:
    path, network = earlier
    assert seed_after(None, 2026) == 2026
    assert seed_after(path, 2026) == seed_after(path, 2026) != 2026
    assert seed_after(path, 2026) != seed_after(path, 2027)
    save_model(tmp_path / "other.pt", network, ProSeg(TINY), "ProSeg", "1", ["c0"])
    assert seed_after(path, 2026) != seed_after(tmp_path / "other.pt", 2026)
    patches = source_of_patches(parse(["--out", str(tmp_path), "--start-from", str(path)]), [CASE])(cases=[CASE])
    assert patches.seed == seed_after(path, 2026)
