"""Images put together to series where each has a UID of its own, and taken apart where one UID stands for several.

Canon's classic DICOM gives every slice a series UID, anonymisers give every file new UIDs or all of a study one. What
is left tells then: study, series number, description, geometry, and what was measured how.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from proseg.dicom.headers import Header
from proseg.dicom.volumes import PARALLEL, SAME_PLACE_MM, Series, defect, steps

MIN_PART = 3  # fewer images are no volume, and no reason to take a series apart
MANY, MOST = 10, 0.75  # a volume among strays holds so many images, or this share of them
MOST_TRAITS = 4  # by so many one after the other images are taken apart; each more doubles the time and tells nothing
THICK_STEP_MM = 6.0  # slices farther apart than this, beside others in other planes, are a localiser's
PARTED = "Its images had several series UIDs, and were put together by series number, description and places."
CLOSEST = 0.9  # slices of one acquisition lie no nearer to each other than this share of their thickness
DISTANT_STEPS = 20  # an image farther than so many steps from all others is none of a series that lost slices
ALONE = "Its images had series UIDs of their own, and were put together by series number, description and geometry."

# What never differs within a volume: where it does, one UID stands for several series, or strays lie among the slices.
IDENTITY: tuple[tuple[str, Callable[[Header], Hashable]], ...] = (
    ("", lambda header: header.patient),
    ("", lambda header: (header.modality, header.sop_class, header.components)),
    ("", lambda header: (header.number, header.description)),
    ("frame of reference", lambda header: header.frame_of_reference),
)
MEASURED = ("echo time", "b-value")  # nor do these, but several of them make up many a series
# What tells the volumes in one series apart, in the order in which it is tried.
PARTS: tuple[tuple[str, Callable[[Header], Hashable]], ...] = (
    ("image type", lambda header: "/".join(header.image_type)),
    ("echo time", lambda header: header.echo_time),
    ("b-value", lambda header: header.b_value),
    ("sequence", lambda header: header.sequence_name),
    ("time", lambda header: header.time),
    ("acquisition", lambda header: header.acquisition),
    ("acquired", lambda header: header.acquired),
)


def put_together(groups: Iterable[list[Header]]) -> list[tuple[list[Header], str]]:
    """The images of each series UID, those of UIDs with one or two images joined where what is left says so.

    Args:
        groups: the images of each series.

    Returns:
        Images and, where they were joined, the sentence that tells so. Those joined bear the UIDs of the first, and
        where those of the study differed too, all of a patient's on one day are of one study.
    """
    whole, alone = [], []
    for group in groups:
        single = len(group) < MIN_PART and all(header.frame_count == 1 and not header.frame for header in group)
        (alone if single else whole).append(group)
    joined = _halves(whole)
    for key, has_to_fit in JOINED_BY:
        alike: dict[Hashable, list[list[Header]]] = defaultdict(list)
        for group in alone:
            alike[key(group[0])].append(group)
        alone = []
        for like in alike.values():
            for near in _by_geometry([group[0] for group in like]):
                own = [group for group in like if any(group[0] is header for header in near)]
                together = [header for group in own for header in group]
                if len(own) < MIN_PART or (has_to_fit and not _fit(together)):
                    alone += own
                else:
                    joined.append((_of_one_series(together), ALONE))
    return joined + [(group, "") for group in alone]


def _halves(groups: list[list[Header]]) -> list[tuple[list[Header], str]]:
    """Series, those joined that are parts of one volume, as where a UID is new for every folder: a sentence tells so.

    They agree in all but the UID, and their slices continue or fill each other at the distance of their thickness:
    repeats lie at the same places, or between.
    """
    alike: dict[Hashable, list[list[Header]]] = defaultdict(list)
    for group in groups:
        alike[(_study(group[0]), *_named(group[0]), _geometry(group[0]))].append(group)
    found: list[tuple[list[Header], str]] = []
    for like in alike.values():
        together = Series([header for group in like for header in group])
        together.sort()
        whole = len(like) > 1 and _is_sound(together) and not together.is_multi_frame
        if whole and 0 < (together.first.thickness or 0) <= together.step_mm / CLOSEST:
            found.append((_of_one_series(together.headers), PARTED))
        else:
            found += [(group, "") for group in like]
    return found


def _of_one_series(headers: list[Header]) -> list[Header]:
    """Images with the UIDs of the first; where those of the study differ too, a patient's of one day are one study."""
    first = headers[0]
    own = len({header.study for header in headers}) == 1
    study = first.study if own else f"{first.patient} {first.study_date}"
    return [replace(header, series=first.series, study=study) for header in headers]


def _study(header: Header) -> Hashable:
    return header.study


def _named(header: Header) -> tuple[str, ...]:
    return header.patient, header.study_date, header.modality, header.number, header.description


# By what images with UIDs of their own are joined, and whether a volume has to come of it: within a study; where its
# UID is new for every file too, wherever they lie, else within a folder, as elsewhere others may lie that were made
# nameless in the same way; and where the numbers are new for every file too, without these.
JOINED_BY: tuple[tuple[Callable[[Header], Hashable], bool], ...] = (
    (lambda header: (header.study, *_named(header)), False),
    (_named, True),
    (lambda header: (header.file.parent, *_named(header)), False),
    (lambda header: (header.study, *_named(replace(header, number=""))), True),
)


