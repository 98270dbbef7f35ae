"""Text of DICOM headers made fit to be shown: character sets, control characters, names that are nobody's business."""

from __future__ import annotations

import re
import warnings

# Character sets of several bytes a character. Of all others every byte is a character, so that nothing tells a wrong
# declaration: what reads as UTF-8 is taken for that.
_SEVERAL_BYTES = re.compile(r"ISO_IR (13|192)|GB18030|GBK|ISO 2022 IR (13|58|87|149|159)")


def decoded(text: str, charset: str) -> str:
    r"""Text as SimpleITK hands it over (bytes that are not UTF-8 as surrogates), in one line of characters.

    Args:
        text: the value.
        charset: Specific Character Set (0008,0005), values separated by ``\``; often missing or wrong.
    """
    raw = text.encode("utf-8", "surrogateescape")
    if not raw.isascii() or b"\x1b" in raw:
        text = _decoded(raw, [term.strip() for term in charset.split("\\")])
    return "".join(" " if not character.isprintable() else character for character in text).strip()


def _decoded(raw: bytes, charsets: list[str]) -> str:
    if not any(map(_SEVERAL_BYTES.fullmatch, charsets)):
        try:
            return raw.decode()
        except UnicodeDecodeError:
            if not any(charsets):
                return raw.decode("latin-1")
    try:
        from pydicom.charset import convert_encodings, decode_bytes
    except ImportError:
        return raw.decode("utf-8", "replace")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an unknown character set; it is taken for the default one
        try:
            return decode_bytes(raw, convert_encodings(charsets), set())
        except (LookupError, ValueError):
            return raw.decode("utf-8", "replace")


def without_names(description: str, patient: str, birth_date: str = "") -> str:
    """A description, or nothing if a part of the patient's name or ID, or the birth date, was typed into it.

    Args:
        description: of a series.
        patient: names and IDs, separated by ``^``.
        birth_date: as DICOM has it, YYYYMMDD.
    """
    names = [part for part in re.split(r"[\^=\s,_]+", patient) if len(part) > 2 or not part.isascii()]
    if parts := re.fullmatch(r"(\d{4})(\d\d)(\d\d)", birth_date):
        year, month, day = parts.groups()
        orders = ((year, month, day), (day, month, year), (month, day, year), (day, month, year[2:]))
        names += [mark.join(order) for order in orders for mark in ("", "-", ".", "/", " ")]
    return "" if any(name.casefold() in description.casefold() for name in names if name) else description
