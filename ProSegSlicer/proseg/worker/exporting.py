"""The worker's ``export``: what a program handed over becomes files, which that program puts in their places itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proseg.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


def export(folder: Path, endings: Sequence[str]) -> dict[str, str]:
    """Write the files that ``folder`` holds the material for.

    They appear in that folder, not where they are wanted: a worker may be killed at any time, and must leave nothing
    half done among a user's files.

    Args:
        folder: with a ``proseg.outputs.material.Material``.
        endings: of ``proseg.outputs.material.ENDINGS``.

    Returns:
        The files by their endings; all are there.

    Raises:
        InputError, OutputError: one cannot be made; then none is there.
    """
    from proseg.outputs.material import ENDINGS, Material, write_all

    if unknown := [ending for ending in endings if ending not in ENDINGS]:
        raise InputError(f"{unknown[0]} is no format to export.", f"Use one of: {', '.join(ENDINGS)}.")
    files = {ending: folder / f"exported{ending}" for ending in endings}
    write_all(Material.load(folder), list(files.values()))
    return {ending: str(path) for ending, path in files.items()}
