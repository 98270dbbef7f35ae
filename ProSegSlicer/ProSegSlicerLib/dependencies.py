"""What is needed and Slicer does not ship, looked for and installed at the click: PyTorch.

It comes from the PyTorch extension alone, which picks the build that fits the GPU's driver; where the extension is
missing a sentence says how to get it. Every package that is there already is pinned to its version by a constraints
file, so that pip cannot replace what Slicer ships.

pip must run on the main thread.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from proseg.errors import ProSegError
from proseg.system.packages import is_there, version_of
from ProSegSlicerLib.temporary import private_folder

REQUIREMENTS = Path(__file__).resolve().parents[1] / "Resources" / "requirements.txt"
TORCH = "torch"
TAIL = 8  # lines of an installer's log that are shown
TORCH_STACK = {"torch", "torchvision", "torchaudio"}  # not pinned: they belong together and Slicer ships none of them
FAILED = "PyTorch could not be installed."
REMEDY = (
    "Check the internet connection, proxy and free disk space, and click Segment Prostate again; or install PyTorch "
    "with the PyTorch extension's PyTorch Utils module."
)


@dataclass(frozen=True)
class Need:
    """PyTorch is missing or too old.

    Attributes:
        least: the oldest version that will do.
        found: the version that is there, or None.
    """

    least: str
    found: str | None = None

    @property
    def what(self) -> str:
        """What is needed, a sentence without its end."""
        there = f"version {self.found} is installed, which is too old" if self.found else "it is not installed yet"
        return f"ProSegSlicer needs PyTorch {self.least} or newer to segment; {there}"

    @property
    def sentence(self) -> str:
        """What is needed and how big it is."""
        return (
            f"{self.what}. It will be downloaded (about 200 MB, or about 3 GB with support for an NVIDIA GPU) and "
            "installed into Slicer once; packages that Slicer ships stay as they are. This takes a few minutes and an "
            "internet connection."
        )

    @property
    def obstacle(self) -> str:
        """Why it cannot be installed from here, with what to do; empty if it can."""
        if _pytorch_utils() is None:
            return (
                f"{self.what}. Install the extension PyTorch in Slicer's Extensions Manager (menu View), restart "
                "Slicer, and click Segment Prostate again."
            )
        if (
            self.found and TORCH in sys.modules
        ):  # its files are in use: Windows locks them, others would mix old and new
            return f"{self.what}, and another module is using it. Restart Slicer, and click Segment Prostate first."
        return ""


class InstallationError(ProSegError):
    """PyTorch could not be installed. ``log`` is the end of what the installer said."""

    def __init__(self, log: str) -> None:
        super().__init__(FAILED, REMEDY)
        self.log = log


def needed() -> Need | None:
    """What has to be installed before anything can be segmented; None if it is there. Imports nothing heavy."""
    package, least = requirement()
    return None if is_there(package, least) else Need(least, version_of(package))


def requirement() -> tuple[str, str]:
    """PyTorch and its oldest version, as ``Resources/requirements.txt`` names them."""
    (line,) = [line for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    package, least = line.split(">=")
    return package, least


def install(need: Need, progress: Callable[[str], None] = lambda line: None) -> None:
    """Install what is needed; returns when it is there. The user has been asked before.

    Args:
        need: what; without an ``obstacle``.
        progress: called with each line that the installer says; the Python console gets them, too.

    Raises:
        InstallationError: it is not there now; with the end of the installer's log.
    """
    lines: list[str] = []

    def log(line: str) -> None:
        lines.append(line)
        progress(line)

    failure = None
    try:
        with _constraints(), redirect_stdout(_Lines(log, sys.stdout)):  # Slicer prints what pip says
            logic = _pytorch_utils().PyTorchUtilsLogic()
            if need.found:
                logic.uninstallTorch()
            logic.installTorch(askConfirmation=False, torchVersionRequirement=f">={need.least}")
    except Exception as error:  # whatever pip, the network or the disk ran into
        failure = error
        lines.append(str(error))
    if needed():  # else it is there, even if it could not be imported into Slicer, which the extension tries in the end
        raise InstallationError(_tail(lines) or "The installer ended without a word.") from failure


def _pytorch_utils() -> Any:
    """The PyTorch extension's module, or None."""
    try:
        return importlib.import_module("PyTorchUtils")
    except ImportError:
        return None


@contextmanager
def _constraints() -> Iterator[None]:
    """Pin what is installed by a file that pip's environment variable names, as a URL: pip splits it at spaces."""
    pins = {
        f"{name}=={distribution.version}"
        for distribution in metadata.distributions()
        if (name := distribution.metadata["Name"])
        and name.lower() not in TORCH_STACK
        and "+" not in distribution.version
    }
    before = os.environ.get("PIP_CONSTRAINT")
    with private_folder() as folder:
        path = folder / "constraints.txt"
        path.write_text("\n".join(sorted(pins)) + "\n", encoding="utf-8")
        os.environ["PIP_CONSTRAINT"] = " ".join(filter(None, (before, path.as_uri())))
        try:
            yield
        finally:
            if before is None:
                del os.environ["PIP_CONSTRAINT"]
            else:
                os.environ["PIP_CONSTRAINT"] = before


class _Lines(io.TextIOBase):
    """A text stream that passes on what is written, and each line once it is whole."""

    def __init__(self, log: Callable[[str], None], console: Any) -> None:
        self.log, self.console, self.rest = log, console, ""

    def write(self, text: str) -> int:
        if self.console is not None:
            self.console.write(text)
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            self.log(line)
        return len(text)


def _tail(lines: list[str]) -> str:
    return "\n".join([line for line in lines if line.strip()][-TAIL:])
