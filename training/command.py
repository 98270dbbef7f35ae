"""How every command of this room ends: what the user can mend in a sentence, not in a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

from proseg.errors import ProSegError


def run_command(main: Callable[[], None]) -> None:
    """Call a command's ``main``; a fault of input, output, weights or device goes to standard error, with its code."""
    try:
        main()
    except ProSegError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
