"""The command line: ``proseg segment``, ``proseg refine``, ``proseg batch``, ``proseg info``, ``proseg demo``.

Parsing imports nothing heavy, so that help and mistakes answer at once. Exit codes: 0 done; 1 something unforeseen;
2 input, output or option that cannot be used, told in one sentence; 3 done, with quality flags that need a look (only
with ``--strict``); 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from proseg import __version__
from proseg.cli.batch import add_batch
from proseg.cli.refine import add_refine
from proseg.errors import ProSegError, is_out_of_memory, printable
from proseg.images.names import image_ending
from proseg.system.stopping import stoppable, uninterrupted
from proseg.system.terminal import steady_streams
from proseg.system.threads import share_processor

if TYPE_CHECKING:
    from proseg.images.checks import T2WImage
    from proseg.segmentation.result import SegmentationResult
    from proseg.segmentation.segmenter import Segmenter

UNFORESEEN, NEEDS_A_LOOK, INTERRUPTED = 1, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    with steady_streams():
        return _run(_parser().parse_args(arguments))


def _run(options: argparse.Namespace) -> int:
    share_processor()
    try:
        with stoppable():
            return options.run(options)
    except ProSegError as error:
        _say(f"proseg: {error}")
        return error.exit_code
    except KeyboardInterrupt as stop:
        _say("proseg: Interrupted; no file was left half written.")
        return getattr(stop, "exit_code", INTERRUPTED)
    except Exception as error:
        if options.traceback:
            raise
        if is_out_of_memory(error):
            _say("proseg: There is not enough memory for this image. Close other programs and try again.")
            return UNFORESEEN
        _say(
            f"proseg: Something unforeseen happened ({type(error).__name__}: {error}). "
            "Run again with --traceback and report what it prints."
        )
        return UNFORESEEN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="proseg",
        description="Peripheral zone and central gland on axial T2-weighted prostate MRI. Research use; review first.",
    )
    parser.add_argument("--version", action="version", version=f"proseg {__version__}")
    parser.set_defaults(traceback=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    segment = commands.add_parser("segment", help="segment one examination", description=_segment.__doc__)
    segment.add_argument(
        "input",
        metavar="IN",
        type=Path,
        nargs="+",
        action=_OneExamination,
        help="NIfTI, NRRD or MetaImage file, a DICOM folder, or a ZIP of either",
    )
    segment.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        type=Path,
        required=True,
        help="labelmap (0 background, 1 PZ, 2 CG) by its ending: .nii.gz .nii .nrrd .mha; .seg.nrrd for Slicer; .dcm "
        "for a DICOM Segmentation of a DICOM input",
    )
    segment.add_argument(
        "--report", metavar="FILE", type=Path, help="measurements, flags and provenance: .json, or .html with pictures"
    )
    segment.add_argument("--preview", metavar="FILE.png", type=Path, help="picture of the contours")
    segment.add_argument("--uncertainty", metavar="FILE", type=Path, help="uncertainty of each voxel, 0 to 1, an image")
    segment.add_argument("--psa", metavar="NG_ML", default="", help="serum PSA in ng/mL, for the PSA density")
    segment.add_argument(
        "--name", metavar="TEXT", help="what reports call the examination; default: the file's name, none of a folder"
    )
    segment.add_argument("--strict", action="store_true", help="exit with code 3 if a quality flag needs a look")
    _common(segment)
    segment.set_defaults(run=_segment)

    add_batch(commands, _common)
    add_refine(commands, _common, _Progress)

    demo = commands.add_parser("demo", help="segment a generated examination", description=_demo.__doc__)
    demo.add_argument("-o", "--output", metavar="FOLDER", type=Path, default=Path("demo"), help="default: demo")
    demo.add_argument("--seed", type=int, default=0, help="which examination to generate")
    _common(demo)
    demo.set_defaults(run=_demo)

    info = commands.add_parser("info", help="model, devices and versions", description=_info.__doc__)
    _common(info)
    info.set_defaults(run=_info)
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="default: auto")
    parser.add_argument("--weights", metavar="FILE", type=Path, help="other weights than the shipped ones")
    parser.add_argument("--traceback", action="store_true", help="show where something unforeseen happened")


def _segment(options: argparse.Namespace) -> int:
    """Segment one examination. Outputs appear whole or not at all; inputs are never changed."""
    from proseg.outputs.writing import DICOM_ENDING, IMAGE_ENDINGS, check_target
    from proseg.segmentation.psa import read_psa
    from proseg.system.atomic import ending_of

    psa = read_psa(options.psa)
    outputs: list[Path] = []
    for path, endings in (
        (options.output, None),
        (options.report, (".json", ".html")),
        (options.preview, (".png",)),
        (options.uncertainty, IMAGE_ENDINGS),
    ):
        if path is not None:
            check_target(path, [options.input], **({"endings": endings} if endings else {}), others=outputs)
            outputs.append(path)
    progress = _Progress()
    progress("Reading", 0.0)
    with progress:
        from proseg.reading.t2w import read_t2w

        t2w = read_t2w(options.input)
        if ending_of(options.output) == DICOM_ENDING:
            from proseg.dicom.slices import check_source

            check_source(t2w.files)
            check_target(options.output, t2w.files)
        progress("Loading the model", 0.05)
        result = _segmenter(options).segment(t2w, psa, progress)
        progress("Writing", 0.9)
        _write(result, options, t2w)
        progress("Done", 1.0)
    _summarise(result)
    for path in outputs:
        print(printable(f"Wrote {path}"))
    return NEEDS_A_LOOK if options.strict and result.serious_flags else 0


def _write(result: SegmentationResult, options: argparse.Namespace, t2w: T2WImage) -> None:
    from proseg.outputs.report import source_name
    from proseg.outputs.writing import write_image, write_result
    from proseg.system.atomic import OutputSet, write_text

    source = options.name.replace("/", "_") if options.name else source_name(t2w)
    with OutputSet() as outputs:
        write_result(result, options.output, outputs, t2w.files)
        if options.uncertainty:
            write_image(result.uncertainty_image(), options.uncertainty, outputs, nifti=result.nifti)
        if options.report and options.report.suffix.lower() == ".html":
            from proseg.outputs.page import write_page

            write_page(result, source, options.report, outputs)
        elif options.report:
            from proseg.outputs.report import report, to_json

            write_text(to_json(report(result, source)), options.report, outputs)
        if options.preview:
            from proseg.outputs.preview import write_preview

            write_preview(result, options.preview, outputs)


def _demo(options: argparse.Namespace) -> int:
    """Generate a T2W-like examination with known zones, segment it, and leave image, result, report and picture."""
    import SimpleITK as sitk

    from proseg.outputs.writing import write_image
    from proseg.phantom import make_phantom

    phantom = make_phantom(options.seed)
    folder = options.output
    image = folder / "t2w.nii.gz"
    write_image(phantom.image, image)
    write_image(phantom.zones, folder / "truth.nii.gz")
    print(f"Generated a T2W examination: {image}")
    code = main(
        [
            *(
                "segment",
                str(image),
                "--output",
                str(folder / "zones.seg.nrrd"),
                "--report",
                str(folder / "report.json"),
            ),
            *("--preview", str(folder / "preview.png"), "--psa", "6.5", "--device", options.device),
            *(("--weights", str(options.weights)) if options.weights else ()),
        ]
    )
    if code == 0:
        overlap = sitk.LabelOverlapMeasuresImageFilter()
        overlap.Execute(phantom.zones > 0, sitk.ReadImage(str(folder / "zones.seg.nrrd")) > 0)
        print(f"Agreement of the gland with the generated truth: Dice {overlap.GetDiceCoefficient():.2f}")
        print(f"Look at {folder / 'preview.png'}, or open {folder / 'zones.seg.nrrd'} in 3D Slicer.")
    return code


def _info(options: argparse.Namespace) -> int:
    """Say which model, device and packages would be used, and why."""
    segmenter = _segmenter(options)
    import numpy
    import SimpleITK as sitk
    import torch

    model, device = segmenter.model, segmenter.pipeline.device
    networks = [network for network in (model.segmenter, model.locator, model.thin_pz) if network is not None]
    parameters = sum(p.numel() for network in networks for p in network.parameters())
    print(f"proseg      {__version__}")
    print(f"model       {model.name} {model.version}, {parameters / 1e6:.1f} million parameters")
    print(f"weights     {options.weights or 'shipped'}, SHA-256 {model.sha256}")
    print(f"device      {device.name}, {str(device.dtype).removeprefix('torch.')}: {device.reason}")
    print(f"packages    torch {torch.__version__}, SimpleITK {sitk.Version.VersionString()}, numpy {numpy.__version__}")
    print(f"python      {sys.version.split()[0]}")
    return 0


def _segmenter(options: argparse.Namespace) -> Segmenter:
    with uninterrupted():  # torch aborts the process where a signal raises amid its own beginnings
        from proseg.segmentation.segmenter import Segmenter

    return Segmenter(options.weights, options.device)


def _summarise(result: SegmentationResult) -> None:
    for note in result.notes:  # what was read, before what came of it
        print(printable(note))
    found = result.measurements
    if result.has_gland:
        print(f"PZ {found.pz_ml:.1f} mL, CG {found.cg_ml:.1f} mL, gland {found.gland_ml:.1f} mL", end="")
        density = found.psa_density
        print(f", PSA density {density:.2f} ng/mL per mL" if density is not None else "")
    for flag in result.flags:
        print(f"[{flag.severity.value}] {flag.sentence}")


class _OneExamination(argparse.Action):
    """Takes one path, or what a shell makes of ``series/*.dcm``: the files of one folder stand for that folder."""

    def __call__(self, parser: argparse.ArgumentParser, options: argparse.Namespace, given: object, _: object) -> None:
        paths: list[Path] = list(given)  # type: ignore[call-overload]
        if len(paths) > 1:
            folders = {path.parent for path in paths}
            if len(folders) > 1 or any(image_ending(path.name) for path in paths) or any(map(Path.is_dir, paths)):
                parser.error(f"{len(paths)} inputs are not one examination: give one, or all of them to: proseg batch")
            folder = paths[0].parent
            # the whole folder is searched for the T2W series; of some of its files the first stands for its own series
            whole = {path.name for path in folder.glob("*")} <= {path.name for path in paths}
            paths = [folder if whole else paths[0]]
        setattr(options, self.dest, paths[0])


class _Progress:
    """A progress bar on a terminal's stderr; silent elsewhere."""

    WIDTH = 24

    def __init__(self) -> None:
        self.shown = sys.stderr.isatty()

    def __call__(self, stage: str, done: float) -> None:
        if self.shown:
            bar = "█" * round(done * self.WIDTH)
            print(f"\r{bar:░<{self.WIDTH}} {done:4.0%}  {stage:<28}", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Callable[[str, float], None]:
        return self

    def __exit__(self, *_: object) -> None:
        if self.shown:
            print("\r" + " " * (self.WIDTH + 36) + "\r", end="", file=sys.stderr, flush=True)


def _say(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr)
