"""Zones as segments of a segmentation node: names, colours, terminology, grid, and a place beside their volume.

A segmentation lies in its input volume's own frame and under the same parent transform. Its grid is that volume's, kept
as Slicer's reference image geometry, so that contours, measurements and exports have the voxels of the input.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from proseg.errors import InputError
from proseg.images.geometry import input_slice_indices, to_lps
from proseg.labels import ZONES
from proseg.outputs.own import OwnSegment
from proseg.outputs.review import SAME_PLACE_MM
from proseg.outputs.segnrrd import segment_tags, terminology
from proseg.segmentation.quality import name_slices
from proseg.segmentation.result import Provenance
from ProSegSlicerLib.scene import add_node, logic, mrml_scene, nodes_of
from ProSegSlicerLib.volumes import from_sitk, ijk_to_ras, image_to_ras, labelmap_to_sitk, set_image, to_image

INPUT_ROLE = "ProSegSlicer.Input"  # from a segmentation to the volume it was made from
GRID = "ProSegSlicer.Grid"  # of a segmentation: its input's grid, whatever grid is drawn on later
GEOMETRY = "Reference image geometry"  # Slicer's name for the grid that is drawn on
LABELMAP = "Binary labelmap"
SAME_VOXEL_MM = 1e-6  # within which two grids are one: text and arithmetic round
TISSUE = (  # what Slicer itself gives a segment that nobody coded
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^85756007^Tissue~SCT^85756007^Tissue~^^~"
    "Anatomic codes - DICOM master list~^^~^^"
)
SURFACE = "Closed surface"

_read: dict[Any, sitk.Image] | None = None  # by segmentation, while ``read_once`` lasts


def output_name(volume: Any) -> str:
    """What a segmentation of a volume is called."""
    return f"{volume.GetName()} zones"


def create_segmentation(volume: Any, name: str | None = None) -> Any:
    """A new segmentation node for a volume, with a peripheral zone and a central gland that are still empty."""
    segmentation = add_node("vtkMRMLSegmentationNode", name or output_name(volume))
    segmentation.CreateDefaultDisplayNodes()
    prepare(segmentation, volume)
    return segmentation


def prepare(segmentation: Any, volume: Any) -> None:
    """Make any segmentation node ready to take the zones of a volume; what else it holds stays."""
    # The transform comes first: Slicer expresses the reference geometry in the segmentation's frame.
    segmentation.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    adopt(segmentation, volume)
    segmentation.GetSegmentation().SetSourceRepresentationName(LABELMAP)
    _add_zones(segmentation)
    _place_beside(segmentation, volume)


def adopt(segmentation: Any, volume: Any) -> None:
    """Note that a segmentation was drawn on a volume, on the grid that it has now."""
    segmentation.SetNodeReferenceID(INPUT_ROLE, volume.GetID())
    segmentation.SetAttribute(GRID, segmentation.GetSegmentation().GetConversionParameter(GEOMETRY))


def fits(segmentation: Any, volume: Any) -> bool:
    """Whether a segmentation's grid is that of a volume, so that it may have been drawn on it."""
    try:
        grid, image = _grid(segmentation), volume.GetImageData()
    except InputError:
        return False
    same_place = np.allclose(image_to_ras(grid), ijk_to_ras(volume), rtol=0, atol=SAME_PLACE_MM)
    return image is not None and grid.GetDimensions() == image.GetDimensions() and same_place


def input_volume(segmentation: Any) -> Any | None:
    """The volume a segmentation was made from, or None if it is none of ours or the volume is gone."""
    return segmentation.GetNodeReference(INPUT_ROLE)


def segmentation_of(volume: Any) -> Any | None:
    """The newest segmentation made from a volume, or None."""
    made = filter(is_zonal, reversed(nodes_of("vtkMRMLSegmentationNode")))
    return next((node for node in made if input_volume(node) is volume), None)


def is_zonal(segmentation: Any) -> bool:
    """Whether a segmentation was made here: it has an input and at least one of the zones."""
    return segmentation.GetNodeReferenceID(INPUT_ROLE) is not None and bool(_zones_of(segmentation))


