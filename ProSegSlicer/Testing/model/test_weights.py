"""Weights files: written, read back, and refused when anything is wrong with them."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from proseg.errors import WeightsError
from proseg.model import weights
from proseg.model.network import NetworkConfig, ProSeg
from proseg.model.weights import FORMAT, SHIPPED, load_model, save_model, shipped_weights

TINY = NetworkConfig(widths=(8, 16, 16, 16), depths=(1, 1, 1, 1), strip=3, heads=2)
WITHOUT_PYRAMID = replace(TINY, pyramid=False, norm="batch")


@pytest.fixture(scope="module")
def networks() -> tuple[ProSeg, ProSeg]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ProSeg(TINY).eval(), ProSeg(WITHOUT_PYRAMID).eval()


@pytest.fixture
def path(tmp_path: Path, networks: tuple[ProSeg, ProSeg]) -> Path:
    """A good weights file with its JSON."""
    save_model(tmp_path / "small.pt", *networks, name="Small", version="1.2", learned=["case 1", "case 7"])
    return tmp_path / "small.pt"


class Payload:
    """Unpickled, it leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.trace,)


def refusal(path: Path | None, *words: str) -> WeightsError:
    """The error that loading raises: a line that names the file and says what to do."""
    with pytest.raises(WeightsError) as caught:
        load_model(path)
    error = caught.value
    assert "\n" not in str(error)
    assert error.remedy.endswith(".")
    assert error.exit_code == 2
    for word in (*words, *([path.name] if path else [])):
        assert word in error.sentence
    return error


def without_json(path: Path) -> Path:
    path.with_suffix(".json").unlink()
    return path


def content_of(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)


def test_what_was_saved_is_loaded(path: Path, networks: tuple[ProSeg, ProSeg]) -> None:
    model = load_model(path)
    assert (model.name, model.version) == ("Small", "1.2")
    assert model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    for loaded, saved in zip((model.segmenter, model.locator), networks, strict=True):
        assert loaded.config == saved.config
        assert not loaded.training
        for key, value in loaded.state_dict().items():
            expected = saved.state_dict()[key]
            assert value.dtype == expected.dtype
            torch.testing.assert_close(value, expected, atol=1e-3, rtol=1e-3)
        volume = torch.randn(1, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            torch.testing.assert_close(loaded(volume), saved(volume), atol=0.05, rtol=0.05)


def test_a_network_for_thin_pzs_is_kept_as_changes_to_the_segmenter(
    tmp_path: Path, networks: tuple[ProSeg, ProSeg]
) -> None:
    thin_pz = copy.deepcopy(networks[0])
    with torch.no_grad():
        for value in thin_pz.parameters():
            value += 0.05 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1))
    save_model(tmp_path / "with.pt", *networks, name="With", version="1", learned=[], thin_pz=thin_pz)
    save_model(tmp_path / "without.pt", *networks, name="Without", version="1", learned=[])
    model = load_model(tmp_path / "with.pt")
    assert model.thin_pz is not None
    assert load_model(tmp_path / "without.pt").thin_pz is None
    assert not model.thin_pz.training
    for key, value in model.thin_pz.state_dict().items():
        torch.testing.assert_close(value, thin_pz.state_dict()[key], atol=2e-3, rtol=0)
    for key, value in model.segmenter.state_dict().items():
        torch.testing.assert_close(value, networks[0].state_dict()[key], atol=1e-3, rtol=1e-3)
    content = content_of(tmp_path / "with.pt")
    content["thin_pz"].popitem()
    torch.save(content, tmp_path / "less.pt")
    refusal(tmp_path / "less.pt", "does not fit")


