"""Quality flags: what a reviewer should look at, in words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(str, Enum):
    """How much a flag matters to the reviewer."""

    INFO = "info"  # worth knowing; the contours may well be right
    WARNING = "warning"  # look before use
    CRITICAL = "critical"  # do not use without correction


@dataclass(frozen=True)
class QualityFlag:
    """One reason to look at the result.

    Attributes:
        code: stable machine-readable name, lower_snake_case.
        severity: how much it matters.
        sentence: the reason in plain words.
        slices: zero-based indices along the *input* image's slice axis; empty when it concerns the whole volume.
    """

    code: str
    severity: Severity
    sentence: str
    slices: tuple[int, ...] = ()
