"""What became of fat in a series: suppressed, or parted from water by Dixon's method, as tags or else words say.

Tags: Image Type (values of Philips, Siemens and GE), Scan Options and inversion time (DICOM PS3.3 C.8.3.1). Words:
those that vendors and technologists put into the description and the sequence's name.
"""

from __future__ import annotations

import re
import unicodedata

from proseg.dicom.volumes import Series

IN_PHASE, OPPOSED, WATER, FAT = "in-phase", "opposed-phase", "water", "fat"

_TYPES = {
    IN_PHASE: {"IP", "IN_PHASE", "INPHASE"},
    OPPOSED: {"OP", "OPP", "OPP_PHASE", "OPPOSED_PHASE", "OUT_PHASE", "OUTPHASE", "OUT_OF_PHASE", "OPPPHASE"},
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
_DIXON = r"m?dix(on)?|ideal|flex|wfi|wfs|wfop"
_AFTER = r"([\W_]+(nd|dis[23]d|dc|\d+))*$"  # what may stand behind the last word

# Fat and its suppression in the languages of descriptions, without accents.
_FAT = r"(fat|fett[a-z]*|graisses?|grasas?|grasso|gordura|vet(?=sat|sup|onder)|жир[^\W_]*|脂肪?)"
_AWAY = r"(sat|sup|sop|unterdr|gesat|onderdr|подав|压|抑|飽)[^\W_]*"
_WAY = r"(fs|f[/.]s|tirm|stir|a?spair|a?spir|chess|chemsat|proset|wats|(water|wasser)[\W_]?(exc|anr)[a-z]*)"
_TO_FAT = rf"{_AWAY}([\W_]*(of|de|del|della|da|di)(?![a-z]))?[\W_]*{_FAT}"
_SUPPRESSED = (
    rf"{_WAY}(\d+mm)?|tfs|fst2|m?dixon|{_FAT}([\W_]*{_AWAY})?|{_TO_FAT}"
    r"|t2\w*?(fs|spair|spir|stir)|(tse|fse|frfse)(fs|spair|spir|stir)"
)
_NO = r"(non|not|no|without|w[\W_]?o|w/out|ohne|keine?|sans|sin|senza|sem|zonder|geen|bez|utan|ikke|без|[无無不非])"
_IT = rf"({_TO_FAT}|{_FAT}[a-z]*|{_WAY}|supp?[a-z]*)([\W_]*{_AWAY})?"
_NOT_SUPPRESSED = rf"{_NO}[\W_]*{_IT}|n[\W_]?fs|({_FAT}|{_WAY})([\W_]*{_AWAY})?[\W_]*(off|none|aus|no$)"
_SCAN_OPTIONS = {"FS", "FATSAT", "FAT_SAT", "FAT SAT", "SPAIR", "SPIR", "STIR", "CHEMSAT"}
_STIR_MS = (100.0, 300.0)  # inversion times at which the signal of fat is nil


def dixon(series: Series) -> str | None:
    """Which of the images of a Dixon series these are; None if they are of another kind, or nothing says which."""
    values = {re.sub(r"[ -]+", "_", value) for value in series.first.image_type[2:]}
    said = [kind for kind, types in _TYPES.items() if types & values]
    if len(said) == 1:
        return said[0]
    name = re.sub(_TO_FAT, "fs", _name(series))  # "sat fat" is no image of fat
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
    return _has(_SUPPRESSED, _name(series))


def _name(series: Series) -> str:
    """The description in lower case without accents, and without "NON FS", "w/o fat sat" and the like."""
    parts = unicodedata.normalize("NFKD", series.first.description.lower())
    name = unicodedata.normalize("NFC", "".join(part for part in parts if not unicodedata.combining(part)))
    return re.sub(rf"(?<![a-z0-9])({_NOT_SUPPRESSED})(?![a-z0-9])", " ", name)


def _has(words: str, name: str) -> bool:
    return re.search(rf"(?<![a-z0-9])({words})(?![a-z0-9])", name) is not None
