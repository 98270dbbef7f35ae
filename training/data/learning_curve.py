"""Fewer cases to learn from, as if the data set were smaller: how much more would more data bring?

``python -m training.fit.train --out runs/curve/20 --cases 20`` learns from 20 cases; ``training.fit.ablate`` runs
several sizes, ``training.judge.compare`` makes the table.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from proseg.errors import InputError
from training.data.preprocess import Arrays


def subset(cases: Sequence[Arrays], count: int, seed: int = 2026) -> list[Arrays]:
    """So many of the cases, sources and kinds of label in the proportions of all.

    A smaller subset lies inside every larger one of the same seed, so a curve compares more cases with fewer and not
    one draw with another.

    Args:
        cases: cases with distinct ids.
        count: how many to take.
        seed: of the draw.

    Returns:
        The cases taken, in the order given.

    Raises:
        InputError: there are not so many, or none is asked for.
    """
    if not 1 <= count <= len(cases):
        raise InputError(f"{count} of {len(cases)} cases cannot be taken.", f"Ask for 1 to {len(cases)} cases.")
    strata: dict[tuple[str, bool], list[str]] = {}
    for case in sorted(cases, key=lambda case: case.id):
        strata.setdefault((case.source, case.zonal), []).append(case.id)
    place = {}
    for key, ids in sorted(strata.items()):
        chance = random.Random(f"{seed}/{key}")
        chance.shuffle(ids)
        # The n-th of a stratum's m cases stands at a random point of the n-th m-th part of a line, as do all others:
        # any stretch from its start holds every stratum in proportion.
        place |= {case_id: (number + chance.random()) / len(ids) for number, case_id in enumerate(ids)}
    taken = set(sorted(place, key=lambda case_id: (place[case_id], case_id))[:count])
    return [case for case in cases if case.id in taken]
