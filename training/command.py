"""How every command of this house ends: what the user can mend, or has stopped, in a sentence, not in a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

from proseg.errors import ProSegError

STOPPED = 130  # what a shell reports of a command that Ctrl-C ended


def run_command(main: Callable[[], None]) -> None:
    """Call a command's ``main``; a fault that a user can mend, and Ctrl-C, end in a sentence and an exit code."""
    try:
        main()
    except ProSegError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("Stopped. Give the same command again: what is finished or in a checkpoint is kept.", file=sys.stderr)
        sys.exit(STOPPED)
