"""The PSA as it is typed: read as it is meant, or refused with a reason, and never made another number."""

from __future__ import annotations

import re

from proseg.errors import InputError

LEAST, MOST = 0.01, 10_000.0  # ng/mL: below the least that assays tell apart, above what was ever measured
UNUSUAL = 100.0  # ng/mL: more is rare, and a lost decimal point is not
# US spreadsheets write 1234 so, and half of Europe 1.234; nobody can tell from the text.
THOUSANDS = re.compile(r"[1-9][0-9]{0,2},[0-9]{3}")
_NUMBER = re.compile(r"([0-9]+)(?:[.,]([0-9]*))?\s*(?:ng/ml)?", re.IGNORECASE)


def read_psa(text: str) -> float | None:
    """Read a PSA in ng/mL, with decimal point or comma; None for an empty text.

    A single point or comma is the decimal one and there can be no second; but a comma before three digits, as in
    ``1,234``, may part thousands and is refused.

    Raises:
        InputError: it is no number, one of two, or none that a PSA can have.
    """
    if not (stripped := text.strip()):
        return None
    if not (found := _NUMBER.fullmatch(stripped)):
        raise InputError(
            f"“{stripped}” cannot be read as a PSA.",
            "Type a number of ng/mL such as 6.5 or 6,5, without separators of thousands.",
        )
    number = f"{found[1]}.{found[2] or 0}"
    if THOUSANDS.match(stripped) and len(found[2]) == 3:
        raise InputError(f"A PSA of {stripped} may be {number} or {found[1]}{found[2]}.", "Type the one that is meant.")
    value = float(number)
    if not LEAST <= value <= MOST:
        raise InputError(
            f"A PSA of {stripped} is impossible.",
            f"Type a number from {LEAST:g} to {MOST:,.0f} ng/mL, or nothing if it is not known.",
        )
    return value


def show_psa(value: float | None) -> str:
    """A PSA as a text that reads as the same number; empty for None."""
    return "" if value is None else repr(value).removesuffix(".0")
