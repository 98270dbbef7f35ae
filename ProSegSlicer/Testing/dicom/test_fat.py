"""What became of fat: names and tags of vendors and technologists."""

from __future__ import annotations

from typing import Any

import pytest
from Testing.made_studies import Made

from proseg.dicom.fat import FAT, IN_PHASE, OPPOSED, WATER, dixon, is_fat_suppressed
from proseg.dicom.scan import scan
from proseg.dicom.volumes import Series


@pytest.fixture
def series(tmp_path):
    def make(description: str, **tags: Any) -> Series:
        Made(description=description, count=1, tags=tags).write(tmp_path)
        return scan(tmp_path).series[0]

    return make


@pytest.mark.parametrize(
    "name",
    [
        *(
            "AX T2 NON FS",
            "AX T2 NON-FS",
            "AX T2 nonFS",
            "T2 without fs",
            "AX T2 W/O FAT SAT",
            "t2_tse_no_fs",
            "T2 NFS",
        ),
        *("t2 ohne FS", "T2 sans FS", "T2 sin fatsat", "AX T2 wo fs", "AX T2 NO FATSAT", "T2 Not Fat Suppressed"),
        *("t2_tse_tra_fs_off", "T2 w/out FS", "ax t2 no SPAIR", "t2_tse_tra", "AX T2 FSE", "T2 TSE FAST", "T2W_TSE_ax"),
        *("T2 ohne Fettsättigung", "T2 sin supresión de grasa", "T2 sans saturation de graisse", "T2 geen vetsat"),
        *("AX T2 NO SAT FAT", "T2 sem sat gordura", "T2 fs_no", "T2 fat sat: none", "T2 不压脂", "T2 без FS"),
    ],
)
def test_fat_that_is_not_suppressed_is_not_said_to_be(series, name):
    made = series(name, SpecificCharacterSet="ISO_IR 192")
    assert not is_fat_suppressed(made)
    assert dixon(made) is None


@pytest.mark.parametrize(
    "name",
    [
        *(
            "AX T2 FS",
            "t2_tse_fs_tra",
            "T2W_SPAIR_ax",
            "T2 STIR",
            "AX T2 FAT SAT",
            "t2_tirm_tra",
            "T2FS ax",
            "T2 fatsat",
        ),
        *("AX T2 FRFSE FATSAT", "t2_tse_tra_spir", "Ax T2 fat suppressed", "AX T2 FRFSE-XL FS", "WATER: Ax T2 IDEAL"),
        *("T2 Fettsättigung", "T2 supresión grasa", "AX T2 SAT GRAISSE", "T2 vetonderdrukking", "T2 soppr grasso"),
        *("AX T2 SATFAT", "AX T2 F/S", "T2 CHESS", "T2 ASPIR", "T2_TSE_SPAIR3mm", "t2 water exc", "T2 жироподавление"),
        *("脂肪抑制 T2 AX", "T2 压脂", "AX T2 saturação de gordura"),
    ],
)
def test_suppressed_fat_is_known_by_name(series, name):
    assert is_fat_suppressed(series(name, SpecificCharacterSet="ISO_IR 192"))


@pytest.mark.parametrize(
    "tags",
    [
        {"ScanOptions": "FS"},
        {"ScanOptions": ["PFP", "FS"]},
        {"ScanOptions": "FATSAT"},
        {"ScanningSequence": ["SE", "IR"], "InversionTime": 180},
        {"ImageType": ["DERIVED", "PRIMARY", "W", "W", "DERIVED"]},
    ],
)
def test_suppressed_fat_is_known_by_tags_whatever_the_name_says(series, tags):
    assert is_fat_suppressed(series("ax t2", **tags))


def test_other_scan_options_and_long_inversions_say_nothing_of_fat(series):
    assert not is_fat_suppressed(
        series("ax t2", ScanOptions=["FAST_GEMS", "SAT_GEMS"], ScanningSequence=["SE", "IR"], InversionTime=2400)
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("t2_tse_dixon_tra_in", IN_PHASE), ("t2_tse_dixon_tra_opp", OPPOSED), ("t2_tse_dixon_tra_W", WATER)),
        *(("t2_tse_dixon_tra_F", FAT), ("t2_tse_tra_320_F", FAT), ("t2_tse_tra_320_in", IN_PHASE)),
        *(("t2_tse_tra_opp_ND", OPPOSED), ("WATER: Ax T2 FRFSE IDEAL", WATER), ("FAT: Ax T2 FRFSE IDEAL", FAT)),
        *(("InPhase: Ax T2 Flex", IN_PHASE), ("OutPhase: Ax T2 Flex", OPPOSED), ("T2W mDIXON W TRA", WATER)),
        *(("Ax T2 in-phase", IN_PHASE), ("Ax T2 out of phase", OPPOSED), ("T2_mDIXON_OP", OPPOSED)),
        *(("AX T2 W", None), ("t2_w", None), ("t2_tse_tra", None), ("AX T2 W/O FAT", None), ("AX T2 FS", None)),
    ],
)
def test_the_images_of_dixon_are_known_by_name(series, name, kind):
    assert dixon(series(name)) == kind


@pytest.mark.parametrize(("name", "kind"), [("tse2d_W", WATER), ("T2_TSE_OPP", OPPOSED), ("tse_in", IN_PHASE)])
def test_the_images_of_dixon_are_known_by_the_sequence_name(series, name, kind):
    assert dixon(series("ax t2", SequenceName=name)) == kind


@pytest.mark.parametrize("value", ["OUT_OF_PHASE", "OPP PHASE", "OPPOSED-PHASE", "OUTPHASE"])
def test_vendors_names_of_opposed_phase_in_image_type_are_known(series, value):
    assert dixon(series("t2 wfs", ImageType=["DERIVED", "PRIMARY", value])) == OPPOSED


def test_image_type_outweighs_the_name(series):
    assert dixon(series("t2_dixon_W", ImageType=["ORIGINAL", "PRIMARY", "IP", "IP"])) == IN_PHASE
