"""The page and the picture of made-up results: goals, tables, what was not measured."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from Testing.benchmarks.test_limit import FOUND

from benchmarks.processes import RunError
from benchmarks.speed import __main__ as command
from benchmarks.speed import cold, goals, page, peers
from benchmarks.speed.growth import fitted
from benchmarks.speed.picture import draw
from benchmarks.speed.plan import Plan
from benchmarks.speed.stages import NAMES
from benchmarks.speed.volumes import SIZES, USUAL, Volumes, name

RUN = {"machine": "A processor, 2 cores", "at": 0.0, "run": "one", "took_s": 1.0}
CASE = {stage: 0.04 for stage in NAMES} | {"total": 0.4, "first": 0.6, "not_network": 0.2, "peak_mb": 480.0}
PROCESS = {"wall_s": 2.0, "cpu_s": 2.5, "peak_mb": 500.0}


@pytest.fixture
def results() -> goals.Results:
    click = {"handing over": 0.01, "until the result": 0.5, "into the scene": 0.04, "total": 0.55}
    found = {
        "warm": {"volumes": {name(size): CASE | {"device": "cpu, bfloat16"} for size in SIZES}, "repeats": 7},
        "peers": {
            "own": {"seconds": 0.4, "all": [0.39, 0.41], "peak_mb": 480.0},
            "peers": {
                peers.TAPS: {"seconds": 26.0, "windows": 9, "peak_mb": 3000.0, "version": "1.1.2", "note": "blank"},
                peers.BUNDLE: {"seconds": 12.0, "windows": 128, "peak_mb": 4000.0, "version": "1.6", "note": ""},
                peers.NNUNET: {"missing": "it fell over"},
            },
            "repeats": 7,
        },
        "cold": {
            "processes": {cold.BARE: PROCESS | {"wall_s": 0.1}, cold.TORCH: PROCESS | {"wall_s": 1.3}}
            | {cold.SEGMENT: PROCESS},
            "repeats": 3,
            "module": {"wall_s": 0.2, "loads": ["numpy"]},
        },
        "click": {
            "repeats": 7,
            "worker": {"ready": 0.05, "first": 1.9, "next": 0.5, "peak_mb": 510.0},
            "click": {"first": click, "next": click, "peak_mb": 510.0},
        },
        "batch": {
            "cases": 40,
            "workers": {
                "1": {"wall_s": 24.0, "per_minute": 100.0, "running_per_minute": 110.0, "start_s": 2.0, "peak_mb": None}
            },
        },
        "growth": {
            "fits": {
                "slices": fitted([[10, 0.3], [20, 0.4], [40, 0.5]]),
                "pixels": fitted([[1e6, 0.3], [2e6, 0.3], [4e6, 0.4]]),
                "cases": fitted([[1, 0.4], [2, 0.8], [4, 1.6]]),
            }
        },
        "limit": deepcopy(FOUND),
        "gpu": {"device": None, "why": "no GPU here"},
    }
    return {section: case | RUN for section, case in found.items()}


def line_of(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"| {start}"))


def test_goals_say_whether_they_were_reached(results: goals.Results) -> None:
    text = goals.describe(results)
    assert line_of(text, "warm") == "| warm, 384 × 384 × 20 | ≤ 0.50 s | 0.40 s | reached |"
    assert line_of(text, "against lavlab").endswith("| ≥ 50 × | 65 × | reached |")
    assert line_of(text, "against the MONAI").endswith("| ≥ 40 × | 30 × | **missed** |")
    assert line_of(text, "on a GPU").endswith("| – | not measured |")
    assert line_of(text, "batch").endswith("| 100 | reached |")


def test_the_page_holds_every_section_once(results: goals.Results) -> None:
    text = page.write(results, "speed.svg")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Goals on two cores"] + [
        section.TITLE for section in page.SECTIONS.values()
    ]
    assert "![" in text
    assert "different runs" not in text
    assert "Of the 2.00 s of `proseg segment`, importing torch takes 1.20 s." in text
    assert "lavlab-taps 1.1.2: blank." in text
    assert "not measured: it fell over" in text


def test_tables_have_as_many_cells_in_each_row(results: goals.Results) -> None:
    for block in re.findall(r"(?:^\|.*\|\n)+", page.write(results, None), re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_sections_of_different_runs_are_told(results: goals.Results) -> None:
    results["gpu"]["run"] = "another"
    assert "**The sections come from different runs.**" in page.write(results, None)


def test_what_failed_is_told_and_the_rest_is_there(results: goals.Results) -> None:
    results["warm"] = {"failed": "it fell over"} | RUN
    text = page.write(results, None)
    assert "Not measured: it fell over" in text
    assert line_of(text, "warm").endswith("| – | not measured |")


def test_the_picture_names_every_program_stage_and_growth(results: goals.Results) -> None:
    words = " ".join(ET.fromstring(draw(results)).itertext())
    for word in ("ProSegSlicer", "lavlab-taps", "(65 ×)", name(USUAL), *NAMES, "linear"):
        assert word in words
    assert "nnU-Net" not in words  # it was not measured


def test_bars_of_the_picture_are_as_long_as_the_stages(results: goals.Results) -> None:
    bars: dict[str, float] = {}
    for bar in ET.fromstring(draw({"warm": results["warm"]})).iter("{http://www.w3.org/2000/svg}rect"):
        if float(bar.get("height")) == 20:
            bars[bar.get("fill")] = float(bar.get("width"))
    assert len(bars) == len(NAMES)
    assert max(bars.values()) == pytest.approx(min(bars.values()), abs=0.2)


def test_without_anything_to_show_there_is_no_picture() -> None:
    assert draw({}) is None


def test_a_section_that_fails_is_kept_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(plan: Any) -> None:
        raise RunError("the reason")

    monkeypatch.setattr(page.SECTIONS["gpu"], "measure", fail)
    command.measure("gpu", Plan(tmp_path, Volumes(tmp_path), 1, tmp_path / "none"), tmp_path, "one")
    assert command.load(tmp_path)["gpu"]["failed"] == "the reason"


def test_without_their_environment_peers_are_told_how_to_get_it(tmp_path: Path) -> None:
    found = peers.measure(Plan(tmp_path, Volumes(tmp_path), 1, tmp_path / "none"))
    assert "python -m benchmarks.peers.environment" in peers.describe(found)