def set_zones(segmentation: Any, labelmap: sitk.Image, provenance: Provenance | None = None) -> None:
    """Replace the contours of both zones; other segments stay as they are.

    Args:
        segmentation: prepared for the labelmap's volume.
        labelmap: 0 = background, 1 = PZ, 2 = CG, on the grid of the volume.
        provenance: what drew it, for the segments' tags.
    """
    _add_zones(segmentation)  # one may have been deleted
    inside, kind = segmentation.GetSegmentation(), slicer.vtkSlicerSegmentationsModuleLogic
    had_surface = inside.ContainsRepresentation(SURFACE)
    was_modifying = segmentation.StartModify()
    try:
        for zone in ZONES:
            status = kind.GetSegmentStatus(inside.GetSegment(zone.short))
            logic("Segmentations").ClearSegment(segmentation, zone.short)
            kind.SetSegmentStatus(inside.GetSegment(zone.short), status)  # which the clearing took back
        _import(segmentation, labelmap)
        for zone in ZONES:
            segment = inside.GetSegment(zone.short)
            for key, value in (segment_tags(zone, provenance) if provenance else {}).items():
                segment.SetTag(key, value)
    finally:
        segmentation.EndModify(was_modifying)
    if had_surface:
        segmentation.CreateClosedSurfaceRepresentation()


class OverlapError(InputError):
    """The zones share voxels, which no labelmap can hold."""


def zones(segmentation: Any, overlaps: bool = False) -> sitk.Image:
    """The current contours: UInt8, 0 = background, 1 = PZ, 2 = CG, on the grid of the input volume.

    A segment that was deleted counts as empty. Where contours were drawn on another grid, the nearest voxel counts.

    Args:
        segmentation: any.
        overlaps: whether the zones may share voxels; CG has them then.

    Raises:
        OverlapError: they share voxels, and may not: what the picture shows would not be what is measured.
        InputError: the segmentation has lost its grid.
    """
    if _read is not None and (known := _read.get(segmentation)) is not None:
        return known
    grid, present = _grid(segmentation), _zones_of(segmentation)
    if not overlaps and (shared := _shared_slices(segmentation)):
        raise OverlapError(
            f"PZ and CG of {segmentation.GetName()} overlap in {name_slices(shared)}.",
            "Take these voxels from one of the two in the Segment Editor, or restore the AI's result.",
        )
    if not present:  # an empty list would mean all segments
        return on_grid(segmentation, np.zeros(grid.GetDimensions()[::-1], np.uint8))
    labelmap = _merged(segmentation, grid, {zone.short: zone.label for zone in present})
    if _read is not None and not overlaps:
        _read[segmentation] = labelmap
    return labelmap


@contextmanager
def read_once() -> Iterator[None]:
    """Meanwhile the contours of a segmentation are read once: for those who ask several times and change nothing."""
    global _read
    before = _read
    _read = {} if before is None else before
    try:
        yield
    finally:
        _read = before


def own_segments(segmentation: Any) -> list[str]:
    """The IDs of the segments that are none of the zones: the reader's."""
    inside, known = segmentation.GetSegmentation(), {zone.short for zone in ZONES}
    return [name for name in map(inside.GetNthSegmentID, range(inside.GetNumberOfSegments())) if name not in known]


def own_drawn(segmentation: Any) -> tuple[OwnSegment, ...]:
    """The reader's own segments that hold a voxel, on the grid of the input volume.

    Raises:
        InputError: the segmentation has lost its grid.
    """
    grid, found = _grid(segmentation), []
    for name in own_segments(segmentation):
        segment, voxels = segmentation.GetSegmentation().GetSegment(name), _labels(segmentation, grid, {name: 1})
        if voxels.any():
            colour = tuple(round(255 * channel) for channel in segment.GetColor())
            found.append(OwnSegment(segment.GetName(), to_image(voxels, image_to_ras(grid)), colour))
    return tuple(found)


def make_own_neutral(segmentation: Any) -> None:
    """Give the reader's own segments a neutral code where Slicer copied a zone's: a lesion is no central gland."""
    kind, of_zones = slicer.vtkSegment.GetTerminologyEntryTagName(), {terminology(zone) for zone in ZONES}
    for name in own_segments(segmentation):
        segment, entry = segmentation.GetSegmentation().GetSegment(name), vtk.reference("")
        if segment.GetTag(kind, entry) and str(entry) in of_zones:
            segment.SetTag(kind, TISSUE)


