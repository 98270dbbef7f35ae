"""What is needed and Slicer does not ship, looked for and installed at the click: PyTorch, and highdicom for DICOM.

The PyTorch extension installs PyTorch where it is there, since it picks the build that fits the GPU's driver; else pip
does, through ``slicer.packaging`` (Slicer 5.12) or ``slicer.util`` (5.10). Whoever installs, every package that is
there already is pinned to its version by a constraints file, so that pip cannot replace what Slicer ships.

pip must run on the main thread.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from proseg.errors import ProSegError
from ProSegSlicerLib.temporary import private_folder

REQUIREMENTS = Path(__file__).resolve().parents[1] / "Resources" / "requirements.txt"
TORCH, HIGHDICOM = "torch", "highdicom"
TAIL = 8  # lines of an installer's log that are shown
TORCH_STACK = {"torch", "torchvision", "torchaudio"}  # not pinned: they belong together and Slicer ships none of them


@dataclass(frozen=True)
class About:
    """What to say of a package.

    Attributes:
        needs: that it is needed; the version follows.
        purpose: what for.
        size: how much is downloaded.
        time: how long that takes.
        failed: that it could not be installed.
        remedy: what to do then.
    """

    needs: str
    purpose: str
    size: str
    time: str
    failed: str
    remedy: str


ABOUT = {
    TORCH: About(
        "ProSegSlicer needs PyTorch",
        "to segment",
        "about 200 MB, or about 3 GB with support for an NVIDIA GPU",
        "a few minutes",
        "PyTorch could not be installed.",
        "Check the internet connection, proxy and free disk space, and click Segment Prostate again; or install "
        "PyTorch with the PyTorch extension's PyTorch Utils module.",
    ),
    HIGHDICOM: About(
        "ProSegSlicer needs highdicom",
        "to write DICOM",
        "about 4 MB",
        "less than a minute",
        "highdicom could not be installed.",
        "Check the internet connection, proxy and free disk space, and export again; or export another format.",
    ),
}


@dataclass(frozen=True)
class Need:
    """A package that is missing or too old.

    Attributes:
        package: its name.
        least: the oldest version that will do.
        found: the version that is there, or None.
    """

    package: str
    least: str
    found: str | None

    @property
    def sentence(self) -> str:
        """What is needed and how big it is."""
        there = f"version {self.found} is installed, which is too old" if self.found else "it is not installed yet"
        about = ABOUT[self.package]
        return (
            f"{about.needs} {self.least} or newer {about.purpose}; {there}. "
            f"It will be downloaded ({about.size}) and installed into Slicer once; packages that Slicer ships stay as "
            f"they are. This takes {about.time} and an internet connection."
        )


class InstallationError(ProSegError):
    """A package could not be installed. ``log`` is the end of what the installer said."""

    def __init__(self, log: str, package: str = TORCH) -> None:
        super().__init__(ABOUT[package].failed, ABOUT[package].remedy)
        self.log = log


def needed(package: str = TORCH) -> Need | None:
    """What has to be installed: ``TORCH`` before anything can be segmented, ``HIGHDICOM`` before DICOM can be written.

    None if it is there. Imports nothing heavy.
    """
    least = requirement(package)[1]
    importlib.invalidate_caches()
    try:
        found = metadata.version(package)
    except metadata.PackageNotFoundError:
        return Need(package, least, None)
    return Need(package, least, found) if _numbers(found) < _numbers(least) else None


def requirement(package: str = TORCH) -> tuple[str, str]:
    """A package and its oldest version, as ``Resources/requirements.txt`` names them."""
    lines = (line.partition("#")[0].strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines())
    versions = dict(line.split(">=") for line in lines if line)
    return package, versions[package]


def install(need: Need) -> None:
    """Install what is needed; returns when it is there. The user has been asked before.

    Raises:
        InstallationError: it is not there now; with the end of the installer's log.
    """
    lines: list[str] = []
    try:
        with _constraints() as constraints:
            _installer(need)(need, constraints, lines.append)
    except Exception as error:  # whatever pip, the network or the disk ran into
        raise InstallationError(_tail([*lines, str(error)]), need.package) from error
    if needed(need.package):
        raise InstallationError(_tail(lines) or "The installer ended without a word.", need.package)


Installer = Callable[[Need, Path, Callable[[str], None]], None]


def _installer(need: Need) -> Installer:
    if need.package == TORCH:
        try:
            importlib.import_module("PyTorchUtils")
        except ImportError:
            pass
        else:
            return _by_pytorch_extension
    try:
        importlib.import_module("slicer.packaging")
    except ImportError:
        return _by_util
    return _by_packaging


def _by_pytorch_extension(need: Need, constraints: Path, log: Callable[[str], None]) -> None:
    import PyTorchUtils

    with redirect_stdout(_Lines(log)):  # Slicer prints what pip says
        logic = PyTorchUtils.PyTorchUtilsLogic()
        if need.found:
            logic.uninstallTorch()
        logic.installTorch(askConfirmation=False, torchVersionRequirement=f">={need.least}")


def _by_packaging(need: Need, constraints: Path, log: Callable[[str], None]) -> None:
    import slicer
    import slicer.packaging

    codes: list[int] = []
    # Not pip_ensure: it would ask again, and keeps the log to itself when it fails.
    slicer.packaging.pip_install(
        [f"{need.package}>={need.least}"],
        constraints=constraints,
        requester="ProSegSlicer",
        blocking=False,
        show_progress=True,
        logCallback=log,
        completedCallback=codes.append,
    )
    while not codes:  # the log and the end arrive through Slicer's event loop
        slicer.app.processEvents()
        time.sleep(0.02)
    if codes[0] != 0:
        raise RuntimeError(f"pip ended with exit code {codes[0]}.")


def _by_util(need: Need, constraints: Path, log: Callable[[str], None]) -> None:
    import slicer.util

    with redirect_stdout(_Lines(log)):
        slicer.util.pip_install([f"{need.package}>={need.least}"])


@contextmanager
def _constraints() -> Iterator[Path]:
    """A constraints file that pins what is installed, and pip's environment variable that names it.

    The variable reaches the installers that take no such argument. As a URL, since pip splits it at spaces.
    """
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
            yield path
        finally:
            if before is None:
                del os.environ["PIP_CONSTRAINT"]
            else:
                os.environ["PIP_CONSTRAINT"] = before


class _Lines(io.TextIOBase):
    """A text stream that hands on whole lines."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self.log, self.rest = log, ""

    def write(self, text: str) -> int:
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            self.log(line)
        return len(text)


def _tail(lines: list[str]) -> str:
    return "\n".join([line for line in lines if line.strip()][-TAIL:])


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: 2.13.0 of ``2.13.0+cu126``."""
    return tuple(int(number) for number in re.match(r"\d+(?:\.\d+)*", version)[0].split("."))