def test_eight_bits_give_nearly_the_same_networks_in_a_smaller_file(
    tmp_path: Path, networks: tuple[ProSeg, ProSeg]
) -> None:
    parts = {"name": "Fold", "version": "1", "learned": ["a"], "thin_pz": copy.deepcopy(networks[0])}
    save_model(tmp_path / "half.pt", *networks, **parts)
    digest = save_model(tmp_path / "eight.pt", *networks, **parts, eight_bit=True)
    half, eight = load_model(tmp_path / "half.pt"), load_model(tmp_path / "eight.pt")
    assert eight.sha256 == digest
    for part in ("segmenter", "locator", "thin_pz"):
        kept = getattr(eight, part).state_dict()
        for key, value in getattr(half, part).state_dict().items():
            assert kept[key].dtype == value.dtype
            step = value.float().abs().max() / 127 if value.ndim > 1 else 0.0
            torch.testing.assert_close(kept[key], value, atol=0.51 * float(step) + 2e-3, rtol=0)
    assert (tmp_path / "eight.pt").stat().st_size < 0.8 * (tmp_path / "half.pt").stat().st_size


def test_a_thin_pz_model_under_its_earlier_name_is_still_read(tmp_path: Path, networks: tuple[ProSeg, ProSeg]) -> None:
    path = tmp_path / "earlier.pt"
    save_model(path, *networks, name="Earlier", version="1", learned=[], thin_pz=networks[0])
    content = content_of(path)
    content["rims"] = content.pop("thin_pz")
    torch.save(content, without_json(path))
    assert load_model(path).thin_pz is not None


def test_loading_is_repeatable(path: Path) -> None:
    first, second = load_model(path).segmenter.state_dict(), load_model(path).segmenter.state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_tensors_are_stored_in_half_precision_and_saving_leaves_the_network_alone(
    path: Path, networks: tuple[ProSeg, ProSeg]
) -> None:
    content = content_of(path)
    for part, network in zip(("segmenter", "locator"), networks, strict=True):
        assert {value.dtype for value in network.parameters()} == {torch.float32}
        floating = [value for value in content[part]["state"].values() if value.is_floating_point()]
        assert {value.dtype for value in floating} == {torch.float16}
    counts = [value for key, value in content["locator"]["state"].items() if key.endswith("num_batches_tracked")]
    assert {value.dtype for value in counts} == {torch.int64}


def test_the_json_beside_it_names_what_was_saved(path: Path) -> None:
    assert json.loads(path.with_suffix(".json").read_text()) == {
        "name": "Small",
        "version": "1.2",
        "file": "small.pt",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "learned": ["case 1", "case 7"],
    }


def test_a_file_of_the_user_needs_no_json(path: Path) -> None:
    assert load_model(without_json(path)).name == "Small"
    assert load_model(str(path)).name == "Small"


def test_a_wrong_checksum_is_refused(path: Path) -> None:
    card = path.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | {"sha256": "0" * 64}))
    refusal(path, "checksum", "000000000000")


def test_one_changed_byte_is_noticed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    refusal(path, "checksum")


@pytest.mark.parametrize("card", [b"{", b"", b"[]", b"{}", b"7", b"\xff\xfe\x00", b'{"sha256": null}'])
def test_a_damaged_json_is_refused(path: Path, card: bytes) -> None:
    path.with_suffix(".json").write_bytes(card)
    with pytest.raises(WeightsError, match=r"small\.") as caught:
        load_model(path)
    assert caught.value.remedy
    assert "checksum" in caught.value.sentence


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    refusal(path, "checksum")
    refusal(without_json(path), "damaged")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    refusal(tmp_path / "none.pt", "No such file")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.pt").mkdir()
    refusal(tmp_path / "folder.pt")


