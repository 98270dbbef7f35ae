"""Choosing the axial T2W series of a DICOM study, saying why, and reading it in the right order."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from proseg.dicom.fat import is_fat_suppressed
from proseg.dicom.headers import read_header
from proseg.dicom.kinds import NO_ORIENTATION, T2_MIN_ECHO_MS, is_known_t2w, named_kind, unsuitable
from proseg.dicom.meta import DICOMDIR, file_meta, head_of, packing
from proseg.dicom.multiframe import write_frames
from proseg.dicom.prefer import are_equal, ranked, reason
from proseg.dicom.scan import Folder, scan
from proseg.dicom.volumes import Series, defect, has_places, steps
from proseg.errors import InputError
from proseg.flags import QualityFlag, Severity
from proseg.images.checks import CHOOSE_T2W, T2WImage, check_t2w, unusual_acquisition
from proseg.images.files import load
from proseg.system.temporary import private_folder

UNEVEN_FLAGGED = 0.02  # how much a step may differ from the usual one, as a share of it
LISTED = 8  # series named in one sentence
EXPORT_ORIENTED = (
    "Export it again from the scanner or archive with its orientation, which some anonymisers remove: "
    "without it nothing tells left from right."
)
EXPORT_PLACED = (
    "Export it again from the scanner or archive with what it lost, which some anonymisers remove or change."
)
EXPORT_WHOLE = "Export the series again, complete and alone."
LOOK_AGAIN = "Export or copy it again, and check that you may read all of it."
WRITE_ANEW = "Export it again, or write it anew with a DICOM toolkit (dcmconv of DCMTK, gdcmconv of GDCM, pydicom)."
UNPACK = "Export it uncompressed, or as JPEG lossless, JPEG-LS, JPEG 2000 or RLE."


def read_dicom(path: Path, shown: str = "") -> T2WImage:
    """Read the axial T2W series of a folder, searched with the folders in it, or the series of one DICOM file.

    Args:
        path: the folder; a DICOMDIR, which stands for its folder; or a file, whose series is read from its folder.
        shown: what notes and errors call the path, if not by itself.

    Returns:
        The image, slices along the normal from inferior to superior as far as the orientation allows, with notes
        naming the series read, why, and the others, and with the files that it was read from.

    Raises:
        InputError: no axial T2W series, several patients, or slices missing, doubled or at odds with each other.
    """
    shown = shown or str(path)
    place = path
    if not path.is_dir() and (path.name.upper() == "DICOMDIR" or file_meta(head_of(path)).get(0x0002) == DICOMDIR):
        place = path.parent
    found = scan(place if place.is_dir() else place.parent, deep=place.is_dir())
    series = found.series
    if not place.is_dir():
        wanted = read_header(path)
        instance = wanted.instance if wanted else None
        own = {_identity(one) for one in series if instance in [header.instance for header in one.headers]}
        series = [one for one in series if _identity(one) in own]
    passed = _passed_over(found)
    if not series:
        if passed:
            remedy = UNPACK if found.packed else WRITE_ANEW if found.odd else LOOK_AGAIN
            raise InputError(f"{shown} holds only {'; '.join(passed)}.", remedy)
        raise InputError(
            f"{shown} holds no readable DICOM image.",
            "Give the folder of the axial T2W series, or the image file itself.",
        )
    chosen, notes, flags = choose(series, shown, passed)
    if found.copies:
        notes.append(
            f"Passed over {'1 copy' if found.copies == 1 else f'{found.copies} copies'} of files read already."
        )
    image = check_t2w(_read(chosen, shown), f"Series {chosen.name} in {shown}", is_mr=chosen.first.modality == "MR")
    files = tuple(dict.fromkeys(header.file for header in chosen.headers))
    return replace(
        image,
        source=path,
        notes=tuple(notes),
        flags=(*flags, *_oddities(chosen), *image.flags),
        files=files,
        frames=tuple(header.frame for header in chosen.headers) if len(files) < len(chosen.headers) else (),
    )


def _identity(series: Series) -> tuple[str, ...]:
    """What the volumes of one series have in common."""
    return series.first.study, series.first.series, series.first.number, series.first.description


def _passed_over(found: Folder) -> list[str]:
    """What was there but could not be looked at."""
    passed = [
        f"{_count(count, 'MR image')} compressed as {how}, which cannot be read here"
        for how, count in found.packed.items()
    ]
    if found.odd:
        passed.append(f"{_count(found.odd, 'MR image')} whose header is not written as the standard has it")
    if found.damaged:
        passed.append(_count(found.damaged, "damaged MR image"))
    if found.closed:
        passed.append(f"{_count(len(found.closed), 'folder')} that may not be listed")
    return passed


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def choose(series: list[Series], path: str, passed: Sequence[str] = ()) -> tuple[Series, list[str], list[QualityFlag]]:
    """The axial T2W series to read, with sentences on why and on the others.

    Args:
        series: the series to choose from.
        path: what errors call the place they were found in.
        passed: what else is there, but could not be looked at.

    Raises:
        InputError: there is none, they are of several patients or studies, or the best one cannot be read.
    """
    reasons = [unsuitable(one) for one in series]
    fit = ranked([one for one, why_not in zip(series, reasons, strict=True) if why_not is None])
    others = [*_set_aside(series, reasons), *passed]
    if not fit:
        unplaced = any(
            why_not == NO_ORIENTATION and is_known_t2w(one) for one, why_not in zip(series, reasons, strict=True)
        )
        remedy = EXPORT_ORIENTED if unplaced else CHOOSE_T2W
        if len(others) == 1:
            raise InputError(f"Series {series[0].name} in {path} is {reasons[0]}.", remedy)
        count = len(set(map(_identity, series)))
        raise InputError(f"None of the {count} series in {path} is axial T2W: {_list(others)}.", remedy)
    for what in ("patient", "study"):
        if (count := len({getattr(one.first, what) for one in fit})) > 1:
            plural = {"patient": "patients", "study": "studies"}[what]
            raise InputError(f"{path} holds axial T2W series of {count} {plural}.", _one_of_many(fit, what))
    chosen, *rivals = fit
    if problem := defect(chosen):
        remedy = EXPORT_WHOLE if has_places(chosen) else EXPORT_PLACED
        raise InputError(f"Series {chosen.name} in {path} {problem}.", remedy)
    return chosen, _explain(chosen, rivals, others), _ambiguity(chosen, rivals)


def _set_aside(series: list[Series], reasons: list[str | None]) -> list[str]:
    """The unsuitable series with the reasons; the volumes of one once, where the reason is the same for all of them."""
    why: dict[tuple[str, ...], set[str | None]] = defaultdict(set)
    for one, why_not in zip(series, reasons, strict=True):
        why[_identity(one)].add(why_not)
    named = (
        f"{one.name if len(why[_identity(one)]) > 1 else one.title} ({why_not})"
        for one, why_not in zip(series, reasons, strict=True)
        if why_not is not None
    )
    return list(dict.fromkeys(named))


def _one_of_many(fit: list[Series], what: str) -> str:
    """What to do where there are several patients or studies: depends on whether their files lie apart."""
    folders: dict[Path, set[str]] = defaultdict(set)
    for one in fit:
        for header in one.headers:
            folders[header.file.parent].add(getattr(one.first, what))
    if max(map(len, folders.values())) > 1:
        return f"Sort the files into a folder for each {what}, or give one file of the series."
    return f"Give the folder of one {what}, or all of them to: proseg batch."


def _explain(chosen: Series, rivals: list[Series], others: list[str]) -> list[str]:
    """Why this series, and what became of the rest."""
    details = [f"{chosen.slice_count} slices"]
    if chosen.first.echo_time:
        details.append(f"echo time {chosen.first.echo_time:g} ms")
    notes = [f"Read series {chosen.name}: {chosen.plane} T2W, {', '.join(details)}."]
    if chosen.plane != "axial":
        notes.append(f"Its voxels are nearly cubes ({chosen.step_mm:.2g} mm), so it is looked at from below as axial.")
    if chosen.remark:
        notes.append(chosen.remark)
    for rival in rivals[:LISTED]:
        notes.append(f"Preferred it to series {rival.name} because {reason(chosen, rival)}.")
    if others and not rivals:
        notes.append("It is the only axial T2W series here.")
    if others:
        notes.append(f"Set aside: {_list(others)}.")
    return notes


def _ambiguity(chosen: Series, rivals: list[Series]) -> list[QualityFlag]:
    """Flag that another series would have done as well."""
    equal = [one.name for one in rivals if are_equal(one, chosen)]
    if not equal:
        return []
    sentence = f"Read series {chosen.name}, but {_list(equal)} would serve as well: check which is the better one."
    return [QualityFlag("series_ambiguous", Severity.WARNING, sentence)]


def _read(series: Series, path: str) -> sitk.Image:
    """The volume of a series without defects; slice spacing is the mean of the steps."""
    name = f"Series {series.name} in {path}"
    try:
        image = _load(series, name)
    except InputError:
        if how := packing(head_of(series.first.file)):
            raise InputError(f"{name} is compressed as {how}, which cannot be read here.", UNPACK) from None
        raise
    if any(header.decimal_commas for header in series.headers):  # which GDCM misreads
        image = _placed(image, series)
    if len(series.headers) > 1:
        image.SetSpacing((*image.GetSpacing()[:2], float(steps(series).mean())))
    positions = [header.position for header in series.headers]
    grid = [image.TransformIndexToPhysicalPoint((0, 0, k)) for k in range(image.GetSize()[2])]
    if len(positions) != len(grid) or np.abs(np.subtract(positions, grid)).max() > image.GetSpacing()[2] / 2:
        raise InputError(f"{name} does not lie where its header says.", "Export it as single-frame DICOM.")
    return _without_padding(image, series)


def _placed(image: sitk.Image, series: Series) -> sitk.Image:
    """The image where the header, and not GDCM, says that it lies."""
    first = series.first
    row, column = np.reshape(first.orientation, (2, 3))
    image.SetDirection(np.stack([row, column, np.cross(row, column)], axis=1).ravel().tolist())
    image.SetOrigin(first.position)
    image.SetSpacing((first.spacing[1], first.spacing[0], image.GetSpacing()[2] if len(series.headers) > 1 else 1.0))
    return image


def _without_padding(image: sitk.Image, series: Series) -> sitk.Image:
    """The image with the median of the other values for padding that lies beyond all of them, as -1024 does.

    Pixel Padding Value and Pixel Padding Range Limit (DICOM PS3.3 C.7.5.1.1.2) are the ends of a range.

    So it stays out of the statistics of the intensities. Padding of 0 is what air is, too.
    """
    values = None
    for ends in {header.padding for header in series.headers} - {None, (0.0, 0.0)}:
        values = sitk.GetArrayFromImage(image) if values is None else values
        low, high = np.float32(ends)
        is_padding = (low <= values) & (values <= high)
        if is_padding.any() and not is_padding.all():
            rest = values[~is_padding]
            if low > rest.max() or high < min(rest.min(), 0):
                values[is_padding] = np.median(rest)
    if values is None:
        return image
    unpadded = sitk.GetImageFromArray(values)
    unpadded.CopyInformation(image)
    return unpadded


def _load(series: Series, name: str) -> sitk.Image:
    """The images of a series as one volume of floating-point numbers, for each slice may have a scale of its own."""
    if not series.is_multi_frame:
        return load([header.file for header in series.headers], name, sitk.sitkFloat32)
    with private_folder(name) as folder:
        files: list[Path] = []
        for file, frames in itertools.groupby(series.headers, key=lambda header: header.file):
            files += write_frames(file, [header.frame for header in frames], folder / str(len(files)), name)
        return load(files, name, sitk.sitkFloat32)


def _oddities(series: Series) -> list[QualityFlag]:
    """Flags that only the DICOM header can raise."""
    flags = []
    echo_time = series.first.echo_time
    sentence = ""
    if not is_known_t2w(series):
        sentence = "Nothing in the DICOM header says that this is T2W: check that it is."
    elif kind := named_kind(series):
        sentence = f"Its name speaks of a series that is {kind}, its tags of T2W: check that it is T2W."
    if sentence:
        flags.append(QualityFlag("contrast_unconfirmed", Severity.WARNING, sentence))
    oddities = []
    if echo_time and echo_time < T2_MIN_ECHO_MS:
        oddities.append(f"the echo time is only {echo_time:g} ms")
    if is_fat_suppressed(series):
        oddities.append("fat is suppressed")
    if oddities:
        flags.append(unusual_acquisition(oddities))
    if len(series.headers) > 2:
        between = steps(series)
        uneven = np.abs(between - np.median(between))
        if uneven.max() > UNEVEN_FLAGGED * np.median(between):
            flags.append(
                QualityFlag(
                    "uneven_spacing",
                    Severity.WARNING,
                    f"Slices lie {between.min():.3g} to {between.max():.3g} mm apart, "
                    f"taken as {between.mean():.3g} mm.",
                    (int(uneven.argmax()), int(uneven.argmax()) + 1),
                )
            )
    return flags


def _list(names: list[str]) -> str:
    """Names as a list for people, shortened."""
    rest = len(names) - LISTED
    return "; ".join(names[:LISTED]) + (f"; and {rest} more" if rest > 0 else "")
