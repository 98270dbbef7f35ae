"""The whole core on generated and real examinations, with the shipped weights."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torch import Tensor, nn

from proseg.flags import Severity
from proseg.images.checks import check_t2w
from proseg.images.geometry import to_lps
from proseg.labels import CG, PZ
from proseg.model.devices import choose_device
from proseg.phantom import Phantom, make_phantom
from proseg.reading.t2w import read_t2w
from proseg.segmentation.pipeline import Pipeline
from proseg.segmentation.segmenter import Segmenter

AXES = ("LR", "PA", "SI")
ORIENTATIONS = ["".join(code) for order in permutations(AXES) for code in product(*order)]


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(device="cpu")


@pytest.fixture(scope="module")
def real_case(shared_data) -> tuple[sitk.Image, sitk.Image]:
    folder = shared_data / "zonal" / "prostate3t-01-0008"
    return sitk.ReadImage(str(folder / "t2.nii.gz"), sitk.sitkFloat32), sitk.ReadImage(str(folder / "zones.nii.gz"))


def dice(one: sitk.Image, other: sitk.Image, label: int | None = None) -> float:
    a, b = (sitk.GetArrayFromImage(image) for image in (one, other))
    a, b = (a > 0, b > 0) if label is None else (a == label, b == label)
    return 2 * float((a & b).sum()) / max(1, int(a.sum() + b.sum()))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_gland_of_a_generated_examination_is_found(segmenter, seed):
    made = make_phantom(seed)
    result = segmenter.segment(made.image)
    assert dice(result.labelmap, made.zones) >= 0.85
    assert dice(result.labelmap, made.zones, CG) >= 0.7
    assert dice(result.labelmap, made.zones, PZ) >= 0.5


def test_there_are_48_ways_to_store_a_volume():
    assert len(set(ORIENTATIONS)) == 48


def assert_same_anatomy(segmenter: Segmenter, image: sitk.Image, reference: sitk.Image, code: str) -> None:
    """That an image stored with other axes gives labels on its own grid, in the same places."""
    turned = sitk.DICOMOrient(image, code)
    labelmap = segmenter.segment(turned).labelmap
    assert labelmap.GetSize() == turned.GetSize()
    assert labelmap.GetDirection() == turned.GetDirection()
    back = sitk.Resample(labelmap, reference, sitk.Transform(), sitk.sitkNearestNeighbor)
    assert min(dice(back, reference, zone) for zone in (PZ, CG)) > 0.98, code


class BrightIsGland(nn.Module):
    """Stands in for a network: bright is gland, CG in the anterior half of what it sees and PZ behind."""

    def forward(self, volume: Tensor, slice_mm: float) -> Tensor:
        bright = 20 * (volume - 1)
        behind = torch.linspace(-20, 20, volume.shape[-2])[:, None].expand_as(volume)
        return torch.cat([-bright, bright + behind, bright - behind], dim=1)


def test_every_axis_order_and_flip_gives_the_same_labels_in_the_same_places():
    """With stand-ins for the networks, as they must see the same whatever the order of the input's axes."""
    bare = Segmenter(device="cpu")
    bare.model = replace(bare.model, segmenter=BrightIsGland(), locator=BrightIsGland(), thin_pz=None)
    bare.pipeline = Pipeline(bare.model, choose_device("cpu"))
    k, j, i = np.ogrid[:10, :36, :40]
    gland = ((i - 17) / 9) ** 2 + ((j - 20) / 8) ** 2 + ((k - 4) / 3) ** 2 < 1 + 0.04 * (i - 17) + 0.1 * (k - 4)
    image = sitk.GetImageFromArray(
        (100 + 300 * gland + np.random.default_rng(0).normal(0, 9, gland.shape)).astype("f4")
    )
    image.SetSpacing((2.0, 2.0, 5.0))
    image.SetOrigin((-41.0, 13.0, -70.0))
    reference = bare.segment(image).labelmap
    labels = sitk.GetArrayViewFromImage(reference)
    assert min((labels == zone).sum() for zone in (PZ, CG)) > 0.2 * gland.sum()
    for code in ORIENTATIONS:
        assert_same_anatomy(bare, image, reference, code)


@pytest.fixture(scope="module")
def reference(segmenter, real_case) -> sitk.Image:
    return segmenter.segment(real_case[0]).labelmap


@pytest.mark.parametrize("code", ["RAI", "SPL", "AIR"])  # flipped, and each axis in another place
def test_a_whole_case_stored_otherwise_gives_the_same_anatomy(segmenter, real_case, reference, code):
    assert_same_anatomy(segmenter, real_case[0], reference, code)


@pytest.mark.parametrize(("axis", "degrees"), [(0, -30), (1, -10), (2, 20)])
def test_an_oblique_patient_position_gives_the_same_anatomy(segmenter, real_case, reference, axis, degrees):
    image, _ = real_case
    versor = sitk.VersorTransform([float(axis == a) for a in range(3)], float(np.radians(degrees)))
    matrix = np.array(versor.GetMatrix()).reshape(3, 3)
    turned = sitk.Image(image)
    turned.SetDirection((matrix @ np.array(image.GetDirection()).reshape(3, 3)).ravel().tolist())
    turned.SetOrigin((matrix @ np.array(image.GetOrigin())).tolist())
    labelmap = segmenter.segment(turned).labelmap
    back = sitk.Resample(labelmap, reference, versor, sitk.sitkNearestNeighbor)
    assert dice(back, reference) > 0.98


def test_the_same_image_gives_the_same_labels_twice(segmenter, phantom):
    first, second = (segmenter.segment(phantom.image) for _ in range(2))
    assert np.array_equal(sitk.GetArrayFromImage(first.labelmap), sitk.GetArrayFromImage(second.labelmap))
    assert np.array_equal(first.probabilities, second.probabilities)


