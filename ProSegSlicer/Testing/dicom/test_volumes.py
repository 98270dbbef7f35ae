"""How the images of a series lie, and what keeps them from making a volume, from their headers alone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from Testing.made_studies import AXIAL, CORONAL, SAGITTAL

from proseg.dicom.headers import Header
from proseg.dicom.volumes import Series, defect, has_places, steps


def header(k: int, **changes: object) -> Header:
    """An axial slice of 3 mm at its place, of 96 × 96 pixels of 1 mm."""
    usual = {
        "file": Path(f"{k}.dcm"), "series": "1.2", "study": "1", "patient": "Doe^Jane", "instance": f"1.2.{k}",
        "number": "4", "description": "t2_tse_tra", "modality": "MR", "sop_class": "", "image_type": (), "sequence": (),
        "echo_time": 104.0, "repetition_time": 5000.0, "b_value": None, "position": (-30.0, -30.0, 3.0 * k),
        "orientation": tuple(map(float, AXIAL)), "spacing": (1.0, 1.0), "size": (96, 96), "components": 1,
        "thickness": 3.0,
    }  # fmt: skip
    return Header(**usual | changes)


def series(count: int = 6, **changes: object) -> Series:
    return Series([header(k, **changes) for k in range(count)])


@pytest.mark.parametrize(("orientation", "plane"), [(AXIAL, "axial"), (SAGITTAL, "sagittal"), (CORONAL, "coronal")])
def test_the_plane_is_that_of_the_nearest_axis(orientation: list, plane: str) -> None:
    assert series(orientation=tuple(map(float, orientation))).plane == plane
    rows, columns = np.reshape(orientation, (2, 3))
    tilted = math.cos(0.5) * columns + math.sin(0.5) * np.cross(rows, columns)
    assert series(orientation=(*rows.tolist(), *tilted.tolist())).plane == plane


@pytest.mark.parametrize("orientation", [None, (1.0, 0.0, 0.0, 1.0, 0.0, 0.0), (2.0, 0.0, 0.0, 0.0, 1.0, 0.0)])
def test_directions_that_are_none_have_no_plane(orientation: tuple | None) -> None:
    assert series(orientation=orientation).plane is None


def test_images_are_put_in_the_order_of_their_positions() -> None:
    mixed = Series([header(k) for k in (3, 0, 2, 1)])
    mixed.sort()
    assert [one.position[2] for one in mixed.headers] == [0, 3, 6, 9]
    assert steps(mixed).tolist() == [3, 3, 3]
    assert mixed.places() == [0, 300, 600, 900]


def test_the_distance_is_that_of_positions_and_else_the_thickness() -> None:
    assert series(thickness=2.5).step_mm == 3.0
    assert series(thickness=2.5, position=None).step_mm == 2.5
    assert series(thickness=None, position=None).step_mm == math.inf
    assert series(1).step_mm == 3.0


@pytest.mark.parametrize(("mm", "pixel", "cubes"), [(1.0, 1.0, True), (3.0, 1.0, False), (2.5, 2.5, False)])
def test_voxels_are_nearly_cubes_if_slices_are_close_in_pixels_and_in_mm(mm: float, pixel: float, cubes: bool) -> None:
    made = Series([header(k, position=(0.0, 0.0, mm * k), spacing=(pixel, pixel)) for k in range(6)])
    assert made.is_isotropic is cubes


def test_a_title_tells_number_description_and_part_and_no_name() -> None:
    assert series().title == "4 “t2_tse_tra”"
    assert Series([header(0)], part="echo of 104 ms").name == "4 “t2_tse_tra” (echo of 104 ms)"
    assert series(number="", description="").title == "without number"
    assert "Doe" not in series(description="Doe t2 tra").title


def test_a_sound_series_has_no_defect() -> None:
    assert defect(series()) is None
    assert defect(series(1)) is None


def changed(at: int, **changes: object) -> Series:
    return Series([header(k, **(changes if k == at else {})) for k in range(6)])


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (Series([header(k) for k in range(6)], damaged=2), "damaged files (2 of 8)"),
        (series(position=None), "lacks slice positions"),
        (series(spacing=None), "(0028,0030) is missing"),
        (series(spacing=None, spacing_text="a/b"), "holds “a/b”, not two lengths"),
        (series(spacing=(1.0, 0.0)), "lacks pixel spacing"),
        (changed(2, size=(96, 80)), "different sizes"),
        (changed(2, spacing=(1.1, 1.1)), "different sizes"),
        (series(position=(0.0, 0.0, 0.0)), "all 6 images at one position"),
        (changed(2, position=(-30.0, -30.0, 3.0)), "several images at one position (6 images at 5 positions)"),
        (Series([header(k) for k in (0, 1, 2, 4, 5)]), "a gap of 6 mm where slices are 3 mm apart"),
        (changed(2, position=(-30.0, -30.0, 6.8)), "unevenly spaced slices (2.2 to 3.8 mm apart)"),
        (changed(2, position=(-28.0, -30.0, 6.0)), "shifted sideways"),
    ],
)
def test_what_keeps_slices_from_making_a_volume_is_named(made: Series, said: str) -> None:
    assert said in defect(made)


def test_frames_of_several_files_are_no_volume() -> None:
    made = Series([header(k, file=Path(f"{k // 3}.dcm"), frame=k % 3 + 1) for k in range(6)])
    assert made.is_multi_frame
    assert "several multi-frame files" in defect(made)


def test_places_are_told_if_there_is_more_than_one() -> None:
    assert has_places(series())
    assert has_places(series(1))
    assert not has_places(series(position=(0.0, 0.0, 0.0)))
    assert not has_places(series(position=None))
    assert changed(3, orientation=tuple(map(float, SAGITTAL))).is_mixed
    assert changed(3, orientation=tuple(map(float, SAGITTAL))).places() is None
