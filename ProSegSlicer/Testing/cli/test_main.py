"""The command line as a user meets it: files, words and exit codes."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from proseg import __version__
from proseg.cli import main as cli
from proseg.phantom import make_phantom

HEAVY = ("torch", "monai", "SimpleITK", "numpy", "PIL")


@pytest.fixture(scope="module")
def t2w(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("input") / "ein Fall é.nii.gz"
    sitk.WriteImage(make_phantom(3, size=(144, 144, 14), spacing=(1.0, 1.0, 4.0)).image, str(path))
    return path


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["segment", "--help"], ["segment"]])
def test_help_version_and_mistakes_import_nothing_heavy(arguments):
    program = (
        "import sys\nfrom proseg.cli.main import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(("names", "taken"), [(["1.dcm", "2.dcm", "3"], "."), (["2.dcm", "3"], "2.dcm"), (["3"], "3")])
def test_what_a_shell_makes_of_a_pattern_is_the_folder_or_the_series_of_its_first_file(tmp_path, names, taken):
    for name in ("1.dcm", "2.dcm", "3"):
        (tmp_path / name).touch()
    options = cli._parser().parse_args(["segment", *(str(tmp_path / name) for name in names), "-o", "x.nii"])
    assert options.input == tmp_path / taken


@pytest.mark.parametrize("names", [["a.nii", "b.nii"], ["a/1.dcm", "b/1.dcm"], ["a", "1.dcm"]])
def test_several_examinations_are_sent_to_the_batch_in_a_sentence(tmp_path, names, capsys):
    (tmp_path / "a").mkdir()
    with pytest.raises(SystemExit) as stop:
        cli._parser().parse_args(["segment", *(str(tmp_path / name) for name in names), "-o", "x.nii"])
    assert stop.value.code == 2
    assert "2 inputs are not one examination: give one, or all of them to: proseg batch" in capsys.readouterr().err


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"proseg {__version__}\n"


def test_all_outputs_of_one_run_appear(t2w, tmp_path, capsys):
    code = cli.main(
        [
            *("segment", str(t2w), "-o", str(tmp_path / "zones.nii.gz"), "--report", str(tmp_path / "r.json")),
            *("--preview", str(tmp_path / "p.png"), "--uncertainty", str(tmp_path / "u.nrrd"), "--psa", "4.2"),
        ]
    )
    captured = capsys.readouterr()
    assert code == 0
    assert captured.err == ""  # no progress bar where there is no terminal
    assert "gland" in captured.out
    assert files(tmp_path) == {"zones.nii.gz", "r.json", "p.png", "u.nrrd"}
    image, zones = sitk.ReadImage(str(t2w)), sitk.ReadImage(str(tmp_path / "zones.nii.gz"))
    assert zones.GetSize() == image.GetSize()
    assert set(np.unique(sitk.GetArrayViewFromImage(zones))) == {0, 1, 2}
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["measurements"]["psa_density"] > 0
    assert report["provenance"]["model"] == "ProSeg"
    assert 0 <= sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "u.nrrd"))).max() <= 1
    with Image.open(tmp_path / "p.png") as picture:
        assert min(picture.size) > 400


def test_the_report_can_be_a_page(t2w, tmp_path):
    page = tmp_path / "report.HTML"
    assert cli.main(["segment", str(t2w), "-o", str(tmp_path / "zones.nii.gz"), "--report", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "Not reviewed." in text


@pytest.mark.parametrize("ending", [".mha", ".seg.nrrd"])  # and .nii.gz above
def test_the_ending_says_the_format(t2w, tmp_path, ending):
    out = tmp_path / f"new folder/zones{ending}"
    assert cli.main(["segment", str(t2w), "-o", str(out)]) == 0
    assert set(np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(out))))) == {0, 1, 2}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["nowhere.nii.gz"], "nowhere.nii.gz does not exist"),
        (["-o", "zones.docx"], "ending"),
        (["--report", "r.txt"], "ending"),
        (["--psa", "-1"], "PSA"),
        (["--psa", "nan"], "PSA"),
        (["--psa", "1.234,5"], "cannot be read as a PSA"),
        (["--psa", "0"], "A PSA of 0 is impossible"),
        (["--weights", "missing.pt"], "missing.pt"),
        (["--device", "cuda"], "--device auto"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_code_2(t2w, tmp_path, capsys, monkeypatch, change, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    source = [] if change[0].startswith("nowhere") else [str(t2w)]
    assert cli.main(["segment", *source, "-o", "zones.nii.gz", *change]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    assert files(tmp_path) == set()


def test_the_input_is_never_overwritten(t2w, capsys):
    before = t2w.read_bytes()
    assert cli.main(["segment", str(t2w), "-o", str(t2w)]) == 2
    assert "input itself" in capsys.readouterr().err
    assert t2w.read_bytes() == before


def test_nothing_is_left_behind_when_one_output_fails(t2w, tmp_path, monkeypatch, capsys):
    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("proseg.outputs.preview.preview", broken)
    out = tmp_path / "zones.nii.gz"
    out.write_bytes(b"an older result")
    code = cli.main(["segment", str(t2w), "-o", str(out), "--preview", str(tmp_path / "p.png")])
    assert code == 2
    assert "disk is full" in capsys.readouterr().err
    assert out.read_bytes() == b"an older result"
    assert files(tmp_path) == {"zones.nii.gz"}


def test_an_unforeseen_fault_is_told_without_a_traceback(t2w, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("proseg.segmentation.segmenter.clean_up", lambda *_: 1 / 0)
    assert cli.main(["segment", str(t2w), "-o", str(tmp_path / "zones.nii.gz")]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    with pytest.raises(ZeroDivisionError):
        cli.main(["segment", str(t2w), "-o", str(tmp_path / "zones.nii.gz"), "--traceback"])
    assert files(tmp_path) == set()


def test_an_interrupt_leaves_nothing_and_says_so(t2w, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("proseg.segmentation.segmenter.clean_up", interrupted)
    assert cli.main(["segment", str(t2w), "-o", str(tmp_path / "zones.nii.gz")]) == 130
    assert "no file was left half written" in capsys.readouterr().err
    assert files(tmp_path) == set()


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_an_interrupt_while_torch_is_loaded_waits_until_it_is_whole(t2w, tmp_path, monkeypatch, capsys):
    class Struck:
        """Stands at the head of the import system: where the networks' module is looked for, Ctrl-C is pressed."""

        @staticmethod
        def find_spec(name, path, target=None):
            if name == module:
                os.kill(os.getpid(), signal.SIGINT)

    module = "proseg.segmentation.segmenter"
    before = importlib.import_module(module)
    monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(module, before)  # so that the package has the old one again afterwards
    monkeypatch.setattr(sys, "meta_path", [Struck, *sys.meta_path])
    assert cli.main(["segment", str(t2w), "-o", str(tmp_path / "zones.nii.gz")]) == 130
    assert "Interrupted" in capsys.readouterr().err
    assert sys.modules[module].Segmenter is not before.Segmenter  # loaded anew, to its end
    assert files(tmp_path) == set()


