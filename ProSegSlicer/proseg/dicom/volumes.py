"""The images of one DICOM series or of one volume in it: what they are called, how they lie, what keeps them apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from proseg.dicom.headers import Header
from proseg.dicom.text import without_names

PLANES = ("sagittal", "coronal", "axial")  # by the patient axis (L, P, S) nearest to the slice normal
SAME_PLACE_MM = 0.01  # slices nearer than this are at the same position
PARALLEL = 1e-3  # how far direction cosines of parallel slices may differ, some 0.06 degrees
ISOTROPIC = 1.5, 2.0  # slices no farther apart than this many pixels, and this many mm, can be looked at from any side

UNEVEN_REFUSED = 0.10  # how much a step may differ from the usual one, as a share of it
SIDEWAYS_MM = 1.0  # how far slices may be shifted against each other in-plane


@dataclass
class Series:
    """The images of one DICOM series, or of one volume in it, without copies.

    Attributes:
        headers: in the order of their positions where these are known.
        damaged: how many more files belong to it that cannot be read.
        part: which volume of the series this is, for people; empty where it is all of it.
        remark: how its images were found to belong together, as a sentence; empty where their UID says so.
        cut_short: whether another of the same name and pixels has more slices, as when a scan was broken off.
    """

    headers: list[Header]
    damaged: int = 0
    part: str = ""
    remark: str = ""
    cut_short: bool = False

    @property
    def first(self) -> Header:
        """The header that speaks for the series."""
        return self.headers[0]

    @property
    def title(self) -> str:
        """Number and description, as on the scanner's list; for people to read."""
        description = without_names(self.first.description, self.first.patient, self.first.birth_date)
        words = (self.first.number, f"“{description}”" if description else "")
        return " ".join(filter(None, words)) or "without number"

    @property
    def name(self) -> str:
        """The title and, where the series holds several volumes, which of them this is."""
        return f"{self.title} ({self.part})" if self.part else self.title

    @property
    def is_multi_frame(self) -> bool:
        """Whether the images are frames of files that hold several."""
        return any(header.frame for header in self.headers)

    @property
    def slice_count(self) -> int:
        """Number of images."""
        return sum(header.frame_count for header in self.headers)

    @property
    def pixel_mm(self) -> float:
        """The coarser in-plane pixel size, mm; infinite where unknown."""
        return max(self.first.spacing) if self.first.spacing else math.inf

    @property
    def field_mm(self) -> float:
        """The larger side of the in-plane field of view, mm; infinite where unknown."""
        return self.pixel_mm * max(self.first.size[:2])

    @property
    def step_mm(self) -> float:
        """How far apart the slices usually lie, mm; their thickness where places do not tell, infinite if unknown."""
        distances = steps(self) if len(self.headers) > 1 and self.places() else np.zeros(0)
        return float(np.median(distances)) if distances.any() else self.first.thickness or math.inf

    @property
    def is_isotropic(self) -> bool:
        """Whether voxels are so nearly cubes that the volume can be looked at from any side."""
        pixels, mm = ISOTROPIC
        return self.step_mm <= min(pixels * self.pixel_mm, mm) and self.slice_count > 1

    @cached_property
    def normal(self) -> np.ndarray | None:
        """Unit slice normal (LPS) of the first slice: row cosines × column cosines (DICOM PS3.3 C.7.6.2.1.1)."""
        if self.first.orientation is None:
            return None
        normal = np.cross(self.first.orientation[:3], self.first.orientation[3:])
        length = np.linalg.norm(normal)
        return normal / length if abs(length - 1) < 0.01 else None

    @property
    def plane(self) -> str | None:
        """``axial``, ``coronal`` or ``sagittal``, whichever is nearest; None where unknown."""
        return None if self.normal is None else PLANES[int(np.abs(self.normal).argmax())]

    @property
    def is_mixed(self) -> bool:
        """Whether the slices are not all parallel."""
        orientations = [header.orientation for header in self.headers]
        return None not in orientations and bool(np.ptp(np.array(orientations), axis=0).max() > PARALLEL)

    def sort(self) -> None:
        """Order the images along the slice normal, where all have a position."""
        if self.normal is not None and all(header.position for header in self.headers):
            self.headers.sort(key=lambda header: float(np.dot(header.position, self.normal)))

    def places(self) -> list[int] | None:
        """Where the images lie along the normal, in steps of ``SAME_PLACE_MM``; None where not all have their place."""
        placed = all(header.position and header.orientation for header in self.headers)
        if self.normal is None or self.is_mixed or not placed:
            return None
        return [round(float(np.dot(header.position, self.normal)) / SAME_PLACE_MM) for header in self.headers]


def defect(series: Series) -> str | None:
    """What keeps the slices of a series from making a volume, as the rest of a sentence; None if nothing does."""
    headers = series.headers
    if series.damaged:
        return f"has damaged files ({series.damaged} of {series.damaged + len(headers)})"
    if 1 < len({header.file for header in headers}) < len(headers):
        return "is spread over several multi-frame files"
    if any(header.position is None for header in headers):
        return "lacks slice positions: Image Position (Patient) (0020,0032) is missing"
    for header in headers:
        if not header.spacing or min(header.spacing) <= 0:
            held = f"holds “{header.spacing_text}”, not two lengths" if header.spacing_text else "is missing"
            return f"lacks pixel spacing: Pixel Spacing (0028,0030) {held}"
    if len({header.size[:2] for header in headers}) > 1 or _spread([header.spacing for header in headers]) > 1e-3:
        return "has slices of different sizes"
    if len(headers) < 2:
        return None
    between = steps(series)
    repeated = int((between < SAME_PLACE_MM).sum())
    if repeated == len(between) and len(headers) > 2:
        return f"has all {len(headers)} images at one position: their Image Position (Patient) was made the same"
    if repeated:
        return f"has several images at one position ({len(headers)} images at {len(headers) - repeated} positions)"
    usual = float(np.median(between))
    if between.max() > 1.5 * usual:
        return f"lacks slices: a gap of {between.max():.3g} mm where slices are {usual:.3g} mm apart"
    if np.abs(between - usual).max() > UNEVEN_REFUSED * usual:
        return f"has unevenly spaced slices ({between.min():.3g} to {between.max():.3g} mm apart)"
    offsets = np.array([header.position for header in headers]) - headers[0].position
    sideways = offsets - np.outer(offsets @ series.normal, series.normal)
    if np.linalg.norm(sideways, axis=1).max() > SIDEWAYS_MM:
        return "has slices shifted sideways against each other"
    return None


def has_places(series: Series) -> bool:
    """Whether the images tell places and pixel sizes, and not all the same place."""
    headers = series.headers
    told = all(header.position and header.spacing for header in headers)
    return told and (len(headers) == 1 or len({header.position for header in headers}) > 1)


def steps(series: Series) -> np.ndarray:
    """Distances between neighbouring slices along the normal, mm."""
    return np.diff([float(np.dot(header.position, series.normal)) for header in series.headers])


def _spread(rows: list[tuple[float, ...]]) -> float:
    """The largest difference between rows of numbers."""
    return float(np.ptp(np.array(rows), axis=0).max())
