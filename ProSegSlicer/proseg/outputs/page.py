"""The report as a page to read, print or keep: one HTML file with its pictures in it.

Nothing is loaded from elsewhere and nothing in it runs; it prints on A4. What it says is what the report says: it
names no patient, only the input file and the reviewer.
"""

from __future__ import annotations

import base64
import html
import io
import os
import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from proseg.flags import Severity
from proseg.images.geometry import input_slice_indices, superior_mm
from proseg.labels import ZONES
from proseg.outputs.own import OwnSegment
from proseg.outputs.preview import Tile, slice_name, slice_zero, tiles
from proseg.outputs.report import INTENDED_USE, report
from proseg.outputs.review import Comparison, Review, fingerprint, sign_off
from proseg.segmentation.measurements import Measurements
from proseg.segmentation.quality import LOW_CONFIDENCE, name_slices
from proseg.segmentation.result import Findings, Provenance
from proseg.system.atomic import OutputSet, write_text

SEVERITY_WORDS = {
    Severity.CRITICAL: "Do not use without correction",
    Severity.WARNING: "Look before use",
    Severity.INFO: "Worth knowing",
}
EDITED = "Quality and confidence are those of the AI's contours, before they were edited."
# The chart of confidence, in units of its own: greatest step from slice to slice, share of it that a bar takes, height
# of a confidence of 1, and what surrounds the bars.
WIDTH, WIDEST, BAR, FULL, LEFT, TOP, BOTTOM = 340, 22, 0.64, 88, 26, 8, 30
MOST_NUMBERS = 16  # slice numbers along the chart; of more slices only every second, third … is numbered

_STYLE = """
@page { size: A4 portrait; margin: 10mm 12mm }
* { box-sizing: border-box; margin: 0 }
html { background: #e9ecf0; -webkit-print-color-adjust: exact; print-color-adjust: exact }
body { width: 210mm; max-width: 100%; margin: 8mm auto; padding: 10mm 12mm; background: #fff; color: #1c2530;
  font: 8.5pt/1.38 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
header { border-bottom: 1.5pt solid #1c2530; padding-bottom: 2mm }
h1 { font-size: 15pt; line-height: 1.2; font-weight: 600; letter-spacing: -0.01em }
h2 { font-size: 8.5pt; font-weight: 600; margin-bottom: 1mm }
.dim, h2 span, figcaption span, th { color: #5c6773; font-weight: 400 }
.columns { display: grid; grid-template-columns: 1fr 1fr; gap: 4mm 9mm; margin-top: 3.5mm }
section { break-inside: avoid }
table { width: 100%; border-collapse: collapse }
th, td { text-align: left; padding: 0.7mm 0; border-bottom: 0.5pt solid #dfe3e8; vertical-align: baseline }
td { text-align: right; white-space: nowrap; padding-left: 3mm }
tr.main th, tr.main td { font-weight: 600; color: #1c2530; font-size: 11pt }
i { display: inline-block; width: 2.4mm; height: 2.4mm; border-radius: 50%; margin-right: 1.5mm }
.share { display: flex; height: 2mm; border-radius: 1mm; overflow: hidden; margin-bottom: 1mm }
.review { padding: 1.8mm 3mm; border-left: 1.2mm solid; border-radius: 0.6mm; margin-bottom: 3mm }
.review p:first-child { font-weight: 600 }
.review.reviewed { background: #eaf5ef; border-color: #2c7a54 }
.review.unreviewed { background: #f1f3f6; border-color: #8591a0 }
.review.withdrawn { background: #fdecea; border-color: #c0342b }
.review.withdrawn p:first-child { color: #a3231b }
time { white-space: nowrap }
ul { list-style: none; padding: 0 }
li { padding-left: 3mm; border-left: 0.8mm solid; margin-bottom: 1.6mm }
li b { display: block; font-size: 8pt; font-weight: 600 }
li.critical { border-color: #c0342b } .critical b { color: #a3231b }
li.warning { border-color: #dd8b14 } .warning b { color: #96590a }
li.info { border-color: #4a82b8 } .info b { color: #2f6294 }
.legend { display: flex; flex-wrap: wrap; gap: 0 3.5mm; margin: 3.5mm 0 1mm; font-size: 8pt; align-items: baseline }
.legend h2 { margin: 0; color: #1c2530 }
.pictures { display: grid; grid-template-columns: repeat(4, 1fr); gap: 1.6mm 1.8mm }
figure { break-inside: avoid }
img { display: block; width: 100%; max-height: 39mm; object-fit: contain; background: #000; border-radius: 0.6mm }
.warning img { outline: 0.6mm solid #ffba54; outline-offset: -0.6mm }
.critical img { outline: 0.6mm solid #ff6666; outline-offset: -0.6mm }
figcaption { display: flex; justify-content: space-between; font-size: 8pt; line-height: 1.3; margin-top: 0.3mm }
figcaption span.low { color: #96590a; font-weight: 600 }
svg { display: block; width: 100%; height: auto; max-height: 28mm }
svg text { font-size: 10px; fill: #5c6773 }
.origin { font-size: 7.5pt }
code { font: 6.5pt ui-monospace, Menlo, Consolas, monospace }
footer { margin-top: 3mm; padding-top: 1.6mm; border-top: 0.5pt solid #dfe3e8; font-size: 8pt }
@media print { html { background: none } body { width: auto; margin: 0; padding: 0 } }
@media screen and (max-width: 700px) { .columns { grid-template-columns: 1fr } body { margin: 0; padding: 5mm }
  .pictures { grid-template-columns: 1fr 1fr } }
"""


