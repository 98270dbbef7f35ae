"""Which of several axial T2W series a radiologist would read, and why, in the words of a note."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from proseg.dicom.fat import WATER, dixon, is_fat_suppressed
from proseg.dicom.kinds import (
    T2_MIN_ECHO_MS,
    has_odd_words,
    is_known_t2w,
    is_reformatted,
    is_single_shot,
    is_uncorrected,
    named_kind,
)
from proseg.dicom.volumes import Series, defect

USUAL_ECHO_MS = (T2_MIN_ECHO_MS, 250.0)
PROSTATE_FIELD_MM = 265.0  # protocols of the prostate have fields of view of 140 to some 260 mm, of the pelvis more
PROSTATE_SLICE_MM = (2.0, 4.0)  # and slices of about 3 mm; PI-RADS v2.1
ENOUGH_SLICES = 10

# What a repeat adds to the name of what it repeats.
_REPEAT = (
    r"([\W_]+(rep\w*|rpt|again|redo|new|neu|wdh|wiederh\w*|motion|bis|2nd|zweit\w*|abgebr\w*|abort\w*|stopp?\w*|incompl\w*"
    r"|[2-9]))+[\W_]*$"
)


@dataclass(frozen=True)
class Preference:
    """One reason to read one series rather than another.

    Attributes:
        key: what is smaller for the better series.
        why: the reason, for people; ``{0}`` and ``{1}`` are what ``shown`` says of the better and of the other.
        shown: a length in mm that the reason names.
    """

    key: Callable[[Series], Any]
    why: str
    shown: Callable[[Series], float] | None = None

    def reason(self, chosen: Series, rival: Series) -> str:
        """Why the one was preferred to the other."""
        return self.why.format(*(f"{self.shown(one):.3g} mm" for one in (chosen, rival))) if self.shown else self.why


def slice_mm(series: Series) -> float:
    """How thick the slices are, mm; how far apart, where the header does not say."""
    return series.first.thickness or series.step_mm


def has_odd_echo(series: Series) -> bool:
    """Whether the echo time is unusual for T2W."""
    echo_time = series.first.echo_time
    return bool(echo_time) and not USUAL_ECHO_MS[0] <= echo_time <= USUAL_ECHO_MS[1]


# Most important first; docs/input.md tells them in this order.
PREFERENCES = (
    Preference(lambda series: defect(series) is not None, "it is complete"),
    Preference(lambda series: series.plane != "axial", "its slices are axial"),
    Preference(lambda series: not is_known_t2w(series), "its name or timing says T2W"),
    Preference(lambda series: named_kind(series) is not None, "the name of the other speaks of another kind"),
    Preference(has_odd_echo, "its echo time is usual for T2W"),
    Preference(
        lambda series: series.field_mm > PROSTATE_FIELD_MM,
        "its field of view is that of a prostate protocol ({0}, not {1})",
        lambda series: series.field_mm,
    ),
    Preference(
        lambda series: not PROSTATE_SLICE_MM[0] <= round(slice_mm(series), 1) <= PROSTATE_SLICE_MM[1],
        "its slices are as thick as those of a prostate protocol ({0}, not {1})",
        slice_mm,
    ),
    Preference(is_single_shot, "it was not taken in single shots"),
    Preference(lambda series: dixon(series) == WATER, "the other is the water image of a Dixon series"),
    Preference(is_fat_suppressed, "it is not fat-suppressed"),
    Preference(is_reformatted, "it was not reformatted from another"),
    Preference(lambda series: series.cut_short, "it is the complete one of a repeat"),
    Preference(lambda series: series.slice_count < ENOUGH_SLICES, "it has slices enough"),
    Preference(is_uncorrected, "its distortion was corrected"),
    Preference(lambda series: max(round(series.field_mm, -1), PROSTATE_FIELD_MM), "its field of view is smaller"),
    Preference(lambda series: round(series.pixel_mm, 1), "its pixels are finer"),
    Preference(lambda series: round(series.field_mm, -1), "its field of view is smaller"),
    Preference(has_odd_words, "its name has no word for another kind"),
)


def ranked(fit: Sequence[Series]) -> list[Series]:
    """Axial T2W series, the best first; of equals the one that was acquired last, else that of the highest number.

    Args:
        fit: the series, in the order of their numbers.
    """
    fit = _with_repeats(fit)
    timed = all(map(_acquired, fit))
    numbers = list(dict.fromkeys(one.first.number for one in fit))
    later = sorted(
        fit,
        key=lambda one: (_acquired(one) if timed else "", numbers.index(one.first.number), _acquisition(one)),
        reverse=True,
    )
    return sorted(later, key=lambda one: [prefers.key(one) for prefers in PREFERENCES])


def reason(chosen: Series, rival: Series) -> str:
    """Why a series was preferred to another, for people."""
    for prefers in PREFERENCES:
        if prefers.key(chosen) != prefers.key(rival):
            return prefers.reason(chosen, rival)
    if _acquired(chosen) > _acquired(rival) > "":
        return "it was acquired later"
    if chosen.first.number == rival.first.number and _acquisition(chosen) > _acquisition(rival):
        return "its acquisition number is higher"
    return "its number is higher"


def are_equal(one: Series, other: Series) -> bool:
    """Whether nothing but order speaks for either."""
    return all(prefers.key(one) == prefers.key(other) for prefers in PREFERENCES)


def _acquired(series: Series) -> str:
    """Date and time of the acquisition, in an order that sorts; empty where unknown."""
    return series.first.acquired if re.fullmatch(r"\d{12,14}(\.\d+)?", series.first.acquired) else ""


def _acquisition(series: Series) -> int:
    """The acquisition number; 0 where there is none."""
    return int(series.first.acquisition) if re.fullmatch(r"[0-9]{1,12}", series.first.acquisition) else 0


def _with_repeats(fit: Sequence[Series]) -> list[Series]:
    """The series, those marked that have fewer slices than another of the same name and pixels."""
    alike: dict[tuple, list[int]] = defaultdict(list)
    for series in fit:
        alike[_protocol(series)].append(series.slice_count)
    return [replace(series, cut_short=series.slice_count < max(alike[_protocol(series)])) for series in fit]


def _protocol(series: Series) -> tuple:
    """What a repeat has in common with what it repeats."""
    name = re.sub(_REPEAT, "", series.first.description.strip().lower())
    return name, series.part, series.plane, round(series.pixel_mm, 2), round(slice_mm(series), 1)
