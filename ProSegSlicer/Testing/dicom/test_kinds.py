"""Words of a description yield to tags, and count where tags do not tell."""

from __future__ import annotations

import pytest
from Testing.made_studies import CORONAL, SAGITTAL, Made

from proseg.dicom.kinds import unsuitable
from proseg.dicom.scan import scan
from proseg.reading.t2w import read_t2w

BARE = {"EchoTime": None, "RepetitionTime": None, "ScanningSequence": None}


@pytest.mark.parametrize(
    "name",
    [
        *(
            "AX T2 B1 Default",
            "AX T2 B0 shim",
            "T2 tra RT plan",
            "t2_tse_tra_loc",
            "T2W survey pelvis",
            "AX T2 sub 3mm",
        ),
        *("T2 after T1", "ax T2/PD", "AX T2 3-plane", "t2 tra scout"),
        *(
            "AX T2 before DWI",
            "T2 tra vor DCE",
            "AX T2 for ADC",
            "T2 different coil",
            "T2 TRA diff. exam",
            "AX T2 fusion map",
            "T2 post perf",
        ),
    ],
)
def test_doubtful_words_do_not_outweigh_the_tags_of_t2w(tmp_path, name):
    Made(description=name).write(tmp_path)
    assert unsuitable(scan(tmp_path).series[0]) is None


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (Made(description="b1", tags=BARE), "diffusion-weighted"),
        (Made(description="scout", tags=BARE), "a localiser"),
        (Made(description="t2_haste_loc", count=5), "a localiser"),
        (Made(description="T2 scout", count=15, step=10), "a localiser"),
        (Made(description="ax b1000"), "diffusion-weighted"),
        (Made(description="AX high b"), "diffusion-weighted"),
        (Made(description="T2_Mapping_Images"), "a T2* series or a map"),
        (Made(description="MapIt_T2"), "a T2* series or a map"),
        (Made(description="ep2d_diff_b50"), "diffusion-weighted"),
        (Made(description="t1_tra", tags=BARE), "T1-weighted"),
        (Made(description="T2 ax", tags={"EchoTime": 11, "RepetitionTime": 650}), "not T2-weighted"),
        (Made(description="ax t2", tags={"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}), "a screen capture"),
        (
            Made(description="ax t2", tags={"ImageType": ["DERIVED", "PRIMARY", "FAT_FRACTION"]}),
            "a T2* series or a map",
        ),
    ],
)
def test_what_tags_or_else_words_give_away_is_set_aside(tmp_path, made, kind):
    made.write(tmp_path)
    assert kind in unsuitable(scan(tmp_path).series[0])


@pytest.mark.parametrize("name", ["AX T2 before DWI", "T2 tra vor DCE", "AX T2 fusion map"])
def test_a_strong_word_that_tags_overrule_is_flagged_and_yields_to_a_plain_name(tmp_path, name):
    Made(9, name).write(tmp_path / "a")
    assert [flag.code for flag in read_t2w(tmp_path).flags] == ["contrast_unconfirmed"]
    Made(4, "t2 tra").write(tmp_path / "b")
    read = read_t2w(tmp_path)
    assert read.notes[1].endswith("because the name of the other speaks of another kind.")
    assert read.flags == ()


@pytest.mark.parametrize(
    "tags",
    [
        {"ScanningSequence": ["SE", "EP"]},
        {"ImageType": ["DERIVED", "PRIMARY", "M"]},
        {"EchoTime": 55},
        {"DiffusionBValue": 50.0},
        {"ScanningSequence": None},
        {"SeriesDescription": "AX DWI"},
    ],
)
def test_a_strong_word_counts_where_any_tag_leaves_a_doubt(tmp_path, tags):
    Made(description="AX T2 DWI", tags=tags).write(tmp_path)
    assert unsuitable(scan(tmp_path).series[0]) == "diffusion-weighted"


@pytest.mark.parametrize("plane", [SAGITTAL, CORONAL])
def test_nearly_cubic_voxels_are_read_from_any_side_where_no_axial_series_is(tmp_path, plane):
    Made(3, "t2_spc_iso", plane, count=60, step=1).write(tmp_path / "iso")
    read = read_t2w(tmp_path)
    assert read.image.GetSize() == (96, 96, 60)
    assert read.notes[1] == "Its voxels are nearly cubes (1 mm), so it is looked at from below as axial."
    Made().write(tmp_path / "axial")
    read = read_t2w(tmp_path)
    assert read.notes[0].startswith("Read series 4 ")
    assert read.notes[1].endswith("because its slices are axial.")
