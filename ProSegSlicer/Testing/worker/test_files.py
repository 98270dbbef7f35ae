"""The files in which a worker hands over a result: on the input's grid, all of them or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_results import make_result

from proseg.errors import OutputError
from proseg.worker import files


@pytest.mark.parametrize("keep_image", [False, True])
def test_the_files_hold_the_result_to_the_last_bit(tmp_path: Path, keep_image: bool) -> None:
    result = make_result("RAI")
    told = files.write(result, tmp_path, keep_image)
    assert (told["image"] is not None) is keep_image
    assert {Path(path).name for path in told.values() if path} == {path.name for path in tmp_path.iterdir()}
    wanted = {"labelmap": result.labelmap} | ({"image": result.image} if keep_image else {})
    for name, image in wanted.items():
        read = sitk.ReadImage(told[name])
        assert np.array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(image))
        assert (read.GetOrigin(), read.GetDirection()) == (
            pytest.approx(image.GetOrigin(), abs=1e-9),
            pytest.approx(image.GetDirection(), abs=1e-9),
        )


def test_uncertainty_is_in_percent(tmp_path: Path) -> None:
    result = make_result()
    read = sitk.ReadImage(files.write(result, tmp_path, False)["uncertainty"])
    assert read.GetPixelID() == sitk.sitkUInt8
    found, wanted = (sitk.GetArrayFromImage(image) for image in (read, result.uncertainty_image()))
    assert np.abs(found - 100 * wanted).max() <= 0.5 + 1e-4
    assert 10 < found.max() <= 100


@pytest.mark.parametrize(("free", "said"), [(0, "disk is full"), (10**12, "Input/output error")])
def test_a_file_cut_short_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, said: str) -> None:
    whole = sitk.WriteImage

    def cut_short(image: sitk.Image, path: str, **options: object) -> None:
        whole(image, path, **options)
        if "uncertainty" in path:
            Path(path).write_bytes(Path(path).read_bytes()[:-2000])

    monkeypatch.setattr(sitk, "WriteImage", cut_short)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free}))
    with pytest.raises(OutputError, match=said):
        files.write(make_result(), tmp_path, True)
    assert list(tmp_path.iterdir()) == []
