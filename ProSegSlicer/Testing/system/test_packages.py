"""Which packages are there, and whether they are new enough, without importing any."""

from __future__ import annotations

import sys
from importlib import metadata

import pytest

from proseg.system.packages import is_there, version_of


def found(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: version)


def test_the_version_is_that_of_what_is_installed() -> None:
    assert version_of("pytest") == pytest.__version__
    assert version_of("no-such-package-anywhere") is None


def test_what_is_missing_is_not_there() -> None:
    assert not is_there("no-such-package-anywhere", "0")


@pytest.mark.parametrize(
    ("version", "least", "there"),
    [
        ("3.0.1", "3.0.1", True),
        ("3.0.0", "3.0.1", False),
        ("3.10", "3.9", True),  # numbers, not letters
        ("2.13.0+cu126", "2.4", True),
        ("2.3.1+cpu", "2.4", False),
        ("4.0.dev0", "3.0.1", True),
        ("0.27", "0.27", True),
        ("0.26.1", "0.27", False),
    ],
)
def test_versions_are_compared_number_by_number(
    monkeypatch: pytest.MonkeyPatch, version: str, least: str, there: bool
) -> None:
    found(monkeypatch, version)
    assert is_there("package", least) is there


def test_nothing_is_imported() -> None:
    before = set(sys.modules)
    assert is_there("distributed", "1") in (True, False)
    assert not {name for name in set(sys.modules) - before if name.startswith("distributed")}
