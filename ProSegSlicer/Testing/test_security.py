"""What an attacker could use is not there: code from data, a shell, a way out of a folder, a network, a leak."""

from __future__ import annotations

import ast
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk

import proseg
from proseg.cli import main as cli
from proseg.phantom import make_phantom

ROOT = Path(__file__).resolve().parents[2]
SHIPPED_ROOMS = ("ProSegSlicer/proseg", "ProSegSlicer/ProSegSlicerLib", "ProSegSlicer/Scripts")
SHIPPED = [ROOT / "ProSegSlicer" / "ProSegSlicer.py"]
SHIPPED += [file for room in SHIPPED_ROOMS for file in (ROOT / room).rglob("*.py")]

FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "yaml", "joblib", "commands"}
NETWORK_MODULES = {
    "ssl",
    "http",
    "ftplib",
    "smtplib",
    "telnetlib",
    "requests",
    "aiohttp",
    "httpx",
    "distributed",
    "dask",
}
HARMLESS = {"socket.gethostname", "urllib.parse"}  # of the modules of a network
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "input"),
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "tempfile.mktemp"),
    *("torch.jit.load", "torch.package.PackageImporter", "numpy.load", "np.load"),
}  # fmt: skip
CONNECTS = {"cluster.py"}  # through Dask, and only for `--scheduler`


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def modules(tree: ast.Module) -> set[str]:
    """All that is imported, by its first name."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").partition(".")[0])
    return names


def calls(tree: ast.Module) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def troubles(tree: ast.Module) -> list[str]:
    """What a file does that nothing shipped may do."""
    found = [f"import {name}" for name in modules(tree) & FORBIDDEN_MODULES]
    for call in calls(tree):
        name, options = ast.unparse(call.func), {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if name in FORBIDDEN_CALLS:
            found.append(name)
        if options.get("shell", "False") != "False":
            found.append(f"{name} with a shell")
        if name == "torch.load" and options.get("weights_only") != "True":
            found.append("torch.load of more than weights")
        if name.startswith(("os.exec", "os.spawn")) or name.endswith((".extractall", ".extract")):
            found.append(name)
    return found


def test_nothing_shipped_can_run_what_it_reads():
    assert len(SHIPPED) > 60
    found = {file.name: troubles(parsed(file)) for file in SHIPPED}
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from marshal import loads",
        "eval(text)",
        "os.system('ls')",
        "subprocess.run(line, shell=True)",
        "subprocess.Popen(line, shell=flag)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "archive.extractall(folder)",
        "os.execv(program, words)",
        "np.load(path)",
    ],
)
def test_each_of_these_would_be_seen(line):
    assert troubles(ast.parse(line))


def test_programs_are_started_with_lists_of_words():
    """So no file name is ever read by a shell."""
    for file in SHIPPED:
        for call in calls(parsed(file)):
            if re.fullmatch(r"subprocess\.(run|Popen|call|check_call|check_output)", ast.unparse(call.func)):
                assert isinstance(call.args[0], ast.List) or ast.unparse(call.args[0]).startswith("list("), (
                    file,
                    call.lineno,
                )


def reaches_out(tree: ast.Module) -> set[str]:
    """What of the modules of a network a file uses."""
    names = modules(tree) & NETWORK_MODULES
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None)
            dotted = {f"{module}.{alias.name}" if module else alias.name for alias in node.names}
            names |= {name for name in dotted if name.startswith(("socket.", "urllib")) and not _harmless(name)}
        elif isinstance(node, ast.Attribute) and ast.unparse(node).startswith("socket."):
            names |= {ast.unparse(node)} - HARMLESS
    return names


def _harmless(name: str) -> bool:
    return any(f"{name}.".startswith(f"{known}.") for known in HARMLESS)


def test_only_the_cluster_s_file_knows_of_a_network():
    core = ROOT / SHIPPED_ROOMS[0]
    found = {file.name: reaches_out(parsed(file)) for file in SHIPPED if core in file.parents}
    assert {name for name, what in found.items() if what} <= CONNECTS


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("import urllib.request", True),
        ("from urllib.request import urlopen", True),
        ("from urllib import request", True),
        ("import http.client", True),
        ("from socket import create_connection", True),
        ("import socket; socket.socket()", True),
        ("import socket; socket.gethostname()", False),
        ("from urllib.parse import quote", False),
        ("import urllib.parse", False),
    ],
)
def test_what_reaches_out_would_be_seen(line, seen):
    assert bool(reaches_out(ast.parse(line))) == seen


# A run of the real command line in which whatever opens a connection, starts a program or unpickles ends it at once.
WATCHED = """
import json, sys
def watch(event, arguments):
    starts = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "pickle.", "urllib.", "ftplib.")
    if event.startswith(starts):
        import os
        os.write(1, f"FORBIDDEN {event} {arguments}".encode())
        os._exit(99)
import torch
from proseg.cli import main as cli
import proseg.reading.archives, proseg.dicom.series, proseg.segmentation.segmenter, proseg.reading.t2w
import proseg.outputs.page, proseg.outputs.preview
sys.addaudithook(watch)
commands = json.loads(sys.argv[1])
if not commands:
    import socket
    socket.create_connection(("127.0.0.1", 9))
