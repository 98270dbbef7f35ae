"""Draw the tutorial's pictures: Slicer's own slice and 3D views of a real case, rendered outside Slicer.

``python -m docs.draw_tutorial ../shared/data/zonal/prostate158_valid_021/t2.nii.gz``

The views are those of slicer-core: the displayable managers that draw segmentations in Slicer draw them here. The case
is one of those that the shipped weights have learned from, as the tutorial says.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ProSegSlicer"))

import numpy as np  # noqa: E402
import SimpleITK as sitk  # noqa: E402
import slicer  # noqa: E402
import vtk  # noqa: E402
from PIL import Image  # noqa: E402
from vtk.util.numpy_support import vtk_to_numpy  # noqa: E402

from proseg import Segmenter, read_t2w  # noqa: E402
from proseg.images.geometry import to_lps  # noqa: E402
from proseg.outputs.report import report  # noqa: E402
from ProSegSlicerLib import overlay, review  # noqa: E402
from ProSegSlicerLib.scene import application_logic, mrml_scene  # noqa: E402
from ProSegSlicerLib.segments import create_segmentation, zones  # noqa: E402
from ProSegSlicerLib.volumes import add_volume  # noqa: E402

SIZE = (560, 560)  # pixels of a view
SLICE_MM = 112.0  # shown across a slice view


class View:
    """A renderer without a window, with some of Slicer's displayable managers.

    Args:
        factory: Slicer's factory of displayable managers for this kind of view.
        managers: class names of those wanted.
    """

    def __init__(self, factory: Any, managers: tuple[str, ...]) -> None:
        self.renderer, self.window = vtk.vtkRenderer(), vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(True)
        self.window.SetMultiSamples(8)
        self.window.SetSize(SIZE)
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        factory.SetMRMLApplicationLogic(application_logic())
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.managers = factory.InstantiateDisplayableManagers(self.renderer)

    def picture(self) -> Image.Image:
        """What the view shows."""
        self.window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.ReadFrontBufferOff()
        grab.Update()
        pixels = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
        width, height, _ = grab.GetOutput().GetDimensions()
        return Image.fromarray(np.flipud(pixels.reshape(height, width, -1)[..., :3]).copy())


class SliceView(View):
    """One of Slicer's slice views: the image, what lies over it, and the segments' contours."""

    def __init__(self, name: str, orientation: str) -> None:
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        super().__init__(factory, ("vtkMRMLSegmentationsDisplayableManager2D",))
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(application_logic())
        self.logic.SetMRMLScene(mrml_scene())
        self.logic.AddSliceNode(name)
        self.node, self.composite = self.logic.GetSliceNode(), self.logic.GetSliceCompositeNode()
        self.node.SetOrientation(orientation)
        self.node.SetDimensions(*SIZE, 1)
        self.node.SetFieldOfView(SLICE_MM, SLICE_MM * SIZE[1] / SIZE[0], 1)
        self.managers.SetMRMLDisplayableNode(self.node)
        self.mapper, actor = vtk.vtkImageMapper(), vtk.vtkActor2D()
        self.mapper.SetColorWindow(255)  # the slice logic has applied window and level already
        self.mapper.SetColorLevel(127.5)
        actor.SetMapper(self.mapper)
        actor.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(actor)
        self.renderer.GetActiveCamera().ParallelProjectionOn()

    def show(self, volume: Any, centre: tuple[float, float, float]) -> None:
        """Show a volume around a position, RAS."""
        self.composite.SetBackgroundVolumeID(volume.GetID())
        self.node.JumpSliceByCentering(*centre)

    def picture(self) -> Image.Image:
        """What the view shows; only now does the slice logic know what it blends."""
        self.mapper.SetInputConnection(self.logic.GetImageDataConnection())
        return super().picture()


class ThreeDView(View):
    """Slicer's 3D view."""

    def __init__(self) -> None:
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        super().__init__(factory, ("vtkMRMLSegmentationsDisplayableManager3D", "vtkMRMLCameraDisplayableManager"))
        self.node = mrml_scene().AddNewNodeByClass("vtkMRMLViewNode", "View1")
        self.managers.SetMRMLDisplayableNode(self.node)
        self.renderer.GradientBackgroundOn()
        self.renderer.SetBackground(0.7568, 0.7647, 0.9098)  # Slicer's own
        self.renderer.SetBackground2(0.4549, 0.4705, 0.7450)

    def look_from(self, right: float, anterior: float, superior: float) -> None:
        """Look at all that is shown from a direction, RAS."""
        camera = self.renderer.GetActiveCamera()
        camera.SetFocalPoint(0, 0, 0)
        camera.SetPosition(right, anterior, superior)
        camera.SetViewUp(0, 0, 1)
        self.renderer.ResetCamera()
        camera.Zoom(1.3)
        self.renderer.ResetCameraClippingRange()


def side_by_side(*pictures: Image.Image) -> Image.Image:
    """Pictures of one height in a row."""
    gap = 8
    width = sum(picture.width for picture in pictures) + gap * (len(pictures) - 1)
    row = Image.new("RGB", (width, pictures[0].height), "white")
    x = 0
    for picture in pictures:
        row.paste(picture, (x, 0))
        x += picture.width + gap
    return row


def main() -> None:
    """Segment the case and draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "tutorial")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    result = Segmenter().segment(read_t2w(options.image))
    volume = add_volume(result.image, "T2W")
    volume.GetDisplayNode().AutoWindowLevelOn()
    segmentation = create_segmentation(volume)
    review.keep_ai_result(segmentation, result.labelmap, report(result, options.image))
    overlay.set_uncertainty(segmentation, result.uncertainty_image() * 100)
    display = segmentation.GetDisplayNode()

    lps = to_lps(zones(segmentation))
    gland = np.argwhere(sitk.GetArrayViewFromImage(lps) > 0)
    k, j, i = (gland.min(axis=0) + gland.max(axis=0)) / 2
    left, posterior, superior = lps.TransformContinuousIndexToPhysicalPoint((float(i), float(j), float(round(k))))
    centre = (-left, -posterior, superior)

    views = [SliceView("Red", "Axial"), SliceView("Green", "Coronal"), SliceView("Yellow", "Sagittal")]
    for view in views:
        view.show(volume, centre)
    display.SetVisibility(False)
    views[0].picture().save(options.out / "loaded.png", optimize=True)
    display.SetVisibility(True)
    display.SetVisibility2DFill(False)
    display.SetSliceIntersectionThickness(2)
    side_by_side(*(view.picture() for view in views)).save(options.out / "segmented.png", optimize=True)

    overlay.show_uncertainty(segmentation, True)
    views[0].picture().save(options.out / "uncertainty.png", optimize=True)
    overlay.show_uncertainty(segmentation, False)

    segmentation.CreateClosedSurfaceRepresentation()
    display.SetSegmentOpacity3D("PZ", 0.55)
    three_d = ThreeDView()
    pictures = []
    for direction in ((-1, -2.4, 0.7), (1, 2.4, 0.7)):
        three_d.look_from(*direction)
        pictures.append(three_d.picture())
    side_by_side(*pictures).save(options.out / "surfaces.png", optimize=True)


if __name__ == "__main__":
    main()
