"""A reader's word carried to the other slices: those that were given stay, the others are drawn again to fit them.

Arrays are indexed [k, j, i] on an LPS-oriented grid; k grows from apex to base.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from proseg.segmentation.ends import check_slices, with_ends


def follow(
    given: np.ndarray,
    slices: Iterable[int],
    drawn: np.ndarray,
    probabilities: np.ndarray,
    box: tuple[slice, slice, slice],
    spacing_kji: tuple[float, float, float],
    first: int | None = None,
    last: int | None = None,
) -> np.ndarray:
    """Labels that keep the given slices, voxel for voxel, and fit them everywhere else.

    Args:
        given: uint8 (K, J, I), 0, PZ and CG, of the whole image; only the given slices are looked at.
        slices: those that the reader gives; one without gland says that there is none.
        drawn: uint8 (K, J, I), what the networks' probabilities come to when nothing is given.
        probabilities: (3, k, j, i) inside ``box``, background, PZ and CG; outside it background is certain.
        box: where the probabilities lie in the image.
        spacing_kji: voxel size in mm.
        first: the first slice with gland, at the apex; None leaves that end to the networks and the given slices.
        last: the last slice with gland, at the base; likewise.

    Returns:
        uint8 (K, J, I).

    Raises:
        InputError: the slices are not in the image, or there is no gland between the ends to begin with.
    """
    kept = sorted(set(slices))
    check_slices(len(given), *kept, first, last)
    labels = drawn.copy()
    labels[kept] = given[kept]
    if first is None and last is None:
        return labels
    labels = with_ends(labels, probabilities, box, spacing_kji, first, last)
    labels[kept] = given[kept]
    return labels
