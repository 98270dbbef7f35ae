from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from Testing.made_results import make_findings, make_result, on_grid

from proseg.flags import QualityFlag, Severity
from proseg.labels import ZONES
from proseg.outputs import preview as module
from proseg.outputs.contours import bright
from proseg.outputs.preview import preview, tiles, write_preview
from proseg.segmentation.measurements import measure

GREEN = bright(ZONES[1].colour)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written on the pictures drawn in a test."""
    found: list[str] = []
    draw_text = module.ImageDraw.ImageDraw.text

    def noted(self: Any, xy: Any, text: str, *args: Any, **kwargs: Any) -> None:
        found.append(text)
        draw_text(self, xy, text, *args, **kwargs)

    monkeypatch.setattr(module.ImageDraw.ImageDraw, "text", noted)
    return found


def near(picture: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    """Pixels of about this colour, as (row, column)."""
    return np.argwhere(np.abs(np.asarray(picture, int) - colour).max(axis=2) < 25)


@pytest.mark.parametrize("orientation", ["RAI", "SLP", "LAS"])
def test_the_picture_shows_the_same_anatomy_however_the_input_is_stored(orientation: str) -> None:
    top = module.HEADER
    expected, found = (
        np.asarray(preview(make_result(name)).crop((0, top, module.WIDTH, top + 200)), int)
        for name in ("LPS", orientation)
    )
    assert np.abs(expected - found).mean() < 0.1


def test_the_patients_right_is_on_the_left_and_anterior_is_up() -> None:
    result = make_result()
    labels = sitk.GetArrayFromImage(result.labelmap)
    labels[:] = 0
    labels[4:8, 10:16, 4:10] = 2  # LPS array: anterior (small j), right (small i)
    labels[4:8, 24:30, 32:38] = 1  # posterior, left
    shown = preview(replace(result, labelmap=on_grid(labels, "LPS")))
    tiles = shown.crop((module.MARGIN, module.HEADER, module.MARGIN + module.TILE, shown.height))
    green, violet = near(tiles, GREEN), near(tiles, bright(ZONES[0].colour))
    assert len(green) > 50
    assert len(violet) > 50
    assert green[:, 1].max() < violet[:, 1].min()
    assert green[:, 0].min() < violet[:, 0].min()


def test_without_a_gland_it_says_so_and_shows_the_image(words: list[str]) -> None:
    shown = preview(make_result(empty=True))
    assert "No prostate found" in words
    assert "Slice 6 (S -49.4 mm)" in words
    assert not any("mL" in word for word in words)
    assert not len(near(shown, GREEN))


def test_flags_are_in_words_and_mark_their_slices(words: list[str]) -> None:
    flag = QualityFlag("apex", Severity.WARNING, "Uncertain – in slice 4. " * 12, (4,))
    plain, marked = preview(make_result()), preview(make_result(flags=(flag,), psa=5))
    amber = near(marked.crop((0, module.HEADER, module.WIDTH, module.HEADER + 600)), module.AMBER)
    assert len(amber) > 1000
    assert len(near(plain, module.AMBER)) == 0
    assert marked.height > plain.height
    assert "?" not in "".join(words)
    assert sum("Uncertain - in slice 4." in word for word in words) >= 2  # wrapped
    assert any(word.endswith("ng/mL/mL") for word in words)
    assert any(module.RESEARCH_USE in word for word in words)


def test_the_tiles_say_which_slice_they_show_where_it_lies_and_how_sure_it_is() -> None:
    flag = QualityFlag("apex", Severity.CRITICAL, "Look.", (8,))
    shown = tiles(make_result("LPI", flags=(flag,)))  # slices are counted from above
    assert [tile.index for tile in shown] == list(range(12))
    assert [tile.level for tile in shown] == (
        ["above the gland"] + ["base"] * 3 + ["mid"] * 3 + ["apex"] * 3 + ["below the gland"] * 2
    )
    assert [tile.index for tile in shown if tile.severity] == [8]
    assert [tile.index for tile in shown if tile.confidence is None] == [0, 10, 11]
    assert {tile.picture.size for tile in shown} == {(module.TILE, shown[0].picture.height)}


def test_contours_drawn_by_hand_are_shown_too(words: list[str]) -> None:
    preview(make_findings(make_result(), provenance=None))
    assert any("drawn by hand" in word for word in words)


def test_no_line_of_words_leaves_the_picture() -> None:
    lines = module._wrapped("A sentence of many words, none of them short. " * 20 + "x" * 30, 19)
    assert max(module._font(19).getlength(line) for line in lines) <= module.WIDTH - 2 * module.MARGIN - 22
    assert " ".join(lines).count("sentence") == 20


@pytest.mark.parametrize(
    ("gland", "count", "flagged", "expected"),
    [
        (range(3, 7), 30, (), list(range(11, -1, -1))),
        (range(20), 20, (1, 4), None),
        (range(2, 5), 6, (), [5, 4, 3, 2, 1, 0]),
        (range(0), 40, (), list(range(26, 14, -1))),
    ],
)
def test_slices_cover_the_gland_from_base_to_apex(
    gland: range, count: int, flagged: tuple[int, ...], expected: list[int] | None
) -> None:
    shown = module._slices_to_show(np.array(gland, int), count, flagged)
    assert shown == sorted(set(shown), reverse=True)
    assert len(shown) == min(count, 12)
    assert 0 <= shown[-1] <= shown[0] < count
    if len(gland) <= 12:
        assert set(gland) <= set(shown)
    assert set(flagged) <= set(shown)
    if expected is not None:
        assert shown == expected


def test_a_real_case_is_drawn(shared_data: Path, tmp_path: Path) -> None:
    case = shared_data / "zonal" / "promise12_train_case13_msd00"
    image, labelmap = (sitk.ReadImage(str(case / f"{name}.nii.gz")) for name in ("t2", "zones"))
    labelmap = sitk.Cast(labelmap, sitk.sitkUInt8)
    result = replace(make_result(), image=image, labelmap=labelmap, measurements=measure(labelmap))
    write_preview(result, tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as shown:
        assert shown.format == "PNG"
        assert shown.width == module.WIDTH


def test_a_flat_image_with_holes_in_its_values_is_drawn() -> None:
    result = make_result()
    array = np.full(sitk.GetArrayFromImage(result.image).shape, 7, np.float32)
    array[0] = np.nan
    preview(replace(result, image=on_grid(array, "LPS")))


@pytest.mark.parametrize(("orientation", "end"), [("LPS", "inferior"), ("LPI", "superior"), ("RAS", "inferior")])
def test_the_footer_says_truly_at_which_end_slice_0_lies(words: list[str], orientation: str, end: str) -> None:
    preview(make_result(orientation))
    footer = " ".join(words)
    assert "pictures from superior to inferior" in footer
    assert f"slice 0 is the most {end}" in footer
