"""Where a volume's DICOM files lie: Slicer's database knows, by the instances that the volume was loaded from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import slicer

from proseg.errors import InputError

INSTANCES = "DICOM.instanceUIDs"  # Slicer's attribute of a volume: SOP Instance UIDs, between spaces
OTHER_FORMAT = "or export another format."


def source_files(volume: Any) -> list[Path]:
    """The DICOM files that a volume was loaded from, in the order in which Slicer names them.

    Args:
        volume: the volume node; None if it is no longer in the scene.

    Raises:
        InputError: it was not loaded from DICOM, or its files are not to be found.
    """
    if volume is None:
        raise InputError(
            "The image is no longer in the scene, so its DICOM series is not known.",
            f"Load it again and segment it, {OTHER_FORMAT}",
        )
    instances = (volume.GetAttribute(INSTANCES) or "").split()
    if not instances:
        raise InputError(
            f"{volume.GetName()} was not loaded from DICOM, so there is no study for a DICOM file to join.",
            f"Import the series in Slicer's DICOM module, load it from there and segment it, {OTHER_FORMAT}",
        )
    database = getattr(slicer, "dicomDatabase", None)  # outside Slicer there is none
    named = [database.fileForInstance(instance) if database else "" for instance in instances]
    files = [Path(name) for name in named if name]
    if len(files) < len(instances) or not all(file.is_file() for file in files):
        raise InputError(
            f"The DICOM files of {volume.GetName()} are no longer in Slicer's DICOM database.",
            f"Import the series in the DICOM module again, {OTHER_FORMAT}",
        )
    return list(dict.fromkeys(files))


def put_into_database(file: str | os.PathLike[str]) -> None:
    """Let Slicer's DICOM database know of a file, a copy of which it keeps; nothing where there is no database."""
    database = getattr(slicer, "dicomDatabase", None)
    if database is not None:
        database.insert(str(file))
