"""Choosing the axial T2W series of a DICOM study, saying why, and reading it in the right order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from proseg.checks import CHOOSE_T2W, T2WImage, check_t2w, unusual_acquisition
from proseg.dicom_headers import Series, frame_positions, read_header, scan
from proseg.dicom_kinds import is_fat_suppressed, is_known_t2w, is_reformatted, unsuitable
from proseg.errors import InputError
from proseg.flags import QualityFlag, Severity
from proseg.imagefiles import load

DUPLICATE_MM = 0.01  # slices nearer than this are at the same position
UNEVEN_FLAGGED, UNEVEN_REFUSED = 0.02, 0.10  # how much a step may differ from the usual one, as a share of it
SIDEWAYS_MM = 1.0  # how far slices may be shifted against each other in-plane
SHORT_ECHO_MS = 60.0
LISTED = 8  # series named in one sentence

# What makes one axial T2W series preferable to another, most important first.
PREFERENCES = (
    (lambda series: defect(series) is not None, "it is complete"),
    (lambda series: not is_known_t2w(series), "its name or timing says T2W"),
    (is_fat_suppressed, "it is not fat-suppressed"),
    (is_reformatted, "it was not reformatted from another"),
    (lambda series: series.slice_count < 10, "it has slices enough"),
    (lambda series: round(series.pixel_mm, 1), "its pixels are finer"),
    (lambda series: round(series.field_mm, -1), "its field of view is smaller"),
)


def read_dicom(path: Path) -> T2WImage:
    """Read the axial T2W series of a folder, searched with the folders in it, or the series of one DICOM file.

    Returns:
        The image, slices along the normal from inferior to superior as far as the orientation allows, with notes
        naming the series read, why, and the others.

    Raises:
        InputError: no axial T2W series, several patients, or slices missing, doubled or at odds with each other.
    """
    found = scan(path if path.is_dir() else path.parent, deep=path.is_dir())
    series = found.series
    if not path.is_dir():
        wanted = read_header(path)
        series = [one for one in series if wanted and wanted.series == one.first.series]
    if not series:
        raise InputError(
            f"{path} holds no readable DICOM image.",
            "Give the folder of the axial T2W series, or the image file itself.",
        )
    chosen, notes, flags = choose(series, path)
    if found.copies:
        notes.append(f"Passed over {found.copies} copies of files read already.")
    image = check_t2w(_read(chosen, path), f"Series {chosen.name} in {path}")
    return replace(image, source=path, notes=tuple(notes), flags=(*flags, *_oddities(chosen), *image.flags))


def choose(series: list[Series], path: Path) -> tuple[Series, list[str], list[QualityFlag]]:
    """The axial T2W series to read, with sentences on why and on the others.

    Raises:
        InputError: there is none, they are of several patients or studies, or the best one cannot be read.
    """
    reasons = [unsuitable(one) for one in series]
    fit = sorted(
        (one for one, reason in zip(series, reasons, strict=True) if reason is None),
        key=lambda one: ([prefers(one) for prefers, _ in PREFERENCES], -series.index(one)),
    )
    others = [f"{one.name} ({reason})" for one, reason in zip(series, reasons, strict=True) if reason is not None]
    if not fit:
        if len(series) == 1:
            raise InputError(f"Series {series[0].name} in {path} is {reasons[0]}.", CHOOSE_T2W)
        raise InputError(f"None of the {len(series)} series in {path} is axial T2W: {_list(others)}.", CHOOSE_T2W)
    for what in ("patient", "study"):
        if (count := len({getattr(one.first, what) for one in fit})) > 1:
            plural = {"patient": "patients", "study": "studies"}[what]
            raise InputError(f"{path} holds axial T2W series of {count} {plural}.", f"Give the folder of one {what}.")
    chosen, *rivals = fit
    if problem := defect(chosen):
        raise InputError(f"Series {chosen.name} in {path} {problem}.", "Export the series again, complete and alone.")
    return chosen, _explain(chosen, rivals, others), _ambiguity(chosen, rivals)


def _explain(chosen: Series, rivals: list[Series], others: list[str]) -> list[str]:
    """Why this series, and what became of the rest."""
    details = [f"{chosen.slice_count} slices"]
    if chosen.first.echo_time:
        details.append(f"echo time {chosen.first.echo_time:g} ms")
    notes = [f"Read series {chosen.name}: axial T2W, {', '.join(details)}."]
    for rival in rivals[:LISTED]:
        better = (why for prefers, why in PREFERENCES if prefers(chosen) != prefers(rival))
        notes.append(f"Preferred it to series {rival.name} because {next(better, 'its number is higher')}.")
    if others and not rivals:
        notes.append("It is the only axial T2W series here.")
    if others:
        notes.append(f"Set aside: {_list(others)}.")
    return notes


def _ambiguity(chosen: Series, rivals: list[Series]) -> list[QualityFlag]:
    """Flag that another series would have done as well."""
    equal = [one.name for one in rivals if all(prefers(one) == prefers(chosen) for prefers, _ in PREFERENCES)]
    if not equal:
        return []
    sentence = f"Read series {chosen.name}, but {_list(equal)} would serve as well: check which is the better one."
    return [QualityFlag("series_ambiguous", Severity.WARNING, sentence)]


def defect(series: Series) -> str | None:
    """What keeps the slices of a series from making a volume, as the rest of a sentence; None if nothing does."""
    headers = series.headers
    if series.damaged:
        return f"has damaged files ({series.damaged} of {series.damaged + len(headers)})"
    if series.is_multi_frame:
        return None
    if any(header.size[2:] > (1,) for header in headers):
        return "is spread over several multi-frame files"
    if any(header.position is None or not header.spacing or min(header.spacing) <= 0 for header in headers):
        return "lacks slice positions or pixel spacing"
    if len({header.size[:2] for header in headers}) > 1 or _spread([header.spacing for header in headers]) > 1e-3:
        return "has slices of different sizes"
    if len(headers) < 2:
        return None
    steps = _steps(series)
    repeated = int((steps < DUPLICATE_MM).sum())
    if repeated:
        return f"has several images at one position ({len(headers)} images at {len(headers) - repeated} positions)"
    usual = float(np.median(steps))
    if steps.max() > 1.5 * usual:
        return f"lacks slices: a gap of {steps.max():.3g} mm where slices are {usual:.3g} mm apart"
    if np.abs(steps - usual).max() > UNEVEN_REFUSED * usual:
        return f"has unevenly spaced slices ({steps.min():.3g} to {steps.max():.3g} mm apart)"
    offsets = np.array([header.position for header in headers]) - headers[0].position
    sideways = offsets - np.outer(offsets @ series.normal, series.normal)
    if np.linalg.norm(sideways, axis=1).max() > SIDEWAYS_MM:
        return "has slices shifted sideways against each other"
    return None


def _read(series: Series, path: Path) -> sitk.Image:
    """The volume of a series without defects; slice spacing is the mean of the steps."""
    name = f"Series {series.name} in {path}"
    image = load([header.file for header in series.headers], name)
    if len(series.headers) > 1:
        image.SetSpacing((*image.GetSpacing()[:2], float(_steps(series).mean())))
    positions = frame_positions(series.first.file) if series.is_multi_frame else [h.position for h in series.headers]
    grid = [image.TransformIndexToPhysicalPoint((0, 0, k)) for k in range(image.GetSize()[2])]
    # GDCM takes a spacing of 1 mm where the frames of a file are unevenly spaced, and says nothing.
    if len(positions) != len(grid) or np.abs(np.subtract(positions, grid)).max() > image.GetSpacing()[2] / 2:
        raise InputError(f"{name} has slices out of order or unevenly spaced.", "Export it as single-frame DICOM.")
    return image


def _oddities(series: Series) -> list[QualityFlag]:
    """Flags that only the DICOM header can raise."""
    flags = []
    echo_time = series.first.echo_time
    if not is_known_t2w(series):
        sentence = "Nothing in the DICOM header says that this is T2W: check that it is."
        flags.append(QualityFlag("contrast_unconfirmed", Severity.WARNING, sentence))
    oddities = []
    if echo_time and echo_time < SHORT_ECHO_MS:
        oddities.append(f"the echo time is only {echo_time:g} ms")
    if is_fat_suppressed(series):
        oddities.append("fat is suppressed")
    if oddities:
        flags.append(unusual_acquisition(oddities))
    if len(series.headers) > 2:
        steps = _steps(series)
        uneven = np.abs(steps - np.median(steps))
        if uneven.max() > UNEVEN_FLAGGED * np.median(steps):
            flags.append(
                QualityFlag(
                    "uneven_spacing",
                    Severity.WARNING,
                    f"Slices lie {steps.min():.3g} to {steps.max():.3g} mm apart, taken as {steps.mean():.3g} mm.",
                    (int(uneven.argmax()), int(uneven.argmax()) + 1),
                )
            )
    return flags


def _steps(series: Series) -> np.ndarray:
    """Distances between neighbouring slices along the normal, mm."""
    return np.diff([float(np.dot(header.position, series.normal)) for header in series.headers])


def _spread(rows: list[tuple[float, ...]]) -> float:
    """The largest difference between rows of numbers."""
    return float(np.ptp(np.array(rows), axis=0).max())


def _list(names: list[str]) -> str:
    """Names as a list for people, shortened."""
    rest = len(names) - LISTED
    return "; ".join(names[:LISTED]) + (f"; and {rest} more" if rest > 0 else "")
