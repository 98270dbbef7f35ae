"""Segment a folder of prostate MRI inside Slicer; ProSegSlicerLib/batch.py says how.

    Slicer --no-main-window --python-script ProSegBatch.py -- --input FOLDER --output FOLDER

Slicer reads scripts in the system's own encoding, so this file keeps to ASCII.
"""

import sys
from pathlib import Path

# The module's folder: Slicer has it on its path only once the module is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ProSegSlicerLib.batch import leave, main

if __name__ == "__main__":
    leave(main(sys.argv[1:]))
