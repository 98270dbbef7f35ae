"""Training runs: the split, the schedule, the clock, and going on where a stopped run was."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from proseg.model.network import NetworkConfig, ProSeg
from training.data import augment
from training.data.labels import GLAND_UNKNOWN_ZONE
from training.data.preprocess import Arrays, save
from training.fit import train
from training.fit.export import averaged_network
from training.fit.train import Trainer, parse, split
from training.networks.baselines import BASELINES, Baseline, network_of_run

TINY = NetworkConfig(widths=(8, 8, 8, 8), depths=(1, 1, 1, 1), strip=3)
PLAIN = replace(TINY, directional=False, cross_slice=False, pyramid=False)  # the tests are fast with this
ITEMS = tuple[Tensor, Tensor, float]


def make_case(number: int = 0, patient: str = "p", size: int = 64) -> Arrays:
    """A gland of bright PZ behind darker CG."""
    k, j, i = np.ogrid[:5, :size, :size]
    middle = size / 2
    gland = np.hypot((j - middle) / 14, (i - middle) / 18) + 0 * k < 1
    zones = np.where(gland, np.where(j > middle, 1, 2), 0).astype(np.uint8)
    noise = np.random.default_rng(number).standard_normal(zones.shape)
    image = 0.2 + np.choose(zones, [0, 0.6, 0.3]) + 0.03 * noise
    return Arrays(f"c{number}", "A", patient, image.astype(np.float16), zones[None], 3.0)


class Plain(Dataset):
    """The middle of each case in turn, unaugmented."""

    def __init__(self, cases: list[Arrays], steps: int = 10**6, start: int = 0) -> None:
        self.cases, self.steps, self.start = cases, steps, start

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> ITEMS:
        case = self.cases[(step + self.start) % len(self.cases)]
        image = torch.from_numpy(case.image.astype(np.float32))[None]
        labels = torch.from_numpy(case.labels[:1].astype(np.int64))
        return ((image - image.mean()) / image.std())[..., 16:48, 16:48], labels[..., 16:48, 16:48], case.slice_mm


class Clock:
    """A clock that goes on by the given seconds each time it is read, by the last of them ever after."""

    def __init__(self, *seconds: float) -> None:
        self.seconds, self.now, self.read = seconds, 0.0, 0

    def __call__(self) -> float:
        if self.read:
            self.now += self.seconds[min(self.read, len(self.seconds)) - 1]
        self.read += 1
        return self.now


class Stopped(Exception):  # noqa: N818 - it is no error
    """What stops a run."""


@pytest.fixture(autouse=True)
def _seeded_on_one_thread() -> Iterator[None]:
    torch.set_num_threads(1)  # as the command does
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def make_trainer(out: Path, *arguments: str, cases: list[Arrays] | None = None) -> Trainer:
    out.mkdir(exist_ok=True)
    options = parse(["--out", str(out), "--workers", "0", *arguments])
    return Trainer(ProSeg(PLAIN), options, Plain, cases or [make_case(0), make_case(1)])


def set_clock(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
    """Let every step of the runs to come take the given seconds, the last of them ever after."""
    monkeypatch.setattr(train, "time", SimpleNamespace(monotonic=Clock(*seconds)))


def stop_after(trainer: Trainer, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run for some steps, a checkpoint after each, and stop within the next."""
    learn = trainer.learn

    def learn_or_stop(patch: ITEMS) -> float:
        if trainer.step >= steps * trainer.options.patches:
            raise Stopped
        return learn(patch)

    monkeypatch.setattr(train, "CHECKPOINT_SECONDS", 0)
    trainer.learn = learn_or_stop
    with pytest.raises(Stopped):
        trainer.run()


