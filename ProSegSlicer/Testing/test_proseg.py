"""The names that ``import proseg`` gives, each loaded when it is first used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import proseg

HEAVY = ("torch", "SimpleITK", "numpy", "PIL", "pydicom")


@pytest.mark.parametrize("name", proseg.__all__)
def test_a_public_name_is_that_of_its_home(name: str) -> None:
    found = getattr(proseg, name)
    assert isinstance(found, str) or found.__module__.startswith("proseg.")
    assert isinstance(found, str) or found.__name__ == name


def test_another_name_is_missed_as_in_any_module() -> None:
    with pytest.raises(AttributeError, match="module 'proseg' has no attribute 'segment'"):
        proseg.segment  # noqa: B018


def test_the_package_alone_loads_nothing_heavy() -> None:
    program = f"import sys, proseg; proseg.ProSegError; print([name for name in {HEAVY} if name in sys.modules])"
    folder = Path(proseg.__file__).parents[1]
    run = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
