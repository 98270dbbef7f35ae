"""``python -m proseg``."""

import sys

from proseg.cli import main

sys.exit(main())
