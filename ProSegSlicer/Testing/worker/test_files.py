"""The files in which a worker hands over what it found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_results import make_result

from proseg.errors import OutputError
from proseg.worker import files


@pytest.mark.parametrize("keep_image", [False, True])
def test_what_was_found_reads_back_on_the_images_grid(tmp_path: Path, keep_image: bool) -> None:
    made = make_result()
    written = files.write(made, tmp_path, keep_image)
    labelmap, uncertainty = (sitk.ReadImage(written[name]) for name in ("labelmap", "uncertainty"))
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(labelmap), sitk.GetArrayViewFromImage(made.labelmap))
    assert uncertainty.GetPixelID() == sitk.sitkUInt8
    assert labelmap.GetSpacing() == made.image.GetSpacing()
    assert (written["image"] is not None) is keep_image
    assert len(list(tmp_path.iterdir())) == 2 + keep_image


def test_a_disk_that_fills_up_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = sitk.WriteImage

    def full(image: sitk.Image, path: str, **options: bool) -> None:
        if "uncertainty" in path:
            raise RuntimeError("no space left")
        write(image, path, **options)

    monkeypatch.setattr(sitk, "WriteImage", full)
    with pytest.raises(OutputError, match=r"uncertainty\.nrrd"):
        files.write(make_result(), tmp_path, keep_image=False)
    assert list(tmp_path.iterdir()) == []
