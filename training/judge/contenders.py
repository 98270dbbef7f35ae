"""What can be compared: runs of ``training.fit.train``, ProSeg or not, and the published whole-gland model TAPS.

Each is judged as a user would get it, from an image to labels on its grid. Runs are put in the place of the segmenter
of the product, behind the same locator and clean-up, so that only the network differs. TAPS is the PyPI package
``lavlab-taps`` (MIT licence) as it comes, in a Python of its own: its packages need not agree with this project's.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import SimpleITK as sitk
import torch

from proseg.errors import InputError
from proseg.model.devices import choose_device
from proseg.outputs.writing import write_image
from proseg.segmentation.pipeline import Pipeline
from proseg.segmentation.segmenter import Segmenter
from proseg.system.atomic import write_text
from training.data.datasets import load_image
from training.data.layouts import Case
from training.fit.export import network_of
from training.fit.train import parse
from training.judge.evaluate import evaluate, on_input_grid
from training.judge.metrics import MetricRow
from training.networks.baselines import network_of_run, parameters_of

NOT_A_RECIPE = {"out", "arrays", "fold", "minutes", "budget_patches", "workers", "float32", "store"}

# Runs in TAPS's own Python: a line of JSON in, [image, mask], a line of JSON out.
TAPS_DRIVER = """
import json, sys, time
from taps.inference import BlankMaskError, build_model, segment
print(json.dumps({"parameters": sum(p.numel() for p in build_model("cpu").parameters())}), flush=True)
for line in sys.stdin:
    image, mask = json.loads(line)
    began = time.perf_counter()
    try:
        segment(image, mask, None, "cpu", exact=True)
        blank = False
    except BlankMaskError:
        blank = True
    print(json.dumps({"seconds": time.perf_counter() - began, "blank": blank}), flush=True)
