from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from proseg.outputs.own import OwnSegment


@pytest.mark.parametrize("down", [1, -1])
def test_a_segment_tells_its_volume_and_its_slices_as_the_image_counts_them(down: int) -> None:
    voxels = np.zeros((8, 10, 10), np.uint8)
    voxels[2:5, 4:6, 4:6] = 1
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.5, 0.5, 3.0))
    image.SetOrigin((0, 0, 10))
    image.SetDirection((1, 0, 0, 0, down, 0, 0, 0, down))
    assert OwnSegment("Lesion", image).to_dict() == {
        "name": "Lesion",
        "volume_ml": round(12 * 0.75 / 1000, 3),
        "slices": [2, 3, 4],
        "slices_superior_mm": [10 + down * 3.0 * index for index in (2, 3, 4)],
    }


def test_an_empty_segment_lies_nowhere() -> None:
    empty = OwnSegment("Lesion", sitk.Image((4, 4, 4), sitk.sitkUInt8))
    assert (empty.volume_ml, empty.slices) == (0, ())
