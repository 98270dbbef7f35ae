"""What became of fat in a series: suppressed, or parted from water by Dixon's method, as tags or else words say.

Tags: Image Type (values of Philips, Siemens and GE), Scan Options and inversion time (DICOM PS3.3 C.8.3.1). Words:
those that vendors and technologists put into the description and the sequence's name.
"""

from __future__ import annotations

import re

from proseg.dicom.volumes import Series

IN_PHASE, OPPOSED, WATER, FAT = "in-phase", "opposed-phase", "water", "fat"

_TYPES = {
    IN_PHASE: {"IP", "IN_PHASE", "INPHASE", "IN PHASE"},
    OPPOSED: {"OP", "OPP", "OPP_PHASE", "OPPOSED_PHASE", "OUT_PHASE", "OUTPHASE", "OUT PHASE", "OPP PHASE"},
    WATER: {"W", "WATER"},
    FAT: {"F", "FAT"},
}
_LONG = {  # words that say it wherever they stand first or last
    IN_PHASE: r"in[\W_]?phase|inph",
    OPPOSED: r"(out|opp|opposed)[\W_]?(of[\W_]?)?phase|opposed|opp",
    WATER: r"water([\W_]?(only|image|images))?|wat",
    FAT: r"fat([\W_]?(only|image|images))?",
}
_SHORT = {IN_PHASE: r"in|ip", OPPOSED: r"out|op|oop", WATER: r"w|wo", FAT: r"f|fo"}  # last, after an underscore
_DIXON = r"m?dix(on)?|ideal|flex"
_AFTER = r"([\W_]+(nd|dis[23]d|dc|\d+))*$"  # what may stand behind the last word

_SUPPRESSED = (
    r"stir|tirm|fs|tfs|fat[\W_]?sat\w*|fat[\W_]?sup\w*|spair|spir|chemsat|proset|wats|m?dixon|fat|fett\w*"
    r"|t2\w*?(fs|spair|spir|stir)|(tse|fse|frfse)(fs|spair|spir|stir)"
)
_NO, _IT = r"(non|not|no|without|w[\W_]?o|w/out|ohne|sans|sin|senza|zonder)", r"(fs|fat\w*|spair|spir|stir|supp?\w*)"
_NOT_SUPPRESSED = (
    rf"{_NO}[\W_]*{_IT}([\W_]*(sat\w*|sup\w*))?|n[\W_]?fs|(fs|fat[\W_]?sat\w*|fat[\W_]?sup\w*|spair)[\W_]*(off|none)"
)
_SCAN_OPTIONS = {"FS", "FATSAT", "FAT_SAT", "FAT SAT", "SPAIR", "SPIR", "STIR", "CHEMSAT"}
_STIR_MS = (100.0, 300.0)  # inversion times at which the signal of fat is nil


def dixon(series: Series) -> str | None:
    """Which of the images of a Dixon series these are; None if they are of another kind, or nothing says which."""
    said = [kind for kind, types in _TYPES.items() if types & set(series.first.image_type[2:])]
    if len(said) == 1:
        return said[0]
    name = _without_negated(series.first.description.lower())
    is_dixon = _has(_DIXON, name)
    return _component(name, is_dixon) or _component(series.first.sequence_name.lower(), is_dixon)


def _component(name: str, is_dixon: bool) -> str | None:
    """The component that a name gives away; anywhere in it where it is known to be a Dixon series."""
    for kind in _TYPES:
        if is_dixon and _has(rf"{_LONG[kind]}|{_SHORT[kind]}", name):
            return kind
        first, last = rf"^\W*({_LONG[kind]})[\W_]*:", rf"[\W_]({_LONG[kind]}){_AFTER}"
        short = rf"(?<!t[12])(?<!pd)_({_SHORT[kind]}){_AFTER}"
        if any(re.search(words, name) for words in (first, last, short)):
            return kind
    return None


def is_fat_suppressed(series: Series) -> bool:
    """Whether tags, or else the description, say that fat is suppressed or parted from the water that is seen."""
    first, (low, high) = series.first, _STIR_MS
    component = dixon(series)
    if component is not None:
        return component in (WATER, FAT)
    if _SCAN_OPTIONS & set(first.scan_options) or ("IR" in first.sequence and low < (first.inversion_time or 0) < high):
        return True
    return _has(_SUPPRESSED, _without_negated(first.description.lower()))


def _without_negated(name: str) -> str:
    """A name without "NON FS", "w/o fat sat" and the like."""
    return re.sub(rf"(?<![a-z0-9])({_NOT_SUPPRESSED})(?![a-z0-9])", " ", name)


def _has(words: str, name: str) -> bool:
    return re.search(rf"(?<![a-z0-9])({words})(?![a-z0-9])", name) is not None
