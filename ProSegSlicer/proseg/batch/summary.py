"""A batch at a glance, ``summary.html``: a card a case, the doubtful first, so that a reader begins where it matters.

Nothing in it runs and nothing is loaded from elsewhere; the small pictures lie in a folder beside it and are loaded as
they come into view, so that it opens as fast with thousands of cases. It names no patient, only the cases' ids.
"""

from __future__ import annotations

import html
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from proseg.batch.case import PREVIEWS, REPORTS, THUMBNAILS
from proseg.batch.table import FAILED, Row
from proseg.labels import ZONES
from proseg.outputs.report import INTENDED_USE
from proseg.segmentation.quality import LOW_CONFIDENCE, name_slices
from proseg.system.atomic import write_text

SUMMARY = "summary.html"


@dataclass(frozen=True)
class Group:
    """Cases that ask for the same attention; the name is that of its class in the page."""

    name: str
    title: str
    chip: str


GROUPS = {
    group.name: group
    for group in (
        Group("failed", "Failed", "failed"),
        Group("critical", "Do not use without correction", "not to be used as is"),
        Group("warning", "Look before use", "to look at"),
        Group("clear", "No flag that asks for a look", "without such flags"),
    )
}

_STYLE = """
* { box-sizing: border-box; margin: 0 }
html { background: #14171c; color: #e9edf2; color-scheme: dark;
  font: 14px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums }
body { max-width: 1760px; margin: 0 auto; padding: 22px 26px 40px }
h1 { font-size: 22px; font-weight: 600; letter-spacing: -0.01em }
h1 + p, footer, .dim { color: #98a2b0 }
input { position: absolute; opacity: 0; pointer-events: none }
nav { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: 8px; padding: 14px 0;
  background: #14171cf2 }
nav label { padding: 5px 13px; border: 1px solid #343b46; border-radius: 99px; cursor: pointer; color: #c3cbd6 }
nav label b { font-weight: 600; color: #fff; margin-right: 4px }
nav label i, h3 i { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 7px }
input:focus-visible + nav label { outline: 2px solid #7aace8 }
h2 { font-size: 14px; font-weight: 600; margin: 20px 0 10px; padding-left: 10px; border-left: 3px solid }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 14px; align-items: start }
article { background: #1d2229; border: 1px solid #2b323c; border-top: 3px solid; border-radius: 6px; overflow: hidden;
  content-visibility: auto; contain-intrinsic-size: auto 330px }
.plain article { contain-intrinsic-size: auto 120px }
img { display: block; width: 100%; aspect-ratio: 3 / 2; object-fit: contain; background: #000 }
article > div { padding: 9px 12px 11px; overflow-wrap: anywhere }
h3 { font-size: 14px; font-weight: 600; margin-bottom: 2px }
article p { font-size: 13px }
article p + p { margin-top: 3px }
a { color: #8ab8ee; text-decoration: none } a:hover { text-decoration: underline }
.zones span { margin-right: 12px; white-space: nowrap }
.zones i { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 5px }
.low { color: #ffba54 }
h2.failed, .failed article { border-color: #8591a0 } .failed i { background: #8591a0 }
h2.critical, .critical article { border-color: #ff6666; border-left-color: #2b323c; border-right-color: #2b323c;
  border-bottom-color: #2b323c } .critical i.group { background: #ff6666 }
h2.warning, .warning article { border-color: #dd9a2e; border-left-color: #2b323c; border-right-color: #2b323c;
  border-bottom-color: #2b323c } .warning i.group { background: #dd9a2e }
h2.clear, .clear article { border-color: #3d9467; border-left-color: #2b323c; border-right-color: #2b323c;
  border-bottom-color: #2b323c } .clear i.group { background: #3d9467 }
footer { margin-top: 26px; padding-top: 12px; border-top: 1px solid #2b323c }
"""


def write_summary(rows: Iterable[Row], folder: Path) -> None:
    """Write the page for the rows of a table into its folder, whole or not at all; without any row nothing.

    Pictures and reports are shown for cases that have them there.

    Raises:
        OutputError: it cannot be written.
    """
    files = {room: _names(folder / room) for room in (PREVIEWS, THUMBNAILS, REPORTS)}
    cards = sorted((_order(row), _group(row), _card(row, files)) for row in rows)
    if cards:
        write_text(page([(group, card) for _, group, card in cards]), folder / SUMMARY)


def page(cards: list[tuple[str, str]]) -> str:
    """The page of these cards, each with the name of its group, in the order in which they come."""
    counts = Counter(group for group, _ in cards)
    there = [group for name, group in GROUPS.items() if counts[name]]
    choices = [("all", f"<b>{len(cards)}</b>{'cases' if len(cards) != 1 else 'case'}")]
    choices += [(g.name, f'<i class="group"></i><b>{counts[g.name]}</b>{g.chip}') for g in there]
    radios = "".join(
        f'<input type="radio" name="show" id="show-{name}"{" checked" if name == "all" else ""}>' for name, _ in choices
    )
    labels = "".join(f'<label class="{name}" for="show-{name}">{words}</label>' for name, words in choices)
    rules = "".join(
        f"#show-{name}:checked ~ nav label.{name} {{ background: #313b48; border-color: #6f8096 }}\n"
        for name, _ in choices
    )
    rules += "".join(f"#show-{g.name}:checked ~ main > section:not(.{g.name}) {{ display: none }}\n" for g in there)
    sections = "\n".join(_section(group, [card for name, card in cards if name == group.name]) for group in there)
    zones = " ".join(f"{_dot(zone.colour)}{html.escape(zone.name)} ({zone.short})" for zone in ZONES)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>Prostate zones: {len(cards)} cases</title>