sys.exit(max(cli.main(command) for command in commands))
"""


def watched(*commands: list[str]) -> subprocess.CompletedProcess:
    """Run commands one after the other in one watched process; without any it opens a connection."""
    environment = os.environ | {"PYTHONPATH": str(Path(proseg.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, "-c", WATCHED, json.dumps(commands)], env=environment, capture_output=True, text=True
    )


def test_segmenting_needs_no_network_and_starts_no_program(tmp_path):
    from benchmarks.reliability import sources

    out = [("-o", "zones.seg.nrrd"), ("--report", "r.html"), ("--preview", "p.png"), ("--uncertainty", "u.nrrd")]
    commands = []
    for kind in ("nii.gz", "zip"):
        folder = tmp_path / kind
        folder.mkdir()
        words = [word for option, name in out for word in (option, str(folder / name))]
        commands.append(["segment", str(sources.write(kind, folder)), *words])
    ran = watched(*commands)
    assert "FORBIDDEN" not in ran.stdout
    assert ran.returncode == 0, ran.stderr
    assert all((tmp_path / kind / name).is_file() for _, name in out for kind in ("nii.gz", "zip"))


def test_the_watch_sees_a_connection():
    ran = watched()
    assert ran.returncode == 99
    assert "FORBIDDEN socket." in ran.stdout


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX")
def test_what_is_unpacked_is_private_while_it_is_there_and_gone_afterwards(tmp_path, monkeypatch):
    from benchmarks.reliability import sources

    temporary, modes = tmp_path / "tmp", {}
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    segment = proseg.Segmenter.segment

    def look(*arguments, **options):
        (unpacked,) = temporary.iterdir()
        modes["unpacked"] = stat.S_IMODE(unpacked.stat().st_mode)
        modes["files"] = sum(path.is_file() for path in unpacked.rglob("*"))
        return segment(*arguments, **options)

    monkeypatch.setattr("proseg.segmentation.segmenter.Segmenter.segment", look)
    mask = os.umask(0)
    try:
        assert cli.main(["segment", str(sources.write("zip", tmp_path)), "-o", str(tmp_path / "zones.nii.gz")]) == 0
    finally:
        os.umask(mask)
    assert modes == {"unpacked": 0o700, "files": sources.SIZE[2] + 1}  # and the lock that says whose they are
    assert not list(temporary.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX")
def test_outputs_are_private_while_they_are_written(tmp_path, monkeypatch):
    seen = {}
    write = sitk.WriteImage

    def look(image, path, **options):
        write(image, path, **options)
        seen[Path(path).name] = stat.S_IMODE(os.stat(path).st_mode)

    monkeypatch.setattr("SimpleITK.WriteImage", look)
    source = tmp_path / "t2.nii.gz"
    write(make_phantom(3, size=(96, 96, 8), spacing=(1.4, 1.4, 4.0)).image, str(source))
    mask = os.umask(0)
    try:
        assert cli.main(["segment", str(source), "-o", str(tmp_path / "zones.nii.gz")]) == 0
    finally:
        os.umask(mask)
    assert set(seen.values()) == {0o600}


@pytest.mark.parametrize("entry", ["../secret.nii.gz", "/etc/secret.nii.gz", "a/../../secret.nii.gz"])
def test_a_manifest_cannot_have_files_read_that_lie_elsewhere(tmp_path, entry):
    from proseg.batch.manifest import read_manifest
    from proseg.errors import InputError

    manifest = tmp_path / "in" / "cases.csv"
    manifest.parent.mkdir()
    manifest.write_text(f"path,id\n{entry},a\n")
    with pytest.raises(InputError, match="leads out of"):
        read_manifest(manifest)


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "..\\evil", "a/b", ".", "..", "a\0b", "CON", "a\nb"])
def test_a_case_s_name_never_leads_to_another_folder(tmp_path, name):
    from proseg.reading.cases import safe_name

    made = safe_name(name)
    assert made not in ("", ".", "..")
    assert made.isprintable()
    assert (tmp_path / made).resolve().parent == tmp_path.resolve()
    assert not set(made) & set('/\\:*?"<>|\0')


def test_every_package_of_the_tests_is_pinned():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = {}
    for line in lines:
        found = re.fullmatch(r"([a-z0-9.-]+)==([^ ;]+)( ; .+)?", line)
        assert found, line
        pins.setdefault(found[1], set()).add(found[2])
    asked = re.findall(r'^\s*"?([A-Za-z][\w-]*)(?=[><=])', "\n".join(asked_packages()), re.MULTILINE)
    assert len(asked) > 10
    assert {name.lower() for name in asked} <= set(pins)
    (torch,) = re.findall(r"^TORCH := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert pins["torch"] == {torch}
    assert not [name for name in pins if name.startswith(("nvidia", "cuda", "triton"))]


def asked_packages() -> list[str]:
    """The requirements in pyproject.toml, of the core and of the extras."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.partition("dependencies = [")[2].partition("[project.scripts]")[0]
    return [found for found in re.findall(r'"([^"]+)"', section) if re.search(r"[><=]=", found)]
