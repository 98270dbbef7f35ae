"""The phantom's surroundings differ from pelvis to pelvis, within what bodies are."""

from __future__ import annotations

import numpy as np

from proseg.phantom.pelvis import BONES, Pelvis


def test_pelves_differ_and_the_same_seed_gives_the_same() -> None:
    first, again, other = (Pelvis.random(1.0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_bones_leave_the_prostates_bed_free() -> None:
    for start, end, radius in BONES:
        points = np.linspace(start, end, 20)
        assert np.linalg.norm(points, axis=1).min() - radius > 26  # mm, half the width of a 45 mL gland


def test_the_rectum_runs_behind_the_gland_at_every_level() -> None:
    pelvis = Pelvis.random(1.0, np.random.default_rng(3))
    z = np.linspace(-20, 20, 9, dtype=np.float32)
    assert (np.asarray(pelvis.rectum_axis(z)) > pelvis.rectum_mm).all()
