"""The volumes that everything is measured on: generated examinations, whose size alone matters."""

from __future__ import annotations

from pathlib import Path

from benchmarks.processes import call

Size = tuple[int, int, int]
"""Voxels along I, J and K."""

USUAL: Size = (384, 384, 20)  # what the goals are about
SIZES: tuple[Size, ...] = (USUAL, (256, 256, 54), (640, 640, 30), (1024, 1024, 40))
FIELD_MM = 200.0
SLICE_MM = 3.0
USUAL_ML, LARGE_ML = 45.0, 110.0  # of the glands; the PZ of a large one is a thin rim


class Volumes:
    """Files of generated examinations, each written when first asked for.

    Args:
        folder: where they go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, size: Size, seed: int = 0, gland_ml: float = USUAL_ML) -> Path:
        """The NIfTI file of an examination of this size, int16 as scanners write them."""
        path = self.folder / f"{'x'.join(map(str, size))}-{seed}-{gland_ml:.0f}ml.nii.gz"
        if not path.exists():
            call("benchmarks.speed.volumes:write", str(path), size, seed, gland_ml)
        return path


def write(path: str, size: Size, seed: int, gland_ml: float) -> None:
    """Write a generated examination of this size."""
    import SimpleITK as sitk

    from proseg.phantom import make_phantom

    spacing = (FIELD_MM / size[0], FIELD_MM / size[1], SLICE_MM)
    sitk.WriteImage(sitk.Cast(make_phantom(seed, tuple(size), spacing, gland_ml=gland_ml).image, sitk.sitkInt16), path)


def name(size: Size) -> str:
    """A size as people write it."""
    return " × ".join(map(str, size))
