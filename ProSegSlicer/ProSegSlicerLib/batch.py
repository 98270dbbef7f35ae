"""A folder of examinations, one after the other, through the worker and Slicer's scene, into files and one table.

Nothing is lost: files appear whole or not at all, a case that fails is a row in the table, and a run that was stopped
goes on where it stopped, as ``proseg.batch.folder`` has it. Only ``--overwrite`` replaces a result.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proseg.errors import InputError, OutputError, ProSegError, brief
from proseg.reading.cases import Found, find_cases
from ProSegSlicerLib.temporary import private_folder

UNFORESEEN, UNUSABLE, INTERRUPTED = 1, 2, 130
SEGMENTATION, SCENE = ".seg.nrrd", ".mrb"
BEFORE = "done before"
POLL_S = 0.02
SILENCE_S = 600.0  # a worker that says nothing for so long is given up
EXIT_CODES = """exit codes:
  0    every case is done
  1    some cases failed: the table says why, and the same command tries them again
  2    nothing could be started: input, output, option or installation
  130  interrupted: the same command goes on where it stopped"""


class WorkerError(ProSegError):
    """What the worker could not do."""


def main(arguments: Sequence[str]) -> int:
    """Run the batch; returns the exit code. ``arguments`` may begin with the ``--`` that Slicer was given."""
    try:
        options = _parser().parse_args(arguments[1:] if arguments[:1] == ["--"] else arguments)
    except SystemExit as stop:  # argparse has said why; how to end the process is for `leave` to know
        return stop.code if isinstance(stop.code, int) else UNUSABLE
    try:
        return Batch(options).run()
    except ProSegError as error:
        _say(str(error))
        return UNUSABLE
    except ModuleNotFoundError as error:
        _say(f"{error.name} is missing in this Python. Run this in Slicer, or install proseg and slicer-core into it.")
        return UNUSABLE
    except KeyboardInterrupt:
        _say("Interrupted; what was done stays. The same command goes on where it stopped.")
        return INTERRUPTED
    except Exception as error:
        traceback.print_exc()
        _say(f"Something unforeseen happened ({type(error).__name__}: {brief(error)}). Report it with the lines above.")
        return UNFORESEEN


def leave(code: int) -> None:
    """End the process with an exit code; in Slicer through its own way out."""
    slicer = sys.modules.get("slicer")
    if hasattr(slicer, "app"):
        slicer.util.exit(code)
    else:
        sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ProSegBatch",
        description="Segment every axial T2-weighted prostate MRI in a folder: NIfTI, NRRD and MetaImage files, and "
        "DICOM studies.\nResearch use: a qualified reader reviews every contour.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--input", metavar="FOLDER", type=Path, required=True, help="where the examinations lie")
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        type=Path,
        required=True,
        help=f"gets a {SEGMENTATION} a case, and results.csv; for one run at a time",
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="default: auto")
    parser.add_argument("--mrb", action="store_true", help="a Slicer scene (.mrb) a case as well")
    parser.add_argument("--overwrite", action="store_true", help="do every case again and replace its results")
    return parser


class Batch:
    """One run over a folder.

    Args:
        options: as the command line gives them.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.input, self.output = options.input.expanduser(), options.output.expanduser()
        self.device, self.overwrite = options.device, options.overwrite
        self.endings = (SEGMENTATION, SCENE) if options.mrb else (SEGMENTATION,)

    def run(self) -> int:
        """Do all cases; returns the exit code.

        Raises:
            ProSegError: nothing can be started, or the table cannot be written.
        """
        from proseg.batch.folder import TABLE, OutputFolder
        from proseg.batch.table import FAILED
        from proseg.worker.client import WorkerClient
        from ProSegSlicerLib.dependencies import needed
        from ProSegSlicerLib.scene import mrml_scene

        if needed():
            raise InputError(
                "PyTorch, which segmentation needs, is not installed here or too old.",
                "Click Segment Prostate in Slicer's ProSegSlicer module once: it offers to install it.",
            )
        cases = find_cases(self.input, leave_out=self.output)
        ends: Counter[str] = Counter()
        mrml_scene()
        with OutputFolder(self.output, cases) as self.folder:
            if not self.overwrite:
                self.folder.refuse_to_replace((case, self._targets(case)) for case in cases)
            self.client = WorkerClient()
            try:
                if any(map(self._to_make, cases)):
                    self._prepare()
                for number, case in enumerate(cases, 1):
                    end, line = self._case(case)
                    ends[end] += 1
                    if self.folder.fold_is_due():
                        self.folder.fold()
                    print(f"[{number}/{len(cases)}] {case.id}: {line}", flush=True)
            finally:
                self.client.close()
        counts = ", ".join(f"{count} {end}" for end, count in ends.items())
        print(f"{len(cases)} case{'s' if len(cases) > 1 else ''}: {counts}. Table: {self.output / TABLE}", flush=True)
        return UNFORESEEN if ends[FAILED] else 0

    def _targets(self, case: Found) -> list[Path]:
        return [self.output / f"{case.id}{ending}" for ending in self.endings]

    def _to_make(self, case: Found) -> list[Path]:
        """The files of a case that this run makes."""
        return self.folder.to_make(case, self._targets(case), self.overwrite)

    def _prepare(self) -> None:
        """Have the networks loaded, so that what would stop every case stops the run before the first.

        Raises:
            WorkerError: weights, device or an installation that cannot be used.
        """
        event, _ = self._wait(self.client.send("prepare", device=self.device))
        if event["event"] != "prepared":
            raise WorkerError(event["sentence"], event["remedy"])
        print(f"Device: {event['device']}. {event['reason']}", flush=True)

    def _case(self, case: Found) -> tuple[str, str]:
        """Do a case and write its row; returns how it ended, and that in words."""
        from proseg.batch.table import DONE, FAILED, STAMP
        from proseg.outputs.report import report_row

        targets = self._to_make(case)
        if not targets:
            return BEFORE, BEFORE
        began, stamp = time.perf_counter(), case.stamp()
        self.folder.begin([(case, targets)])
        try:
            with private_folder() as folder:
                answer, note = self._ask(case, folder)
                made = _through_the_scene(case.id, answer, targets, folder)
                seconds = round(time.perf_counter() - began, 3)
                row = {"status": DONE, "seconds": seconds, "sentence": note, STAMP: stamp}
                self._publish(case, row | report_row(answer["report"]), made)
            return DONE, _in_words(answer["report"], seconds)
        except ProSegError as error:
            sentence = str(error)
        except Exception as error:
            traceback.print_exc()
            sentence = f"Something unforeseen happened ({type(error).__name__}: {brief(error)})."
        sentence = self.folder.without_folders(sentence, case)
        seconds = round(time.perf_counter() - began, 3)
        self.folder.end([(case, self.folder.failure(case, self._targets(case), sentence, seconds, stamp))])
        return FAILED, f"{FAILED}. {sentence}"

    def _ask(self, case: Found, folder: Path) -> tuple[dict[str, Any], str]:
        """The worker's answer, and what was done differently; where a GPU fails the CPU is asked as well.

        Raises:
            WorkerError: the worker could not do it, or died of it; the next case gets a new one.
        """
        from proseg.worker.death import GPUS
        from ProSegSlicerLib.job import CPU_INSTEAD, GPU_TROUBLE

        device, note = self.device, ""
        while True:
            request = self.client.send(
                "segment", image=str(case.path), folder=str(folder), device=device, keep_image=True
            )
            event, ran_on = self._wait(request)
            if event["event"] == "done":
                return event, note
            if device == "cpu" or ran_on not in GPUS or event.get("kind", "gpu") not in GPU_TROUBLE:
                raise WorkerError(event["sentence"], event["remedy"])
            device, note = "cpu", CPU_INSTEAD

    def _wait(self, request: int) -> tuple[dict[str, Any], str | None]:
        """The event that ends a request, and the device that it ran on last."""
        heard, ran_on = time.monotonic(), None
        while time.monotonic() - heard < SILENCE_S:
            for event in self.client.poll():
                heard = time.monotonic()
                if event.get("id") == request:
                    ran_on = event.get("device", ran_on)
                    if event["event"] in ("prepared", "done", "failed", "died"):
                        return event, ran_on
            _let_slicer_breathe()
            time.sleep(POLL_S)
        self.client.kill()
        raise WorkerError(
            f"The segmentation did not answer for {SILENCE_S / 60:g} minutes and was stopped.", "Try again."
        )

    def _publish(self, case: Found, row: dict[str, Any], made: dict[Path, Path]) -> None:
        """Bring files, all or none, and then the row into the output folder."""
        from proseg.system.atomic import OutputSet

        with OutputSet() as outputs:
            for target, file in made.items():
                with outputs.file(target) as temporary:
                    shutil.copyfile(file, temporary)
        self.folder.end([(case, row)])


