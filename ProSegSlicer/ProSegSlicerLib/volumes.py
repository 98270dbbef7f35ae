"""Volume nodes and SimpleITK images: the same voxels, RAS there and LPS here.

A volume may hang under a parent transform. Everything is computed in the volume's own frame, the one its header gives
to the patient; a segmentation made from it hangs under the same transform, linear or not, and so follows it exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import slicer.util
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from proseg.images.checks import MIN_SLICES
from proseg.images.geometry import SUPERIOR_AXES, input_slice_indices, orientation_code, to_lps
from ProSegSlicerLib.scene import add_node

_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])  # RAS to LPS and back


def refusal(volume: Any) -> str | None:
    """Why a volume node cannot be segmented whatever its content, one sentence, or None."""
    image = volume.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        return f"{volume.GetName()} has no voxels: load its image first."
    if volume.IsA("vtkMRMLLabelMapVolumeNode"):
        return f"{volume.GetName()} is a label map: choose the T2-weighted image."
    if volume.GetHideFromEditors():
        return f"{volume.GetName()} is not an image of a patient: choose the T2-weighted image."
    if image.GetNumberOfScalarComponents() > 1:
        return f"{volume.GetName()} has several values per voxel (colour or vectors): choose a greyscale image."
    if min(image.GetDimensions()) < MIN_SLICES:
        return f"{volume.GetName()} is not a 3D volume: choose one with {MIN_SLICES} slices or more."
    return None


def to_sitk(volume: Any) -> sitk.Image:
    """The voxels of a volume node and their geometry (LPS, mm), in the volume's own frame; a copy."""
    return _to_sitk(volume.GetImageData(), ijk_to_ras(volume))


def labelmap_to_sitk(labelmap: Any) -> sitk.Image:
    """The same for a ``vtkOrientedImageData``, whose extent must start at 0."""
    return _to_sitk(labelmap, image_to_ras(labelmap))


def from_sitk(image: sitk.Image) -> Any:
    """An image as ``vtkOrientedImageData``; a copy."""
    oriented = slicer.vtkOrientedImageData()
    oriented.SetDimensions(image.GetSize())
    values = sitk.GetArrayViewFromImage(image)
    oriented.GetPointData().SetScalars(numpy_to_vtk(values.ravel(), deep=True))
    oriented.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(matrix_of(image)))
    return oriented


def add_volume(image: sitk.Image, name: str, class_name: str = "vtkMRMLScalarVolumeNode", hidden: bool = False) -> Any:
    """A new volume node with the voxels of an image, and a display node; hidden: no selector offers it."""
    volume = add_node(class_name, name, hidden)
    set_image(volume, image)
    volume.CreateDefaultDisplayNodes()
    return volume


def set_image(volume: Any, image: sitk.Image) -> None:
    """Give a volume node the voxels and the geometry of an image."""
    oriented = from_sitk(image)
    plain = vtk.vtkImageData()  # a volume node keeps its geometry itself
    plain.SetDimensions(oriented.GetDimensions())
    plain.GetPointData().SetScalars(oriented.GetPointData().GetScalars())
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix_of(image)))
    volume.SetAndObserveImageData(plain)


def ijk_to_ras(volume: Any) -> np.ndarray:
    """The 4 x 4 matrix from voxel indices (i, j, k) to RAS, mm, in the volume's own frame."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def image_to_ras(oriented: Any) -> np.ndarray:
    """The same of a ``vtkOrientedImageData``, in its own frame."""
    matrix = vtk.vtkMatrix4x4()
    oriented.GetImageToWorldMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def matrix_of(image: sitk.Image) -> np.ndarray:
    """The 4 x 4 matrix from voxel indices (i, j, k) of a SimpleITK image to RAS, mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return _FLIP @ matrix


def slice_axis(image: sitk.Image) -> int:
    """Which of an image's axes i, j, k (0, 1, 2) its slices are counted along: the one nearest to S."""
    return next(axis for axis, letter in enumerate(orientation_code(image)) if letter in SUPERIOR_AXES)


def by_slice(image: sitk.Image) -> np.ndarray:
    """An image's voxels, slice by slice along its slice axis, the first of three; a copy."""
    return np.moveaxis(sitk.GetArrayFromImage(image), 2 - slice_axis(image), 0)


def drawn_slices(labelmap: sitk.Image) -> tuple[int, ...]:
    """The slices with labels, counted along the input's slice axis, ascending."""
    return tuple(map(int, np.flatnonzero(by_slice(labelmap).any(axis=(1, 2)))))


def from_slices(slices: np.ndarray, like: sitk.Image) -> sitk.Image:
    """The inverse of ``by_slice``: voxels, slice by slice, as an image on the grid of ``like``; a copy."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(np.moveaxis(slices, 0, 2 - slice_axis(like))))
    image.CopyInformation(like)
    return image


def slice_centre(labelmap: sitk.Image, index: int) -> tuple[float, float, float]:
    """RAS position, mm, of the labels' middle in a slice counted along the input's slice axis.

    In a slice without labels it is the middle of all labels' box, and without any label that of the slice.
    """
    labels = by_slice(labelmap)
    here = labels[index] if 0 <= index < len(labels) else np.zeros_like(labels[0])
    return _centre(labelmap, here, labels.any(axis=0), index)


def slice_centres(labelmap: sitk.Image) -> tuple[tuple[float, float, float], ...]:
    """``slice_centre`` of all slices, the first of them first."""
    labels = by_slice(labelmap)
    gland = labels.any(axis=0)
    return tuple(_centre(labelmap, labels[index], gland, index) for index in range(len(labels)))


def _centre(labelmap: sitk.Image, here: np.ndarray, gland: np.ndarray, index: int) -> tuple[float, float, float]:
    """The middle of the box around a slice's labels, or where it has none around ``gland``, all slices' together."""
    middle = []
    for axis in (1, 0):
        found = np.flatnonzero(here.any(axis=axis))
        found = found if len(found) else np.flatnonzero(gland.any(axis=axis))
        middle.append((found[0] + found[-1]) / 2 if len(found) else (here.shape[1 - axis] - 1) / 2)
    ijk = np.insert(np.array(middle[::-1], float), slice_axis(labelmap), index)
    right, anterior, superior = (matrix_of(labelmap) @ [*ijk, 1])[:3]
    return float(right), float(anterior), float(superior)


def middle_slice(labelmap: sitk.Image) -> int | None:
    """The middle of the slices that hold labels, counted along the input's slice axis; None where none does."""
    found = np.flatnonzero(sitk.GetArrayFromImage(to_lps(labelmap)).any(axis=(1, 2)))
    return input_slice_indices(labelmap, found[[len(found) // 2]])[0] if len(found) else None


def to_image(voxels: np.ndarray, matrix: np.ndarray) -> sitk.Image:
    """Voxels (K, J, I) and the 4 x 4 matrix from their indices (i, j, k) to RAS, mm, as a SimpleITK image; a copy."""
    image = sitk.GetImageFromArray(voxels)
    lps = _FLIP @ matrix
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    return image


def _to_sitk(image_data: Any, matrix: np.ndarray) -> sitk.Image:
    voxels = vtk_to_numpy(image_data.GetPointData().GetScalars()).reshape(image_data.GetDimensions()[::-1])
    return to_image(voxels, matrix)
