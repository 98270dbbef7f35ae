from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from Testing.made_results import PROVENANCE, make_findings, make_result, relabelled

from proseg.flags import QualityFlag, Severity
from proseg.labels import ZONES
from proseg.outputs.page import page, write_page
from proseg.outputs.preview import tiles
from proseg.outputs.report import INTENDED_USE
from proseg.outputs.review import compare, sign
from proseg.segmentation.measurements import measure
from proseg.system.atomic import OutputSet, write_text

WHEN = datetime(2026, 11, 3, 14, 5, tzinfo=timezone.utc)
VOID = {"meta", "img"}
TAGS = VOID | {
    *("html", "head", "title", "style", "body", "header", "footer", "section", "div", "h1", "h2", "p", "span", "bdi"),
    *("b", "i", "strong", "time", "code", "ul", "li", "table", "tr", "th", "td", "figure", "figcaption"),
    *("svg", "rect", "path", "text"),
}


class Read(HTMLParser):
    """A page as a browser takes it: its tags in order with their attributes, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []
        self.words = re.sub(r"\s+", " ", "".join(self.texts))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def edited_result() -> tuple:
    """A result, and what is known once a voxel of it is edited."""
    result = make_result(psa=6.5)
    labelmap = relabelled(result.labelmap, {(22, 20, 6): 0})
    return result, make_findings(result, labelmap=labelmap, measurements=measure(labelmap, 6.5))


def test_the_page_tells_what_was_measured() -> None:
    result = make_result(psa=6.5)
    read, m = Read(page(result, "/home/someone/T2W.nii.gz")), result.measurements
    for words in (
        f"Whole gland{m.gland_ml:.1f} mL",
        f"Peripheral zone (PZ), {m.pz_ml / m.gland_ml:.0%}{m.pz_ml:.1f} mL",
        f"Central gland (CG), {m.cg_ml / m.gland_ml:.0%}{m.cg_ml:.1f} mL",
        f"{m.width_mm:.0f} × {m.height_mm:.0f} × {m.length_mm:.0f} mm",
        f"Ellipsoid estimate (W × H × L × 0.52){m.ellipsoid_ml:.1f} mL",
        "PSA6.5 ng/mL",
        f"PSA density{m.psa_density:.2f} ng/mL per mL",
        "T2W.nii.gz · 44 × 40 × 12 voxels of 1.25 × 1.5 × 3.6 mm",
        *("ProSeg|small 1.2", "ab" * 32, "cpu, float32", "numpy 2", "Read from the only series."),
    ):
        assert words in read.words
    assert "someone" not in read.words
    assert "No GPU." not in read.words  # of no use to a reader: the JSON report has it
    assert read.words.count(f"{INTENDED_USE} Not a medical device.") == 1
    for zone in ZONES:
        assert "#{:02x}{:02x}{:02x}".format(*zone.colour) in page(result, "x")


def test_without_a_psa_no_density_is_named() -> None:
    assert "PSA" not in Read(page(make_result(), "x.nrrd")).words


def test_the_pictures_are_inside_the_page() -> None:
    result = make_result()
    pictures, shown = Read(page(result, "x.nrrd")).all("img"), tiles(result)
    assert len(pictures) == len(shown) == 12
    for attributes, tile in zip(pictures, shown, strict=True):
        data = attributes["src"].removeprefix("data:image/png;base64,")
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as picture:
            assert picture.format == "PNG"
            assert picture.tobytes() == tile.picture.tobytes()
        assert f"Slice {tile.index} " in attributes["alt"]


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    text = page(make_result(), "x.nrrd")
    read = Read(text)
    links = [value for _, attributes in read.tags for name, value in attributes.items() if name in ("src", "href")]
    assert all(link.startswith("data:image/png;") for link in links)
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    assert not re.search(r"https?:|@import|url\(|<script|<link|<iframe", text)
    policy = next(meta["content"] for meta in read.all("meta") if meta.get("http-equiv"))
    assert policy.startswith("default-src 'none';")


def test_hostile_names_are_only_text() -> None:
    hostile = "<script>alert('1')</script><img src=x onerror=\"alert(2)\">&amp;"
    result = make_result(flags=(QualityFlag("x", Severity.WARNING, f"Flag {hostile}", (4,)),))
    odd = replace(PROVENANCE, model=hostile, device_reason=hostile, sha256=hostile, packages={hostile: hostile})
    findings = make_findings(result, provenance=odd, notes=(hostile,))
    name = hostile.replace("/", "-")  # a slash would end the folder's name
    read = Read(page(findings, name, sign(hostile, None, result.labelmap, WHEN)))  # knows only the page's own tags
    assert len(read.all("img")) == 12
    for words in (name, f"Reviewed by {hostile} on", f"Flag {hostile}", f"{hostile} 1.2 on cpu", f"SHA-256 {hostile}"):
        assert words in read.words


def test_the_page_says_that_nobody_reviewed_it() -> None:
    read = Read(page(make_result(), "x.nrrd"))
    assert "Not reviewed." in read.words
    assert {"class": "review unreviewed"} in read.all("section")


def test_the_page_says_who_reviewed_it_and_how_far_it_was_edited() -> None:
    result, findings = edited_result()
    read = Read(page(findings, "x.nrrd", sign("Ann", result.labelmap, findings.labelmap, WHEN)))
    assert "Reviewed by Ann on 2026-11-03 at 14:05 (UTC)." in read.words
    assert compare(result.labelmap, findings.labelmap).sentence() in read.words
    assert {"class": "review reviewed"} in read.all("section")
    assert "those of the AI's contours, before they were edited" in read.words
    assert f"{findings.measurements.gland_ml:.1f} mL" in read.words


def test_the_page_says_that_a_sign_off_is_withdrawn() -> None:
    result, findings = edited_result()
    review = sign("Ann", result.labelmap, result.labelmap, WHEN)
    text = page(findings, "x.nrrd", review, compare(result.labelmap, findings.labelmap))
    read = Read(text)
    assert "Sign-off withdrawn: edited after Ann signed on 2026-11-03 at 14:05 (UTC)." in read.words
    assert "Edited in slice 6 (S −49.4 mm): gland changed" in read.words
    assert "Reviewed by" not in read.words
    assert {"class": "review withdrawn"} in read.all("section")
    assert re.search(r"\.review\.withdrawn \{ background: #", text)


def test_the_worst_flags_come_first_in_words() -> None:
    flags = [
        QualityFlag(severity.value, severity, f"The {severity.value} one.", slices)
        for severity, slices in ((Severity.INFO, (3,)), (Severity.CRITICAL, (5,)), (Severity.WARNING, (4, 7)))
    ]
    read = Read(page(make_result(flags=tuple(flags)), "x.nrrd"))
    assert (
        "Do not use without correctionThe critical one.Look before useThe warning one.Worth knowingThe info one."
        "To check: slices 3 to 5 and 7 (S −59.8 to −52.9 and −46.0 mm)."
    ) in read.words
    framed = [attributes["class"] for attributes in read.all("figure")]  # slices 11 to 0
    assert framed == ["", "", "", "", "warning", "", "critical", "warning", "", "", "", ""]


def test_no_flag_is_told_too() -> None:
    assert "No quality flag was raised." in Read(page(make_result(), "x.nrrd")).words


@pytest.mark.parametrize(("orientation", "order"), [("LPS", [7, 6, 5, 4]), ("LPI", [4, 5, 6, 7])])
def test_the_chart_runs_from_base_to_apex(orientation: str, order: list[int]) -> None:
    findings = replace(make_result(orientation), slice_confidence={4: 0.9, 5: 0.5, 6: 0.8, 7: 1.0})
    read = Read(page(findings, "x.nrrd"))
    bars = read.all("rect")
    heights = {4: "79.2", 5: "44.0", 6: "70.4", 7: "88.0"}
    assert [bar["height"] for bar in bars] == [heights[index] for index in order]
    assert len({bar["fill"] for bar in bars}) == 2
    assert [bar["height"] for bar in bars if bar["fill"] == bars[order.index(5)]["fill"]] == ["44.0"]
    assert [float(bar["x"]) for bar in bars] == sorted(float(bar["x"]) for bar in bars)
    assert re.search(r"Slice 5 \(S −?\d+\.\d mm\): 0\.50", read.words)


def test_many_slices_stay_in_the_chart() -> None:
    read = Read(page(replace(make_result(), slice_confidence={index: 0.9 for index in range(90)}), "x.nrrd"))
    width = float(read.all("svg")[0]["viewbox"].split()[2])
    assert len(read.all("rect")) == 90
    assert max(float(bar["x"]) + float(bar["width"]) for bar in read.all("rect")) <= width
    assert len([mark for mark in read.all("text") if mark.get("text-anchor") == "middle"]) <= 16


def test_without_a_gland_there_is_nothing_to_measure() -> None:
    read = Read(page(make_result(empty=True), "x.nrrd"))
    assert "No prostate found" in read.words
    assert "mL" not in read.words
    assert not read.all("svg")
    assert len(read.all("img")) == 12


def test_contours_drawn_by_hand_make_a_page_too() -> None:
    findings = make_findings(make_result(), provenance=None, slice_confidence={}, notes=())
    read = Read(page(findings, "x.nrrd"))
    assert "No model is known to have drawn these contours." in read.words
    assert "Not assessed." in read.words
    assert not read.all("svg")


def test_the_page_is_written_with_the_other_files_or_not_at_all(tmp_path: Path) -> None:
    result, out = make_result(), tmp_path / "new" / "page.html"
    review = sign("Ann", None, result.labelmap, WHEN)

    def run(*, fail: bool) -> None:
        with OutputSet() as outputs:
            write_page(result, tmp_path / "x.nrrd", out, outputs, review=review)
            write_text("{}", tmp_path / "r.json", outputs)
            if fail:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(fail=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    run(fail=False)
    assert out.read_text(encoding="utf-8") == page(result, "x.nrrd", review)
    assert str(tmp_path) not in out.read_text(encoding="utf-8")
