"""Files that leave Slicer: contours as they are now, and reports that say who reviewed them.

What the scene holds is handed over as files (``proseg.outputs.material``), and written out from these: here for
scripts, by the worker for the panel (``exporting``).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import slicer

from proseg.dicom.slices import NEEDED
from proseg.errors import InputError, OutputError
from proseg.outputs.material import SEGMENTATION, ZONES_ALONE, Material, report_on, write, write_all
from proseg.outputs.review import Review, ReviewStatus
from proseg.outputs.writing import DICOM_ENDING, SEGMENTATION_ENDING, check_target
from proseg.system.atomic import OutputSet, ending_of
from proseg.system.packages import is_there
from ProSegSlicerLib import review
from ProSegSlicerLib.dicom_sources import put_into_database, source_files
from ProSegSlicerLib.scene import mrml_scene
from ProSegSlicerLib.segments import (
    fits,
    input_volume,
    is_redrawn_on_another_grid,
    own_drawn,
    read_once,
    zones,
)
from ProSegSlicerLib.temporary import private_folder
from ProSegSlicerLib.volumes import to_sitk

NOTE_BYTES = 79  # of text in a NIfTI header, its field descrip
FORMATS = {
    ".seg.nrrd": "Segmentation for Slicer",
    DICOM_ENDING: "DICOM Segmentation",
    ".nii.gz": "Labelmap, NIfTI (1 PZ, 2 CG)",
    ".json": "Report, JSON",
    ".csv": "Report, CSV",
    ".html": "Report with pictures, HTML",
}


def export(segmentation: Any, path: str | os.PathLike[str], outputs: OutputSet | None = None) -> None:
    """Write one file by its ending, one of ``FORMATS``, whole or not at all.

    Raises:
        OutputError: it cannot be written.
        InputError: the segmentation lacks what the format shows.
    """
    check_target(path, endings=tuple(FORMATS))
    with private_folder() as folder:
        write(hand_over(segmentation, [ending_of(path)], folder), path, outputs)


def export_all(segmentation: Any, folder: str | os.PathLike[str], endings: Sequence[str]) -> list[Path]:
    """Write several formats under the segmentation's name; all files appear, or none.

    Args:
        segmentation: with the zones.
        folder: where to.
        endings: of ``FORMATS``.

    Returns:
        The files.

    Raises:
        OutputError, InputError: as ``export``.
    """
    paths = targets(segmentation, folder, endings)
    with private_folder() as here:
        write_all(hand_over(segmentation, endings, here), paths)
    tell_database(paths)
    return paths


def targets(segmentation: Any, folder: str | os.PathLike[str], endings: Sequence[str]) -> list[Path]:
    """The files of an export, in the order of their endings.

    Raises:
        InputError: there are none.
        OutputError: one of them cannot be written.
    """
    check(endings)
    paths = [Path(folder) / f"{file_name(segmentation.GetName())}{ending}" for ending in endings]
    for path in paths:
        check_target(path, endings=tuple(FORMATS))
    return paths


def tell_database(paths: Sequence[Path]) -> None:
    """Put exported DICOM files, once they are there, into Slicer's database."""
    for path in paths:
        if path.name.endswith(DICOM_ENDING):
            put_into_database(path)


def obstacle(segmentation: Any, ending: str) -> str:
    """Why a segmentation cannot leave in a format whatever its contours, with what to do; empty if it can."""
    if ending == DICOM_ENDING:
        missing = [f"{package} {least}" for package, least in NEEDED if not is_there(package, least)]
        if missing:
            return (
                f"DICOM Segmentation needs Slicer 5.12 or newer, which brings {' and '.join(missing)}: "
                "export another format."
            )
        try:
            source_files(input_volume(segmentation))
        except InputError as error:
            return str(error)
    return ""


def left_out(segmentation: Any, endings: Sequence[str]) -> str:
    """Which of the reader's own segments some of the formats have no room for, and what to use; empty if none."""
    small = [ending for ending in endings if ending in ZONES_ALONE]
    names = [segment.name for segment in own_drawn(segmentation)] if small else []
    if not names:
        return ""
    quoted = ", ".join(f"“{name}”" for name in names)
    return f"Only PZ and CG are in {' and '.join(small)}, not {quoted}, which may overlap them: use .seg.nrrd or DICOM."


