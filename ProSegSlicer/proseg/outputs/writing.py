"""Results as files: labelmaps, images, Slicer's and DICOM's segmentations, each whole or not at all.

Images are read back before they take their place: the NIfTI writer does not report a full disk.
"""

from __future__ import annotations

import errno
import gzip
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from proseg.errors import OutputError
from proseg.images.files import nameable
from proseg.images.nifti import NiftiHeader, is_zipped, open_any
from proseg.system.atomic import OutputSet, asked_twice, atomic, ending_of, resolved, same_file, shown, trouble

if TYPE_CHECKING:
    from proseg.segmentation.result import SegmentationResult

SEGMENTATION_ENDING = ".seg.nrrd"
DICOM_ENDING = ".dcm"
IMAGE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
RESULT_ENDINGS = (*IMAGE_ENDINGS, SEGMENTATION_ENDING, DICOM_ENDING)


def check_target(
    path: str | os.PathLike[str],
    inputs: Iterable[str | os.PathLike[str]] = (),
    endings: Sequence[str] = RESULT_ENDINGS,
    others: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Find out, before any work is done, whether an output can be written. Creates nothing.

    Args:
        path: where the output shall go; missing folders are made when it is written.
        inputs: the files and folders read in this run: none may be overwritten, nor a DICOM folder given another file.
        endings: the endings that say how to write it.
        others: the other outputs of this run.

    Raises:
        OutputError: it cannot.
    """
    if ending_of(path) not in endings:
        raise OutputError(
            f"{shown(path)} has an ending that cannot be written here.", f"Use one of: {', '.join(endings)}."
        )
    target = resolved(path)
    for source in inputs:
        if same_file(target, Path(source)):
            raise OutputError(f"{shown(path)} is the input itself.", "Inputs are never overwritten: use another name.")
        if ending_of(path) == DICOM_ENDING and Path(os.path.realpath(source)) in target.parents:
            raise OutputError(
                f"{shown(path)} lies in the input folder, whose DICOM files it would join.", "Choose another folder."
            )
    for other in others:
        if same_file(target, resolved(other)):
            raise asked_twice(path)
    folder = next((parent for parent in target.parents if parent.exists()), None)
    if folder is None:  # a drive that is not there
        raise trouble(path, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))
    if not folder.is_dir():
        raise OutputError(f"{shown(path)} cannot be written: {folder} is a file, not a folder.", "Choose a folder.")
    if not os.access(folder, os.W_OK | os.X_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise trouble(path, PermissionError(errno.EACCES, ""))


def write_image(
    image: sitk.Image,
    path: str | os.PathLike[str],
    outputs: OutputSet | None = None,
    header: dict[str, str] | None = None,
    nifti: NiftiHeader | None = None,
) -> None:
    """Write an image by its ending, compressed where the format can be, as ``atomic`` does.

    Of the image's own metadata nothing is written: it may name the patient.

    Args:
        image: any scalar image.
        path: where to; one of ``IMAGE_ENDINGS``, or ``.seg.nrrd``.
        outputs: the set that the file shall appear with; without one it appears by itself.
        header: fields to write into the header, where the format has them.
        nifti: the header of the NIfTI file that the image was made from, voxel for voxel: a NIfTI output keeps its
            sform and qform with their codes, voxel sizes and unit, to the last bit.

    Raises:
        OutputError: unknown ending, or the file cannot be written.
    """
    check_target(path, endings=(*IMAGE_ENDINGS, SEGMENTATION_ENDING))
    clean = sitk.GetImageFromArray(sitk.GetArrayViewFromImage(image))  # a copy of sitk's would share its metadata
    clean.CopyInformation(image)
    for key, value in (header or {}).items():
        clean.SetMetaData(key, value)
    with atomic(path, outputs) as temporary:
        try:
            with nameable([temporary]) as (name,):
                sitk.WriteImage(clean, name, useCompression=ending_of(path) != ".nii")
                whole = _equal(sitk.ReadImage(name), clean)
        except RuntimeError:
            whole = False
        if not whole:
            raise _incomplete(path)
        if nifti is not None and ending_of(path) in (".nii", ".nii.gz"):
            with open_any(temporary) as file:
                stamped = nifti.stamp(file.read())
            temporary.write_bytes(gzip.compress(stamped, 6, mtime=0) if is_zipped(temporary) else stamped)


def write_result(
    result: SegmentationResult,
    out: str | os.PathLike[str],
    outputs: OutputSet | None = None,
    files: Sequence[Path] = (),
) -> None:
    """Write the labels of a result by the ending of ``out``: one of ``RESULT_ENDINGS``.

    ``.seg.nrrd`` is a Slicer segmentation with names, colours, terminology and provenance, ``.dcm`` a DICOM
    Segmentation; the others are labelmaps (0 background, 1 PZ, 2 CG) on the input's grid.

    Args:
        result: the segmentation.
        out: where to.
        outputs: the set that the file shall appear with; without one it appears by itself.
        files: the DICOM files that the image was read from (``T2WImage.files``); only ``.dcm`` needs them.

    Raises:
        OutputError: unknown ending, or the file cannot be written.
        InputError: ``.dcm``, but the image does not come from DICOM.
    """
    if ending_of(out) == DICOM_ENDING:
        from proseg.outputs.dicom_seg import write_dicom_seg

        write_dicom_seg(result, files, out, outputs)
    elif ending_of(out) == SEGMENTATION_ENDING:
        from proseg.outputs.segnrrd import header

        write_image(result.labelmap, out, outputs, header(result.labelmap, result.provenance))
    else:
        write_image(result.labelmap, out, outputs, nifti=result.nifti)


def _equal(one: sitk.Image, other: sitk.Image) -> bool:
    return one.GetSize() == other.GetSize() and np.array_equal(
        sitk.GetArrayViewFromImage(one), sitk.GetArrayViewFromImage(other), equal_nan=True
    )


def _incomplete(path: str | os.PathLike[str]) -> OutputError:
    if shutil.disk_usage(resolved(path).parent).free < 2**20:
        return trouble(path, OSError(errno.ENOSPC, ""))
    return OutputError(f"{shown(path)} could not be written whole.", "Choose another folder or another ending.")