<style>{_STYLE}{rules}</style>
</head>
<body>
<h1>Prostate zones on T2-weighted MRI</h1>
<p class="zones">The doubtful first. {zones}</p>
{radios}
<nav>{labels}</nav>
<main>
{sections}
</main>
<footer>{html.escape(INTENDED_USE)} Not a medical device. Figures: results.csv as it was when this was written.</footer>
</body>
</html>
"""


def _section(group: Group, cards: list[str]) -> str:
    plain = "" if any("<img" in card for card in cards[:100]) else " plain"
    return (
        f'<section class="{group.name}{plain}"><h2 class="{group.name}">{group.title}</h2>\n'
        f'<div class="cards">\n{"".join(cards)}</div></section>'
    )


def _card(row: Row, files: dict[str, set[str]]) -> str:
    name = str(row["id"])
    words = [f"<h3>{_linked(name, html.escape(name), f'{name}.html', REPORTS, files)}</h3>"]
    if row.get("status") != FAILED:
        words += [_measured(row), _doubts(row)]
    if row.get("sentence"):
        words.append(f"<p>{html.escape(str(row['sentence']))}</p>")
    picture = ""
    if f"{name}.jpg" in files[THUMBNAILS]:
        image = f'<img loading="lazy" src="{_address(THUMBNAILS, f"{name}.jpg")}" alt="Slices of {html.escape(name)}">'
        picture = _linked(name, image, f"{name}.png", PREVIEWS, files)
    return f"<article>{picture}<div>{''.join(words)}</div></article>\n"


def _measured(row: Row) -> str:
    if row.get("gland_found") != "yes":
        return '<p class="low">No prostate found.</p>'
    dots = [_dot(zone.colour) for zone in ZONES]
    words = [f"<span>{dots[0]}{_ml(row, 'pz_ml')}</span><span>{dots[1]}{_ml(row, 'cg_ml')}</span>"]
    words.append(f"<span>gland {_ml(row, 'gland_ml')}</span>")
    if row.get("psa_density"):
        words.append(f"<span>PSA density {float(row['psa_density']):.2f}</span>")
    return f'<p class="zones">{"".join(words)}</p>'


def _doubts(row: Row) -> str:
    words = []
    if codes := str(row.get("flag_codes", "")):
        named = [html.escape(code.replace("_", " ")) for code in dict.fromkeys(codes.split(";"))]
        words.append(", ".join(named))
    if slices := str(row.get("slices_to_check", "")):
        words.append(html.escape(_named(slices, str(row.get("slices_to_check_superior_mm", "")))))
    if (confidence := _number(row.get("lowest_confidence"))) is not None:
        low = ' class="low"' if confidence < LOW_CONFIDENCE else ""
        words.append(f"<span{low}>confidence down to {confidence:.0%}</span>")
    return f'<p class="dim">{" · ".join(words)}</p>' if words else ""


def _group(row: Row) -> str:
    if row.get("status") == FAILED:
        return "failed"
    if _number(row.get("critical_flags")) or row.get("gland_found") != "yes":
        return "critical"
    return "warning" if _number(row.get("warning_flags")) else "clear"


def _order(row: Row) -> tuple[int, float, float, float, str]:
    """Where a case comes: by group, then by how many flags it has and how low its confidence is."""
    critical, warnings = (_number(row.get(f"{kind}_flags")) or 0 for kind in ("critical", "warning"))
    confidence = _number(row.get("lowest_confidence"))
    place = list(GROUPS).index(_group(row))
    return place, -critical, -warnings, 1.0 if confidence is None else confidence, str(row["id"])


def _named(slices: str, superior: str) -> str:
    """``3;4;5;9`` in words, with where they lie, as far as the table tells: older ones do not."""
    numbers = [int(index) for index in slices.split(";")]
    lie = [_number(place) for place in superior.lstrip("'").split(";")]  # which keeps a minus from being a formula
    known = len(lie) == len(numbers) and None not in lie
    return name_slices(numbers, dict(zip(numbers, lie, strict=True)).__getitem__ if known else None)


def _linked(name: str, inner: str, file: str, room: str, files: dict[str, set[str]]) -> str:
    return f'<a href="{_address(room, file)}">{inner}</a>' if file in files[room] else inner


def _address(room: str, file: str) -> str:
    return html.escape(f"{room}/{quote(file)}")


def _names(folder: Path) -> set[str]:
    with suppress(OSError):
        return set(os.listdir(folder))
    return set()


def _ml(row: Row, column: str) -> str:
    value = _number(row.get(column))
    return "?" if value is None else f"{value:.1f} mL"


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _dot(colour: tuple[int, int, int]) -> str:
    return '<i style="background:#{:02x}{:02x}{:02x}"></i>'.format(*colour)