FOREIGN: dict[str, Callable[[Path], Any]] = {
    "text": lambda path: path.write_text("These are not the weights you are looking for.\n"),
    "zip": lambda path: path.write_bytes(b"PK\x05\x06" + bytes(18)),
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 8),
    "pickled dictionary": lambda path: path.write_bytes(pickle.dumps({"format": FORMAT})),
    "pickled object": lambda path: path.write_bytes(pickle.dumps(Path("x"))),
    "whole network": lambda path: torch.save(ProSeg(TINY), path),
    "state dictionary": lambda path: torch.save(ProSeg(TINY).state_dict(), path),
    "tensor": lambda path: torch.save(torch.ones(3), path),
    "other format": lambda path: torch.save({"format": "proseg-weights-0"}, path),
}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
@pytest.mark.parametrize("write", FOREIGN.values(), ids=FOREIGN)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, write: Callable[[Path], Any]) -> None:
    path = tmp_path / "foreign.pt"
    write(path)
    refusal(path)


def change(**parts: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.update(parts)


def change_segmenter(**parts: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["segmenter"].update(parts)


UNFIT: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no locator": lambda content: content.pop("locator"),
    "no name": lambda content: content.pop("name"),
    "a part that is a list": change(segmenter=[1, 2]),
    "no state": lambda content: content["segmenter"].pop("state"),
    "a tensor missing": lambda content: content["segmenter"]["state"].popitem(),
    "a tensor too many": lambda content: content["segmenter"]["state"].update(more=torch.ones(1)),
    "other sizes": change_segmenter(config=replace(TINY, strip=5).to_dict()),
    "unknown setting": change_segmenter(config=TINY.to_dict() | {"colour": 3}),
    "unknown norm": change_segmenter(config=replace(TINY, norm="layer").to_dict()),
    "too few widths": change_segmenter(config=replace(TINY, widths=(8, 16)).to_dict()),
    "no widths": change_segmenter(config=replace(TINY, widths=(), depths=()).to_dict()),
    "no configuration": change_segmenter(config=None),
}


@pytest.mark.parametrize("spoil", UNFIT.values(), ids=UNFIT)
def test_weights_that_fit_no_network_are_refused(path: Path, spoil: Callable[[dict[str, Any]], Any]) -> None:
    content = content_of(path)
    spoil(content)
    torch.save(content, without_json(path))
    refusal(path, "does not fit")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
@pytest.mark.parametrize("place", ["bare pickle", "torch file", "inside a weights file"])
def test_code_in_a_weights_file_is_never_run(tmp_path: Path, path: Path, place: str) -> None:
    trace = tmp_path / "trace"
    if place == "bare pickle":
        path.write_bytes(pickle.dumps(Payload(trace)))
    elif place == "torch file":
        torch.save(Payload(trace), path)
    else:
        torch.save(content_of(path) | {"name": Payload(trace)}, path)
    refusal(without_json(path), "damaged or not a torch weights file")
    assert not trace.exists()
    if place == "bare pickle":
        pickle.loads(path.read_bytes())  # an ordinary unpickler would have run it
        assert trace.exists()


@pytest.fixture
def model_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the shipped weights are looked for second, as in an installed wheel."""
    monkeypatch.setattr(weights, "MODEL_FOLDERS", (tmp_path / "nowhere", tmp_path))
    return tmp_path


def test_without_a_path_the_shipped_weights_are_loaded(model_folder: Path, networks: tuple[ProSeg, ProSeg]) -> None:
    digest = save_model(model_folder / SHIPPED, *networks, name="Shipped", version="2", learned=[])
    assert shipped_weights() == model_folder / SHIPPED
    model = load_model()
    assert (model.name, model.sha256) == ("Shipped", digest)


def test_missing_shipped_weights_are_explained(model_folder: Path) -> None:
    refusal(None, SHIPPED, "nowhere")


@pytest.mark.parametrize("card", ["other", "missing"])
def test_shipped_weights_must_match_their_checksum(
    model_folder: Path, networks: tuple[ProSeg, ProSeg], card: str
) -> None:
    path = model_folder / SHIPPED
    save_model(path, *networks, name="Shipped", version="2", learned=[])
    if card == "missing":
        without_json(path)
    else:
        path.with_suffix(".json").write_text(json.dumps({"sha256": "ab" * 32}))
    refusal(None, SHIPPED.removesuffix(".pt"))