def mark_of_all(segmentation: Any) -> str:
    """What tells all segments apart as Slicer would write them: a SHA-256 that changes with a voxel of any, or a name.

    Raises:
        InputError: the segmentation has lost its grid.
    """
    inside, grid, digest = segmentation.GetSegmentation(), _grid(segmentation, drawn=True), hashlib.sha256()
    for number in range(inside.GetNumberOfSegments()):
        name = inside.GetNthSegmentID(number)
        voxels = _labels(segmentation, grid, {name: 1})
        digest.update(repr((name, inside.GetNthSegment(number).GetName(), voxels.shape[::-1])).encode())
        digest.update(np.packbits(voxels))
    return digest.hexdigest()


def is_redrawn_on_another_grid(segmentation: Any) -> bool:
    """Whether contours are drawn on another grid than their input's ("Specify geometry" in the Segment Editor)."""
    own, drawn = _grid(segmentation), _grid(segmentation, drawn=True)
    same_place = np.allclose(image_to_ras(own), image_to_ras(drawn), rtol=0, atol=SAME_PLACE_MM)
    return own.GetDimensions() != drawn.GetDimensions() or not same_place


def take_back_grid(segmentation: Any) -> None:
    """Draw on the input's grid again."""
    if grid := segmentation.GetAttribute(GRID):
        segmentation.GetSegmentation().SetConversionParameter(GEOMETRY, grid)


def keep_apart(segmentation: Any, winner: str) -> bool:
    """Take from the other zone what the winner, one of the zones, was given of it; whether there was anything.

    The Segment Editor cannot: it takes voxels from all other segments, the reader's own as well, or from none.
    """
    if winner not in {zone.short for zone in ZONES} or not _shared_slices(segmentation):
        return False
    grid = _grid(segmentation, drawn=True)
    kept = _labels(segmentation, grid, {winner: 1})
    for zone in _zones_of(segmentation):
        if zone.short != winner:
            rest = _labels(segmentation, grid, {zone.short: 1})
            rest[kept > 0] = 0
            labels = from_sitk(to_image(rest, image_to_ras(grid)))
            kind = slicer.vtkSlicerSegmentationsModuleLogic
            kind.SetBinaryLabelmapToSegment(labels, segmentation, zone.short, kind.MODE_REPLACE)
    return True


def on_grid(segmentation: Any, labels: np.ndarray) -> sitk.Image | None:
    """Labels (K, J, I) as an image on the segmentation's grid; None if they are of another size.

    Raises:
        InputError: the segmentation has lost its grid.
    """
    grid = _grid(segmentation)
    return to_image(labels, image_to_ras(grid)) if labels.shape == grid.GetDimensions()[::-1] else None


def _grid(segmentation: Any, drawn: bool = False) -> Any:
    """The input's grid, or the one that contours are drawn on now: a ``vtkOrientedImageData`` without voxels."""
    grid = slicer.vtkOrientedImageData()
    geometry = segmentation.GetSegmentation().GetConversionParameter(GEOMETRY)
    if not drawn:
        geometry = segmentation.GetAttribute(GRID) or geometry
    if not geometry or not slicer.vtkSegmentationConverter.DeserializeImageGeometry(geometry, grid, False):
        raise InputError(
            f"{segmentation.GetName()} has no reference geometry.", "Select its input volume and segment again."
        )
    return grid


def _merged(segmentation: Any, grid: Any, wanted: dict[str, int]) -> sitk.Image:
    """Segments by ID as the labels given, UInt8, on a grid; where they overlap the last one has the voxel."""
    return to_image(_labels(segmentation, grid, wanted), image_to_ras(grid))


def _labels(segmentation: Any, grid: Any, wanted: dict[str, int]) -> np.ndarray:
    """The same as an array (K, J, I)."""
    drawn = [(_voxels_on(segmentation.GetSegmentation().GetSegment(name), grid), wanted[name]) for name in wanted]
    if any(voxels is None for voxels, _ in drawn):
        return sitk.GetArrayFromImage(_resampled(segmentation, grid, wanted))
    labels = np.zeros(grid.GetDimensions()[::-1], np.uint8)
    for (place, mask), label in drawn:
        labels[place][mask] = label
    return labels


