"""Make a weights file of finished runs.

``python -m training.fit.export --segmenter runs/fold0 --locator runs/locator0``

Networks come from the folder of a run, averaged over its steps, or from another weights file. Several segmenters that
started from one another are averaged into one ("model soup", Wortsman et al., ICML 2022).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from proseg.errors import InputError
from proseg.model.network import NetworkConfig, ProSeg
from proseg.model.weights import MODEL_FOLDERS, SHIPPED, load_model, save_model
from training.command import run_command


def averaged_network(run: Path) -> tuple[ProSeg, list[str]]:
    """The network of a run of ``training.fit.train``, weights averaged, and the ids of the cases it learned from.

    Raises:
        InputError: the run has trained a network to compare with.
    """
    made = json.loads((run / "run.json").read_text())
    if made["network"] is None:
        raise InputError(f"{run} is one of {made['options']['network']}, which never ships.", "Take one of ProSeg.")
    network = ProSeg(NetworkConfig.from_dict(made["network"]))
    averaged = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)["average"]
    network.load_state_dict({key.removeprefix("module."): v for key, v in averaged.items() if key != "n_averaged"})
    return network.eval(), made["learned"]


def network_of(source: Path, part: str) -> tuple[ProSeg, list[str]]:
    """The network of a run, or the ``segmenter`` or ``locator`` of a weights file, and the cases it learned from."""
    if source.is_dir():
        return averaged_network(source)
    return getattr(load_model(source), part), json.loads(source.with_suffix(".json").read_text())["learned"]


def soup(networks: Sequence[ProSeg]) -> ProSeg:
    """The network whose weights are the mean of those of networks of one configuration.

    Raises:
        InputError: the configurations differ.
    """
    first, *others = networks
    if any(other.config != first.config for other in others):
        raise InputError("Networks of different configurations cannot be averaged.", "Export them one by one.")
    states = [network.state_dict() for network in networks]
    mean = ProSeg(first.config)
    mean.load_state_dict({key: torch.stack([state[key].float() for state in states]).mean(dim=0) for key in states[0]})
    return mean.eval()


def averaged(sources: Sequence[Path]) -> tuple[ProSeg, list[str]]:
    """The soup of the segmenters of runs or weights files, and the ids of the cases that any of them learned from."""
    networks, learned = zip(*(network_of(source, "segmenter") for source in sources), strict=True)
    return soup(networks), sorted(set().union(*learned))


def main() -> None:
    """Write the weights file and the JSON with its checksum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--segmenter", type=Path, nargs="+", required=True, help="run folders of --task segment, or weights files"
    )
    parser.add_argument("--locator", type=Path, required=True, help="run folder of --task locate, or a weights file")
    parser.add_argument("--thin-pz", type=Path, nargs="+", default=[], help="the same as --segmenter, for thin PZs")
    parser.add_argument("--eight-bit", action="store_true", help="8 bits a weight: a smaller file, for judging only")
    parser.add_argument("--out", type=Path, default=MODEL_FOLDERS[0] / SHIPPED)
    parser.add_argument("--version", default=SHIPPED.removeprefix("proseg-").removesuffix(".pt"))
    options = parser.parse_args()
    segmenter, known = averaged(options.segmenter)
    thin_pz, shown = averaged(options.thin_pz) if options.thin_pz else (None, [])
    locator, seen = network_of(options.locator, "locator")
    learned = sorted({*seen, *known, *shown})
    digest = save_model(options.out, segmenter, locator, "ProSeg", options.version, learned, thin_pz, options.eight_bit)
    print(f"{options.out}: {options.out.stat().st_size / 2**20:.2f} MiB, SHA-256 {digest}")


if __name__ == "__main__":
    run_command(main)
