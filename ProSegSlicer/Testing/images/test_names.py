"""Which image files go with others by their names, as collections name them."""

from __future__ import annotations

from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proseg.images.names import companions


def passed_over(*names: str) -> set[str]:
    return {path.as_posix() for path in companions(map(PurePath, names))}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["t2.nii.gz", "t2_seg.nii.gz"], {"t2_seg.nii.gz"}),
        (["Case00.mhd", "Case00_segmentation.mhd"], {"Case00_segmentation.mhd"}),  # PROMISE12
        (["a/t2.nii.gz", "a/t2_anatomy_reader1.nii.gz", "a/adc.nii.gz", "a/dwi.nii.gz"], None),  # Prostate158
        (["imagesTr/p_00.nii.gz", "labelsTr/p_00.nii.gz"], {"labelsTr/p_00.nii.gz"}),  # Medical Segmentation Decathlon
        (["imagesTr/p_00_0000.nii.gz", "labelsTr/p_00.nii.gz"], {"labelsTr/p_00.nii.gz"}),  # nnU-Net
        (["1/1_2_t2w.mha", "1/1_2_adc.mha", "1/1_2_hbv.mha", "1/1_2_sag.mha", "1/1_2_cor.mha"], None),  # PI-CAI
        (["demo/t2w.nii.gz", "demo/truth.nii.gz"], {"demo/truth.nii.gz"}),  # proseg demo
        (["ann_t2.nii", "ann_zones.nii", "bob_t2.nii", "bob_gland_mask.nii"], {"ann_zones.nii", "bob_gland_mask.nii"}),
        (["a/t2.nii", "a/T2_LABEL.NII.GZ"], {"a/T2_LABEL.NII.GZ"}),
        (["a/t2.nii", "a/zones.nii", "a/zones_reader2.nii"], {"a/zones.nii", "a/zones_reader2.nii"}),
    ],
)
def test_what_goes_with_an_image_is_passed_over(files, expected):
    kept = {"a/t2.nii.gz", "1/1_2_t2w.mha"}
    assert passed_over(*files) == (set(files) - kept if expected is None else expected)


@pytest.mark.parametrize(
    "files",
    [
        ["ann.nii", "bob.nii"],
        ["seg.nii", "mask.nii"],  # nothing there that they could go with
        ["a/t2.nii", "b/zones.nii"],
        ["ann.nii", "bob_seg.nii"],  # of another image, which is not there
        ["labels/ann.nii", "labels/bob.nii"],
        ["ann_adc.nii", "ann_dwi.nii"],  # no T2W beside them
        ["glandular.nii", "segway.nii", "t2.nii"],
        ["a/t2_tse_tra.nii", "a/t2_cube.nii"],
    ],
)
def test_a_name_alone_passes_no_file_over(files):
    assert passed_over(*files) == set()


@given(st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12)))
def test_something_is_always_left(names):
    files = {PurePath("in", f"{name}.nii") for name in names}
    assert files - companions(files) or not files
