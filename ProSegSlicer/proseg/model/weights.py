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
from torch import Tensor

from proseg.errors import WeightsError
from proseg.model.calibration import Calibration
from proseg.model.changes import changed, changes, rounded
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
        thin_pz: the network that draws the zones where the PZ is a thin rim, 0.7 mm pixels; None: ``segmenter`` does.
    """

    segmenter: ProSeg
    locator: ProSeg
    name: str
    version: str
    sha256: str
    calibration: Calibration = field(default_factory=Calibration)
    thin_pz: ProSeg | None = None


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
        networks = {part: _network(content[part]["config"], _state(content[part])) for part in ("segmenter", "locator")}
        thin_pz = content.get("thin_pz", content.get("rims"))  # "rims": its name in the weights 0.1.0
        if thin_pz is not None:
            networks["thin_pz"] = _network(segmenter["config"], changed(_state(segmenter), thin_pz))
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
    thin_pz: ProSeg | None = None,
    eight_bit: bool = False,
) -> str:
    """Write a weights file and the JSON beside it.

    Args:
        path: where to; the JSON takes the same name with another ending.
        segmenter: the network that draws the zones.
        locator: the network that finds the gland.
        name: the model's.
        version: the weights'.
        learned: ids of the cases learned from, so that no evaluation counts them.
        thin_pz: the network for thin PZs, trained from ``segmenter``; stored as 8-bit changes to it.
        eight_bit: store the filters of the other two in 8 bits as well, not in half precision, and pack the file: for
            weights that only judge a recipe, at two thirds of the size.

    Returns:
        The SHA-256 of the weights file.
    """
    content = {
        "format": FORMAT,
        "name": name,
        "version": version,
        "segmenter": _stored(segmenter, eight_bit),
        "locator": _stored(locator, eight_bit),
    }
    if thin_pz is not None:
        content["thin_pz"] = changes(thin_pz.state_dict(), _state(content["segmenter"]))
    temporary = path.with_suffix(".tmp")
    torch.save(content, temporary)
    if eight_bit:
        _pack(temporary)
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


def _stored(network: ProSeg, eight_bit: bool) -> dict[str, Any]:
    state = network.state_dict()
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    kept = {"rounded": rounded(state)} if eight_bit else {"state": half}
    return {"config": network.config.to_dict()} | kept


def _state(content: dict[str, Any]) -> dict[str, Tensor]:
    """A network's weights, as they are stored or as 8 bits tell them."""
    return changed(None, content["rounded"]) if "rounded" in content else content["state"]


def _network(config: dict[str, Any], state: dict[str, Tensor]) -> ProSeg:
    network = ProSeg(NetworkConfig.from_dict(config))
    network.load_state_dict(state)
    return network.eval().to(memory_format=torch.channels_last)


def _pack(path: Path) -> None:
    """Compress the records of a file of ``torch.save``, which ``torch.load`` reads all the same."""
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, record in records.items():
            archive.writestr(zipfile.ZipInfo(name), record, zipfile.ZIP_DEFLATED, 9)