"""


@dataclass
class Judged:
    """One contender on the cases it had not learned from.

    Attributes:
        name: what it is, in words.
        parameters: how many numbers its segmenting network learned.
        patches: how many patches it learned from; None where that is not known.
        rows: its agreement with the experts.
        seconds: of each case, image in memory to labels, on this machine.
    """

    name: str
    parameters: int
    patches: int | None
    rows: list[MetricRow]
    seconds: list[float]


def runs_below(folder: Path) -> list[Path]:
    """Folders of runs that have saved something, in and below a folder, sorted."""
    return sorted(path.parent for path in Path(folder).rglob("run.json") if (path.parent / "checkpoint.pt").is_file())


def recipe(options: dict) -> str:
    """What sets a run apart: its options that are not the usual ones, budget and fold left out."""
    usual = vars(parse(["--out", "."]))
    told = [] if options.get("network", "proseg") == "proseg" else [options["network"]]
    for key, value in options.items():
        if key in NOT_A_RECIPE | {"network", "task"} or value == usual.get(key):
            continue
        name = key.replace("_", " ")
        if value is True:
            told.append(name)
        else:
            values = value if isinstance(value, list) else [f"{value:g}" if isinstance(value, float) else value]
            told.append(" ".join([name, *map(str, values)]))
    return ", ".join(told) or "full"


def judge_run(run: Path, cases: Sequence[Case], locators: Sequence[Path], device: str, again: bool = False) -> Judged:
    """Judge a run on the cases it held out; what was judged once at the same step is read back.

    Args:
        run: folder of a run.
        cases: all of the data set.
        locators: weights files or runs of ``--task locate``; the first that does not know the held-out cases serves.
        device: as for :class:`proseg.segmentation.segmenter.Segmenter`.
        again: judge it whatever was kept, as for times on a machine that is quiet now.

    Raises:
        InputError: every locator has learned from a held-out case.
    """
    made = json.loads((run / "run.json").read_text())
    held_out = [case for case in cases if case.id in set(made["held_out"])]
    locator_file, locator = _honest_locator(locators, {case.id for case in held_out}, run)
    step = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)["step"]
    key = {"step": step, "locator": str(locator_file), "cases": [case.id for case in held_out]}
    kept = run / "judged.json"
    if not again and kept.is_file() and (before := json.loads(kept.read_text()))["key"] == key:
        rows = [MetricRow(**row) for row in before.pop("rows")]
        return Judged(rows=rows, **{name: value for name, value in before.items() if name != "key"})

    network = network_of_run(run)
    segmenter = Segmenter(None, device)
    segmenter.model = replace(segmenter.model, segmenter=network, locator=locator, name=run.name)
    segmenter.pipeline = Pipeline(segmenter.model, choose_device(device))
    seconds: list[float] = []

    def label(image: sitk.Image) -> sitk.Image:
        result = segmenter.segment(image)
        seconds.append(result.provenance.timings_s["total"])
        return result.labelmap

    print(f"{run}: {recipe(made['options'])}, {step} patches", flush=True)
    rows = list(evaluate(held_out, on_input_grid(label), made["options"]["fold"]))
    judged = Judged(recipe(made["options"]), parameters_of(network), step, rows, seconds)
    write_text(json.dumps({"key": key, **asdict(judged)}), kept)
    return judged


def _honest_locator(locators: Sequence[Path], held_out: set[str], run: Path) -> tuple[Path, torch.nn.Module]:
    for path in locators:
        network, learned = network_of(path, "locator")
        if not held_out & set(learned):
            return path, network
    raise InputError(
        f"Every locator has learned from cases that {run} holds out.",
        "Train one for this fold: python -m training.fit.train --task locate --fold …",
    )


def judge_taps(python: Path, cases: Sequence[Case], cache: Path) -> Judged:
    """Judge TAPS, one case after the other; masks and times are kept in a folder and read back.

    ``seconds`` are those of its function ``segment``, which reads and writes its file and loads the network anew, as
    its command does; the start of Python is left out.

    Args:
        python: the interpreter of an environment with ``lavlab-taps``; ``benchmarks.peers.environment`` makes one.
        cases: what to segment.
        cache: folder for masks (``<case>.nii.gz``) and times (``taps.json``).

    Raises:
        InputError: the interpreter does not have it.
    """
    notes_file = cache / "taps.json"
    notes = json.loads(notes_file.read_text()) if notes_file.is_file() else {"parameters": 0, "cases": {}}
    todo = [case for case in cases if case.id not in notes["cases"]]
    if todo:
        with tempfile.TemporaryDirectory() as folder, _taps(python) as process:
            first = process.stdout.readline()
            if not first:
                raise InputError(f"{python} has no lavlab-taps.", "Make one: python -m benchmarks.peers.environment")
            notes["parameters"] = json.loads(first)["parameters"]
            for number, case in enumerate(todo, 1):
                image, mask = Path(folder) / "image.nii.gz", cache / f"{case.id}.nii.gz"
                write_image(load_image(case), image)
                process.stdin.write(json.dumps([str(image), str(mask)]) + "\n")
                process.stdin.flush()
                notes["cases"][case.id] = said = json.loads(process.stdout.readline())
                write_text(json.dumps(notes, indent=1), notes_file)
                print(f"TAPS {number}/{len(todo)} {case.id}: {said['seconds']:.1f} s", flush=True)
    rows: list[MetricRow] = []
    for case in cases:
        mask = None if notes["cases"][case.id]["blank"] else cache / f"{case.id}.nii.gz"
        rows += evaluate([case], on_input_grid(partial(_mask, mask)), -1)
    rows = [row for row in rows if row.structure == "gland"]
    seconds = [notes["cases"][case.id]["seconds"] for case in cases]
    return Judged("TAPS (lavlab-taps), as published", notes["parameters"], None, rows, seconds)


def _mask(path: Path | None, image: sitk.Image) -> sitk.Image:
    """A mask file on its image's grid, to the last bit; without one an empty mask."""
    mask = sitk.Image(image.GetSize(), sitk.sitkUInt8) if path is None else sitk.ReadImage(str(path)) > 0
    mask.CopyInformation(image)
    return mask


def _taps(python: Path) -> subprocess.Popen:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    return subprocess.Popen([str(python), "-c", TAPS_DRIVER], **pipes)
