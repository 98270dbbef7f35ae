"""A small repository with what the rules of publishing look at."""

from __future__ import annotations

import shutil
from pathlib import Path

from publishing.metadata import read

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ("CMakeLists.txt", "ProSegSlicer/CMakeLists.txt", "CITATION.cff", "LICENSE.txt", "README.md")


def make_repository(folder: Path) -> Path:
    """Copy metadata, catalog entry and pictures of this repository; returns the folder."""
    extension = read(ROOT).extension
    pictures = [url.split("/main/")[1] for url in (extension["ICONURL"], *extension["SCREENSHOTURLS"].split())]
    for name in (*TEXTS, "docs/catalog/ProSeg.json", *pictures):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder
