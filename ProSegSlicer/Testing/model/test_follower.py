"""The follower: silent before it has learned, and refused where its file is not what was written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from proseg.errors import WeightsError
from proseg.model.follower import CHANNELS, Follower, followed, load_follower, save_follower


def test_before_it_has_learned_it_leaves_every_label_as_it_was() -> None:
    said = Follower()(torch.randn(3, CHANNELS, 10, 12))
    gland, pz = torch.randn(3, 20, 24), torch.randn(3, 20, 24)
    for before, after in zip((gland, pz), followed(said, gland, pz), strict=True):
        assert torch.equal(before > 0, after > 0)
        assert torch.allclose(before, after, rtol=0.02)


def test_what_is_saved_is_loaded_to_half_precision(tmp_path: Path) -> None:
    follower = Follower()
    torch.nn.init.normal_(follower.head.weight)
    save_follower(follower, tmp_path / "f.pt", ["a"])
    loaded = load_follower(tmp_path / "f.pt")
    features = torch.randn(1, CHANNELS, 8, 8)
    assert torch.allclose(follower(features), loaded(features), atol=0.05)
    assert (tmp_path / "f.pt").stat().st_size < 100_000


def test_a_damaged_or_a_missing_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    save_follower(Follower(), tmp_path / "f.pt", [])
    (tmp_path / "f.pt").write_bytes((tmp_path / "f.pt").read_bytes()[:-9])
    for path in (tmp_path / "f.pt", tmp_path / "none.pt"):
        with pytest.raises(WeightsError, match="is damaged, or is no follower"):
            load_follower(path)