def _fit(headers: list[Header]) -> bool:
    """Whether images make a volume."""
    series = Series(list(headers))
    series.sort()
    return _is_sound(series)


def take_apart(headers: list[Header]) -> list[Series]:
    """The volumes in the images of one series, each sorted."""
    stacks: dict[Hashable, list[Header]] = defaultdict(list)
    for header in headers:  # only frames say which stack they belong to
        turned = tuple(round(cosine, 2) for cosine in header.orientation or ()) if header.frame else ()
        stacks[header.stack, turned].append(header)
    if min(map(len, stacks.values())) < MIN_PART:
        stacks = {("", ()): headers}
    return [
        part
        for (stack, _), members in stacks.items()
        for part in _parts(members, f"stack {stack}" if len(stacks) > 1 else "")
    ]


def _parts(headers: list[Header], name: str, first_trait: int = 0, traits_left: int = MOST_TRAITS) -> list[Series]:
    """Take images that make no volume apart by the first trait that leaves one, with or without strays beside it.

    What may differ by chance within a volume (``PARTS``) counts only where one of the parts fills nearly all places:
    else its slices would be torn out.
    """
    whole = Series(headers, part=name)
    whole.sort()
    if len(headers) <= MIN_PART or not traits_left or _is_sound(whole):
        return [whole]
    places = set(whole.places() or ())
    traits = (*IDENTITY, None, *PARTS)
    for number, trait in enumerate(traits[first_trait:], first_trait):
        groups = _by_trait(headers, trait)
        if len(groups) < 2 or max(len(group) for _, group in groups) < MIN_PART:
            continue
        parts = [
            part
            for words, group in groups
            for part in _parts(group, ", ".join(filter(None, (name, words))), number + 1, traits_left - 1)
        ]
        by_chance = trait in PARTS and trait[0] not in MEASURED
        if any(_is_volume(part, headers, places if by_chance else set(), trait is None) for part in parts):
            return parts
        fills = any(places and set(Series(group).places() or ()) == places for _, group in groups)
        if trait in PARTS and fills and min(len(group) for _, group in groups) >= MIN_PART:
            return parts
    return [whole]


def _by_trait(headers: list[Header], trait: tuple | None) -> list[tuple[str, list[Header]]]:
    """Images grouped by a trait, or for None by geometry; with words for people that tell each group."""
    if trait is None:
        groups = [part for group in _by_geometry(headers) for part in _without_distant(group)]
        return [(_geometry(group[0]), group) for group in groups]
    words, attribute = trait
    groups: dict[Hashable, list[Header]] = defaultdict(list)
    for header in headers:
        groups[attribute(header)].append(header)
    if words == "frame of reference":
        return [(f"{words} {number}", group) for number, group in enumerate(groups.values(), 1)]
    return [
        (f"{words} {f'{value:g}' if isinstance(value, float) else value or 'not told'}" if words else "", group)
        for value, group in groups.items()
    ]


def _is_sound(series: Series) -> bool:
    """Whether images make a volume as they are."""
    return series.places() is not None and defect(series) is None


def _is_volume(part: Series, of: Sequence[Header], places: set[int], turned: bool) -> bool:
    """Whether a part is a volume of its own, not some slices of one.

    Args:
        part: what is asked about.
        of: all images that it was taken from.
        places: the places of these that it has to fill, save a few strays' own.
        turned: whether it was told from the rest by its geometry alone.
    """
    own = len(part.headers)
    if own < MIN_PART or not (own >= MANY or own >= MOST * len(of)) or not _is_sound(part):
        return False
    if turned and part.step_mm > THICK_STEP_MM:
        return False
    return len(places - set(part.places() or ())) <= max(1, own // 10) if places else True


def _by_geometry(headers: Iterable[Header]) -> list[list[Header]]:
    """Images grouped by size, pixel spacing, orientation and whether they have a place, within what headers round."""
    groups: list[list[Header]] = []
    for header in headers:
        for group in groups:
            first = group[0]
            if (
                header.size == first.size
                and (header.position is None) == (first.position is None)
                and _near(header.orientation, first.orientation)
                and _near(header.spacing, first.spacing)
            ):
                group.append(header)
                break
        else:
            groups.append([header])
    return groups


def _without_distant(group: list[Header]) -> list[list[Header]]:
    """Images of one geometry, and apart from them the few that lie far beyond their ends, as a reference image does."""
    series = Series(list(group))
    series.sort()
    between = steps(series) if len(group) > MIN_PART and series.places() is not None else np.zeros(0)
    apart = between[between > SAME_PLACE_MM]
    if not apart.size:
        return [group]
    gaps = np.flatnonzero(between > DISTANT_STEPS * np.median(apart)) + 1
    first = max((gap for gap in gaps if gap < MIN_PART), default=0)
    last = min((gap for gap in gaps if len(group) - gap < MIN_PART), default=len(group))
    parts = series.headers[:first], series.headers[first:last], series.headers[last:]
    return [part for part in parts if part]


def _near(one: tuple[float, ...] | None, other: tuple[float, ...] | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.abs(np.subtract(one, other)).max() <= PARALLEL)


def _geometry(header: Header) -> str:
    """How an image lies and how large it is, in words."""
    return f"{Series([header]).plane or 'no orientation'}, {' × '.join(map(str, header.size[:2]))} pixels"
