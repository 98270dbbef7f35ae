"""Faults in the middle of the work: what is said, the exit code, and that nothing half written stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk
import torch

from proseg.cli import main as cli
from proseg.model.devices import Device
from proseg.phantom import make_phantom
from proseg.system import stopping

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals and mounts are POSIX")
if os.name == "posix":
    from benchmarks.reliability import faults, sources


@pytest.fixture(scope="module")
def t2w(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("input") / "t2.nii.gz"
    sitk.WriteImage(make_phantom(3, size=(96, 96, 8), spacing=(1.4, 1.4, 4.0)).image, str(path))
    return path


def segment(t2w: Path, folder: Path, *options: str) -> int:
    extras = ["--preview", str(folder / "p.png"), "--report", str(folder / "r.json")]
    return cli.main(["segment", str(t2w), "-o", str(folder / "zones.nii.gz"), *extras, *options])


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("Exception thrown in SimpleITK: Failed to allocate memory for image."),
        RuntimeError("could not create a primitive"),
    ],
    ids=["python", "torch", "ITK", "oneDNN"],
)
def test_out_of_memory_in_the_network_is_a_sentence(t2w, tmp_path, monkeypatch, capsys, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("proseg.model.network.ProSeg.forward", fail)
    assert segment(t2w, tmp_path, "--device", "cpu") == 1
    said = capsys.readouterr().err
    assert said == "proseg: There is not enough memory for this image. Close other programs and try again.\n"
    assert files(tmp_path) == set()


def test_out_of_memory_while_reading_is_a_sentence(t2w, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("sitk::ERROR: std::bad_alloc")

    monkeypatch.setattr("SimpleITK.ReadImage", fail)
    assert segment(t2w, tmp_path) == 1
    assert "not enough memory" in capsys.readouterr().err


@pytest.mark.parametrize("lost", ["CUDA error: the launch timed out", "CUDA out of memory. Tried to allocate 2.00 GiB"])
def test_a_gpu_lost_in_the_middle_leaves_the_work_to_the_cpu(t2w, tmp_path, monkeypatch, capsys, lost):
    gpu = Device("meta", "The GPU works.", torch.float32)  # torch's device without data stands in for a GPU
    monkeypatch.setattr("proseg.segmentation.segmenter.choose_device", lambda _: gpu)
    calls = []

    def forward(self, *inputs, **options):
        calls.append(inputs[0].device.type)
        if calls[-1] == "meta":
            raise RuntimeError(lost)
        return original(self, *inputs, **options)

    original = torch.nn.Module.__call__
    monkeypatch.setattr("proseg.model.network.ProSeg.__call__", forward)
    assert segment(t2w, tmp_path) == 0
    assert calls[0] == "meta"
    assert set(calls[1:]) == {"cpu"}
    assert f"The GPU failed ({lost})" in (tmp_path / "r.json").read_text()
    assert files(tmp_path) == {"zones.nii.gz", "p.png", "r.json"}


@posix_only
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_ctrl_c_at_any_moment_leaves_what_was_there(tmp_path, share):
    source = sources.write("nii.gz", tmp_path)
    (tmp_path / "trial").mkdir()
    end, fault = faults.trial(source, tmp_path / "trial", signal.SIGINT, 2.5 * share)
    assert fault is None
    assert end in ("finished", "stopped, nothing changed", "stopped, outputs whole")
    assert share > 0.1 or end == "stopped, nothing changed"


STAGES = {
    "reading": "proseg.reading.t2w.read_dicom",
    "the network": "proseg.model.network.ProSeg.forward",
    "measuring": "proseg.segmentation.segmenter.measure",
    "writing the image": "proseg.outputs.writing._equal",
    "drawing": "proseg.outputs.preview.preview",
    "unpacking": "proseg.reading.archives.Archive._chunks",
}


@posix_only
@pytest.mark.parametrize(
    ("stage", "number"),
    [*((stage, signal.SIGINT) for stage in STAGES), ("the network", signal.SIGTERM), ("unpacking", signal.SIGHUP)]
    if os.name == "posix"
    else [],
)
def test_a_signal_at_every_stage_ends_the_run_with_its_code(tmp_path, monkeypatch, capsys, stage, number):
    out, temporary = tmp_path / "out", tmp_path / "tmp"
    out.mkdir()
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    source = sources.write("zip", tmp_path)

    def strike(*_, **__):
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # an impatient user: the second must not disturb the cleaning up

    before = [signal.getsignal(one) for one in stopping.STOPS]
    monkeypatch.setattr(STAGES[stage], strike)
    assert segment(source, out) == 128 + number
    assert capsys.readouterr().err == "proseg: Interrupted; no file was left half written.\n"
    assert files(out) == files(temporary) == set()
    assert [signal.getsignal(one) for one in stopping.STOPS] == before


@posix_only
def test_temporary_files_go_even_if_cleaning_up_is_cut_off(tmp_path):
    """A stand-in for an interrupt at the very moment when the set is left."""
    program = (
        "import sys\nfrom proseg.outputs.writing import OutputSet\noutputs = OutputSet()\n"
        "with outputs.file(sys.argv[1]) as temporary:\n    temporary.write_text('half')\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "x.txt")], env=environment, check=True)
    assert files(tmp_path) == set()


def mounted(trials):
    try:
        return trials()
    except (PermissionError, FileNotFoundError) as error:
        pytest.skip(f"only the superuser of Linux can mount a small disk: {error}")


@posix_only
def test_a_disk_that_fills_up_leaves_nothing(tmp_path):
    tally = mounted(lambda: faults.full_disk(2, tmp_path, 0))
    assert tally.lost == []
    assert tally.ends.get("refused", 0) >= 1


@posix_only
def test_a_disk_that_cannot_be_written_to_is_told(tmp_path):
    assert mounted(lambda: faults.read_only(tmp_path)).lost == []


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux")
def test_little_memory_is_told_or_enough(tmp_path):
    tally = faults.little_memory(3, tmp_path)  # 0, 2 and 4 MB beyond the libraries
    assert tally.lost == []
    assert tally.ends.get("told so", 0) >= 1


@posix_only
def test_damaged_weights_without_a_checksum_are_noticed(tmp_path):
    tally = faults.bad_weights(8, tmp_path, 0)
    assert tally.lost == []
    assert tally.ends.get("refused", 0) >= 6  # what lies between the files of the archive is of no account


@posix_only
def test_a_tally_tells_ends_and_losses_apart():
    tally = faults.Tally("x")
    tally.add("finished", None)
    tally.add("", "half a result")
    assert (tally.tried, tally.ends, tally.lost) == (2, {"finished": 1}, ["half a result"])
