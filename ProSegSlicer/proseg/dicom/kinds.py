"""What kind of series a DICOM header describes, as far as it says.

Attributes are those of DICOM PS3.3: Image Type (C.7.6.1.1.2, C.8.3.1.1.1), Scanning Sequence, echo and repetition time
(C.8.3.1), diffusion b-value (C.8.13.5.9), SOP class. Vendors leave much to the free-text description, so its words
count too; they are matched whole, so that "t2_tse_tra" is three words.
"""

from __future__ import annotations

import re

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

T2_MIN_ECHO_MS, T2_MIN_REPETITION_MS = 60.0, 1500.0
T1_MAX_ECHO_MS, T1_MAX_REPETITION_MS = 30.0, 1000.0

PD = "proton-density-weighted"

# Kind, then words of the description, then Image Type values that give it away.
KINDS = (
    ("a localiser", r"loc|localizer|localiser|scout|survey|plan|calibration|smartbrain", {"LOCALIZER"}),
    ("an ADC map", r"d?adc|eadc|apparent", {"ADC", "ADC_UNSPECIFIED", "EADC"}),
    (
        "diffusion-weighted",
        r"e?dwi|dwibs|diff\w*|trace\w*|ep2d|epi|resolve|ivim|dti|dki|b[0-9]{1,4}|bval\w*",
        {"DIFFUSION", "TRACEW", "DWI"},
    ),
    (
        "dynamic contrast-enhanced",
        r"dce|dyn\w*|perf\w*|twist|ktrans|kep|iauc|sub|subtraction|wash(in|out)",
        {"PERFUSION"},
    ),
    ("T1-weighted", r"t1\w*|vibe|lava|thrive|flash|spgr|fspgr|mprage", {"T1"}),
    (PD, r"pd|pdw|proton", {"PROTON_DENSITY"}),
    (
        "a T2* series or a map",
        r"t2star|t2\*|swi|swan|map|maps|t2map|t2maps|fieldmap|spectro\w*|mip",
        {"T2 MAP", "T1 MAP"},
    ),
    ("a projection", r"projection", {"MIP", "MINIP", "PROJECTION IMAGE", "MAX_IP", "MIN_IP"}),
    ("a phase image", r"phase (image|map)", {"P", "PHASE MAP", "PHASE"}),
)
FAT_SUPPRESSED = r"stir|tirm|fs|fatsat|spair|spir|dixon|fat"
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
        return "a localiser"
    if series.is_mixed:
        return "of slices in mixed orientations, like a localiser"
    if kind := _kind(series):
        return kind
    if reason := without_places(first):
        return reason
    if series.plane is None:
        return "without orientation, like a screen capture"
    if series.plane != "axial":
        return series.plane
    return None


def _kind(series: Series) -> str | None:
    """The kind of contrast or purpose other than T2W that any sign in the header gives away."""
    first = series.first
    late = (first.echo_time or 0) >= T2_MIN_ECHO_MS
    for kind, words, types in KINDS:
        said = _says(series, words) and not (kind == PD and late and _says(series, NAMED_T2))  # two echoes, two names
        if types & set(first.image_type) or said:
            return kind
    if any((header.b_value or 0) > 0 for header in series.headers) or "EP" in first.sequence:
        return "diffusion-weighted"
    if "GR" in first.sequence and "SE" not in first.sequence:
        return "a gradient-echo series"
    if (series.part or not _says(series, NAMED_T2)) and (
        0 < (first.echo_time or 0) < T1_MAX_ECHO_MS or 0 < (first.repetition_time or 0) < T1_MAX_REPETITION_MS
    ):
        times = ", ".join(
            f"{what} {value:g} ms"
            for what, value in (("echo time", first.echo_time), ("repetition time", first.repetition_time))
            if value
        )
        return f"not T2-weighted by its {times}"
    return None


def is_known_t2w(series: Series) -> bool:
    """Whether the description or echo and repetition times say T2W."""
    first = series.first
    return _says(series, NAMED_T2) or (
        (first.echo_time or 0) >= T2_MIN_ECHO_MS and (first.repetition_time or 0) >= T2_MIN_REPETITION_MS
    )


def is_fat_suppressed(series: Series) -> bool:
    """Whether the description says that fat is suppressed, or that it is a fat image."""
    return _says(series, FAT_SUPPRESSED)


def is_reformatted(series: Series) -> bool:
    """Whether the images were computed from another series by multiplanar reformatting."""
    return bool({"MPR", "REFORMATTED"} & set(series.first.image_type)) or _says(series, "mpr|reformat|reformatted")


def _says(series: Series, words: str) -> bool:
    """Whether the description has a whole word that matches the pattern."""
    return re.search(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9*])", series.first.description.lower()) is not None
