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
        (["AnnT2.nii", "AnnT2Mask.nii", "AnnSeg.nii"], {"AnnT2Mask.nii", "AnnSeg.nii"}),
        (
            ["s/sub-1_T2w.nii", "s/sub-1_dseg.nii", "s/sub-1_T2w_probseg.nii"],
            {"s/sub-1_dseg.nii", "s/sub-1_T2w_probseg.nii"},
        ),
        (["p_t2.nii", "p_lbl.nii", "p_binary.nii"], {"p_lbl.nii", "p_binary.nii"}),
        (["s/sub-1_T2w.nii", "s/sub-1_T2map.nii", "s/sub-1_T2starw.nii"], {"s/sub-1_T2map.nii", "s/sub-1_T2starw.nii"}),
        (
            ["t2_tra.nii", "tfl_3d dynamisch.nii", "highb.nii", "T1ce.nii"],
            {"tfl_3d dynamisch.nii", "highb.nii", "T1ce.nii"},
        ),
        (["a/t2.nii", "a/zones.nii", "a/zones_reader2.nii"], {"a/zones.nii", "a/zones_reader2.nii"}),
    ],
)
def test_what_goes_with_an_image_is_passed_over(files, expected):
    kept = {"a/t2.nii.gz", "1/1_2_t2w.mha"}
    assert passed_over(*files) == (set(files) - kept if expected is None else expected)


@pytest.mark.parametrize(
    ("images", "others"),
    [
        (["imagesTs/10_1_0000.nii.gz"], ["imagesTs/10_1_0001.nii.gz", "imagesTs/10_1_0002.nii.gz"]),  # nnU-Net
        (["raw/a_0000.mha", "raw/b_0000.mha"], ["raw/a_0001.mha", "raw/b_0001.mha"]),
        (["imagesTr/a_0000.nii"], ["imagesTr/a_0001.nii", "labelsTr/a.nii"]),
        (  # PI-CAI
            ["images/10000/10000_1000000_t2w.mha"],
            [
                "labels/csPCa_lesion_delineations/human_expert/resampled/10000_1000000.nii.gz",
                "labels/anatomical_delineations/whole_gland/AI/Bosma22b/10000_1000000.nii.gz",
            ],
        ),
        (  # PROSTATEx_masks
            ["ProstateX-0000_t2_tse_tra_4.nii.gz"],
            [
                "Files/prostate/mask_prostate/ProstateX-0000.nii.gz",
                "Files/prostate/mask_tz/ProstateX-0000.nii.gz",
                "Files/lesions/Masks/T2/ProstateX-0000-Finding1-t2_tse_tra_ROI.nii.gz",
                "Files/lesions/Masks/ADC/ProstateX-0000-Finding1-ep2d_diff_ROI.nii.gz",
            ],
        ),
        (  # BIDS
            ["sub-01/anat/sub-01_acq-tra_T2w.nii.gz"],
            [
                "sub-01/dwi/sub-01_dwi.nii.gz",
                "derivatives/manual/sub-01/anat/sub-01_acq-tra_T2w_label-prostate_dseg.nii.gz",
                "derivatives/n4/sub-01/anat/sub-01_acq-tra_desc-n4_T2w.nii.gz",
            ],
        ),
        (["Task05_Prostate/imagesTr/prostate_00.nii.gz"], ["Task05_Prostate/labelsTr/prostate_00.nii.gz"]),  # MSD
        (["images/ann/t2.nii"], ["masks/ann/pz.nii", "masks/ann/whole.nii"]),
        (["train/p1.nii"], ["segmentations/reader1/p1.nii", "segmentations/reader2/p1.nii"]),
        (  # PROSTATEx_masks beside folders of patients
            ["images/ProstateX-0000/t2.nii.gz"],
            ["Files/prostate/mask_prostate/ProstateX-0000.nii.gz", "Files/prostate/mask_pz/ProstateX-0000.nii.gz"],
        ),
        (  # nnU-Net's own results
            ["raw/imagesTr/p_00_0000.nii.gz"],
            ["nnUNet_results/D1/fold_0/validation/p_00.nii.gz", "raw/inferTs/p_00.nii.gz"],
        ),
        (["labels and images/in/p1_t2.nii"], ["labels and images/labels/p1.nii"]),  # above both nothing counts
    ],
)
def test_channels_and_label_maps_in_trees_of_their_own_are_passed_over(images, others):
    assert passed_over(*images, *others) == set(others)


@pytest.mark.parametrize(
    "files",
    [
        ["images/case_0000.nii", "images/case_0001.nii", "images/case_0002.nii"],  # numbers of patients
        ["imagesTr/c_0000.nii", "imagesTr/c_0001.nii"] + [f"imagesTr/c_{n:04d}.nii" for n in range(2, 20)],
        ["lesion/p1/t2.nii", "control/p1/t2.nii"],
        ["masks/p1.nii", "masks/p2.nii"],
        ["images/p1_t2.nii", "labels/p2.nii"],
        ["derivatives/n4/sub-01_T2w.nii"],
        ["gland mri/p1.nii", "gland mri/p2.nii"],
    ],
)
def test_patients_are_no_channels_and_no_label_maps(files):
    assert passed_over(*files) == set()


def test_numbers_that_label_maps_have_too_are_those_of_patients():
    images = ["imagesTr/c_0000.nii", "imagesTr/c_0001.nii"]
    labels = [name.replace("images", "labels") for name in images]
    assert passed_over(*images, *labels) == set(labels)


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