def page(
    findings: Findings,
    source: str | os.PathLike[str],
    review: Review | None = None,
    comparison: Comparison | None = None,
    own: Sequence[OwnSegment] = (),
) -> str:
    """The report as one HTML page; takes what ``proseg.outputs.report.report`` takes.

    Slices are numbered from zero along the input's slice axis; pictures and chart run from base to apex.
    """
    content = report(findings, source, review, comparison, own)
    image, edited = content["input"], content["review"]["edited"]
    size = " × ".join(str(count) for count in image["size"])
    spacing = " × ".join(f"{step:.3g}" for step in image["spacing_mm"])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{_text(image["name"])}: prostate zones</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>Prostate zones on T2-weighted MRI</h1>
<p><bdi>{_text(image["name"])}</bdi> <span class="dim">· {size} voxels of {spacing} mm</span></p>
</header>
<div class="columns">
{_measured(findings, own)}
<div>
{_reviewed(findings, review, content["review"])}
{_flagged(findings, bool(edited))}
</div>
</div>
{_pictured(tiles(findings), findings.has_gland)}
<div class="columns">
{_confidence(findings, bool(edited))}
{_origin(findings.provenance, findings.notes)}
</div>
<footer><strong>{_text(INTENDED_USE)} Not a medical device.</strong>
{slice_zero(findings.image)} S: millimetres to the patient's superior, as Slicer's axial view shows them.</footer>
</body>
</html>
"""


def write_page(
    findings: Findings,
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    outputs: OutputSet | None = None,
    *,
    review: Review | None = None,
    comparison: Comparison | None = None,
    own: Sequence[OwnSegment] = (),
) -> None:
    """Write the page of a result, whole or not at all (with ``outputs``, together with that set)."""
    write_text(page(findings, source, review, comparison, own), path, outputs)


def _text(value: object) -> str:
    return html.escape(str(value))


def _measured(findings: Findings, own: Sequence[OwnSegment]) -> str:
    m = findings.measurements
    drawn = "".join(map(_drawn, own))
    if not findings.has_gland:
        none = "<p>No prostate found: there is nothing to measure.</p>"
        return f"<section><h2>Measurements</h2>{none}<table>{drawn}</table></section>"
    zones = [(zone, volume, volume / m.gland_ml) for zone, volume in zip(ZONES, (m.pz_ml, m.cg_ml), strict=True)]
    shares = "".join(
        f'<div style="width:{share:.1%};background:{_css(zone.colour)}"></div>' for zone, _, share in zones
    )
    rows = [("Whole gland", f"{m.gland_ml:.1f} mL", "main")]
    rows += [
        (f"{_dot(zone.colour)}{zone.name} ({zone.short}), {share:.0%}", f"{volume:.1f} mL", "")
        for zone, volume, share in zones
    ]
    rows += [(_text(name), value, "") for name, value in _derived(m)]
    table = "".join(
        f'<tr class="{kind}"><th scope="row">{name}</th><td>{value}</td></tr>' for name, value, kind in rows
    )
    return (
        "<section><h2>Measurements <span>· volumes: voxels counted</span></h2>"
        f'<div class="share">{shares}</div><table>{table}{drawn}</table></section>'
    )


def _drawn(segment: OwnSegment) -> str:
    """The row of a segment of the reader's own."""
    where = name_slices(segment.slices, segment.superior)
    name = f"{_dot(segment.colour)}<bdi>{_text(segment.name)}</bdi>, drawn by the reader, {_text(where)}"
    return f'<tr><th scope="row">{name}</th><td>{segment.volume_ml:.2f} mL</td></tr>'


