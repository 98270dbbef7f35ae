"""A copy to publish, checked against the rules of Slicer's Extensions Index.

``python -m publishing`` (or ``make publishable``). Exit codes: 0 every rule is kept; 1 one is not; 2 there is nothing
to copy, or no place for the copy. docs/publishing.md says what to do with it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from proseg.errors import ProSegError
from publishing.metadata import read
from publishing.rules import check_clone, check_metadata
from publishing.snapshot import clone, make_snapshot

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Make the copy, clone it as the Index does and check the clone; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m publishing", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="the copy; default: dist/ and the repository's name")
    options = parser.parse_args(arguments)
    try:
        metadata = read(root)
        homepage = metadata.extension.get("HOMEPAGE", "")
        copy = options.out or root / "dist" / (homepage.rpartition("/")[2] or "copy")
        make_snapshot(root, copy, f"{metadata.project} {metadata.citation.get('version', '')}")
        with tempfile.TemporaryDirectory() as folder:
            cloned = Path(folder) / copy.name
            clone(copy, cloned)
            findings = [*check_metadata(cloned), *check_clone(cloned)]
    except ProSegError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(*findings, sep="\n")
    print(f"\nThe copy lies in {copy}. It goes to {homepage}, with the topics {', '.join(metadata.topics)}")
    if any(finding.faults for finding in findings):
        print("Not to be published yet: see the lines that begin with NO.")
        return 1
    print("Next: docs/publishing.md.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