def test_strict_turns_a_serious_flag_into_exit_code_3(tmp_path):
    image = tmp_path / "no prostate.nrrd"
    sitk.WriteImage(make_phantom(5, size=(144, 144, 14), spacing=(1.0, 1.0, 4.0), prostate=False).image, str(image))
    arguments = ["segment", str(image), "-o", str(tmp_path / "zones.nii.gz")]
    assert cli.main(arguments) == 0
    assert cli.main([*arguments, "--strict"]) == 3


def test_a_terminal_sees_a_progress_bar_with_the_stage(t2w, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert cli.main(["segment", str(t2w), "-o", str(tmp_path / "zones.nii.gz")]) == 0
    shown = capsys.readouterr().err
    assert all(stage in shown for stage in ("Reading", "Loading the model", "Segmenting", "Writing", "100%"))
    assert shown.endswith("\r")


def test_info_names_model_checksum_and_device(capsys):
    assert cli.main(["info", "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    assert "ProSeg 0.1.0" in told
    assert "SHA-256" in told
    assert "cpu" in told


def test_the_demo_leaves_a_picture_and_a_segmentation(tmp_path, capsys):
    assert cli.main(["demo", "-o", str(tmp_path / "demo")]) == 0
    assert files(tmp_path / "demo") == {"t2w.nii.gz", "truth.nii.gz", "zones.seg.nrrd", "report.json", "preview.png"}
    dice = float(capsys.readouterr().out.split("Dice ")[1].split()[0])
    assert dice >= 0.85
