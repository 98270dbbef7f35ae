"""Manifests: tables of cases as spreadsheets, R and pandas write them."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from proseg.batch.case import Case
from proseg.errors import InputError, brief, printable
from proseg.reading.cases import MAX_ID_BYTES, name_cases, safe_name
from proseg.segmentation.psa import LEAST, MOST, THOUSANDS

PATH, ID, PSA = "path", "id", "psa"  # a manifest's columns; it may have others
SEPARATORS = ",;\t"
# How spreadsheets, R, pandas and people write that there is nothing.
NOTHING = ("", "na", "n/a", "#n/a", "nan", "<na>", "null", "none", "-", "--", "\u2013", ".", "?")
# µg/L is the same number; the second sign for micro is a Greek letter.
NG_ML = re.compile(r"(ng[\s/_]*ml|[u\u00b5\u03bc]g[\s/_]*l)", re.IGNORECASE)
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
WORKBOOK = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # how .xlsx, .ods and .xls begin
ANSI = "cp1252"  # what Excel's plain "CSV" is in where most write Latin letters

_ABOVE = re.compile(r"([ \t,;]*\r?\n|#[^\n]*\n)+")  # lines above the heading that are empty, or comments
_SEPARATOR_LINE = re.compile(r'\s*"?sep=(.|\\t)"?[ ,;\t]*$', re.IGNORECASE)
_NUMBER = re.compile(r"\+?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_ROUNDED_ID = re.compile(r"\d([.,]\d+)?E\+\d+")
_PSA_HEADING = re.compile(r"psa\s*[_,:]?\s*(?P<bracket>[(\[])?(?P<unit>[^()\[\]]*)[)\]]?")


@dataclass(frozen=True)
class _Row:
    """A row that is not empty: where it is, in words; its cells, stripped; its PSA; and what is to say of it."""

    where: str
    path: str
    id: str
    psa: float | None
    notes: tuple[str, ...]


def read_manifest(path: Path, root: Path | None = None) -> list[Case]:
    """The cases of a manifest: a CSV file with a heading and a row a case.

    Cells are parted by commas, semicolons or tabs, as the heading or a first line such as ``sep=;`` tells; the text is
    UTF-8, UTF-16 or, where it is neither, Windows-1252. Columns, in any order and case: ``path``, relative to the
    manifest's folder; ``id``, made a safe file name, by default made from the path; ``psa`` in ng/mL, also called
    ``PSA (ng/mL)``. Others are passed over. A path must lie in ``root``, so that a manifest from elsewhere cannot have
    other files read. A cell that cannot be used is left out, and the case's ``note`` says so; where it is the path,
    the case's ``fault`` does.

    Args:
        path: the manifest.
        root: the folder that all paths must lie in; the manifest's own by default.

    Raises:
        InputError: it is no such file, or a path leads out of the folder.
    """
    here = Path(os.path.abspath(path)).parent
    inside = Path(os.path.abspath(root.expanduser())) if root else here
    cases: list[Case] = []
    unnamed: list[int] = []
    seen: set[tuple[Path, str]] = set()
    for row in _rows(path):
        missing = not row.path or "\0" in row.path
        file = path if missing else _file(here, row.path)
        if not missing and not file.is_relative_to(inside):
            raise InputError(
                f"{row.where} leads out of {inside.name or inside}: {row.path}.",
                "Give --root with a folder that all images of the manifest lie in.",
            )
        fault = f"{row.where} names no file. Fill in its column 'path', or remove the row." if missing else ""
        name, doubt = _name(row.id)
        if not missing and (file, row.id) in seen:
            missing, name, fault = True, "", f"{row.where} names an image that a row above names. Remove one of them."
        seen.add((file, row.id))
        note = " ".join(filter(None, (*row.notes, doubt)))
        if not name and not missing:
            unnamed.append(len(cases))
        cases.append(Case(name or safe_name(row.where), file, row.psa, bool(name), note, fault))
    names = name_cases([cases[place].path for place in unnamed], inside)
    for place, found in zip(unnamed, names, strict=True):
        cases[place] = Case(found.id, found.path, cases[place].psa_ng_ml, note=cases[place].note)
    if not cases:
        raise InputError(f"{path} names no case.", "Give it a row a case.")
    return cases


def _rows(path: Path) -> Iterator[_Row]:
    """The rows that are not empty, each with its number in a spreadsheet."""
    try:
        data = path.read_bytes()
        if data.startswith(WORKBOOK):
            raise InputError(f"{path} is a workbook, whatever its name.", "Save it from the spreadsheet as CSV, UTF-8.")
        text, is_guessed = _text(data)
        first, _, rest = text.partition("\n")
        told = _SEPARATOR_LINE.match(first.strip("\r"))
        if told:
            text = rest
        above = _ABOVE.match(text)
        text = text[above.end() :] if above else text
        separator = told[1].replace("\\t", "\t") if told else _separator(text)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        names, unit = _columns(next(reader, []))
        if PATH not in names:
            raise InputError(f"{path} has no column 'path'.", f"A manifest has the columns {PATH}, {ID}, {PSA}.")
        if any(names.count(name) > 1 for name in (PATH, ID, PSA)):
            raise InputError(f"{path} has two columns of one name.", "Give every column its own.")
        for number, line in enumerate(reader, 2 + (above[0].count("\n") if above else 0)):
            values = [cell.strip() for cell in line]
            if not any(values):
                continue
            cells = dict(zip(names, values, strict=False))
            entry, name = cells.get(PATH, "").strip('"'), cells.get(ID, "")
            psa, doubt = _psa(cells.get(PSA, ""), separator, unit)
            if any(values[len(names) :]):  # such as 6,5 between commas: who knows which cell is which
                psa, doubt = None, "The row has more cells than the heading, so its PSA was left out."
            notes = [doubt]
            if is_guessed and not (entry + name).isascii():
                notes.append("The manifest is not UTF-8 and was read as Windows-1252: check the letters.")
            nothing = entry.lower() in NOTHING and entry != "."
            yield _Row(f"Row {number} of {path.name}", "" if nothing else entry, name, psa, tuple(notes))
    except (OSError, UnicodeError, csv.Error, TypeError) as error:  # TypeError: a separator that csv cannot have
        raise InputError(f"{path} cannot be read as a manifest: {brief(error)}.", "Save it as CSV, UTF-8.") from error


def _text(data: bytes) -> tuple[str, bool]:
    """A manifest's text, and whether its encoding was guessed."""
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding), False
    except UnicodeDecodeError:
        if encoding != "utf-8" or re.search(rb"[\x00-\x08\x0e-\x1f]", data):  # no text
            raise
        return data.decode(ANSI), True


