from __future__ import annotations

import sys
import types
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from ProSegSlicerLib import sample_data
from ProSegSlicerLib.volumes import refusal, to_sitk


def test_the_example_is_an_image_that_can_be_segmented(scene: Any) -> None:
    from proseg.images.checks import check_t2w

    volume = sample_data.load_phantom()
    assert refusal(volume) is None
    assert check_t2w(to_sitk(volume)).flags == ()
    assert volume.GetDisplayNode() is not None


def test_another_seed_is_another_examination(scene: Any) -> None:
    one, other = (sitk.GetArrayFromImage(to_sitk(sample_data.load_phantom(seed))) for seed in (0, 1))
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_the_entry_is_offered_and_a_click_loads_and_shows_the_example(
    monkeypatch: pytest.MonkeyPatch, stage: Any, scene: Any, tmp_path: Path
) -> None:
    offered: list[dict[str, Any]] = []
    rules: dict[str, Any] = {}
    logic = types.SimpleNamespace(
        registerCustomSampleDataSource=lambda **entry: offered.append(entry),
        registerUrlRewriteRule=rules.__setitem__,
    )
    module = types.ModuleType("SampleData")
    module.SampleDataLogic = logic
    monkeypatch.setitem(sys.modules, "SampleData", module)
    sample_data.register()
    (entry,) = offered
    assert (entry["category"], entry["sampleName"]) == (sample_data.CATEGORY, sample_data.NAME)
    # Slicer walks through these side by side, and fails at start-up where one is missing.
    assert all(isinstance(entry[name], str) for name in ("uris", "fileNames", "nodeNames"))
    with Image.open(entry["thumbnailFileName"]) as thumbnail:
        assert thumbnail.size == (260, 280)
    view = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    (volume,) = entry["customDownloader"](None)
    assert scene.IsNodePresent(volume)
    assert view.GetBackgroundVolumeID() == volume.GetID()
    # ``downloadSample`` does this: rewrite the address, copy from there, and load the file.
    (rule,) = rules.values()
    assert rule("https://example.org/x.nrrd") == "https://example.org/x.nrrd"
    urllib.request.urlretrieve(rule(entry["uris"]), tmp_path / entry["fileNames"])
    copied = sitk.ReadImage(str(tmp_path / entry["fileNames"]))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(copied), sitk.GetArrayFromImage(to_sitk(volume)))
    np.testing.assert_allclose(copied.GetOrigin(), to_sitk(volume).GetOrigin(), atol=1e-6)


def test_without_the_sample_data_module_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SampleData", None)
    sample_data.register()
