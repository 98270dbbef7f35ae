"""Thousands of damaged inputs and hundreds of faults, counted; a Markdown table of what became of them.

``python -m benchmarks.reliability --out docs/reliability.md`` (or ``make reliability``). Every input must give a result
or exit code 2 with one sentence, within 10 s and 2 GB, and leave nothing behind; whatever does not is *lost*, is kept
in ``--keep`` with the line that makes it again (``--replay LINE``), and makes the exit code 1. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.reliability import batches, faults
from benchmarks.reliability.campaign import Tried, again, by_hand, damaged, run
from benchmarks.reliability.sandbox import MEMORY_MB, SECONDS

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
TRIALS = {"SIGINT": 60, "SIGTERM": 30, "SIGKILL": 30, "disk": 30, "memory": 60, "weights": 100, "batch": 20}


def inject(folder: Path, start: int, share: float) -> list[faults.Tally]:
    """Inject every kind of fault; ``share`` scales how often."""
    count = {name: max(2, round(share * trials)) for name, trials in TRIALS.items()}
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    tallies = [faults.signals(number, count[number.name], folder, start) for number in signals]
    tallies.append(faults.bad_weights(count["weights"], folder, start))
    if sys.platform == "linux":
        tallies.append(faults.little_memory(count["memory"], folder))
        tallies += [batches.killed(victim, count["batch"], folder, start) for victim in ("batch", "worker")]
        try:
            tallies += [faults.full_disk(count["disk"], folder, start), faults.read_only(folder)]
        except PermissionError as error:
            print(f"No disks to fill: only the superuser can mount one ({error}).", file=sys.stderr)
    for tally in tallies:
        for fault in tally.lost:
            print(f"lost: {tally.name}: {fault}", file=sys.stderr, flush=True)
    return tallies


def table_of_inputs(done: Sequence[Tried]) -> list[str]:
    """The table of inputs, a row a kind, and their sum."""
    lines = [
        "| input, where it was damaged | tried | result | refused | lost | median s | longest s | most memory (MB) |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in (*dict.fromkeys(tried.job.row for tried in done), None):
        found = [tried for tried in done if row in (None, tried.job.row)]
        ends = Counter(tried.end for tried in found)
        seconds = [tried.outcome.seconds for tried in found]
        cells = [row or "**all**", len(found), *(ends[end] for end in ("result", "refused", "lost"))]
        cells += [f"{statistics.median(seconds):.2f}", f"{max(seconds):.1f}"]
        cells.append(f"{max(tried.outcome.peak_mb for tried in found):.0f}")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def table_of_faults(tallies: Sequence[faults.Tally]) -> list[str]:
    """The table of faults."""
    lines = ["| fault | tried | how it ended | lost |", "| --- | ---: | --- | ---: |"]
    for tally in tallies:
        ends = "; ".join(f"{end}: {count}" for end, count in sorted(tally.ends.items()))
        lines.append(f"| {tally.name} | {tally.tried} | {ends} | {len(tally.lost)} |")
    return lines


def main() -> int:
    """Run, print the tables, and write them if asked; returns 1 if any case was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2750, help="damaged files to try, at least; default: 2750")
    parser.add_argument("--seed", type=int, default=0, help="which ones; default: 0")
    parser.add_argument("--faults", type=float, default=1.0, help="how many faults, as a share of the usual number")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time; default: all cores")
    parser.add_argument("--keep", type=Path, default=Path("runs/reliability"), help="folder for inputs that were lost")
    parser.add_argument("--out", type=Path, help="Markdown file whose measured part is replaced")
    parser.add_argument("--replay", metavar="LINE", help="try one damaged file again, or one made by hand by its name")
    options = parser.parse_args()
    if options.replay:
        (tried,) = run([again(options.replay)], 1, options.keep)
        print(json.dumps(asdict(tried.outcome) | {"end": tried.end, "fault": tried.fault}, indent=1))
        return int(tried.fault is not None)

    began = time.monotonic()
    done = run([*damaged(options.files, options.seed), *by_hand()], options.jobs, options.keep)
    with tempfile.TemporaryDirectory(prefix="reliability-") as name:
        tallies = inject(Path(name), options.seed, options.faults) if options.faults else []
    minutes = (time.monotonic() - began) / 60
    lost = sum(tried.fault is not None for tried in done) + sum(len(tally.lost) for tally in tallies)
    text = "\n".join(
        [
            f"`python -m benchmarks.reliability --files {options.files} --seed {options.seed}`: {len(done)} inputs "
            f"tried, {sum(tally.tried for tally in tallies)} faults injected, **{lost} cases lost**, in {minutes:.0f} "
            f"minutes on {os.cpu_count()} cores ({platform.system()}, Python {platform.python_version()}). Allowed are "
            f"{SECONDS:.0f} s and {MEMORY_MB:.0f} MB a run.",
            *("", *table_of_inputs(done), "", *table_of_faults(tallies), ""),
        ]
    )
    print(text)
    if options.out:
        before, _, rest = options.out.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        options.out.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main())
