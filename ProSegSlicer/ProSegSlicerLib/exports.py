"""Files that leave Slicer: contours as they are now, and reports that say who reviewed them.

A format is a line in ``FORMATS`` and a writer in ``_WRITERS``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slicer

from proseg.dicom.slices import NEEDED
from proseg.errors import InputError
from proseg.outputs.dicom_seg import write_dicom_seg
from proseg.outputs.page import write_page
from proseg.outputs.report import report, report_row, to_csv, to_json
from proseg.outputs.writing import DICOM_ENDING, check_target, write_image
from proseg.system.atomic import OutputSet, atomic, ending_of, write_text
from proseg.system.packages import is_there
from ProSegSlicerLib import review
from ProSegSlicerLib.dicom_sources import put_into_database, source_files
from ProSegSlicerLib.scene import mrml_scene
from ProSegSlicerLib.segments import fits, input_volume, is_redrawn_on_another_grid, zones

NIFTI_NOTE, NOTE_BYTES = "ITK_FileNotes", 79  # ITK's name for NIfTI's field descrip, and how much it takes
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
    _WRITERS[ending_of(path)](segmentation, path, outputs)


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
    if not endings:
        raise InputError("No format is chosen.", "Tick at least one format to export.")
    paths = [Path(folder) / f"{file_name(segmentation.GetName())}{ending}" for ending in endings]
    with OutputSet() as outputs:
        for path in paths:
            export(segmentation, path, outputs)
    for path in paths:  # only now they are there
        if path.name.endswith(DICOM_ENDING):
            put_into_database(path)
    return paths


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


def file_name(name: str) -> str:
    """A node's name as a file name that every system takes."""
    return "".join("_" if c in '<>:"/\\|?*' or ord(c) < 32 else c for c in name).strip(" .")[:120] or "zones"


def report_of(segmentation: Any) -> dict[str, Any]:
    """The report on the contours as they are now, ready for JSON."""
    signed = review.review(segmentation)[1]
    return report(review.findings(segmentation), _source(segmentation), signed, review.comparison(segmentation))


def _segmentation(segmentation: Any, path: str | os.PathLike[str], outputs: OutputSet | None) -> None:
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
        storage.SetUseCompression(True)
        with atomic(path, outputs) as temporary:
            storage.SetFileName(str(temporary))
            if not storage.WriteData(segmentation):
                raise OSError(f"Slicer could not write it ({storage.GetUserMessages().GetAllMessagesAsString()})")
    finally:
        mrml_scene().RemoveNode(storage)


def _dicom(segmentation: Any, path: str | os.PathLike[str], outputs: OutputSet | None) -> None:
    files, signed = source_files(input_volume(segmentation)), review.review(segmentation)[1]
    compared = review.comparison(segmentation)
    write_dicom_seg(review.findings(segmentation), files, path, outputs, review=signed, comparison=compared)


def _labelmap(segmentation: Any, path: str | os.PathLike[str], outputs: OutputSet | None) -> None:
    write_image(zones(segmentation), path, outputs, {NIFTI_NOTE: _note(segmentation)})


def _json(segmentation: Any, path: str | os.PathLike[str], outputs: OutputSet | None) -> None:
    write_text(to_json(report_of(segmentation)), path, outputs)


def _csv(segmentation: Any, path: str | os.PathLike[str], outputs: OutputSet | None) -> None:
    write_text(to_csv([report_row(report_of(segmentation))]), path, outputs)


def _html(segmentation: Any, path: str | os.PathLike[str], outputs: OutputSet | None) -> None:
    volume = input_volume(segmentation)
    if volume is None:
        raise InputError(
            f"The image of {segmentation.GetName()} is no longer in the scene, so there are no pictures of it.",
            "Load it again and segment it, or export another format.",
        )
    if not fits(segmentation, volume):
        raise InputError(
            f"{volume.GetName()} has another grid than when {segmentation.GetName()} was drawn on it, so there are no "
            "pictures of both.",
            "Segment it again, or export another format.",
        )
    signed = review.review(segmentation)[1]
    compared = review.comparison(segmentation)
    write_page(review.findings(segmentation), _source(segmentation), path, outputs, review=signed, comparison=compared)


def _note(segmentation: Any) -> str:
    """The review in the little room that a NIfTI header has for text."""
    status, signed = review.review(segmentation)
    text = f"ProSegSlicer: {status.value}" + (f", {signed.reviewed_at}, {signed.reviewer}" if signed else "")
    return text.encode()[:NOTE_BYTES].decode(errors="ignore")


def _source(segmentation: Any) -> str:
    """What the reports call the image: its node's name, without what would pass for a folder."""
    content, volume = review.ai_report(segmentation), input_volume(segmentation)
    name = volume.GetName() if volume else content["input"]["name"] if content else segmentation.GetName()
    return name.replace("/", "_").replace("\\", "_")


_WRITERS = {
    ".seg.nrrd": _segmentation,
    DICOM_ENDING: _dicom,
    ".nii.gz": _labelmap,
    ".json": _json,
    ".csv": _csv,
    ".html": _html,
}
