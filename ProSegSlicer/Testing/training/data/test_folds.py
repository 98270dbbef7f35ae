"""Cross-validation folds: patients stay together, sources are spread, order does not matter."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proseg.errors import InputError
from training.data.datasets import find_cases
from training.data.folds import assign_folds
from training.data.layouts import Case


def make(case_id: str, patient: str, source: str = "A") -> Case:
    return Case(case_id, source, Path("t2.nii.gz"), patient)


patients = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 3)), min_size=6, max_size=40)
cohorts = patients.map(
    lambda rows: [
        make(f"{p}-{scan}", f"p{p}", source) for p, (source, scans) in enumerate(rows) for scan in range(scans)
    ]
)


def spread(counts: list[int]) -> int:
    return max(counts) - min(counts)


@given(cohorts, st.integers(2, 6))
def test_patients_stay_together_and_every_source_is_spread(cases: list[Case], count: int) -> None:
    folds = assign_folds(cases, count)
    assert set(folds) == {case.id for case in cases}
    fold_of = {case.patient: folds[case.id] for case in cases}
    assert all(folds[case.id] == fold_of[case.patient] for case in cases)
    assert spread([list(fold_of.values()).count(fold) for fold in range(count)]) <= 1
    by_source = defaultdict(set)
    for case in cases:
        by_source[case.source].add(case.patient)
    for members in by_source.values():
        dealt = Counter(fold_of[patient] for patient in members)
        assert spread([dealt[fold] for fold in range(count)]) <= 1


@given(cohorts, st.randoms())
def test_the_order_of_the_cases_does_not_matter(cases: list[Case], shuffler: random.Random) -> None:
    mixed = list(cases)
    shuffler.shuffle(mixed)
    assert assign_folds(mixed) == assign_folds(cases)


def test_the_folds_are_the_same_in_every_run() -> None:
    folds = assign_folds([make(f"c{n}", f"p{n}") for n in range(10)], seed=2026)
    assert [folds[f"c{n}"] for n in range(10)] == [4, 2, 3, 1, 0, 3, 0, 1, 4, 2]


def test_another_seed_deals_other_folds() -> None:
    cases = [make(f"c{n}", f"p{n}") for n in range(20)]
    assert assign_folds(cases, seed=1) != assign_folds(cases, seed=2)


def test_a_patient_of_two_sources_is_not_split() -> None:
    cases = [make(f"c{n}", f"p{n}", "A") for n in range(9)] + [make(f"d{n}", f"p{n}", "B") for n in range(9)]
    folds = assign_folds(cases, 3)
    assert all(folds[f"c{n}"] == folds[f"d{n}"] for n in range(9))


def test_one_id_for_two_cases_is_refused() -> None:
    with pytest.raises(InputError, match="share the id same"):
        assign_folds([make("same", "p1"), make("same", "p2"), make("other", "p3")], 2)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_an_impossible_number_of_folds_is_refused(count: int) -> None:
    with pytest.raises(InputError, match=f"3 patients cannot make {count} folds"):
        assign_folds([make(f"c{n}", f"p{n}") for n in range(3)], count)


def test_the_development_data_spreads_its_sources(shared_data: Path) -> None:
    cases = find_cases(shared_data)
    folds = assign_folds(cases)
    for source in {case.source for case in cases}:
        dealt = Counter(folds[case.id] for case in cases if case.source == source)
        assert spread([dealt[fold] for fold in range(5)]) <= 1
