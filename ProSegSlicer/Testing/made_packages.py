"""Packages in the versions that a test wants."""

from __future__ import annotations

from importlib import metadata

import pytest


def has(monkeypatch: pytest.MonkeyPatch, package: str, version: str | None) -> None:
    """Have a package in a version; None for not at all."""
    real = metadata.version

    def told(name: str) -> str:
        if name != package:
            return real(name)
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(metadata, "version", told)
