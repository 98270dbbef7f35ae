"""``python -m proseg``."""

import sys

from proseg.cli.main import main

sys.exit(main())
