"""Which of several axial T2W series is read: as a radiologist would choose, in a sentence that says why."""

from __future__ import annotations

import pytest
from Testing.made_studies import Made, edit

from proseg.reading.t2w import read_t2w

ND, CORRECTED = ["ORIGINAL", "PRIMARY", "M", "ND"], ["ORIGINAL", "PRIMARY", "M", "ND", "DIS2D"]
FIELD, THICK = (
    "its field of view is that of a prostate protocol",
    "its slices are as thick as those of a prostate protocol",
)
AT = {"AcquisitionDate": "20240506"}

# The better one first, its number the lower one: by number the other would be read.
PAIRS = [
    (Made(4, "t2 prostate", pixel=2.0), Made(9, "t2 pelvis", pixel=4.0), FIELD),
    (Made(4, "t2 coarse", pixel=2.7), Made(9, "t2 pelvis fine", pixel=3.5), FIELD),
    (Made(4, "t2_fs small", pixel=2.0), Made(9, "t2 large", pixel=4.0), FIELD),
    (Made(4, "t2 ax"), Made(9, "t2 ax 6mm", step=6, tags={"SliceThickness": 6}), THICK),
    (Made(4, "t2 ax"), Made(9, "t2 space", step=1, count=40, tags={"SliceThickness": 1}), THICK),
    (Made(4, "t2 ax"), Made(9, "t2 gap", step=6, tags={"SliceThickness": None}), THICK),
    (Made(4, "AX T2 NON FS"), Made(9, "AX T2 FS"), "it is not fat-suppressed"),
    (Made(4, "ax t2"), Made(9, "ax t2", tags={"ScanOptions": "FS"}), "it is not fat-suppressed"),
    (Made(4, "T2 w/o FS"), Made(9, "T2 SPAIR"), "it is not fat-suppressed"),
    (Made(4, "t2_dix_in"), Made(9, "t2_dix_W"), "the other is the water image of a Dixon series"),
    (Made(4, "Ax T2 IDEAL"), Made(9, "WATER: Ax T2 IDEAL"), "the other is the water image of a Dixon series"),
    (
        Made(4, "t2", tags={"ImageType": CORRECTED}),
        Made(9, "t2", tags={"ImageType": ND}),
        "its distortion was corrected",
    ),
    (Made(4, "t2_tse_tra"), Made(9, "t2_tse_tra_ND"), "its distortion was corrected"),
    (Made(4, "t2 tra"), Made(9, "t2 tra", count=11), "it is the complete one of a repeat"),
    (Made(4, "t2 tra rpt"), Made(9, "t2 tra", count=10), "it is the complete one of a repeat"),
    (Made(4, "t2 tra", count=20), Made(9, "t2 tra Wdh.", count=18), "it is the complete one of a repeat"),
    (Made(4, "t2 tra", count=20), Made(9, "t2 tra repeat motion", count=18), "it is the complete one of a repeat"),
    (Made(4, "t2_tse_tra"), Made(9, "t2_haste_tra"), "it was not taken in single shots"),
    (Made(4, "AX FSE T2"), Made(9, "AX SSFSE T2"), "it was not taken in single shots"),
    (Made(4, "t2 tra"), Made(9, "t2 tra scout"), "its name has no word for another kind"),
    (Made(4, "t2 a", pixel=3.0), Made(9, "t2 b", pixel=4.0), "its field of view is smaller"),
    (
        Made(4, "t2 tra", tags={**AT, "AcquisitionTime": "113000"}),
        Made(9, "t2 tra", tags={**AT, "AcquisitionTime": "101500"}),
        "it was acquired later",
    ),
]


@pytest.mark.parametrize(("better", "other", "why"), PAIRS)
def test_a_radiologists_choice_is_read_and_its_reason_told(tmp_path, better, other, why):
    better.write(tmp_path / "a")
    other.write(tmp_path / "b")
    notes = read_t2w(tmp_path).notes
    assert notes[0].startswith(f"Read series 4 “{better.description}”")
    assert f"Preferred it to series 9 “{other.description}” because {why}" in notes[1]


@pytest.mark.parametrize("other", ["t2_dix_F", "t2_dix_opp", "FAT: Ax T2 IDEAL", "OutPhase: Ax T2 Flex"])
def test_fat_and_opposed_phase_images_are_never_read(tmp_path, other):
    Made(4, "t2 pelvis", pixel=4.0).write(tmp_path / "a")
    Made(9, other).write(tmp_path / "b")
    notes = read_t2w(tmp_path).notes
    assert notes[0].startswith("Read series 4 ")
    assert "images of a Dixon series)" in notes[2]


def test_a_length_that_decides_is_told_of_both(tmp_path):
    Made(4, "t2 prostate", pixel=2.0).write(tmp_path / "a")
    Made(9, "t2 pelvis", pixel=4.0).write(tmp_path / "b")
    assert "(192 mm, not 384 mm)" in read_t2w(tmp_path).notes[1]


def test_a_water_image_alone_is_read_and_flagged(tmp_path):
    Made(description="t2_dixon_W").write(tmp_path)
    (flag,) = read_t2w(tmp_path).flags
    assert "fat is suppressed" in flag.sentence


def test_of_repeats_within_one_series_the_later_acquisition_is_read_and_the_doubt_flagged(tmp_path):
    for number in (2, 1):
        Made(tags={"AcquisitionNumber": number}).write(tmp_path / str(3 - number))
    for file in tmp_path.rglob("*.dcm"):
        edit(file, SeriesInstanceUID="1.2.3.4")
    read = read_t2w(tmp_path)
    assert read.notes[1].endswith("because its acquisition number is higher.")
    assert {file.parent.name for file in read.files} == {"1"}
    assert [flag.code for flag in read.flags] == ["series_ambiguous"]
