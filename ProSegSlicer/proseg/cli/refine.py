"""``proseg refine``: labels drawn again to fit the slices, and the ends of the gland, that a reader gives."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from proseg.errors import InputError, printable
from proseg.system.stopping import uninterrupted

_RUN = re.compile(r"\s*([0-9]{1,4})\s*(?:-\s*([0-9]{1,4})\s*)?")  # four digits: no image has more slices

Bar = Callable[[], AbstractContextManager[Callable[[str, float], None]]]


def add_refine(
    commands: argparse._SubParsersAction, common: Callable[[argparse.ArgumentParser], None], bar: Bar
) -> None:
    """Add the command to the command line's.

    Args:
        commands: where to.
        common: adds the options that commands have in common.
        bar: makes a progress bar.
    """
    parser = commands.add_parser(
        "refine", help="draw labels again to fit the slices and ends that you give", description=run_refine.__doc__
    )
    parser.add_argument("image", metavar="IMAGE", type=Path, help="what was segmented: a file, DICOM folder or ZIP")
    parser.add_argument(
        "labels", metavar="LABELS", type=Path, help="its labels, of proseg segment or edited: 0, 1 PZ, 2 CG"
    )
    parser.add_argument(
        "--slices", metavar="N,N-N", default="", help="slices that are right in LABELS, counted from 0: 4,17 or 4-7,17"
    )
    parser.add_argument("--first", metavar="N", type=int, help="first slice of the gland, counted from 0 in the image")
    parser.add_argument("--last", metavar="N", type=int, help="last slice of the gland")
    parser.add_argument("-o", "--output", metavar="OUT", type=Path, required=True, help="labelmap, by its ending")
    parser.add_argument("--report", metavar="FILE.json", type=Path, help="measurements, and whose word each slice is")
    parser.add_argument("--preview", metavar="FILE.png", type=Path, help="picture of the contours")
    common(parser)
    parser.set_defaults(run=lambda options: run_refine(options, bar))


def _slices(text: str) -> tuple[int, ...]:
    """Slices with commas between them, and runs of them with a dash.

    Raises:
        InputError: it is something else.
    """
    found: list[int] = []
    for part in filter(str.strip, text.split(",")):
        match = _RUN.fullmatch(part)
        if not match:
            raise InputError(
                f"“{printable(part.strip())[:20]}” is no slice.", "Give slices counted from 0, such as 4,17 or 4-7,17."
            )
        low, high = int(match[1]), int(match[2] or match[1])
        if low > high:
            raise InputError(f"“{part.strip()}” runs backwards.", f"Give {high}-{low}, if that is meant.")
        found += range(low, high + 1)
    return tuple(found)


def run_refine(options: argparse.Namespace, bar: Bar) -> int:
    """Name slices that you have corrected or accepted: they stay voxel for voxel, all others are drawn again to fit.

    Give the first and last slice of the gland: what lies beyond is cleared, what is missing is drawn. With these alone,
    slices that have gland and lie between stay as they are.
    """
    from proseg.outputs.writing import IMAGE_ENDINGS, SEGMENTATION_ENDING, check_target

    slices = _slices(options.slices)
    if options.first is None and options.last is None and not slices:
        raise InputError(
            "Neither slices nor an end of the gland are given.", "Give --slices, --first, --last or all of them."
        )
    if None not in (options.first, options.last) and options.first > options.last:
        raise InputError(
            f"The first slice, {options.first}, comes after the last, {options.last}.", "Exchange --first and --last."
        )
    inputs = [options.image, options.labels]
    check_target(options.output, inputs, (*IMAGE_ENDINGS, SEGMENTATION_ENDING))
    if options.report:
        check_target(options.report, inputs, (".json",), [options.output])
    if options.preview:
        check_target(options.preview, inputs, (".png",), [*filter(None, (options.output, options.report))])
    with bar() as progress:
        progress("Reading", 0.0)
        from proseg.outputs.preview import write_preview
        from proseg.outputs.report import report, source_name, to_json
        from proseg.outputs.writing import write_result
        from proseg.reading.t2w import read_t2w
        from proseg.segmentation.given import labels_on_grid, read_labels
        from proseg.system.atomic import OutputSet, write_text

        t2w = read_t2w(options.image)
        if not options.labels.is_file():
            raise InputError(f"{options.labels} is not a file.", "Give the labelmap that shall be refined.")
        drawn = read_labels(options.labels)
        labels = labels_on_grid(drawn, t2w.image, str(options.labels), may_be_empty=bool(slices))
        progress("Loading the model", 0.05)
        with uninterrupted():  # torch aborts the process where a signal raises amid its own beginnings
            from proseg.segmentation.segmenter import Segmenter
        segmenter = Segmenter(options.weights, options.device)
        result = segmenter.refine(t2w, labels, options.first, options.last, progress=progress, slices=slices)
        progress("Writing", 0.9)
        with OutputSet() as outputs:
            write_result(result, options.output, outputs)
            if options.report:
                write_text(to_json(report(result, source_name(t2w))), options.report, outputs)
            if options.preview:
                write_preview(result, options.preview, outputs)
        progress("Done", 1.0)
    found = result.measurements
    print(f"PZ {found.pz_ml:.1f} mL, CG {found.cg_ml:.1f} mL, gland {found.gland_ml:.1f} mL")
    for note in result.notes[len(t2w.notes) :]:
        print(note)
    for path in filter(None, (options.output, options.report, options.preview)):
        print(f"Wrote {path}")
    return 0
