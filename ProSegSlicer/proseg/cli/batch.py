"""``proseg batch``: its options, and what they set going."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from proseg.errors import InputError, printable

if TYPE_CHECKING:
    from proseg.batch.loop import Engine

LISTED = 3  # files named in one sentence
SOME_FAILED, NEEDS_A_LOOK, INTERRUPTED = 1, 3, 130
REPORT_ENDINGS = ("json", "html")
EPILOG = """a manifest is a CSV file with a heading: path (relative to the manifest) and, if known, id and psa (ng/mL).

exit codes:
  0    every case is done
  1    some cases failed: the table says why, and the same command tries them again
  2    nothing could be started, or the run could not go on: one sentence says why
  3    every case is done, but a flag needs a look (with --strict)
  130  interrupted (143: by SIGTERM): the same command goes on where it stopped"""


def add_batch(commands: argparse._SubParsersAction, common: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add the command to the command line's.

    Args:
        commands: where to.
        common: adds the options that commands have in common.
    """
    parser = commands.add_parser(
        "batch",
        help="segment many examinations",
        description=run_batch.__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "inputs",
        metavar="IN",
        nargs="+",
        help="image files, folders with images or DICOM studies, patterns in quotes, or a manifest (.csv)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        type=Path,
        required=True,
        help="for results.csv, summary.html, files",
    )
    parser.add_argument(
        "--format",
        metavar="ENDING",
        action="append",
        help="of the segmentations: seg.nrrd (default), nii.gz, nii, nrrd, mha or dcm; may be given several times",
    )
    parser.add_argument(
        "--report", choices=REPORT_ENDINGS, action="append", default=[], help="a report a case, in reports/"
    )
    parser.add_argument(
        "--preview", action="store_true", help="a picture a case, in previews/, and small ones in summary.html"
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--resume", action="store_true", help="leave finished cases as they are and do the others (the default)"
    )
    again.add_argument("--overwrite", action="store_true", help="do every case again and replace its files")
    parser.add_argument(
        "--workers", metavar="N", type=int, help="processes on this machine; default: as processors and memory allow"
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="work on a Dask cluster instead: tcp://HOST:PORT, or the scheduler's JSON file",
    )
    parser.add_argument("--root", metavar="FOLDER", type=Path, help="where a manifest's files lie; default: beside it")
    parser.add_argument("--no-lock", action="store_true", help="for an output folder on a file system without locks")
    parser.add_argument("--strict", action="store_true", help="exit with code 3 if a quality flag needs a look")
    common(parser)
    parser.set_defaults(run=run_batch)


def run_batch(options: argparse.Namespace) -> int:
    """Segment many examinations into one folder, with a table and a summary. A bad one never stops the others, and a
    run that was stopped, however, goes on where it stopped when the same command is given again."""  # noqa: D205, D209
    from proseg.batch.case import Layout
    from proseg.batch.folder import TABLE
    from proseg.batch.inputs import collect
    from proseg.batch.loop import Batch, Request
    from proseg.batch.table import FAILED

    if options.workers is not None and options.workers < 1:
        raise InputError(f"{options.workers} workers cannot work.", "Give --workers a number of 1 or more.")
    layout = Layout(
        formats=_formats(options.format or ["seg.nrrd"]),
        reports=tuple(dict.fromkeys(f".{ending}" for ending in options.report)),
        previews=options.preview,
    )
    output = options.output.expanduser()
    try:
        passed_over: list[Path] = []
        cases = collect(options.inputs, output, options.root, passed_over)
        print(f"{len(cases)} case{'s' if len(cases) > 1 else ''}.{_passed_over(passed_over)}", flush=True)
        if spoilt := sum(bool(case.note or case.fault) for case in cases):
            print(f"Of {spoilt} the manifest says something that cannot be used: the table tells what.", flush=True)
        request = Request(
            cases=cases,
            inputs=[Path(given).expanduser() for given in options.inputs],
            output=output,
            layout=layout,
            overwrite=options.overwrite,
            device=options.device,
            weights=options.weights,
            lock=not options.no_lock,
        )
        batch = Batch(request, _engine(options), lambda line: print(line, flush=True))
        try:
            ends = batch.run()
        finally:
            if options.traceback:
                print(*batch.log, sep="\n", file=sys.stderr)
    except KeyboardInterrupt as stop:
        _say("Interrupted; what was done stays. The same command goes on where it stopped.")
        return getattr(stop, "exit_code", INTERRUPTED)
    counts = ", ".join(f"{count} {end}" for end, count in ends.items() if count)
    print(f"{counts}. Table: {output / TABLE}", flush=True)
    if ends[FAILED]:
        return SOME_FAILED
    return NEEDS_A_LOOK if options.strict and ends["to look at"] else 0


def _passed_over(files: list[Path]) -> str:
    if not files:
        return ""
    names = ", ".join(printable(file.name) for file in files[:LISTED]) + (" …" if len(files) > LISTED else "")
    return f" Passed over as label maps, other contrasts or packed copies, by their names: {len(files)} ({names})."


def _engine(options: argparse.Namespace) -> Callable[[int], Engine]:
    weights = str(options.weights.expanduser().absolute()) if options.weights else None

    def make(most: int) -> Engine:
        if options.scheduler:
            from proseg.batch.cluster import Cluster

            output = options.output.expanduser()
            return Cluster(
                options.scheduler, output, options.device, weights, lambda line: print(line, file=sys.stderr)
            )
        from proseg.batch.pool import Pool

        return Pool(options.workers, most, options.device, weights)

    return make


def _formats(given: list[str]) -> tuple[str, ...]:
    from proseg.outputs.writing import RESULT_ENDINGS

    endings = tuple(dict.fromkeys(f".{ending.lower().removeprefix('.')}" for ending in given))
    for ending in endings:
        if ending not in RESULT_ENDINGS:
            known = ", ".join(known.removeprefix(".") for known in RESULT_ENDINGS)
            raise InputError(f"There is no format {ending.removeprefix('.')}.", f"Use one of: {known}.")
    return endings


def _say(line: str) -> None:
    print(f"proseg: {line}", file=sys.stderr, flush=True)
