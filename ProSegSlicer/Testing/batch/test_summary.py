"""The summary page of a batch: what comes first, what it shows, and what it must not let through."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from proseg.batch.case import PREVIEWS, REPORTS, THUMBNAILS
from proseg.batch.summary import SUMMARY, write_summary
from proseg.batch.table import DONE, FAILED

CLEAR = {
    **{"status": DONE, "gland_found": "yes", "pz_ml": "12.25", "cg_ml": "30.5", "gland_ml": "42.75"},
    **{"critical_flags": "0", "warning_flags": "0", "lowest_confidence": "0.91"},
}


def rows(*changes: dict[str, object]) -> list[dict[str, object]]:
    return [{**CLEAR, **change} for change in changes]


def written(folder: Path, *changes: dict[str, object]) -> str:
    write_summary(rows(*changes), folder)
    return (folder / SUMMARY).read_text(encoding="utf-8")


def titles(page: str) -> list[str]:
    return re.findall(r"<h3>(?:<a[^>]*>)?([^<]*)", page)


def test_the_doubtful_come_first(tmp_path):
    page = written(
        tmp_path,
        {"id": "fine"},
        {"id": "finest", "lowest_confidence": 0.99},
        {"id": "one warning", "warning_flags": "1"},
        {"id": "two warnings", "warning_flags": 2},
        {"id": "one warning and unsure", "warning_flags": "1", "lowest_confidence": "0.2"},
        {"id": "critical", "critical_flags": "1"},
        {"id": "nothing found", "gland_found": "no", "lowest_confidence": ""},
        {"id": "broken", "status": FAILED, "sentence": "It is broken."},
    )
    assert titles(page) == [
        *("broken", "critical", "nothing found", "two warnings", "one warning and unsure", "one warning"),
        *("fine", "finest"),
    ]
    counts = re.findall(r"<b>(\d+)</b>([\w ]+)", page)
    assert counts == [
        *(("8", "cases"), ("1", "failed"), ("2", "not to be used as is")),
        *(("3", "to look at"), ("2", "without such flags")),
    ]


def test_a_card_says_what_was_found_and_what_to_look_at(tmp_path):
    page = written(
        tmp_path,
        {
            **{"id": "a", "warning_flags": "1", "flag_codes": "low_confidence_slices;touches_border"},
            **{"slices_to_check": "3;4;5;9", "lowest_confidence": "0.284", "psa_density": "0.154"},
        },
    )
    for words in ("12.2 mL", "30.5 mL", "gland 42.8 mL", "PSA density 0.15", "low confidence slices, touches border"):
        assert words in page
    assert "slices 3 to 5 and 9 · " in page  # a table of an earlier version does not say where they lie
    assert "confidence down to 28%" in page


@pytest.mark.parametrize("guard", ["", "'"])  # which keeps spreadsheets from taking a minus for a formula
def test_a_card_says_where_the_slices_to_check_lie(tmp_path, guard):
    told = {"slices_to_check": "3;4;5;9", "slices_to_check_superior_mm": f"{guard}-42.5;-39.5;-36.5;-24.5"}
    assert "slices 3 to 5 and 9 (S −42.5 to −36.5 and −24.5 mm)" in written(tmp_path, {"id": "a", **told})


def test_pictures_and_reports_are_shown_where_they_are(tmp_path):
    for room, ending in ((PREVIEWS, "png"), (THUMBNAILS, "jpg"), (REPORTS, "html")):
        (tmp_path / room).mkdir(parents=True, exist_ok=True)
        (tmp_path / room / f"ein Fall #1 é.{ending}").touch()
    page = written(tmp_path, {"id": "ein Fall #1 é"}, {"id": "without"})
    address = "ein%20Fall%20%231%20%C3%A9"
    assert f'<a href="previews/{address}.png"><img loading="lazy" src="previews/small/{address}.jpg"' in page
    assert f'<a href="reports/{address}.html">' in page
    assert page.count("<img") == 1


def test_nothing_in_a_table_becomes_markup(tmp_path):
    bad = '<script>alert(1)</script>"&'
    page = written(
        tmp_path,
        {"id": bad, "flag_codes": bad, "sentence": bad, "psa_density": "0.1"},
        {"id": f"{bad}2", "status": FAILED, "sentence": bad},
    )
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_nothing_is_written_where_nothing_has_come_out(tmp_path):
    write_summary([], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["", "nonsense"])
def test_a_table_that_somebody_edited_does_no_harm(tmp_path, value):
    page = written(tmp_path, {"id": "a", **dict.fromkeys(("pz_ml", "lowest_confidence", "warning_flags"), value)})
    assert titles(page) == ["a"]


def test_ten_thousand_cases_take_seconds_and_a_page_that_opens(tmp_path):
    began = time.monotonic()
    page = written(tmp_path, *({"id": f"case {number}"} for number in range(10_000)))
    assert time.monotonic() - began < 20
    assert len(titles(page)) == 10_000
    assert len(page) < 10_000_000
    assert "base64" not in page
