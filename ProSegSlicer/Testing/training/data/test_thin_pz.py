"""Patients with a thin peripheral zone are shown more often, all others as often as before."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.labels import GLAND_UNKNOWN_ZONE
from training.data.preprocess import Arrays
from training.data.thin_pz import has_thin_pz, thin_pz_repeated


def make_case(name: str, pz: int, cg: int, *, zone: int = 2) -> Arrays:
    """A row of voxels: background, PZ and the rest of the gland."""
    labels = np.repeat([0, 1, zone], [5, pz, cg]).astype(np.uint8)[None, None, None]
    return Arrays(name, "made", name, np.zeros(labels.shape[1:], np.float16), labels, 3.0)


@pytest.mark.parametrize(("pz", "thin"), [(15, True), (16, False), (50, False), (0, True)])
def test_a_rim_is_less_pz_than_16_percent_of_the_gland(pz: int, thin: bool) -> None:
    assert has_thin_pz(make_case("a", pz, 100 - pz)) == thin


def test_where_zones_are_unknown_there_is_no_rim() -> None:
    assert not has_thin_pz(make_case("gland only", 0, 100, zone=GLAND_UNKNOWN_ZONE))


def test_the_first_reader_decides() -> None:
    thin, thick = make_case("a", 5, 95), make_case("a", 40, 60)
    both = Arrays("a", "made", "a", thin.image, np.concatenate([thick.labels, thin.labels]), 3.0)
    assert not has_thin_pz(both)


def test_only_cases_with_a_thin_pz_are_repeated() -> None:
    cases = [make_case("thin", 5, 95), make_case("thick", 40, 60)]
    assert [case.id for case in thin_pz_repeated(cases, 3)] == ["thin", "thin", "thin", "thick"]
    assert thin_pz_repeated(cases, 1) == cases