def _separator(text: str) -> str:
    """The one of the separators that finds the column of paths in the heading, and the most columns."""

    def columns(separator: str) -> tuple[bool, int]:
        names, _ = _columns(next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), []))
        return PATH in names, len(names)

    return max(SEPARATORS, key=columns)


def _columns(heading: Sequence[str]) -> tuple[list[str], str]:
    """The names of the columns in lower case, and the unit of PSA where it is another than ng/mL."""
    names = [name.strip().lower() for name in heading]
    other = ""
    for place, name in enumerate(names):
        found = _PSA_HEADING.fullmatch(name)
        unit = found["unit"].strip() if found else ""
        if found and NG_ML.fullmatch(unit):
            names[place] = PSA
        elif found and found["bracket"] and "/" in unit:
            names[place], other = PSA, unit
    return names, other


def _file(here: Path, entry: str) -> Path:
    """The file that a manifest in the folder ``here`` names; backslashes part folders, unless a file has them."""
    if "\\" in entry and os.sep == "/" and not os.path.lexists(here / entry):
        entry = entry.replace("\\", "/")
    try:
        given = Path(entry).expanduser()
    except RuntimeError:  # ~name of nobody
        given = Path(entry)
    return Path(os.path.normpath(here / given))


def _name(text: str) -> tuple[str, str]:
    """The id that a cell gives, empty where it gives none, and what is to say of it."""
    name = "" if text.lower() in NOTHING else safe_name(text)
    if len(name.encode()) > MAX_ID_BYTES:
        return "", f"The id has more than {MAX_ID_BYTES} bytes: one made from the path takes its place."
    if _ROUNDED_ID.fullmatch(text):
        return name, f"The id {text} is a number that a spreadsheet has rounded: check which patient it was."
    return name, ""


def _psa(text: str, separator: str, unit: str) -> tuple[float | None, str]:
    """The PSA in ng/mL that a cell gives, None where it gives none, and what is to say of it.

    Args:
        text: the cell.
        separator: what parts cells.
        unit: what the heading names where it is another than ng/mL.
    """
    if text.lower() in NOTHING:
        return None, ""
    if unit:
        return None, f"The PSA is in {printable(unit)}, not in ng/mL, and was left out."
    number = NG_ML.sub("", text).strip()
    if separator != ";" and THOUSANDS.fullmatch(number):
        return None, f"A PSA of {text} may be a thousand times another, and was left out."
    if _NUMBER.fullmatch(number) and (value := float(number.replace(",", "."))) < float("inf"):
        if LEAST <= value <= MOST:
            return value, ""
        return None, f"A PSA of {printable(text)} is impossible and was left out."
    if re.match(r"[<>\u2264\u2265]", text):
        return None, f"A PSA of {printable(text)} is a limit, not a value, and was left out."
    return None, f"A PSA of {printable(text)} is no number of ng/mL and was left out."
