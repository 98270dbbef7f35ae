"""Programs, run without the repository anywhere in their environment."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import venv
from pathlib import Path


def run(*command: object, **options) -> subprocess.CompletedProcess[str]:
    """Run a program without the repository anywhere in its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", **options.pop("env", {})}
    return subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, **options)


def program(folder: Path, name: str = "python") -> Path:
    """A program of the environment in ``folder``."""
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    return Path(paths["scripts"]) / (f"{name}.exe" if os.name == "nt" else name)


def make_python(folder: Path) -> Path:
    """A Python with the packages of this one, but without what an editable install adds to it."""
    venv.create(folder, symlinks=os.name == "posix", with_pip=False)
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    packages = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    Path(paths["purelib"], "packages.pth").write_text("\n".join(packages) + "\n")
    return program(folder)
