"""Which cases a batch is about: files, folders, patterns and manifests become cases with ids."""

from __future__ import annotations

import csv
import glob
import itertools
import math
import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from proseg.batch.case import Case
from proseg.errors import InputError, brief
from proseg.reading.archives import ENDING as ZIP_ENDING
from proseg.reading.archives import within_zip
from proseg.reading.cases import IMAGE_ENDINGS, MAX_ID_BYTES, Found, find_cases, name_cases, safe_name

MANIFEST_ENDING = ".csv"
PATH, ID, PSA = "path", "id", "psa"  # a manifest's columns; it may have others
GIVE_INPUT = "Give files, folders, patterns in quotes, or a manifest (.csv)."


def collect(
    inputs: Sequence[str], output: Path, root: Path | None = None, passed_over: list[Path] | None = None
) -> list[Case]:
    """The cases that the inputs of a batch stand for, those of manifests first; none twice.

    A folder or ZIP is looked through as ``find_cases`` does. Files get ids from where they lie below the folder that
    all inputs have in common, a single folder's cases from where they lie in it. A manifest gives its own.

    Args:
        inputs: files, ZIPs, folders, patterns as of a shell (``**`` is any folders), and manifests.
        output: a folder not to look into.
        root: the folder that a manifest's paths must lie in; the manifest's own by default.
        passed_over: gets what ``find_cases`` passed over.

    Raises:
        InputError: an input does not exist, holds nothing, or cannot be read; or two cases have one id.
    """
    cases: list[Case] = []
    loose: list[Path] = []
    bases: list[Path] = []
    for given in inputs:
        path = Path(given).expanduser()
        if path.is_file() and path.suffix.lower() == MANIFEST_ENDING:
            cases += read_manifest(path, root)
            continue
        base, paths = _expanded(given, path)
        bases.append(base)
        for found in paths:
            holds_cases = found.is_dir() or found.suffix.lower() == ZIP_ENDING
            loose += [case.path for case in find_cases(found, output, passed_over)] if holds_cases else [found]
    if loose:
        try:
            common = Path(os.path.commonpath([os.path.abspath(base) for base in bases]))
        except ValueError as error:  # on several drives
            raise InputError("The inputs lie on several drives.", "Name the cases in a manifest (.csv).") from error
        paths = list(dict.fromkeys(Path(os.path.abspath(path)) for path in _one_a_series(loose)))
        cases += [Case(case.id, case.path) for case in name_cases(paths, common)]
    _refuse_twins(cases)
    return cases


def read_manifest(path: Path, root: Path | None = None) -> list[Case]:
    """The cases of a manifest: a CSV file (comma, semicolon or tab; UTF-8) with a heading and a row a case.

    Columns, in any order and case: ``path``, relative to the manifest's folder; ``id``, made a safe file name, by
    default made from the path; ``psa`` in ng/mL. Others are passed over. A path must lie in ``root``, so that a
    manifest from elsewhere cannot have other files read.

    Args:
        path: the manifest.
        root: the folder that all paths must lie in; the manifest's own by default.

    Raises:
        InputError: it is no such file, or a row of it cannot be used.
    """
    here = Path(os.path.abspath(path)).parent
    inside = Path(os.path.abspath(root.expanduser())) if root else here
    cases: list[Case] = []
    unnamed: list[tuple[int, Path, float | None]] = []
    for number, row in _rows(path):
        where = f"Row {number} of {path.name}"
        entry = row.get(PATH, "")
        if not entry or "\0" in entry:
            raise InputError(f"{where} names no file.", "Fill in its column 'path', or remove the row.")
        file = Path(os.path.normpath(here / Path(entry).expanduser()))
        if not file.is_relative_to(inside):
            raise InputError(
                f"{where} leads out of {inside.name or inside}: {entry}.",
                "Give --root with a folder that all images of the manifest lie in.",
            )
        psa = _psa(row.get(PSA, ""), where)
        if row.get(ID):
            name = safe_name(row[ID])
            if len(name.encode()) > MAX_ID_BYTES:
                raise InputError(f"{where} has an id of more than {MAX_ID_BYTES} bytes.", "Give it a shorter one.")
            cases.append(Case(name, file, psa, named=True))
        else:
            unnamed.append((len(cases), file, psa))
            cases.append(Case("", file, psa))
    for (place, _, psa), found in zip(unnamed, name_cases([file for _, file, _ in unnamed], inside), strict=True):
        cases[place] = Case(found.id, found.path, psa)
    if not cases:
        raise InputError(f"{path} names no case.", "Give it a row a case.")
    return cases


def _rows(path: Path) -> Iterable[tuple[int, dict[str, str]]]:
    """The rows of a manifest that are not empty, by column in lower case, each with its number in a spreadsheet."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            heading = file.readline()
            file.seek(0)
            comma = max(",;\t", key=heading.count)
            reader = csv.reader(file, delimiter=comma, strict=True)
            names = [name.strip().lower() for name in next(reader, [])]
            if PATH not in names:
                raise InputError(f"{path} has no column 'path'.", f"A manifest has the columns {PATH}, {ID}, {PSA}.")
            if len(set(names)) < len(names):
                raise InputError(f"{path} has two columns of one name.", "Give every column its own.")
            for number, cells in enumerate(reader, 2):
                values = [cell.strip() for cell in cells]
                if any(values):
                    yield number, dict(zip(names, values, strict=False))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a manifest: {brief(error)}.", "Save it as CSV, UTF-8.") from error


def _psa(text: str, where: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise InputError(f"{where} has an impossible PSA: {text}.", "Give ng/mL as a number such as 6.5, or nothing.")
    return value


def _expanded(given: str, path: Path) -> tuple[Path, list[Path]]:
    """The folder that ids are to begin below, and the files and folders that an input stands for."""
    if path.is_dir():
        return path, [path]
    if path.exists() or path.is_symlink() or within_zip(path) is not None:
        return path.parent, [path]
    if glob.has_magic(given):
        found = sorted(map(Path, glob.glob(str(path), recursive=True)))
        if not found:
            raise InputError(f"Nothing matches {given}.", "Check the pattern.")
        return Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts)), found
    raise InputError(f"{given} does not exist.", GIVE_INPUT)


def _one_a_series(paths: Iterable[Path]) -> Iterable[Path]:
    """The paths, with the folder in place of single DICOM files: all files of a series are one case."""
    from proseg.images.files import image_format

    for path in paths:
        try:
            unknown = path.is_file() and not path.name.lower().endswith(IMAGE_ENDINGS)
            yield path.parent if unknown and image_format(path) == "DICOM" else path
        except OSError:  # it says so itself when its turn comes
            yield path


def _refuse_twins(cases: Sequence[Found]) -> None:
    seen: dict[str, Path] = {}
    for case in cases:
        key = unicodedata.normalize("NFC", case.id).casefold()  # as some file systems do not tell them apart
        if key in seen:
            raise InputError(
                f"Two cases have the id {case.id}: {seen[key].name} and {case.path.name}.",
                "Give every case its own id in a manifest.",
            )
        seen[key] = case.path