def _derived(m: Measurements) -> Iterable[tuple[str, str]]:
    yield "Width × height × length", f"{m.width_mm:.0f} × {m.height_mm:.0f} × {m.length_mm:.0f} mm"
    yield "Ellipsoid estimate (W × H × L × 0.52)", f"{m.ellipsoid_ml:.1f} mL"
    if m.psa_ng_ml is not None:
        yield "PSA", f"{m.psa_ng_ml:g} ng/mL"
    if m.psa_density is not None:
        yield "PSA density", f"{m.psa_density:.2f} ng/mL per mL"


def _reviewed(findings: Findings, review: Review | None, content: dict[str, Any]) -> str:
    compared = content["comparison_with_ai"]
    signed = sign_off(review, fingerprint(findings.labelmap))
    how_far = f"<p>{_text(compared['sentence'])}</p>" if compared else ""
    told = re.sub(r"\d{4}-\d\d-\d\d", r"<time>\g<0></time>", _text(signed))  # no line ends within the date
    return f'<section class="review {content["status"]}"><p>{told}</p>{how_far}</section>'


def _flagged(findings: Findings, edited: bool) -> str:
    groups = []
    for severity, words in SEVERITY_WORDS.items():
        told = "".join(f"<p>{_text(flag.sentence)}</p>" for flag in findings.flags if flag.severity is severity)
        groups += [f'<li class="{severity.value}"><b>{words}</b>{told}</li>'] if told else []
    if groups:
        told = f"<ul>{''.join(groups)}</ul>"
    else:
        told = f"<p>{'No quality flag was raised.' if findings.provenance else 'Not assessed.'}</p>"
    slices = ""
    if findings.slices_to_check:
        named = name_slices(findings.slices_to_check, partial(superior_mm, findings.image))
        slices = f"<p>To check: {_text(named)}.</p>"
    note = f'<p class="dim">{EDITED}</p>' if edited else ""
    return f"<section><h2>Quality</h2>{told}{slices}{note}</section>"


def _pictured(shown: list[Tile], has_gland: bool) -> str:
    what = "Slices, base to apex" if has_gland else "The middle slices of the image"
    zones = "".join(f"<span>{_dot(zone.colour)}{_text(zone.name)}</span>" for zone in ZONES)
    words = {
        "R, L: patient's right, left": True,
        "%: confidence": any(tile.confidence is not None for tile in shown),
        "framed: flagged": any(tile.severity for tile in shown),
    }
    keys = "".join(f"<span>{key}</span>" for key, used in words.items() if used)
    return f"""<section>
<div class="legend dim"><h2>{what}</h2>{zones}{keys}</div>
<div class="pictures">
{"".join(_figure(tile) for tile in shown)}</div>
</section>"""