def test_the_result_does_not_depend_on_the_intensity_scale(segmenter, phantom):
    reference = segmenter.segment(phantom.image).labelmap
    for gain, offset in ((0.01, 0.0), (37.0, 1000.0), (1.0, -50.0)):
        scaled = sitk.ShiftScale(phantom.image, shift=offset / gain, scale=gain)
        assert dice(segmenter.segment(scaled).labelmap, reference) > 0.99


@pytest.mark.parametrize("field_mm", [100, 200, 400])
def test_fields_of_view_from_100_to_400_mm_work(segmenter, field_mm):
    pixels = 256
    made = make_phantom(1, size=(pixels, pixels, 20), spacing=(field_mm / pixels, field_mm / pixels, 3.0))
    assert dice(segmenter.segment(made.image).labelmap, made.zones) > 0.8


@pytest.mark.parametrize("offset", [(50.0, 0.0, 0.0), (-40.0, 30.0, 0.0), (0.0, -45.0, 6.0)])
def test_a_gland_off_the_centre_is_found(segmenter, offset):
    made = make_phantom(2, size=(288, 288, 24), spacing=(0.8, 0.8, 3.0), gland_offset_mm=offset)
    assert dice(segmenter.segment(made.image).labelmap, made.zones) > 0.8


@pytest.mark.parametrize("slice_mm", [1.0, 2.2, 5.0])
def test_thin_and_thick_slices_work(segmenter, slice_mm):
    made = make_phantom(0, size=(192, 192, round(72 / slice_mm)), spacing=(0.9, 0.9, slice_mm))
    result = segmenter.segment(made.image)
    assert result.labelmap.GetSize() == made.image.GetSize()
    assert dice(result.labelmap, made.zones) > 0.8


def test_a_real_case_comes_out_close_to_the_expert(segmenter, real_case):
    image, zones = real_case
    result = segmenter.segment(image)
    assert dice(result.labelmap, zones) > 0.85
    assert result.slice_confidence
    assert set(result.slice_confidence) <= set(range(image.GetSize()[2]))
    assert result.measurements.gland_ml == pytest.approx(result.measurements.pz_ml + result.measurements.cg_ml)


def test_probabilities_and_uncertainty_come_on_the_input_grid(segmenter):
    made = make_phantom(0, size=(160, 160, 16), spacing=(0.9, 0.9, 4.0), orientation="RIP")
    result = segmenter.segment(made.image)
    total = sum(sitk.GetArrayFromImage(result.probability_image(label)) for label in range(3))
    assert np.allclose(total, 1, atol=1e-4)
    uncertainty = result.uncertainty_image()
    assert uncertainty.GetSize() == made.image.GetSize()
    values = sitk.GetArrayFromImage(uncertainty)
    gland = sitk.GetArrayFromImage(result.labelmap) > 0
    assert values[gland].mean() > values[~gland].mean()


def test_a_pelvis_without_a_prostate_never_passes_unflagged(segmenter):
    for seed in (5, 6):
        result = segmenter.segment(make_phantom(seed, prostate=False).image)
        assert any(flag.severity is not Severity.INFO for flag in result.flags)


def test_flags_and_notes_of_reading_reach_the_result(segmenter, phantom: Phantom):
    broken = sitk.Image(phantom.image)
    broken[10, 10, 5] = float("nan")
    result = segmenter.segment(check_t2w(broken, "broken"))
    assert "nan_repaired" in {flag.code for flag in result.flags}


def test_psa_gives_a_density(segmenter, phantom):
    result = segmenter.segment(phantom.image, psa_ng_ml=6.5)
    assert result.measurements.psa_density == pytest.approx(6.5 / result.measurements.gland_ml)


def test_the_stages_are_told_in_order(segmenter, phantom):
    told: list[tuple[str, float]] = []
    segmenter.segment(phantom.image, progress=lambda stage, done: told.append((stage, done)))
    assert [done for _, done in told] == sorted(done for _, done in told)
    assert told[-1][1] == 1.0


def test_provenance_names_model_device_and_time(segmenter, phantom):
    provenance = segmenter.segment(phantom.image).provenance
    assert provenance.model == "ProSeg"
    assert len(provenance.sha256) == 64
    assert provenance.device == "cpu"
    assert provenance.timings_s["total"] > 0
    assert set(provenance.packages) >= {"torch", "SimpleITK", "numpy", "proseg"}


def test_the_real_dicom_series_is_segmented(segmenter, shared_data):
    result = segmenter.segment(read_t2w(shared_data / "dicom" / "ProstateX-0000_t2w"))
    assert 10 < result.measurements.gland_ml < 200
    lps = to_lps(result.labelmap)
    assert lps.GetSize() == to_lps(result.image).GetSize()


FORKS = """
import multiprocessing, os, sys
import SimpleITK as sitk
from proseg.phantom import make_phantom
from proseg.segmentation.segmenter import Segmenter
image = make_phantom(size=(112, 112, 10), spacing=(1.2, 1.2, 5.0)).image
used = Segmenter(device="cpu")
labels = lambda segmenter: sitk.GetArrayFromImage(segmenter.segment(image).labelmap)
def by_used(_):
    return int(labels(used).sum())
def by_new(_):
    return int(labels(Segmenter(device="cpu")).sum())
here = by_used(0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    there = [*pool.map_async(by_used, range(2)).get(100), *pool.map_async(by_new, range(1)).get(100)]
child = os.fork()
if child == 0:
    os._exit(int(abs(by_used(0) - here) > here / 100))
assert all(abs(count - here) <= here / 100 for count in there), (here, there)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system that does not fork")
def test_in_a_forked_process_a_segmenter_works_whether_it_was_made_before_or_after():
    ran = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, ran.stderr
