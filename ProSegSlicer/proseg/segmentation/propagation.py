"""A reader's word carried to the other slices: those that were given stay, the others are drawn again to fit them.

What a reader makes of one slice says much of its neighbours: which way the border was missed, where gland ends, how
thick the PZ is to this reader's eye. A small network (:mod:`proseg.model.follower`) has learned from experts' labels
how far that carries. Arrays are indexed [k, j, i] on an LPS-oriented grid; k grows from apex to base.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from proseg.labels import BACKGROUND, CG, PZ
from proseg.model.follower import Follower, followed
from proseg.segmentation.cleanup import clean_up
from proseg.segmentation.ends import check_slices, with_ends
from proseg.segmentation.features import Drawn, Given, features

_SEEN = 0.02  # the region around the gland has all that is likelier gland than this
_ASKED = 0.1  # slices are drawn again where gland is anywhere likelier than this, and one on either side
_MARGIN_MM = 8.0

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Seen:
    """What the networks saw in an image.

    Attributes:
        voxels: (K, J, I), any intensity scale.
        probabilities: float32 (3, k, j, i) inside ``box``, background, PZ and CG, uncalibrated; outside it background
            is certain.
        box: where they lie in the image.
        labels: uint8 (K, J, I), what they came to.
        spacing_kji: voxel size in mm.
    """

    voxels: np.ndarray
    probabilities: np.ndarray
    box: Box
    labels: np.ndarray
    spacing_kji: tuple[float, float, float]

    def region(self, given: np.ndarray) -> Box:
        """All slices, and of these the part in which there may be gland, with a margin."""
        likely = (self.labels > 0).any(axis=0) | (given > 0).any(axis=0)
        likely[self.box[1:]] |= (1 - self.probabilities[BACKGROUND] > _SEEN).any(axis=0)
        sides = []
        for axis, step in enumerate(self.spacing_kji[1:]):
            filled, margin = np.flatnonzero(likely.any(axis=1 - axis)), int(_MARGIN_MM / step)
            low, high = (filled[0], filled[-1]) if filled.size else (0, likely.shape[axis] - 1)
            sides.append(slice(max(0, int(low) - margin), int(high) + margin))
        return slice(0, len(self.labels)), sides[0], sides[1]

    def within(self, region: Box) -> tuple[np.ndarray, Drawn]:
        """Probabilities (3, K, J, I), and all that the follower shall know of them, in a region of all slices."""
        whole = np.zeros((3, *self.labels.shape), np.float32)
        whole[BACKGROUND] = 1
        whole[(slice(None), *self.box)] = self.probabilities
        inside = whole[(slice(None), *region)]
        return inside, Drawn.of(self.voxels[region], inside, self.labels[region], self.spacing_kji)


def follow(
    seen: Seen,
    given: np.ndarray,
    slices: Iterable[int],
    follower: Follower,
    first: int | None = None,
    last: int | None = None,
) -> np.ndarray:
    """Labels that keep the given slices, voxel for voxel, and fit them everywhere else.

    Args:
        seen: what the networks saw in the image.
        given: uint8 (K, J, I), 0, PZ and CG, of the whole image; only the given slices are looked at.
        slices: those that the reader gives; one without gland says that there is none.
        follower: says what becomes of the others.
        first: the first slice with gland, at the apex; None leaves that end to the networks and the given slices.
        last: the last slice with gland, at the base; likewise.

    Returns:
        uint8 (K, J, I).

    Raises:
        InputError: the slices are not in the image, or there is no gland between the ends to begin with.
    """
    kept = sorted(set(slices))
    check_slices(len(given), *kept, first, last)
    own = np.zeros_like(given)
    own[kept] = given[kept]
    region = seen.region(own)
    before, drawn = seen.within(region)
    told = sorted({*kept, *_just_beyond(len(given), first, last)})
    probabilities = _spoken(before, drawn, own[region], told, follower)
    outside = beyond(own, kept, seen.labels)
    outside[: first or 0] = True
    outside[len(own) if last is None else last + 1 :] = True
    probabilities[:, outside] = np.reshape((1, 0, 0), (3, 1, 1, 1))
    labels = np.zeros_like(given)
    labels[region] = clean_up(probabilities, seen.spacing_kji)
    labels[kept] = own[kept]
    if first is not None or last is not None:
        labels = with_ends(labels, probabilities, region, seen.spacing_kji, first, last)
        labels[kept] = own[kept]
    return labels


def _spoken(before: np.ndarray, drawn: Drawn, own: np.ndarray, told: list[int], follower: Follower) -> np.ndarray:
    """Probabilities (3, K, J, I): certain in the slices ``told``, as the follower has them in the others."""
    after = np.zeros_like(before)
    after[BACKGROUND] = 1
    asked = (before[BACKGROUND] < 1 - _ASKED).any(axis=(1, 2)) | (drawn.labels > 0).any(axis=(1, 2))
    asked[told] |= own[told].any(axis=(1, 2))
    filled = np.flatnonzero(asked)
    reach = range(max(0, filled[0] - 1), min(len(own), filled[-1] + 2)) if filled.size else ()
    if ks := [k for k in reach if k not in told]:
        seen = features(drawn, Given.of(own, told, drawn.spacing_kji), ks)
        with torch.inference_mode():
            said = (follower(seen) + follower(seen.flip(-1)).flip(-1)) / 2  # the patient and the mirror image
            logits = followed(said, *(torch.from_numpy(field[ks]) for field in (drawn.gland, drawn.pz)))
        gland, pz = (torch.sigmoid(part).numpy() for part in logits)
        after[:, ks] = np.stack([1 - gland, gland * pz, gland * (1 - pz)])
    after[:, told] = [own[told] == label for label in (BACKGROUND, PZ, CG)]
    return after


def _just_beyond(count: int, first: int | None, last: int | None) -> list[int]:
    """The slices next to the ends, which are as good as given without gland."""
    beyond = [first - 1] if first is not None else []
    beyond += [last + 1] if last is not None else []
    return [k for k in beyond if 0 <= k < count]


def beyond(given: np.ndarray, slices: Sequence[int], labels: np.ndarray) -> np.ndarray:
    """Which slices, bool (K,), lie beyond one that is given without gland.

    That is seen from the given slices with gland, from the middle of the networks' gland where there are none. A slice
    without gland between given ones that have some ends nothing.

    Args:
        given: uint8 (K, J, I), the given slices' labels.
        slices: which these are.
        labels: uint8 (K, J, I), the networks' own.
    """
    ks = np.arange(len(given))
    found = np.zeros(len(ks), bool)
    filled = sorted(k for k in slices if given[k].any()) or [_middle(labels)]
    for k in slices:
        if not given[k].any():
            found |= (ks < k) if k < filled[0] else (ks > k) if k > filled[-1] else False
    return found


def _middle(labels: np.ndarray) -> int:
    """The middle slice of a gland (K, J, I), of all slices where there is none."""
    filled = np.flatnonzero(labels.any(axis=(1, 2)))
    return int(np.median(filled)) if filled.size else len(labels) // 2
