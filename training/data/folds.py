"""Deal patients into cross-validation folds."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING

from proseg.errors import InputError

if TYPE_CHECKING:
    from training.data.layouts import Case
    from training.data.preprocess import Arrays


def assign_folds(cases: Iterable[Case | Arrays], count: int = 5, seed: int = 2026) -> dict[str, int]:
    """Give every case a fold, by patient and stratified by source.

    All cases of a patient share a fold. Over the folds the number of patients differs by at most one, in every source
    (a patient of several sources counts for the alphabetically first) and in total. The result depends on the set of
    cases, ``count`` and ``seed``, not on the order of the cases.

    Args:
        cases: cases with distinct ids; only id, source and patient are used.
        count: number of folds, at least 2.
        seed: of the shuffle within a source.

    Returns:
        Case id -> fold, 0 to ``count`` - 1.

    Raises:
        InputError: two cases share an id, or there are fewer patients than folds.
    """
    cases = list(cases)
    ids = [case.id for case in cases]
    if len(set(ids)) < len(ids):
        twice = sorted({case_id for case_id in ids if ids.count(case_id) > 1})
        raise InputError(f"Several cases share the id {twice[0]}.", "Use each data set once.")
    source_of: dict[str, str] = {}
    for case in cases:
        source_of[case.patient] = min(case.source, source_of.get(case.patient, case.source))
    if not 2 <= count <= len(source_of):
        raise InputError(f"{len(source_of)} patients cannot make {count} folds.", "Use 2 folds or more, none empty.")

    dealt: list[str] = []
    for source in sorted(set(source_of.values())):
        patients = sorted(patient for patient in source_of if source_of[patient] == source)
        random.Random(f"{seed}/{source}").shuffle(patients)
        dealt += patients
    # One deal round the table, going on from source to source, balances each source and the total at once.
    fold_of = {patient: place % count for place, patient in enumerate(dealt)}
    return {case.id: fold_of[case.patient] for case in cases}