def _figure(tile: Tile) -> str:
    png = io.BytesIO()
    tile.picture.save(png, format="PNG", compress_level=6)  # a tenth larger than the smallest, five times as fast
    data = base64.b64encode(png.getvalue()).decode()
    level = f" <span>{_text(tile.level)}</span>" if tile.level else ""
    confidence = ""
    if tile.confidence is not None:
        low = ' class="low"' if tile.confidence < LOW_CONFIDENCE else ""
        confidence = f"<span{low}>{tile.confidence:.0%}</span>"
    kind = tile.severity.value if tile.severity else ""
    picture = f'<img src="data:image/png;base64,{data}" alt="{_text(tile.name)} with its contours">'
    caption = f"<figcaption><div>{_text(tile.name)}{level}</div>{confidence}</figcaption>"
    return f'<figure class="{kind}">{picture}{caption}</figure>\n'


def _confidence(findings: Findings, edited: bool) -> str:
    """A bar a slice, from base to apex as the pictures run; nothing where no confidence is known."""
    if not findings.slice_confidence:
        return ""

    def superior(index: int) -> int:
        return input_slice_indices(findings.image, [index])[0]  # the mapping is its own inverse

    order = sorted(findings.slice_confidence, key=superior, reverse=True)
    step = min(WIDEST, (WIDTH - LEFT) / len(order))
    end, base = LEFT + step * len(order), TOP + FULL
    every = -(-len(order) // MOST_NUMBERS)
    marks = []
    for place, index in enumerate(order):
        value = min(max(findings.slice_confidence[index], 0), 1)
        middle, wide = LEFT + step * (place + 0.5), BAR * step
        colour = "#dd8b14" if value < LOW_CONFIDENCE else "#9fadbc"
        marks.append(
            f'<rect x="{middle - wide / 2:.1f}" y="{base - FULL * value:.1f}" '
            f'width="{wide:.1f}" height="{FULL * value:.1f}" fill="{colour}">'
            f"<title>{slice_name(findings.image, index)}: {value:.2f}</title></rect>"
        )
        if place % every == 0:
            marks.append(f'<text x="{middle:.1f}" y="{base + 12}" text-anchor="middle">{index}</text>')
    for value in (0, LOW_CONFIDENCE, 1):
        y = base - FULL * value
        dashes = ' stroke-dasharray="3 3"' if value == LOW_CONFIDENCE else ""
        marks.append(f'<path d="M{LEFT} {y:g}H{end:.1f}" stroke="#5c6773" stroke-width="0.6"{dashes}/>')
        marks.append(f'<text x="{LEFT - 5}" y="{y + 3:g}" text-anchor="end">{value:g}</text>')
    marks.append(f'<text x="{LEFT}" y="{base + 25}">base</text>')
    marks.append(f'<text x="{end:.1f}" y="{base + 25}" text-anchor="end">apex</text>')
    whose = " of the AI's contours" if edited else ""
    size = f'viewBox="0 0 {WIDTH} {base + BOTTOM}" preserveAspectRatio="xMinYMid"'
    return (
        f"<section><h2>Confidence by slice <span>· expected Dice{whose}</span></h2>"
        f'<svg {size} role="img" aria-label="Confidence by slice, base to apex">{"".join(marks)}</svg></section>'
    )


def _origin(provenance: Provenance | None, notes: tuple[str, ...]) -> str:
    if provenance is None:
        lines = ["No model is known to have drawn these contours."]
    else:
        total = provenance.timings_s.get("total")
        seconds = "" if total is None else f", {total:.1f} s"
        versions = ", ".join(f"{name} {version}" for name, version in provenance.packages.items())
        lines = [
            _text(f"{provenance.model} {provenance.version} on {provenance.device}, {provenance.dtype}{seconds}"),
            f"Weights SHA-256 <code>{_text(provenance.sha256)}</code>",
            _text(versions),
        ]
    told = "".join(f"<p>{line}</p>" for line in [*lines, *map(_text, notes)])
    return f'<section class="origin"><h2>How it was made</h2>{told}</section>'


def _dot(colour: tuple[int, int, int]) -> str:
    return f'<i style="background:{_css(colour)}"></i>'


def _css(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
