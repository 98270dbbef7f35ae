"""The header of one DICOM image file, read once through SimpleITK."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from proseg.dicom.lengths import lengths_fit
from proseg.dicom.text import decoded
from proseg.images.files import nameable, quiet


@dataclass(frozen=True)
class Header:
    """What one DICOM file, or one frame of it, says of itself; None or empty where it does not.

    Lengths in mm (LPS), times in ms. ``frame`` counts from 1 as DICOM does; 0 where the file is one image. ``size`` has
    a third number, the count of frames, where a file holds several and the header speaks for all of them. ``acquired``
    is date and time as DICOM has them; ``padding`` are the least and the greatest of the values, scaled as the pixels
    are, that stand for no image at all; ``decimal_commas`` tells of lengths written as "0,5", which libraries misread.
    """

    file: Path
    series: str
    study: str
    patient: str
    instance: str
    number: str
    description: str
    modality: str
    sop_class: str
    image_type: tuple[str, ...]
    sequence: tuple[str, ...]
    echo_time: float | None
    repetition_time: float | None
    b_value: float | None
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    size: tuple[int, ...]
    components: int
    acquisition: str = ""
    time: str = ""
    stack: str = ""
    frame: int = 0
    birth_date: str = ""
    frame_of_reference: str = ""
    sequence_name: str = ""
    scan_options: tuple[str, ...] = ()
    inversion_time: float | None = None
    thickness: float | None = None
    study_date: str = ""
    acquired: str = ""
    padding: tuple[float, float] | None = None
    spacing_text: str = ""
    decimal_commas: bool = False

    @property
    def frame_count(self) -> int:
        """How many frames the header speaks for."""
        return self.size[2] if len(self.size) > 2 else 1


def read_header(file: Path) -> Header | None:
    """The header of a DICOM image file; None if it holds no image that can be read.

    Raises:
        OSError: the file cannot be read.
    """
    if not lengths_fit(file):
        return None
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.LoadPrivateTagsOff()
    try:
        with quiet(), nameable([file]) as (name,):
            reader.SetFileName(name)
            reader.ReadImageInformation()
    except RuntimeError:
        return None

    def value(tag: str) -> str:
        return reader.GetMetaData(tag) if reader.HasMetaDataKey(tag) else ""

    charset = value("0008|0005")

    def text(tag: str) -> str:
        return decoded(value(tag).strip(" \0"), charset)

    def words(tag: str) -> tuple[str, ...]:
        return tuple(word.strip().upper() for word in text(tag).split("\\") if word.strip())

    def numbers(tag: str, count: int) -> tuple[float, ...] | None:
        try:
            values = tuple(float(part.replace(",", ".")) for part in text(tag).split("\\"))
        except ValueError:
            return None
        return values if len(values) == count and all(map(math.isfinite, values)) else None

    def number(tag: str) -> float | None:
        return (numbers(tag, 1) or (None,))[0]

    places = ("0020|0032", "0020|0037", "0028|0030")
    slope, intercept = number("0028|1053"), number("0028|1052")
    is_signed, bits = value("0028|0103").strip() == "1", number("0028|0101")
    stored = [_as_stored(number(tag), is_signed, bits) for tag in ("0028|0120", "0028|0121")]
    ends = [end * (1 if slope is None else slope) + (intercept or 0) for end in stored if end is not None]
    return Header(
        file=file,
        series=text("0020|000e"),
        study=text("0020|000d"),
        patient="^".join((text("0010|0010"), text("0010|0020"))),
        instance=text("0008|0018"),
        number=text("0020|0011"),
        description=text("0008|103e") or text("0018|1030"),
        modality=text("0008|0060").upper(),
        sop_class=text("0008|0016"),
        image_type=words("0008|0008"),
        sequence=words("0018|0020"),
        echo_time=number("0018|0081"),
        repetition_time=number("0018|0080"),
        b_value=number("0018|9087"),
        position=numbers("0020|0032", 3),
        orientation=numbers("0020|0037", 6),
        spacing=numbers("0028|0030", 2),
        size=tuple(reader.GetSize()),
        components=reader.GetNumberOfComponents(),
        acquisition=text("0020|0012"),
        time=text("0020|0100"),
        birth_date=text("0010|0030"),
        frame_of_reference=text("0020|0052"),
        sequence_name=text("0018|0024"),
        scan_options=words("0018|0022"),
        inversion_time=number("0018|0082"),
        thickness=number("0018|0050"),
        study_date=text("0008|0020"),
        acquired=(text("0008|0022") or text("0008|0021")) + (text("0008|0032") or text("0008|0031")),
        padding=(min(ends), max(ends)) if stored[0] is not None else None,
        spacing_text=text("0028|0030"),
        decimal_commas=any("," in text(tag) for tag in places),
    )


def _as_stored(padding: float | None, signed: bool, bits: float | None) -> float | None:
    """Pixel Padding Value as the pixels hold it, also where its kind (US or SS) is not theirs."""
    if padding is None:
        return None
    if signed and padding >= 2 ** ((bits or 16) - 1):
        return padding - (2 ** (bits or 16) if padding < 2 ** (bits or 16) else 65536)
    return padding + 65536 if padding < 0 and not signed else padding
