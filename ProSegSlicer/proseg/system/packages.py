"""Packages that may be missing or too old, found out without importing them."""

from __future__ import annotations

import importlib
import re
from importlib import metadata

PYDICOM, HIGHDICOM = ("pydicom", "3.0.1"), ("highdicom", "0.27")  # Slicer 5.10 ships pydicom 2.4, 5.12 both


def version_of(package: str) -> str | None:
    """The version of a package that is installed, as it is now; None where it is not."""
    importlib.invalidate_caches()
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def is_there(package: str, least: str) -> bool:
    """Whether a package is installed in a version of ``least`` or newer."""
    found = version_of(package)
    return found is not None and _numbers(found) >= _numbers(least)


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: 2.13.0 of ``2.13.0+cu126``."""
    return tuple(int(number) for number in re.match(r"\d+(?:\.\d+)*", version)[0].split("."))