def _through_the_scene(name: str, answer: dict[str, Any], targets: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Build a case in the scene as a click in the module does, write the files from it, and leave it empty.

    Args:
        name: the volume's.
        answer: the worker's, its image with it.
        targets: what to write, by their endings.
        folder: for the files.

    Returns:
        The files by target.
    """
    import SimpleITK as sitk

    from ProSegSlicerLib import views
    from ProSegSlicerLib.exports import export
    from ProSegSlicerLib.job import take_in
    from ProSegSlicerLib.scene import mrml_scene
    from ProSegSlicerLib.volumes import add_volume

    made = {target: folder / target.name for target in targets}
    try:
        volume = add_volume(sitk.ReadImage(answer["image"]), name)
        segmentation = take_in(answer, volume)
        for file in made.values():
            if file.suffix != SCENE:
                export(segmentation, file)
                continue
            with views.usual():
                views.follow(volume, segmentation)  # so that a scene opens on the gland
                if not mrml_scene().WriteToMRB(str(file)):
                    raise OutputError(f"Slicer could not write {file.name}.", "Free some disk space and try again.")
    finally:
        mrml_scene().Clear(0)
    return made


def _let_slicer_breathe() -> None:
    slicer = sys.modules.get("slicer")
    if hasattr(slicer, "app"):
        slicer.app.processEvents()


def _in_words(report: dict[str, Any], seconds: float) -> str:
    found = report["measurements"]
    volumes = (
        f"PZ {found['pz_ml']:.1f} mL, CG {found['cg_ml']:.1f} mL" if report["gland_found"] else "no prostate found"
    )
    return f"done in {seconds:.1f} s, {volumes}"


def _say(sentence: str) -> None:
    print(f"ProSegBatch: {sentence}", file=sys.stderr, flush=True)
