"""Runs to judge: two generated cases, small networks that have learned nothing, and folders as training leaves them."""

from __future__ import annotations

import json
from pathlib import Path

import SimpleITK as sitk
import torch

from proseg.model.network import NetworkConfig, ProSeg
from proseg.model.weights import save_model
from proseg.phantom import make_phantom
from training.fit.train import parse

TINY = NetworkConfig(widths=(8, 8, 8, 8), depths=(1, 1, 1, 1), strip=3)


def make_data(folder: Path) -> Path:
    """Two generated cases in the layout of the project's data: one with zones, one with its gland only."""
    root, lines = folder / "data", ["case,group"]
    for number, group in enumerate(("zonal", "gland")):
        place = root / group / f"made{number}"
        place.mkdir(parents=True)
        made = make_phantom(number, size=(72, 72, 8), spacing=(1.8, 1.8, 7.0))
        sitk.WriteImage(made.image, place / "t2.nii.gz")
        labels = made.zones if group == "zonal" else made.zones > 0
        sitk.WriteImage(labels, place / f"{'zones' if group == 'zonal' else 'gland'}.nii.gz")
        lines.append(f"made{number},{group}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


def make_locator(path: Path, learned: list[str]) -> Path:
    """A weights file whose locator has learned from the given cases."""
    save_model(path, ProSeg(TINY), ProSeg(TINY), "Made", "0", learned)
    return path


def make_run(folder: Path, held_out: list[str], *arguments: str) -> Path:
    """A folder of a run that has learned nothing, with the options of the command line."""
    folder.mkdir(parents=True)
    options = {key: str(v) if isinstance(v, Path) else v for key, v in vars(parse(["--out", "x", *arguments])).items()}
    made = {"network": TINY.to_dict(), "options": options, "learned": [], "held_out": held_out}
    (folder / "run.json").write_text(json.dumps(made))
    average = {f"module.{key}": value for key, value in ProSeg(TINY).state_dict().items()}
    torch.save({"average": average, "step": 6, "spent": 1.0}, folder / "checkpoint.pt")
    return folder
