"""Seconds and megabytes on this machine, as a Markdown table.

``python -m benchmarks.speed --out docs/speed.md``

Warm: image in memory to labelmap, measurements and flags, in a process that has done it before; the median of several
runs, by stage. Cold: ``proseg segment`` as a whole process, from file to file. Memory: the largest resident set of the
process. On generated examinations, whose size alone matters. Compare within one run only: machines are noisy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = ((384, 384, 20), (256, 256, 54), (640, 640, 30), (1024, 1024, 40))
FIELD_MM = 200.0
SLICE_MM = 3.0
MODELS = Path(__file__).parents[1] / "ProSegSlicer" / "Resources" / "Models"


def make_input(size: tuple[int, int, int], path: Path) -> Path:
    """Write a generated examination of this size, from a process of its own, since memory is measured in this one."""
    spacing = (FIELD_MM / size[0], FIELD_MM / size[1], SLICE_MM)
    program = (
        "import SimpleITK as sitk; from proseg.phantom import make_phantom; "
        f"sitk.WriteImage(sitk.Cast(make_phantom(0, {size}, {spacing}).image, sitk.sitkInt16), {str(path)!r})"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    return path


def measure_warm(path: str, repeats: int) -> dict[str, float | str]:
    """Median seconds by stage and the peak memory in MB of this process; run it in a process of its own."""
    import resource

    from proseg.inference import Segmenter
    from proseg.reading import read_t2w

    image = read_t2w(path)
    segmenter = Segmenter()
    runs = [segmenter.segment(image).provenance for _ in range(repeats + 1)]
    stages = {stage: statistics.median(run.timings_s[stage] for run in runs[1:]) for stage in runs[0].timings_s}
    return stages | {
        "first": runs[0].timings_s["total"],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "device": f"{runs[0].device}, {runs[0].dtype}",
    }


def in_process(path: Path, repeats: int) -> dict[str, float | str]:
    """``measure_warm`` in a fresh process."""
    call = f"measure_warm({str(path)!r}, {repeats})"
    program = f"import json; from benchmarks.speed import measure_warm; print(json.dumps({call}))"
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return json.loads(ran.stdout)


def measure_command(arguments: list[str], repeats: int) -> tuple[float, float, float]:
    """Median wall seconds, CPU seconds and peak MB of ``proseg`` with these arguments."""
    walls, cpus, peaks = [], [], []
    for _ in range(repeats):
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "proseg", *arguments], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        walls.append(time.perf_counter() - began)
        if status:
            raise SystemExit(f"proseg {' '.join(arguments)} failed.")
        cpus.append(usage.ru_utime + usage.ru_stime)
        peaks.append(usage.ru_maxrss / 1024)
    return statistics.median(walls), statistics.median(cpus), max(peaks)


def processor() -> str:
    """The processor's name and how many of it there are."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {os.cpu_count()} cores"


def tables(repeats: int) -> str:
    """Measure everything and describe it in Markdown."""
    warm, cold, device = [], [], ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = {size: make_input(size, folder / f"{size[0]}.nii.gz") for size in SIZES}
        for size, path in inputs.items():
            found = in_process(path, repeats)
            device = found["device"]
            cells = (found[key] for key in ("total", "prepare", "networks", "clean-up", "measure", "first"))
            shape = " × ".join(map(str, size))
            warm.append(f"| {shape} | {' | '.join(f'{cell:.2f}' for cell in cells)} | {found['peak_mb']:.0f} |")
            print(warm[-1], file=sys.stderr, flush=True)
        segment = ["segment", str(inputs[SIZES[0]]), "-o", str(folder / "zones.nii.gz")]
        extras = ["--preview", str(folder / "p.png"), "--report", str(folder / "r.json")]
        commands = {
            "`proseg --help`": ["--help"],
            f"`proseg segment`, {' × '.join(map(str, SIZES[0]))}": segment,
            "the same with preview and report": [*segment, *extras],
        }
        for command, arguments in commands.items():
            wall, cpu, peak = measure_command(arguments, max(2, repeats // 2))
            cold.append(f"| {command} | {wall:.2f} | {cpu:.2f} | {peak:.0f} |")
            print(cold[-1], file=sys.stderr, flush=True)
    weights_mb = max(path.stat().st_size for path in MODELS.glob("*.pt")) / 2**20
    return "\n".join(
        [
            f"{processor()}; {device}; Python {platform.python_version()}.",
            f"Weights file: {weights_mb:.2f} MiB.",
            "",
            f"Warm, seconds (median of {repeats} runs; field of view {FIELD_MM:.0f} mm, slices {SLICE_MM:.0f} mm):",
            "",
            "| Voxels | Total | Orient | Networks and resampling | Clean-up | Measure | First run | Peak memory (MB) |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            *warm,
            "",
            "Cold, a whole process:",
            "",
            "| Command | Wall (s) | CPU (s) | Peak memory (MB) |",
            "| --- | ---: | ---: | ---: |",
            *cold,
            "",
        ]
    )


def main() -> None:
    """Measure and print; with --out also write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    text = tables(options.repeats)
    print(text)
    if options.out:
        how = 'Made by `make benchmark ARGS="--out docs/speed.md"`; `benchmarks/speed.py` says what is measured.'
        options.out.write_text(f"# Speed and memory\n\n{how}\n\n{text}")


if __name__ == "__main__":
    main()
