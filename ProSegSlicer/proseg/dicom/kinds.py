"""What kind of series a DICOM header describes, as far as it says.

Attributes are those of DICOM PS3.3: Image Type (C.7.6.1.1.2, C.8.3.1.1.1), Scanning Sequence, echo and repetition time
(C.8.3.1), diffusion b-value (C.8.13.5.9), SOP class. Vendors leave much to the free-text description, so its words
count too, some of them only where tags do not tell; they are matched whole, so that "t2_tse_tra" is three words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from proseg.dicom.fat import FAT, OPPOSED, dixon
from proseg.dicom.gather import MANY, MIN_PART, THICK_STEP_MM
from proseg.dicom.multiframe import without_places
from proseg.dicom.volumes import Series

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # and its multi-frame kinds, "….7.1" to "….7.4"
MODALITIES = {
    "CT": "a CT series",
    "PT": "a PET series",
    "US": "an ultrasound series",
    "SEG": "a segmentation",
    "RTDOSE": "a dose map",
}
LOCALISER = "a localiser"
NO_ORIENTATION = "without orientation: Image Orientation (Patient) (0020,0037) is missing or not valid"

T2_MIN_ECHO_MS, T2_MIN_REPETITION_MS = 60.0, 1500.0
T1_MAX_ECHO_MS, T1_MAX_REPETITION_MS = 30.0, 1000.0


@dataclass(frozen=True)
class Kind:
    """A contrast or purpose other than T2W, and what gives it away: patterns of words, and values of Image Type.

    Attributes:
        name: for people.
        sure: words of the description that decide.
        words: those that decide unless the description names T2W as well and all tags agree: "T2 before DWI".
        weak: those that count only where tags do not say T2W.
        types: values of Image Type, which decide.
    """

    name: str
    sure: str = ""
    words: str = ""
    weak: str = ""
    types: frozenset[str] = frozenset()


KINDS = (
    Kind(
        LOCALISER,
        words=r"localizer|localiser|calibration|smartbrain",
        weak=r"loc|scout|survey|plan|3[\W_]?plane",
        types=frozenset({"LOCALIZER", "REFERENCE"}),
    ),
    Kind(
        "a screen capture",
        r"screen ?(save|shot|capture)",
        types=frozenset({"SCREEN SAVE", "SCREENSAVE", "SCREEN CAPTURE"}),
    ),
    Kind("an ADC map", words=r"d?adc|eadc|apparent", types=frozenset({"ADC", "ADC_UNSPECIFIED", "EADC"})),
    Kind(
        "diffusion-weighted",
        r"ep2d\w*|dwibs|ivim|dti|dki",
        r"e?dwi|diff|diff?us\w*|traces?|tracew|epi|resolve|reveal|b[0-9]{2,4}|bval\w*|high[\W_]?b",
        r"b[0-9]",
        frozenset({"DIFFUSION", "TRACEW", "DWI"}),
    ),
    Kind(
        "dynamic contrast-enhanced",
        r"twist|ktrans|kep|iauc|subtraction",
        r"dce|dyn\w*|perf|perfus\w*|wash(in|out)",
        r"sub",
        frozenset({"PERFUSION", "SUBTRACTION", "SUBTRACT"}),
    ),
    Kind("T1-weighted", weak=r"t1\w*|vibe|lava|thrive|flash|spgr|fspgr|mprage", types=frozenset({"T1"})),
    Kind("proton-density-weighted", weak=r"pd|pdw|proton", types=frozenset({"PROTON_DENSITY"})),
    Kind(
        "a T2* series or a map",
        r"t2star|t2\*|swi|swan|t2[\W_]?map\w*|mapit|relaxometry|fieldmap|spectro\w*|mip",
        r"maps?|mapping",
        types=frozenset({"T2 MAP", "T1 MAP", "T2_STAR", "R2_STAR", "FAT_FRACTION", "WATER_FRACTION", "FF"}),
    ),
    Kind("a projection", r"projection", types=frozenset({"MIP", "MINIP", "PROJECTION IMAGE", "MAX_IP", "MIN_IP"})),
    Kind("a phase image", r"phase (image|map)", types=frozenset({"P", "PHASE MAP", "PHASE"})),
)
NAMED_T2 = r"t2|t2w\w*|t2[a-z_]*(tse|fse|spc|space)\w*|frfse|t2weighted"


def unsuitable(series: Series) -> str | None:
    """What a series is instead of axial T2W (``"sagittal"``, ``"an ADC map"``); None if nothing speaks against it."""
    first = series.first
    if first.modality not in ("", "MR"):
        return MODALITIES.get(first.modality, f"of modality {first.modality}, not MR")
    if first.components > 1:
        return "in colour"
    if first.sop_class == SECONDARY_CAPTURE or first.sop_class.startswith(SECONDARY_CAPTURE + "."):
        return "a secondary capture"
    if "LOCALIZER" in first.image_type:
        return LOCALISER
    if series.is_mixed:
        return "of slices in mixed orientations, like a localiser"
    if kind := _kind(series):
        return kind
    if reason := without_places(first):
        return reason
    if series.plane is None:
        return NO_ORIENTATION
    if series.plane != "axial" and not series.is_isotropic:
        return series.plane
    if series.part and series.slice_count < MIN_PART:
        return "no volume: one image" if series.slice_count == 1 else "no volume: two images"
    return None


def _kind(series: Series) -> str | None:
    """The kind of contrast or purpose other than T2W that any sign in the header gives away."""
    first = series.first
    for kind in KINDS:
        if kind.types & set(first.image_type) or _says(series, kind.sure):
            return kind.name
        if said := _said_in_passing(series, kind):
            overruled = _is_timed_as_t2w(series) and (kind.name != LOCALISER or _is_shaped_as_volume(series))
            if not overruled or (said == kind.words and not _is_t2w_throughout(series)):
                return kind.name
    if any((header.b_value or 0) > 0 for header in series.headers) or "EP" in first.sequence:
        return "diffusion-weighted"
    if "GR" in first.sequence and "SE" not in first.sequence:
        return "a gradient-echo series"
    if (component := dixon(series)) in (FAT, OPPOSED):
        return f"the {component} images of a Dixon series"
    short = 0 < (first.echo_time or 0) < T1_MAX_ECHO_MS, 0 < (first.repetition_time or 0) < T1_MAX_REPETITION_MS
    if all(short) or (any(short) and (series.part or not _says(series, NAMED_T2))):
        times = ", ".join(
            f"{what} {value:g} ms"
            for what, value in (("echo time", first.echo_time), ("repetition time", first.repetition_time))
            if value
        )
        return f"not T2-weighted by its {times}"
    return None


def named_kind(series: Series) -> str | None:
    """The kind that strong words of the description speak of, although the tags of T2W overrule them."""
    return next((kind.name for kind in KINDS if _says(series, kind.words)), None)


def has_odd_words(series: Series) -> bool:
    """Whether any word of the description speaks of another kind, be it ever so weak."""
    return any(_said_in_passing(series, kind) for kind in KINDS)


def _said_in_passing(series: Series, kind: Kind) -> str:
    """Those words of a kind that the description has, and that tags may overrule."""
    return next((words for words in (kind.words, kind.weak) if _says(series, words)), "")


def _is_t2w_throughout(series: Series) -> bool:
    """Whether name, times, sequence and Image Type all say T2W of images as they were acquired."""
    first = series.first
    original = first.image_type[:2] == ("ORIGINAL", "PRIMARY")
    spin_echo = "SE" in first.sequence and not is_single_shot(series)
    return _says(series, NAMED_T2) and _is_timed_as_t2w(series) and spin_echo and original


def _is_timed_as_t2w(series: Series) -> bool:
    """Whether echo and repetition time are those of T2W, and neither sequence nor b-value speaks against it."""
    first = series.first
    return (
        (first.echo_time or 0) >= T2_MIN_ECHO_MS
        and (first.repetition_time or 0) >= T2_MIN_REPETITION_MS
        and not {"EP", "GR"} & set(first.sequence)
        and not any((header.b_value or 0) > 0 for header in series.headers)
    )


def _is_shaped_as_volume(series: Series) -> bool:
    """Whether there are as many slices, as near to each other, as no localiser has."""
    return series.slice_count >= MANY and series.step_mm <= THICK_STEP_MM


def is_known_t2w(series: Series) -> bool:
    """Whether the description or echo and repetition times say T2W."""
    first = series.first
    return _says(series, NAMED_T2) or (
        (first.echo_time or 0) >= T2_MIN_ECHO_MS and (first.repetition_time or 0) >= T2_MIN_REPETITION_MS
    )


def is_reformatted(series: Series) -> bool:
    """Whether the images were computed from another series, by multiplanar reformatting or otherwise."""
    types = {"MPR", "REFORMATTED", "SECONDARY"} & set(series.first.image_type)
    return bool(types) or _says(series, "mpr|reformat|reformatted")


def is_single_shot(series: Series) -> bool:
    """Whether each slice was taken in one shot, which blurs it."""
    return _says(series, r"haste|ss[\W_]?(fse|tse)|ssh[\W_]?\w*|single[\W_]?shot|fase|ufse")


def is_uncorrected(series: Series) -> bool:
    """Whether the images say that their distortion was not corrected (Siemens writes both, as "_ND" and without)."""
    types = set(series.first.image_type)
    corrected = types & {"DIS2D", "DIS3D"} or _says(series, "dis[23]d")
    return not corrected and ("ND" in types or _says(series, "nd"))


def _says(series: Series, words: str) -> bool:
    """Whether the description has a whole word that matches the pattern."""
    if not words:
        return False
    return re.search(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9*])", series.first.description.lower()) is not None
