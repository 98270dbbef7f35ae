"""``proseg batch`` as a user meets it: real workers, files, words and exit codes, and what survives a kill."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from proseg.cli import main as cli
from proseg.phantom import make_phantom

posix = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
MODULES = Path(__file__).resolve().parents[2]
PATIENCE_S = 120


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small examinations and a broken one, in a folder named after a patient."""
    folder = tmp_path_factory.mktemp("batch") / "Doe^Jane 4711"
    (folder / "ann").mkdir(parents=True)
    image = make_phantom(3, size=(112, 112, 10), spacing=(1.2, 1.2, 5.0)).image
    sitk.WriteImage(image, str(folder / "ann" / "t2w é.nii.gz"))
    sitk.WriteImage(image, str(folder / "bob.mha"))
    (folder / "broken.nrrd").write_text("NRRD")
    return folder


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert len({row["id"] for row in read}) == len(read)
    return {row["id"]: row for row in read}


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def ran(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """One real run with everything that can be asked for."""
    out = tmp_path_factory.mktemp("out")
    more = ["--format", "nii.gz", "--format", ".seg.nrrd", "--report", "json", "--report", "html", "--preview"]
    return cli.main(["batch", str(source), "-o", str(out), "--workers", "1", *more]), out


def test_every_case_becomes_files_and_a_row_and_the_broken_one_a_row_that_says_why(ran):
    code, out = ran
    assert code == 1
    made = {
        pattern.format(name)
        for name in ("ann_t2w é", "bob")
        for pattern in ("{}.nii.gz", "{}.seg.nrrd", "reports/{}.json", "reports/{}.html", "previews/{}.png")
    }
    small = {"previews/small/ann_t2w é.jpg", "previews/small/bob.jpg"}
    assert files(out) == made | small | {"results.csv", "summary.html"}
    table = rows(out)
    assert [row["status"] for row in table.values()] == ["done", "done", "failed"]
    assert table["broken"]["sentence"].startswith("broken is ")
    assert float(table["bob"]["gland_ml"]) > 10
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "bob.nii.gz")))
    assert set(np.unique(labels)) == {0, 1, 2}
    with Image.open(out / "previews" / "small" / "bob.jpg") as picture:
        assert picture.width == 480
        assert np.asarray(picture).std() > 10


def test_no_output_names_the_folders(ran, source):
    _, out = ran
    for path in out.rglob("*"):
        if path.is_file():
            assert not re.search(rb"Doe\^|Jane 4711", path.read_bytes()), path.name
            assert "Doe" not in path.name
    assert "Doe" not in (out / "summary.html").read_text(encoding="utf-8")


def test_a_manifest_gives_ids_in_place_of_file_names_and_psa(source, tmp_path):
    manifest = source / "list.csv"
    manifest.write_text("path,id,psa\nbob.mha,P-001,6.5\n", encoding="utf-8")
    code = cli.main(["batch", str(manifest), "-o", str(tmp_path), "--workers", "1", "--report", "json"])
    manifest.unlink()
    assert code == 0
    row = rows(tmp_path)["P-001"]
    assert (row["name"], row["psa_ng_ml"]) == ("P-001", "6.5")
    assert float(row["psa_density"]) == pytest.approx(6.5 / float(row["gland_ml"]), abs=1e-3)
    assert "bob" not in (tmp_path / "reports" / "P-001.json").read_text()


def test_a_flag_that_needs_a_look_is_code_3_if_asked_for(source, tmp_path):
    image = make_phantom(5, size=(112, 112, 10), spacing=(1.2, 1.2, 5.0), prostate=False).image
    sitk.WriteImage(image, str(tmp_path / "none.mha"))
    arguments = ["batch", str(tmp_path / "none.mha"), "-o", str(tmp_path / "out"), "--workers", "1"]
    assert cli.main([*arguments, "--strict"]) == 3
    assert any(int(rows(tmp_path / "out")["none"][f"{kind}_flags"]) for kind in ("critical", "warning"))
    assert cli.main(arguments) == 0  # it is done