def _voxels_on(segment: Any, grid: Any) -> tuple[tuple[slice, ...], np.ndarray] | None:
    """Where on a grid (K, J, I) a segment's labelmap lies, and its voxels there; None if it has another grid.

    Slicer's own merging takes seconds for a large image, as it resamples in any case.
    """
    labelmap = segment.GetRepresentation(LABELMAP)
    if labelmap is None or labelmap.IsEmpty():
        return None
    extent, whole = labelmap.GetExtent(), grid.GetExtent()
    inside = all(whole[a] <= extent[a] and extent[a + 1] <= whole[a + 1] for a in (0, 2, 4))
    if not inside or not np.allclose(image_to_ras(labelmap), image_to_ras(grid), rtol=0, atol=SAME_VOXEL_MM):
        return None
    size = labelmap.GetDimensions()[::-1]
    values = vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(size)
    place = tuple(slice(extent[a] - whole[a], extent[a + 1] - whole[a] + 1) for a in (4, 2, 0))
    return place, values == segment.GetLabelValue()


def _resampled(segmentation: Any, grid: Any, wanted: dict[str, int]) -> sitk.Image:
    """The same by Slicer's own merging, which takes the nearest voxel where contours are drawn on another grid."""
    names, labels, merged = vtk.vtkStringArray(), vtk.vtkIntArray(), slicer.vtkOrientedImageData()
    for name, label in wanted.items():
        names.InsertNextValue(name)
        labels.InsertNextValue(label)
    extent = slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
    segmentation.GenerateMergedLabelmapForAllSegments(merged, extent, grid, names, labels)
    return sitk.Cast(labelmap_to_sitk(merged), sitk.sitkUInt8)


def _shared_slices(segmentation: Any) -> tuple[int, ...]:
    """The slices, along the input's slice axis, in which both zones claim a voxel."""
    stored = [segmentation.GetSegmentation().GetSegment(zone.short) for zone in ZONES]
    if None in stored:
        return ()
    one, other = (segment.GetRepresentation(LABELMAP) for segment in stored)
    if one is None or other is None or one is other:  # in one labelmap a voxel has one label
        return ()
    grid = _grid(segmentation)
    first, second = (_labels(segmentation, grid, {zone.short: 1}) for zone in ZONES)
    if not (both := first & second).any():
        return ()
    shared = to_image(both, image_to_ras(grid))
    planes = sitk.GetArrayFromImage(to_lps(shared)).any(axis=(1, 2))
    return input_slice_indices(shared, np.flatnonzero(planes))


def _add_zones(segmentation: Any) -> None:
    """Add the zones that are missing, empty."""
    for zone in ZONES:
        if segmentation.GetSegmentation().GetSegment(zone.short) is None:
            segment = slicer.vtkSegment()
            segment.SetName(zone.name)
            segment.SetColor(*(channel / 255 for channel in zone.colour))
            segment.SetNameAutoGenerated(False)
            segment.SetColorAutoGenerated(False)
            segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), terminology(zone))
            segmentation.GetSegmentation().AddSegment(segment, zone.short)


def _zones_of(segmentation: Any) -> list:
    return [zone for zone in ZONES if segmentation.GetSegmentation().GetSegment(zone.short)]


def _import(segmentation: Any, labelmap: sitk.Image) -> None:
    """Import the zones that a labelmap holds. Slicer hands its values, ascending, to the segments named."""
    values = sitk.GetArrayViewFromImage(labelmap)
    present = [zone for zone in ZONES if np.any(values == zone.label)]
    if not present:
        return
    if len(present) == 1:  # a single segment is imported by value 1 alone
        labelmap = labelmap == present[0].label
    names = vtk.vtkStringArray()
    for zone in present:
        names.InsertNextValue(zone.short)
    node = add_node("vtkMRMLLabelMapVolumeNode", "ProSegSlicer import", hidden=True)
    try:
        set_image(node, sitk.Cast(labelmap, sitk.sitkUInt8))
        node.SetAndObserveTransformNodeID(segmentation.GetTransformNodeID())
        if not logic("Segmentations").ImportLabelmapToSegmentationNode(node, segmentation, names):
            raise RuntimeError("Slicer did not import the labelmap.")
    finally:
        mrml_scene().RemoveNode(node)


def _place_beside(segmentation: Any, volume: Any) -> None:
    """Put the segmentation under the volume's study (or folder) in the subject hierarchy: DICOM export needs it."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(mrml_scene())
    beside = tree.GetItemByDataNode(volume) if tree else 0
    if not beside:
        return  # outside Slicer's application nobody keeps the hierarchy
    parent = tree.GetItemParent(beside)
    item = tree.GetItemByDataNode(segmentation) or tree.CreateItem(parent, segmentation)
    tree.SetItemParent(item, parent)
