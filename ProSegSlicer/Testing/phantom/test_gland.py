"""The phantom's prostate: volumes as asked for, zones where the anatomy has them."""

from __future__ import annotations

import numpy as np
import pytest

from proseg.labels import CG, PZ
from proseg.phantom.gland import HALF_LENGTH, Gland


def lattice(step: float = 2.0) -> tuple[np.ndarray, ...]:
    """L, P, S in mm of points from -60 to 60."""
    z, y, x = np.meshgrid(*(np.arange(-60, 60.1, step, dtype=np.float32),) * 3, indexing="ij", sparse=True)
    return x, y, z


@pytest.mark.parametrize("asked_ml", [15.0, 45.0, 150.0])
def test_a_gland_has_the_volume_that_was_asked_for(asked_ml: float) -> None:
    gland = Gland.of_volume(asked_ml, np.random.default_rng(1))
    labels = gland.labels(*lattice())
    assert (labels > 0).sum() * 8 / 1000 == pytest.approx(asked_ml, rel=0.05)


def test_a_large_gland_is_large_by_its_central_gland() -> None:
    shares = []
    for asked_ml in (30.0, 120.0):
        labels = Gland.of_volume(asked_ml, np.random.default_rng(2)).labels(*lattice())
        shares.append((labels == PZ).sum() / (labels > 0).sum())
    assert shares[1] < 0.75 * shares[0]


def test_the_central_gland_never_leaves_the_gland_and_the_base_has_no_pz() -> None:
    gland = Gland()
    x, y, z = lattice()
    outer, _ = gland.distances(x, y, z)
    labels = gland.labels(x, y, z)
    assert not labels[outer < 0].any()
    levels = z.ravel()
    apex, base = labels[np.abs(levels + 16) < 2], labels[np.abs(levels - 22) < 2]
    assert (apex == PZ).sum() > (apex == CG).sum()
    assert (base == CG).sum() > 3 * (base == PZ).sum()
    assert not labels[np.abs(levels) > HALF_LENGTH + 2].any()


def test_pz_lies_behind_the_central_gland() -> None:
    x, y, z = lattice()
    labels = Gland().labels(x, y, z)
    behind = np.broadcast_to(y, labels.shape)
    assert behind[labels == PZ].mean() > behind[labels == CG].mean() + 5