@posix
def test_killed_and_started_again_nothing_is_lost_or_done_twice(source, tmp_path):
    names = [f"case{number}" for number in range(5)]
    manifest = source / "kill.csv"
    lines = [f"{'broken.nrrd' if name == 'case2' else 'bob.mha'},{name}" for name in names]
    manifest.write_text("\n".join(["path,id", *lines]), encoding="utf-8")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "proseg", "batch", str(manifest), "-o", str(out), "--workers", "2", "--preview"]
    finished: set[str] = set()
    run = subprocess.Popen(command, cwd=MODULES, stdout=subprocess.PIPE, text=True, start_new_session=True)
    for line in run.stdout:
        if found := re.match(r"\[\d+/\d+\] (\w+): done", line):
            finished.add(found[1])
            if len(finished) == 2:
                break
    os.kill(run.pid, signal.SIGKILL)  # it alone: its workers must end by themselves
    run.communicate()
    assert_no_worker_lives(out)
    run = subprocess.run(command, cwd=MODULES, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    again = set(re.findall(r"^\[\d+/\d+\] (\w+): done", run.stdout, re.MULTILINE))
    assert not again & finished
    table = rows(out)
    assert list(table) == names
    assert {name for name, row in table.items() if row["status"] == "failed"} == {"case2"}
    good = [name for name in names if name != "case2"]
    made = {f"{name}.seg.nrrd" for name in good} | {f"previews/{name}.png" for name in good}
    assert files(out) == made | {f"previews/small/{name}.jpg" for name in good} | {"results.csv", "summary.html"}
    assert all(sitk.ReadImage(str(out / f"{name}.seg.nrrd")).GetSize() == (112, 112, 10) for name in good)
    manifest.unlink()


def assert_no_worker_lives(out: Path) -> None:
    """The workers of a batch that was killed have ended, or end within seconds."""
    until = time.monotonic() + 20
    while True:
        found = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
        orphans = [line for line in found.splitlines() if "proseg.batch.worker" in line and line.split()[1] == "1"]
        if not orphans:
            return
        assert time.monotonic() < until, orphans
        time.sleep(0.1)


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_with_a_sentence_and_a_whole_table(source, tmp_path, number):
    manifest = tmp_path / "many.csv"  # far more than are done before the signal comes, however busy the machine
    manifest.write_text("path,id\n" + "".join(f"{source / 'bob.mha'},case{n}\n" for n in range(40)), encoding="utf-8")
    command = [sys.executable, "-m", "proseg", "batch", str(manifest), "--root", str(source), "--workers", "1"]
    command += ["-o", str(tmp_path / "out")]
    run = subprocess.Popen(command, cwd=MODULES, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in run.stdout:
        if line.startswith("[1/"):
            break
    run.send_signal(number)
    _, said = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 128 + number, said
    assert said.startswith("proseg: Interrupted; what was done stays.")
    assert "Traceback" not in said
    assert rows(tmp_path / "out")["case0"]["status"] == "done"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone", "-o", "out"], "gone does not exist"),
        (["{}", "-o", "out", "--workers", "0"], "0 workers cannot work"),
        (["{}", "-o", "out", "--format", "jpeg"], "There is no format jpeg"),
        (["{}", "-o", "{}/bob.mha"], "a file"),
        (["{}", "-o", "out", "--weights", "gone.pt"], "gone.pt"),
        (["{}", "-o", "out", "--device", "cuda"], "CUDA"),
        (["{}", "-o", "out", "--scheduler", "nowhere.json"], "nowhere.json"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence_with_exit_code_2(
    source, tmp_path, monkeypatch, capsys, arguments, words
):
    if "cuda" in arguments:
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is a GPU here")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["batch", *(argument.format(source) for argument in arguments)]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert said.count("\n") == 1
    assert not Path("out").exists()


def test_resume_and_overwrite_exclude_each_other(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["batch", "in", "-o", "out", "--resume", "--overwrite"])
    assert stop.value.code == 2


def test_help_names_the_exit_codes_and_the_manifest_and_imports_nothing_heavy():
    program = (
        "import sys\nfrom proseg.cli.main import main\n"
        "try:\n    main(['batch', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'SimpleITK', 'numpy', 'PIL', 'distributed') if name in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=MODULES
    ).stdout
    assert said.splitlines()[-1] == "[]"
    assert all(words in said for words in ("exit codes", "130", "manifest", "--scheduler", "--overwrite"))
