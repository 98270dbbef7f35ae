"""Volumes, extents and PSA density."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.labels import CG, PZ
from proseg.segmentation.measurements import measure

RADII_MM = (22.0, 14.0, 19.0)  # left-right, anterior-posterior, superior-inferior
GLAND_ML = 4 / 3 * math.pi * math.prod(RADII_MM) / 1000


@pytest.fixture
def labelmap() -> sitk.Image:
    """An ellipsoid gland, LPS, its posterior half PZ; 0.8 x 0.6 x 2 mm voxels, centred on one of them."""
    k, j, i = np.ogrid[-12:13, -30:31, -35:36]
    gland = (i * 0.8 / RADII_MM[0]) ** 2 + (j * 0.6 / RADII_MM[1]) ** 2 + (k * 2.0 / RADII_MM[2]) ** 2 <= 1
    image = sitk.GetImageFromArray(np.where(gland, np.where(j > 0, PZ, CG), 0).astype(np.uint8))
    image.SetSpacing((0.8, 0.6, 2.0))
    image.SetOrigin((-31.0, 12.5, 140.0))
    return image


def test_an_ellipsoid_has_its_textbook_volume_and_extents(labelmap: sitk.Image) -> None:
    found = measure(labelmap)
    assert found.gland_ml == pytest.approx(GLAND_ML, rel=0.01)
    assert found.pz_ml + found.cg_ml == pytest.approx(found.gland_ml)
    assert found.pz_ml == pytest.approx(GLAND_ML / 2, rel=0.05)  # the middle row is CG
    extents = (found.width_mm, found.height_mm, found.length_mm)
    for extent, radius, voxel in zip(extents, RADII_MM, (0.8, 0.6, 2.0), strict=True):
        assert extent == pytest.approx(2 * radius, abs=voxel)
    assert found.ellipsoid_ml == pytest.approx(math.prod(extents) * math.pi / 6 / 1000)


def test_a_single_voxel_is_measured_to_its_outer_edges() -> None:
    array = np.zeros((3, 4, 5), np.uint8)
    array[1, 2, 3] = PZ
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.5, 0.7, 3.0))
    found = measure(image)
    assert (found.width_mm, found.height_mm, found.length_mm) == pytest.approx((0.5, 0.7, 3.0))
    assert found.pz_ml == found.gland_ml == pytest.approx(0.5 * 0.7 * 3.0 / 1000)


@pytest.mark.parametrize("code", ["RAS", "LIP", "SAL", "PSR", "ARI"])
def test_axis_order_and_flips_leave_the_measurements_alone(labelmap: sitk.Image, code: str) -> None:
    turned = sitk.DICOMOrient(labelmap, code)
    assert measure(turned).to_dict() == pytest.approx(measure(labelmap).to_dict())


def test_an_oblique_image_is_measured_along_its_own_axes(labelmap: sitk.Image) -> None:
    straight = measure(labelmap)
    tilt = sitk.Euler3DTransform()
    tilt.SetRotation(0.3, -0.2, 0.25)
    labelmap.SetDirection(tilt.GetMatrix())
    assert measure(labelmap).to_dict() == pytest.approx(straight.to_dict())


def test_psa_density_is_psa_over_the_counted_gland_volume(labelmap: sitk.Image) -> None:
    found = measure(labelmap, 6.3)
    assert found.psa_ng_ml == 6.3
    assert found.psa_density == pytest.approx(6.3 / GLAND_ML, rel=0.01)
    assert measure(labelmap).psa_density is None
    assert measure(labelmap, 0.0).psa_density == 0.0


@pytest.mark.parametrize("psa", [-0.1, math.nan, math.inf])
def test_an_impossible_psa_is_refused(labelmap: sitk.Image, psa: float) -> None:
    with pytest.raises(InputError, match="PSA"):
        measure(labelmap, psa)


def test_an_empty_labelmap_measures_zero_and_has_no_density() -> None:
    found = measure(sitk.Image(8, 8, 4, sitk.sitkUInt8), 5.0)
    assert found.psa_density is None
    assert found.psa_ng_ml == 5.0
    assert not any((found.pz_ml, found.cg_ml, found.gland_ml, found.width_mm, found.height_mm, found.length_mm))
    assert found.ellipsoid_ml == 0.0


def test_measurements_survive_json(labelmap: sitk.Image) -> None:
    found = measure(labelmap, 4.0).to_dict()
    assert json.loads(json.dumps(found)) == found


def test_expert_labels_have_the_volumes_of_the_manifest(shared_data: Path) -> None:
    with (shared_data / "manifest.csv").open(newline="") as file:
        cases = [row for row in csv.DictReader(file) if row["group"] == "zonal"]
    assert len(cases) > 40
    for row in cases[::5]:
        found = measure(sitk.ReadImage(shared_data / "zonal" / row["case"] / "zones.nii.gz"))
        expected = [float(row[name]) for name in ("pz_ml", "cg_ml", "gland_ml")]
        assert [found.pz_ml, found.cg_ml, found.gland_ml] == pytest.approx(expected, abs=0.051), row["case"]
        assert 0.7 < found.ellipsoid_ml / found.gland_ml < 1.6, row["case"]