def weights_of(module: torch.nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def test_no_patient_is_on_both_sides_of_the_split() -> None:
    cases = [make_case(number, patient=f"p{number // 2}", size=2) for number in range(24)]
    held_out_ids = []
    for fold in range(5):
        learn, held_out = split(cases, fold)
        assert held_out
        assert not {case.patient for case in learn} & {case.patient for case in held_out}
        assert {case.id for case in learn} | {case.id for case in held_out} == {case.id for case in cases}
        held_out_ids += [case.id for case in held_out]
    assert sorted(held_out_ids) == sorted(case.id for case in cases)


def test_fold_minus_one_holds_out_nothing() -> None:
    cases = [make_case(number, patient=f"p{number}", size=2) for number in range(6)]
    assert split(cases, -1) == (cases, [])


def test_the_rate_warms_up_and_decays() -> None:
    rates = np.array([train.learning_rate_at(progress, 0.01) for progress in np.linspace(0, 1, 501)])
    peak = int(rates.argmax())
    assert 0.01 <= peak / 500 <= 0.03
    assert rates[peak] == pytest.approx(0.01, rel=0.01)
    assert 0 < rates[0] < 0.01 * rates[peak]
    assert (np.diff(rates[: peak + 1]) > 0).all()
    assert (np.diff(rates[peak:]) < 0).all()
    assert rates[-1] == pytest.approx(1e-4)
    assert train.learning_rate_at(1.2, 0.01) == pytest.approx(1e-4)  # the last step may end after the time


def test_the_optimiser_follows_the_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, used = make_trainer(tmp_path, "--minutes", "0.05"), []
    set_clock(monkeypatch, 1.0)
    step = trainer.optimiser.step

    def note() -> None:
        used.append([group["lr"] for group in trainer.optimiser.param_groups])
        step()

    monkeypatch.setattr(trainer.optimiser, "step", note)
    trainer.run()
    np.testing.assert_allclose(
        used, [[train.learning_rate_at(done / 3, trainer.options.rate)] * 2 for done in range(3)]
    )


def test_weights_decay_but_biases_and_scales_do_not(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    decay = {id(p): group["weight_decay"] for group in trainer.optimiser.param_groups for p in group["params"]}
    network = trainer.network
    assert len(decay) == len(list(network.parameters()))
    assert decay[id(network.stem.weight)] > 0
    assert decay[id(network.head.bias)] == decay[id(network.stem_norm.weight)] == 0


def test_a_step_learns_the_mean_of_its_patches(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, "--patches", "2")
    patches = [Plain(trainer.cases)[step] for step in range(2)]

    def gradients() -> Tensor:
        found = torch.cat([p.grad.flatten() for p in trainer.network.parameters()])
        trainer.network.zero_grad()
        return found

    list(trainer.threads.map(trainer.learn, patches))
    together = gradients()
    trainer.options.patches = 1
    apart = []
    for patch in patches:
        trainer.learn(patch)
        apart.append(gradients())
    torch.testing.assert_close(together, (apart[0] + apart[1]) / 2, rtol=1e-3, atol=1e-5)
    assert not torch.allclose(apart[0], apart[1], rtol=1e-3, atol=1e-5)


def test_a_case_can_be_learned_by_heart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(tmp_path, "--minutes", "0.4", "--rate", "0.03", "--patches", "1", cases=[make_case()])
    set_clock(monkeypatch, 1.0)
    patch = Plain(trainer.cases)[0]
    before = trainer.learn(patch)
    trainer.run()
    assert trainer.step == 24
    assert trainer.learn(patch) < 0.5 * before


def test_the_average_lags_behind_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(tmp_path, "--minutes", "0.1", "--rate", "0.01")
    start = weights_of(trainer.network)
    set_clock(monkeypatch, 1.0)
    trainer.run()
    now = weights_of(trainer.network)
    assert 0 < (now - weights_of(trainer.average.module)).norm() < (now - start).norm()


def test_after_many_steps_the_average_takes_a_five_hundredth_of_the_new_weights() -> None:
    weights, counter, steps = [torch.zeros(2)], [torch.tensor(3)], torch.tensor(20_000)
    train.moving_average(weights, [torch.ones(2)], steps)
    train.moving_average(counter, [torch.tensor(7)], steps)
    assert weights[0].tolist() == pytest.approx([0.002, 0.002], rel=1e-4)
    assert counter[0] == 7  # it is not averaged


def test_a_short_training_leaves_nothing_of_its_random_beginning_in_the_average() -> None:
    average = [torch.ones(1)]
    for steps in range(1, 450):
        train.moving_average(average, [torch.zeros(1)], torch.tensor(steps))
    assert average[0] < 1e-6


def test_a_pause_counts_no_more_than_a_slow_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(tmp_path, "--minutes", "0.5")
    set_clock(monkeypatch, 2.0, 36_000.0, 3.0)  # put to sleep for ten hours within the second step
    trainer.run()
    paused = train.SLOWEST_STEP_SECONDS
    steps = 2 + int(np.ceil((30 - 2 - paused) / 3))
    assert trainer.step == 2 * steps
    assert trainer.spent == pytest.approx(2 + paused + 3 * (steps - 2))


def test_checkpoints_come_every_so_many_seconds_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, saved = make_trainer(tmp_path, "--minutes", "0.1"), []
    monkeypatch.setattr(train, "CHECKPOINT_SECONDS", 2.5)
    monkeypatch.setattr(trainer, "save", lambda: saved.append(trainer.step // 2))
    set_clock(monkeypatch, 1.0)
    trainer.run()
    assert saved == [3, 6, 6]


def test_a_checkpoint_is_whole_or_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(tmp_path)
    trainer.save()
    before = trainer.checkpoint.read_bytes()

    def full_disk(state: dict, path: Path) -> None:
        path.write_bytes(b"half a chec")
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        trainer.save()
    assert trainer.checkpoint.read_bytes() == before


def test_without_a_checkpoint_a_run_starts_at_the_beginning(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    trainer.resume()
    assert (trainer.step, trainer.spent) == (0, 0.0)


def test_a_stopped_and_resumed_run_ends_as_one_that_was_not_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--minutes", "0.1", "--rate", "0.01")
    cases = [make_case(number) for number in range(5)]
    starts = []

    class Noting(Plain):
        def __init__(self, *args: object, **kwargs: int) -> None:
            super().__init__(*args, **kwargs)
            starts.append(self.start)

    torch.manual_seed(1)
    through = make_trainer(tmp_path / "through", *options, cases=cases)
    set_clock(monkeypatch, 1.0)
    through.run()

    torch.manual_seed(1)
    first = make_trainer(tmp_path / "stopped", *options, cases=cases)
    set_clock(monkeypatch, 1.0)
    stop_after(first, 3, monkeypatch)

    second = make_trainer(tmp_path / "stopped", *options, cases=cases)  # other first weights: they must not matter
    second.make_patches = Noting
    second.resume()
    assert (second.step, second.spent) == (2 * 3, 3.0)
    set_clock(monkeypatch, 1.0)
    second.run()
    assert starts == [2 * 3]
    assert (second.step, second.spent) == (through.step, through.spent) == (2 * 6, 6.0)
    for ended, wanted in ((second.network, through.network), (second.average, through.average)):
        torch.testing.assert_close(weights_of(ended), weights_of(wanted), rtol=1e-3, atol=1e-4)


def test_a_finished_run_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(tmp_path, "--minutes", "0.05")
    set_clock(monkeypatch, 1.0)
    trainer.run()
    again = make_trainer(tmp_path, "--minutes", "0.05")
    again.resume()
    again.run()
    assert again.step == trainer.step
    assert torch.equal(weights_of(again.network), weights_of(trainer.network))


def test_options_reach_the_loss(tmp_path: Path) -> None:
    loss, other = make_trainer(tmp_path).loss, make_trainer(tmp_path, "--focal", "0").loss
    patch = torch.randn(1, 3, 2, 4, 4), torch.ones(1, 1, 2, 4, 4).long()
    assert other(*patch) < loss(*patch)


@pytest.mark.parametrize(
    "arguments",
    [[], ["--without", "everything"], ["--norm", "layer"], ["--thin-pz", "0"], ["--thin-pz", "5", "--store", "s"]],
)
def test_a_wrong_command_line_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--out", "x", *arguments] if arguments else [])
    assert "usage" in capsys.readouterr().err


def test_the_command_trains_and_notes_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays, out = tmp_path / "arrays", tmp_path / "runs" / "one"
    arrays.mkdir()
    cases = [make_case(number, patient=f"p{number}", size=48) for number in range(6)]
    unzoned = make_case(6, patient="p6", size=48)
    unzoned = replace(unzoned, labels=(unzoned.labels > 0).astype(np.uint8) * GLAND_UNKNOWN_ZONE)
    cases.append(unzoned)
    for case in cases:
        save(case, arrays)
    monkeypatch.setattr(train, "NetworkConfig", lambda: TINY)
    monkeypatch.setattr(augment, "SHAPES", ((3, 32),))
    command = ["--arrays", str(arrays), "--out", str(out), "--fold", "1", "--minutes", "0.05", "--workers", "0"]
    monkeypatch.setattr(sys, "argv", ["train", *command, "--without", "gate", "--norm", "group", "--no-partial"])
    set_clock(monkeypatch, 1.0)
    train.main()

    run = json.loads((out / "run.json").read_text())
    learn, held_out = split(cases, 1)
    assert (run["learned"], run["held_out"]) == (
        [case.id for case in learn if case is not unzoned],
        [case.id for case in held_out],
    )
    assert unzoned in learn
    assert NetworkConfig.from_dict(run["network"]) == replace(TINY, gate=False, norm="group")
    assert argparse.Namespace(**run["options"]).fold == 1
    checkpoint = torch.load(out / "checkpoint.pt", weights_only=True)
    assert (checkpoint["step"], checkpoint["spent"]) == (2 * 3, 3.0)
    assert sorted(path.name for path in out.iterdir()) == ["checkpoint.pt", "run.json"]

    network, learned = averaged_network(out)  # what is made into the weights file
    assert learned == run["learned"]
    assert network(torch.zeros(1, 1, 3, 32, 32)).isfinite().all()


def test_the_command_trains_a_network_to_compare_with_on_fewer_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays, out = tmp_path / "arrays", tmp_path / "run"
    arrays.mkdir()
    cases = [make_case(number, patient=f"p{number}", size=48) for number in range(10)]
    for case in cases:
        save(case, arrays)
    monkeypatch.setitem(BASELINES, "unet", lambda: Baseline(torch.nn.Conv3d(4, 12, 3, padding=1), (4, 4, 4), fold=2))
    monkeypatch.setattr(augment, "SHAPES", ((3, 32),))
    command = ["--arrays", str(arrays), "--out", str(out), "--fold", "1", "--budget-patches", "4", "--workers", "0"]
    monkeypatch.setattr(sys, "argv", ["train", *command, "--network", "unet", "--cases", "3"])
    train.main()
    run = json.loads((out / "run.json").read_text())
    assert run["network"] is None
    assert len(run["learned"]) == 3
    assert set(run["learned"]) < {case.id for case in split(cases, 1)[0]}
    assert network_of_run(out)(torch.zeros(1, 1, 3, 32, 32), 3.0).shape == (1, 3, 3, 32, 32)


def test_the_locator_is_a_smaller_network() -> None:
    sizes = [sum(p.numel() for p in ProSeg(config).parameters()) for config in (train.LOCATOR, NetworkConfig())]
    assert sizes[0] < 0.2 * sizes[1]


def test_coarse_pixels_first_need_to_know_how_far_the_training_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--out", "run", "--progressive"])
    assert "--budget-patches" in capsys.readouterr().err
    assert parse(["--out", "run", "--progressive", "--budget-patches", "10"]).progressive


LOOKS = [("--harsh",), ("--treated",), ("--raw-scans",), ("--progressive", "--budget-patches", "10")]


@pytest.mark.parametrize("option", LOOKS)
def test_a_store_has_looks_of_its_own(option: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--out", "run", "--store", "patches", *option])
    assert "when a store is made" in capsys.readouterr().err


@pytest.mark.parametrize("option", [*LOOKS, ("--thin-pz", "5"), ("--ends", "1")])
def test_what_the_locator_cannot_do_is_refused(option: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--out", "run", "--task", "locate", *option])
    assert "--task segment" in capsys.readouterr().err
