"""What kind of series a DICOM header describes, as far as it says.

Attributes are those of DICOM PS3.3: Image Type (C.7.6.1.1.2, C.8.3.1.1.1), Scanning Sequence, echo and repetition time
(C.8.3.1), diffusion b-value (C.8.13.5.9), SOP class. Vendors leave much to the free-text description, so its words
count too, some of them only where tags do not tell; they are matched whole, so that "t2_tse_tra" is three words.
"""

from __future__ import annotations

import re

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

# Kind, then words of the description, words that count only where tags do not say T2W, and values of Image Type.
KINDS = (
    (
        LOCALISER,
        r"localizer|localiser|calibration|smartbrain",
        r"loc|scout|survey|plan|3[\W_]?plane",
        {"LOCALIZER", "REFERENCE"},
    ),
    ("a screen capture", r"screen ?(save|shot|capture)", "", {"SCREEN SAVE", "SCREENSAVE", "SCREEN CAPTURE"}),
    ("an ADC map", r"d?adc|eadc|apparent", "", {"ADC", "ADC_UNSPECIFIED", "EADC"}),
    (
        "diffusion-weighted",
        r"e?dwi|dwibs|diff\w*|trace\w*|ep2d|epi|resolve|ivim|dti|dki|b[0-9]{2,4}|bval\w*",
        r"b[0-9]",
        {"DIFFUSION", "TRACEW", "DWI"},
    ),
    (
        "dynamic contrast-enhanced",
        r"dce|dyn\w*|perf\w*|twist|ktrans|kep|iauc|subtraction|wash(in|out)",
        r"sub",
        {"PERFUSION", "SUBTRACTION", "SUBTRACT"},
    ),
    ("T1-weighted", "", r"t1\w*|vibe|lava|thrive|flash|spgr|fspgr|mprage", {"T1"}),
    ("proton-density-weighted", "", r"pd|pdw|proton", {"PROTON_DENSITY"}),
    (
        "a T2* series or a map",
        r"t2star|t2\*|swi|swan|map|maps|t2map|t2maps|fieldmap|spectro\w*|mip",
        "",
        {"T2 MAP", "T1 MAP", "T2_STAR", "R2_STAR", "FAT_FRACTION", "WATER_FRACTION", "FF"},
    ),
    ("a projection", r"projection", "", {"MIP", "MINIP", "PROJECTION IMAGE", "MAX_IP", "MIN_IP"}),
    ("a phase image", r"phase (image|map)", "", {"P", "PHASE MAP", "PHASE"}),
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
    timed, shaped = _is_timed_as_t2w(series), _is_shaped_as_volume(series)
    for kind, words, weak, types in KINDS:
        doubtful = not timed or (kind == LOCALISER and not shaped)
        if types & set(first.image_type) or _says(series, words) or (doubtful and _says(series, weak)):
            return kind
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
