"""Make a weights file of two finished runs.

``python -m training.export --segmenter runs/fold0 --locator runs/locator0``
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from proseg.network import NetworkConfig, ProSeg
from proseg.weights import MODEL_FOLDERS, SHIPPED, save_model


def averaged_network(run: Path) -> tuple[ProSeg, list[str]]:
    """The network of a run of ``training.train``, weights averaged, and the ids of the cases it learned from."""
    made = json.loads((run / "run.json").read_text())
    network = ProSeg(NetworkConfig.from_dict(made["network"]))
    averaged = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)["average"]
    network.load_state_dict({key.removeprefix("module."): v for key, v in averaged.items() if key != "n_averaged"})
    return network.eval(), made["learned"]


def main() -> None:
    """Write the weights file and the JSON with its checksum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segmenter", type=Path, required=True, help="run folder of --task segment")
    parser.add_argument("--locator", type=Path, required=True, help="run folder of --task locate")
    parser.add_argument("--out", type=Path, default=MODEL_FOLDERS[0] / SHIPPED)
    parser.add_argument("--version", default="0.1.0")
    options = parser.parse_args()
    (segmenter, learned), (locator, seen) = (averaged_network(run) for run in (options.segmenter, options.locator))
    learned = sorted({*learned, *seen})
    digest = save_model(options.out, segmenter, locator, "ProSeg", options.version, learned)
    print(f"{options.out}: {options.out.stat().st_size / 2**20:.2f} MiB, SHA-256 {digest}")


if __name__ == "__main__":
    main()
