"""The pretrained weights: found, checked against their checksum, loaded as data only.

A weights file is a ``torch.save`` of plain values and tensors. Beside the shipped one lies a JSON of the same name with
its name, version, SHA-256 and the cases it learned from; the model card in the same folder says how it was made.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from proseg.errors import WeightsError
from proseg.model.calibration import Calibration
from proseg.model.changes import changed, changes
from proseg.model.network import NetworkConfig, ProSeg

FORMAT = "proseg-weights-1"
SHIPPED = "proseg-0.1.0.pt"
_PACKAGE = Path(__file__).parents[1]
MODEL_FOLDERS = (_PACKAGE.parent / "Resources" / "Models", _PACKAGE / "_resources" / "Models")  # source tree, wheel
_OTHER = "Reinstall ProSegSlicer, or give another file with --weights."


@dataclass(frozen=True)
class Model:
    """Loaded networks and where they come from.

    Attributes:
        segmenter: the network that draws the zones, 0.7 mm pixels.
        locator: the network that finds the gland in the whole image, 4 mm pixels.
        name, version: of the weights.
        sha256: of the weights file, hexadecimal.
        calibration: what their probabilities are worth, from the JSON beside the file.
        rims: the network that draws the zones where the PZ is a thin rim, 0.7 mm pixels; None: ``segmenter`` does.
    """

    segmenter: ProSeg
    locator: ProSeg
    name: str
    version: str
    sha256: str
    calibration: Calibration = field(default_factory=Calibration)
    rims: ProSeg | None = None


def shipped_weights() -> Path:
    """The weights file that comes with the package.

    Raises:
        WeightsError: it is not there.
    """
    for folder in MODEL_FOLDERS:
        if (folder / SHIPPED).is_file():
            return folder / SHIPPED
    raise WeightsError(f"The weights {SHIPPED} are missing from {MODEL_FOLDERS[0]}.", _OTHER)


def load_model(path: Path | None = None) -> Model:
    """Load weights onto the CPU, ready for inference.

    Args:
        path: a weights file, checked where its JSON lies beside it; without one the shipped weights, always checked.

    Raises:
        WeightsError: the file is missing, damaged, of another kind, or not the one that was shipped.
    """
    shipped = path is None
    path = shipped_weights() if path is None else Path(path)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(f"The weights {path} cannot be read: {error.strerror}.", "Check the path.") from None
    card = path.with_suffix(".json")
    if (shipped or card.is_file()) and digest != (expected := _expected_digest(card)):
        raise WeightsError(
            f"The weights {path} are not the ones their checksum names ({digest[:12]}… instead of {expected[:12]}…).",
            _OTHER,
        )
    try:
        with zipfile.ZipFile(path) as archive:  # whose checksums torch does not compare
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(damaged)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its unpickler or zip reader stumbled on
        raise WeightsError(f"{path} is damaged or not a torch weights file ({type(error).__name__}).", _OTHER) from None
    worth = _calibration(card) if card.is_file() else Calibration()
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise WeightsError(f"{path} holds no ProSeg weights of this version ({FORMAT}).", _OTHER)
    try:
        segmenter = content["segmenter"]
        networks = {part: _network(content[part]) for part in ("segmenter", "locator")}
        if "rims" in content:
            state = changed(segmenter["state"], content["rims"])
            networks["rims"] = _network({"config": segmenter["config"], "state": state})
        return Model(**networks, name=content["name"], version=content["version"], sha256=digest, calibration=worth)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError):
        raise WeightsError(f"{path} does not fit the networks of this version.", _OTHER) from None


def save_model(
    path: Path,
    segmenter: ProSeg,
    locator: ProSeg,
    name: str,
    version: str,
    learned: Sequence[str],
    rims: ProSeg | None = None,
) -> str:
    """Write a weights file, half precision, and the JSON beside it.

    Args:
        path: where to; the JSON takes the same name with another ending.
        segmenter: the network that draws the zones.
        locator: the network that finds the gland.
        name: the model's.
        version: the weights'.
        learned: ids of the cases learned from, so that no evaluation counts them.
        rims: the network for thin PZs, trained from ``segmenter``; stored as 8-bit changes to it.

    Returns:
        The SHA-256 of the weights file.
    """
    content = {
        "format": FORMAT,
        "name": name,
        "version": version,
        "segmenter": _plain(segmenter),
        "locator": _plain(locator),
    }
    if rims is not None:
        content["rims"] = changes(rims.state_dict(), content["segmenter"]["state"])
    temporary = path.with_suffix(".tmp")
    torch.save(content, temporary)
    digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
    temporary.replace(path)
    card = {"name": name, "version": version, "file": path.name, "sha256": digest, "learned": list(learned)}
    path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    return digest


def _expected_digest(card: Path) -> str:
    try:
        return str(json.loads(card.read_text())["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        raise WeightsError(f"The checksum file {card} is missing or damaged.", _OTHER) from None


def _calibration(card: Path) -> Calibration:
    try:
        return Calibration.from_dict(json.loads(card.read_text()).get("calibration", {}))
    except (OSError, AttributeError, TypeError, ValueError):
        raise WeightsError(f"The calibration in {card} is damaged.", _OTHER) from None


def _plain(network: ProSeg) -> dict[str, Any]:
    state = {key: value.half() if value.is_floating_point() else value for key, value in network.state_dict().items()}
    return {"config": network.config.to_dict(), "state": state}


def _network(content: dict[str, Any]) -> ProSeg:
    network = ProSeg(NetworkConfig.from_dict(content["config"]))
    network.load_state_dict(content["state"])
    return network.eval().to(memory_format=torch.channels_last)
