"""Where files may lie and how they may be called; what is never overwritten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk

from proseg.cli import main as cli
from proseg.phantom import make_phantom
from proseg.segmentation.result import SegmentationResult
from proseg.segmentation.segmenter import Segmenter

posix_only = pytest.mark.skipif(os.name != "posix", reason="links and raw names are POSIX")


@pytest.fixture(scope="module")
def image() -> sitk.Image:
    return make_phantom(3, size=(96, 96, 8), spacing=(1.4, 1.4, 4.0)).image


@pytest.fixture(scope="module")
def result(image: sitk.Image) -> SegmentationResult:
    return Segmenter(device="cpu").segment(image)


@pytest.fixture
def _known(result: SegmentationResult, monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks are not asked again: it is names and places that are tried here."""
    monkeypatch.setattr(Segmenter, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(Segmenter, "segment", lambda *_, **__: result)


def put(image: sitk.Image, path: Path) -> Path:
    """Write an image under any name, also one that SimpleITK cannot take."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = path.with_name("t2.nii")
    sitk.WriteImage(image, str(plain))
    return plain.rename(path)


def segment(source: Path, out: Path, *options: str) -> int:
    return cli.main(["segment", str(source), "-o", str(out), *options])


@pytest.mark.usefixtures("_known")
@pytest.mark.parametrize(
    "name",
    [
        "Müller – zwölf.nii",
        "前列腺 🩻.nii",
        "  spaces  and\ttab .nii",
        "-o.nii",
        "$(touch hacked); `touch hacked` & %PATH%.nii",
        "quotes ' \" .nii",
        "x" * 251 + ".nii",
        "é" * 125 + "x.nii",
    ],
    ids=["umlauts", "Chinese and emoji", "spaces", "like an option", "like a command", "quotes", "255", "255 bytes"],
)
def test_any_name_will_do(image, tmp_path, monkeypatch, name):
    if os.name != "posix" and set(name) & set('"\t'):
        pytest.skip("a name that only POSIX allows")
    monkeypatch.chdir(tmp_path)
    source = put(image, tmp_path / "in" / name)
    report = tmp_path / "out" / "report.json"
    assert segment(source, tmp_path / "out" / name, "--report", str(report)) == 0
    assert {path.name for path in report.parent.iterdir()} == {name, "report.json"}
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}


@posix_only
@pytest.mark.usefixtures("_known")
def test_a_name_that_is_no_unicode_will_do_and_can_be_told(image, tmp_path, capfd):
    name = os.fsdecode(b"M\xfcller\n.nii")
    source = put(image, tmp_path / "in" / name)
    assert segment(source, tmp_path / "out" / name) == 0
    assert capfd.readouterr().out.endswith("M\\udcfcller\\n.nii\n")
    source.write_bytes(b"nothing")
    assert segment(source, tmp_path / "out" / name) == 2
    said = capfd.readouterr().err
    assert "M\\udcfcller\\n.nii is not an image" in said
    assert said.count("\n") == 1


@pytest.mark.usefixtures("_known")
def test_the_output_may_lie_in_the_input_s_folder_and_changes_nothing_else_there(image, tmp_path):
    source = put(image, tmp_path / "t2.nii")
    before = source.read_bytes()
    assert segment(source, tmp_path / "zones.nii.gz") == 0
    assert source.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"t2.nii", "zones.nii.gz"}


def test_an_output_in_a_dicom_folder_is_no_slice_of_it(tmp_path):
    sources = pytest.importorskip("benchmarks.reliability.sources")
    study = sources.write("dicom", tmp_path)
    for _ in range(2):
        assert segment(study, study / "zones.nii.gz") == 0
    assert len(list(study.iterdir())) == sources.SIZE[2] + 1


LINKS = {
    "the same name": lambda source, folder: source,
    "a relative path": lambda source, folder: folder / "sub" / ".." / source.name,
    "a symbolic link": lambda source, folder: linked(folder / "link.nii", source, Path.symlink_to),
    "a hard link": lambda source, folder: linked(folder / "link.nii", source, Path.hardlink_to),
    "a link to its folder": lambda source, folder: (
        linked(folder / "sub" / "here", folder, Path.symlink_to) / source.name
    ),
}


def linked(link: Path, target: Path, how) -> Path:
    how(link, target)
    return link


@posix_only
@pytest.mark.parametrize("way", LINKS)
@pytest.mark.parametrize("option", ["-o", "--uncertainty"])
def test_the_input_is_not_overwritten_whatever_it_is_called(image, tmp_path, capsys, way, option):
    source = put(image, tmp_path / "t2.nii")
    (tmp_path / "sub").mkdir()
    before = source.read_bytes()
    target = LINKS[way](source, tmp_path)
    others = ["-o", str(tmp_path / "zones.nii.gz")] if option != "-o" else []
    assert cli.main(["segment", str(source), option, str(target), *others]) == 2
    assert "is the input itself" in capsys.readouterr().err
    assert source.read_bytes() == before
    assert not (tmp_path / "zones.nii.gz").exists()


def test_another_case_of_the_input_s_name_is_the_input_where_the_file_system_says_so(image, tmp_path, capsys):
    source = put(image, tmp_path / "t2.nii")
    if not (tmp_path / "T2.NII").exists():
        pytest.skip("this file system tells upper from lower case")
    assert segment(source, tmp_path / "T2.NII") == 2
    assert "is the input itself" in capsys.readouterr().err


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full"])
def test_a_device_is_never_written_to(image, tmp_path, capsys, device):
    if not Path(device).exists():
        pytest.skip(f"there is no {device}")
    link = linked(tmp_path / "out.nii", Path(device), Path.symlink_to)
    assert segment(put(image, tmp_path / "in" / "t2.nii"), link) == 2
    assert "is a device" in capsys.readouterr().err
    assert link.is_symlink()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read and write anywhere")
@pytest.mark.parametrize("what", ["input", "output"])
def test_what_one_may_not_touch_is_told(image, tmp_path, capsys, what):
    source = put(image, tmp_path / "in" / "t2.nii")
    (tmp_path / "out").mkdir()
    closed = source if what == "input" else tmp_path / "out"
    closed.chmod(0)
    try:
        assert segment(source, tmp_path / "out" / "zones.nii.gz") == 2
    finally:
        closed.chmod(0o700)
    assert "ermission" in capsys.readouterr().err


@posix_only
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only the superuser can become nobody")
@pytest.mark.parametrize("what", ["input", "output"])
def test_what_nobody_may_not_touch_is_told(image, tmp_path, what):
    """The same for a superuser's tests: a child gives up its rights."""
    source = put(image, tmp_path / "in" / "t2.nii")
    (tmp_path / "out").mkdir(mode=0o777)
    for folder in (tmp_path, *tmp_path.parents):
        if not os.stat(folder).st_mode & 0o005 and os.stat(folder).st_uid == os.getuid() and folder != folder.parent:
            folder.chmod(os.stat(folder).st_mode | 0o005)
    (source if what == "input" else tmp_path / "out").chmod(0o700)
    program = (
        "import os, sys\nfrom proseg.reading.t2w import read_t2w\nfrom proseg.outputs.writing import check_target\n"
        "from proseg.errors import ProSegError\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n    check_target(sys.argv[2])\n    read_t2w(sys.argv[1])\n"
        "except ProSegError as error:\n    sys.exit(str(error))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])}
    arguments = [sys.executable, "-c", program, str(source), str(tmp_path / "out" / "zones.nii.gz")]
    ran = subprocess.run(arguments, env=environment, capture_output=True, text=True)
    assert ran.returncode == 1
    assert "ermission" in ran.stderr
    assert "Traceback" not in ran.stderr
