"""Measure speed and memory, side by side with peers and with the machine's limit.

``python -m benchmarks.speed --out docs/speed.md``

Prints tables and, with ``--out``, writes them as a page and beside it a picture (``.svg``). About ten minutes on two
quiet cores. Each section's results are kept in ``--results``; ``--resume`` goes on with an interrupted run, ``--only``
measures some sections anew, and ``--only none`` writes the page from what is there. Sections: warm, peers, cold, click,
batch, growth, limit, gpu. Peers need ``python -m benchmarks.peers.environment`` once.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import uuid
from pathlib import Path

from benchmarks.peers.environment import python_of
from benchmarks.processes import ROOT, RunError
from benchmarks.speed import page
from benchmarks.speed.goals import Results
from benchmarks.speed.picture import draw
from benchmarks.speed.plan import Plan
from benchmarks.speed.volumes import Volumes

RESULTS = ROOT / "runs" / "speed"


def main() -> None:
    """Measure, print, write."""
    options = _parser().parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    if not options.only and not options.resume:
        for name in page.SECTIONS:
            (options.results / f"{name}.json").unlink(missing_ok=True)
        (options.results / "run").unlink(missing_ok=True)
    sections = options.only.split(",") if options.only else list(page.SECTIONS)
    if options.only == "none":
        sections = []
    if unknown := set(sections) - set(page.SECTIONS):
        raise SystemExit(f"There is no section {', '.join(sorted(unknown))}: choose of {', '.join(page.SECTIONS)}.")
    if options.resume:
        sections = [name for name in sections if not (options.results / f"{name}.json").exists()]
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder), Volumes(Path(folder)), options.repeats, python_of(options.peers))
        for name in sections:
            measure(name, plan, options.results, _run(options.results, bool(options.only)))
    results = load(options.results)
    picture = draw(results)
    if options.out and picture:
        options.out.with_suffix(".svg").write_text(picture, encoding="utf-8")
    text = page.write(results, options.out.with_suffix(".svg").name if options.out and picture else None)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, help="Markdown file to write; the picture goes beside it")
    parser.add_argument("--repeats", type=int, default=7, help="runs that a median is taken of (default: 7)")
    parser.add_argument("--only", metavar="SECTION,…", help="measure these sections anew and keep the others")
    parser.add_argument("--resume", action="store_true", help="measure only what an interrupted run has not")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results (default: runs/speed)")
    parser.add_argument("--peers", type=Path, default=python_of().parents[1], help="the peers' environment")
    return parser


def measure(name: str, plan: Plan, folder: Path, run: str) -> None:
    """Measure a section and keep what it found; what fails is kept as such, and the others go on."""
    print(f"{name} …", file=sys.stderr, flush=True)
    began = time.perf_counter()
    try:
        found = page.SECTIONS[name].measure(plan)
    except RunError as error:
        found = {"failed": str(error)}
        plan.say(f"failed: {error}")
    kept = {"found": found, "run": run, **page.machine(), "took_s": time.perf_counter() - began}
    temporary = folder / f"{name}.tmp"
    temporary.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    temporary.replace(folder / f"{name}.json")
    plan.say(f"took {kept['took_s']:.0f} s")


def load(folder: Path) -> Results:
    """The results of all sections that have any, and of the agreement."""
    results = {}
    for name in (*page.SECTIONS, page.AGREEMENT):
        path = folder / f"{name}.json"
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            results[name] = kept.pop("found") | kept
    return results


def _run(folder: Path, apart: bool) -> str:
    """The name of this run, which an interrupted one hands on to the one that resumes it."""
    path = folder / "run"
    if apart or not path.exists():
        path.write_text(uuid.uuid4().hex)
    return path.read_text()


if __name__ == "__main__":
    main()
