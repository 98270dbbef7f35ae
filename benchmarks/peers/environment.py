"""The Python environment that the peers run in: their packages would not fit beside this project's.

``python -m benchmarks.peers.environment`` makes it in ``runs/peers`` (about 2 GB, mostly torch). Torch is installed
first and pinned, on Linux without an NVIDIA driver as the build for the CPU, so that the peers' own requirements bring
no other. ``lavlab-taps`` brings MONAI, nibabel and ONNX Runtime; MONAI's bundle needs scikit-image for its connected
components.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TORCH = "torch==2.13.0"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PACKAGES = ("lavlab-taps==1.1.2", "scikit-image==0.26.0")
FOLDER = Path(__file__).parents[2] / "runs" / "peers"


def python_of(folder: Path = FOLDER) -> Path:
    """The interpreter of the environment in a folder, whether it is there or not."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def make(folder: Path) -> None:
    """Make the environment, or complete it.

    Raises:
        subprocess.CalledProcessError: pip could not install something.
    """
    if not python_of(folder).exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    for attempt in torch_sources():
        if _pip(folder, *attempt) == 0:
            break
    _pip(folder, TORCH, *PACKAGES, check=True)


def torch_sources() -> list[Sequence[str]]:
    """Ways to get torch, the first that works to be taken: a local folder of wheels, PyTorch's own index, PyPI."""
    plain = ("--no-deps", TORCH)
    if sys.platform != "linux" or Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
        return [plain]
    cpu = ("--no-deps", f"{TORCH}+cpu")
    return [(*cpu, "--no-index"), (*cpu, "--index-url", TORCH_CPU_INDEX, "--retries", "1"), plain]


def _pip(folder: Path, *arguments: str, check: bool = False) -> int:
    command = [str(python_of(folder)), "-m", "pip", "install", "--quiet", *arguments]
    return subprocess.run(command, check=check, stderr=None if check else subprocess.DEVNULL).returncode


def main() -> None:
    """Make the environment and say where its Python is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=FOLDER, help="default: runs/peers")
    folder = parser.parse_args().into
    make(folder)
    print(python_of(folder))


if __name__ == "__main__":
    main()
