from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from Testing.made_runs import TINY

from proseg.errors import InputError
from proseg.model.network import NetworkConfig, ProSeg
from proseg.model.weights import load_model, save_model
from training.fit import export


def make_network(seed: int, config: NetworkConfig = TINY) -> ProSeg:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return ProSeg(config).eval()


def flat(network: ProSeg) -> torch.Tensor:
    return torch.cat([value.float().flatten() for value in network.state_dict().values()])


def make_run(folder: Path, seed: int, learned: list[str]) -> ProSeg:
    network = make_network(seed)
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"network": TINY.to_dict(), "learned": learned}))
    average = {f"module.{key}": value for key, value in network.state_dict().items()} | {"n_averaged": torch.tensor(3)}
    torch.save({"average": average}, folder / "checkpoint.pt")
    return network


def test_a_soup_is_the_mean_of_its_networks() -> None:
    one, other = make_network(1), make_network(2)
    torch.testing.assert_close(flat(export.soup([one, other])), (flat(one) + flat(other)) / 2)


def test_a_soup_of_one_is_itself() -> None:
    one = make_network(1)
    torch.testing.assert_close(flat(export.soup([one])), flat(one))


def test_networks_of_different_shapes_make_no_soup() -> None:
    with pytest.raises(InputError, match="different configurations"):
        export.soup([make_network(1), make_network(2, replace(TINY, gate=False))])


def test_runs_and_weights_files_are_joined_with_all_they_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "run", 1, ["a", "b"])
    earlier, locator = make_network(2), make_network(3)
    save_model(tmp_path / "earlier.pt", earlier, locator, "ProSeg", "0", ["b", "c"])
    out = tmp_path / "new.pt"
    sources = ["--segmenter", str(tmp_path / "run"), str(tmp_path / "earlier.pt")]
    rest = ["--locator", str(tmp_path / "earlier.pt"), "--out", str(out), "--version", "9.8.7"]
    monkeypatch.setattr(sys, "argv", ["export", *sources, *rest])
    export.main()
    model = load_model(out)
    assert model.version == "9.8.7"
    assert json.loads(out.with_suffix(".json").read_text())["learned"] == ["a", "b", "c"]
    close = {"atol": 2e-3, "rtol": 2e-3}  # half precision
    torch.testing.assert_close(flat(model.segmenter), (flat(run) + flat(earlier)) / 2, **close)
    torch.testing.assert_close(flat(model.locator), flat(locator), **close)


def test_a_network_for_thin_pzs_is_exported_beside_the_segmenter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, thin_pz = make_run(tmp_path / "run", 1, ["a"]), make_run(tmp_path / "thin-pz", 1, ["b"])
    other = make_run(tmp_path / "other", 4, ["c"])
    make_run(tmp_path / "locator", 3, ["d"])
    given = ["--segmenter", str(tmp_path / "run"), "--thin-pz", str(tmp_path / "thin-pz"), str(tmp_path / "other")]
    given += ["--locator", str(tmp_path / "locator"), "--out", str(tmp_path / "new.pt")]
    monkeypatch.setattr(sys, "argv", ["export", *given])
    export.main()
    model = load_model(tmp_path / "new.pt")
    assert json.loads((tmp_path / "new.json").read_text())["learned"] == ["a", "b", "c", "d"]
    assert model.thin_pz is not None
    close = {"atol": 5e-3, "rtol": 5e-3}  # eight bits
    torch.testing.assert_close(flat(model.thin_pz), (flat(thin_pz) + flat(other)) / 2, **close)
    torch.testing.assert_close(flat(model.segmenter), flat(run), **close)