def file_name(name: str) -> str:
    """A node's name as a file name that every system takes."""
    return "".join("_" if c in '<>:"/\\|?*' or ord(c) < 32 else c for c in name).strip(" .")[:120] or "zones"


def report_of(segmentation: Any) -> dict[str, Any]:
    """The report on the contours as they are now, ready for JSON."""
    return report_on(material_of(segmentation, (".json",)))


def hand_over(segmentation: Any, endings: Sequence[str], folder: Path) -> Material:
    """Write what files are made of into a folder, for whoever makes them; returns it.

    Raises:
        InputError: the segmentation lacks what a format shows.
    """
    check(endings)
    raw = folder / SEGMENTATION
    if SEGMENTATION_ENDING in endings:
        _write_raw(segmentation, raw)
    material = replace(material_of(segmentation, endings), segmentation=raw if SEGMENTATION_ENDING in endings else None)
    material.save(folder)
    return material


def check(endings: Sequence[str]) -> None:
    """Refuse to export nothing.

    Raises:
        InputError: no format is chosen.
    """
    if not endings:
        raise InputError("No format is chosen.", "Tick at least one format to export.")


def material_of(segmentation: Any, endings: Sequence[str]) -> Material:
    """What files of these endings are made of, but for Slicer's own.

    Raises:
        InputError: the segmentation lacks what a format shows.
    """
    volume = input_volume(segmentation)
    if ".html" in endings and volume is None:
        raise InputError(
            f"The image of {segmentation.GetName()} is no longer in the scene, so there are no pictures of it.",
            "Load it again and segment it, or export another format.",
        )
    if ".html" in endings and not fits(segmentation, volume):
        raise InputError(
            f"{volume.GetName()} has another grid than when {segmentation.GetName()} was drawn on it, so there are no "
            "pictures of both.",
            "Segment it again, or export another format.",
        )
    with read_once():
        status, signed = review.review(segmentation)
        return Material(
            labelmap=zones(segmentation),
            source=_source(segmentation),
            image=to_sitk(volume) if volume is not None and ".html" in endings else None,
            ai=review.ai_labelmap(segmentation),
            report=review.ai_report(segmentation),
            psa_ng_ml=review.psa(volume) if volume is not None else None,
            review=signed,
            slice_origins=review.slice_origins(segmentation),
            note=_note(status, signed),
            own=own_drawn(segmentation),
            series=tuple(source_files(volume)) if DICOM_ENDING in endings else (),
        )


def _write_raw(segmentation: Any, path: Path) -> None:
    """Have Slicer write its own file, uncompressed: compressing takes longest, and whoever gets it can do that."""
    if is_redrawn_on_another_grid(segmentation):
        raise InputError(
            f"{segmentation.GetName()} is drawn on another grid than its image, so a .seg.nrrd file would not hold "
            "the voxels that are measured and written elsewhere.",
            "Untick .seg.nrrd, or specify the image's geometry in the Segment Editor again.",
        )
    zones(segmentation)  # refuses an overlap, as every other format does
    review.refresh_tags(segmentation)
    storage = slicer.vtkMRMLSegmentationStorageNode()
    mrml_scene().AddNode(storage)
    try:
        storage.SetCropToMinimumExtent(False)  # the grid of the input, whatever is drawn in it
        storage.SetUseCompression(False)
        storage.SetFileName(str(path))
        if not storage.WriteData(segmentation):
            raise OutputError(
                f"Slicer could not write it ({storage.GetUserMessages().GetAllMessagesAsString()}).",
                "Free some disk space and try again.",
            )
    finally:
        mrml_scene().RemoveNode(storage)


def _note(status: ReviewStatus, signed: Review | None) -> str:
    """The review in the little room that a NIfTI header has for text."""
    text = f"ProSegSlicer: {status.value}" + (f", {signed.reviewed_at}, {signed.reviewer}" if signed else "")
    return text.encode()[:NOTE_BYTES].decode(errors="ignore")


def _source(segmentation: Any) -> str:
    """What the reports call the image: its node's name, without what would pass for a folder."""
    content, volume = review.ai_report(segmentation), input_volume(segmentation)
    name = volume.GetName() if volume else content["input"]["name"] if content else segmentation.GetName()
    return name.replace("/", "_").replace("\\", "_")
