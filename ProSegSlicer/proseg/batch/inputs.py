"""Which cases a batch is about: files, folders, patterns and manifests become cases with ids."""

from __future__ import annotations

import glob
import itertools
import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from proseg.batch.case import Case
from proseg.batch.manifest import read_manifest
from proseg.errors import InputError
from proseg.reading.archives import ENDING as ZIP_ENDING
from proseg.reading.archives import within_zip
from proseg.reading.cases import IMAGE_ENDINGS, Found, find_cases, name_cases

MANIFEST_ENDING = ".csv"
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
