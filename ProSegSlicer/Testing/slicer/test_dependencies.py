from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from importlib import metadata
from typing import Any

import pytest

from proseg.system.packages import HIGHDICOM, PYDICOM
from ProSegSlicerLib import dependencies
from ProSegSlicerLib.dependencies import InstallationError, Need

MISSING = Need("2.4")


class Machine:
    """A machine whose PyTorch an installer can change."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, torch: str | None) -> None:
        self.torch, self.asked, self.pins = torch, [], ""
        real = metadata.version
        monkeypatch.setattr(metadata, "version", lambda name: self.version(name) if name == "torch" else real(name))

    def version(self, name: str) -> str:
        if self.torch is None:
            raise metadata.PackageNotFoundError(name)
        return self.torch

    def install(self, what: Any, log: Callable[[str], None], works: bool = True) -> None:
        from urllib.parse import urlparse
        from urllib.request import url2pathname

        self.asked.append(what)
        address = os.environ["PIP_CONSTRAINT"].split()[-1]
        with open(url2pathname(urlparse(address).path), encoding="utf-8") as file:
            self.pins = file.read()
        log("Collecting torch")
        if works:
            self.torch = "2.13.0"
        else:
            log("ERROR: No space left on device")


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch, None)


def add_module(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    module = types.ModuleType(name)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)


def pytorch_extension(monkeypatch: pytest.MonkeyPatch, machine: Machine, works: bool = True) -> None:
    class Logic:
        def installTorch(self, askConfirmation: bool, torchVersionRequirement: str) -> None:  # noqa: N802, N803
            assert not askConfirmation  # the user has been asked already
            machine.install(torchVersionRequirement, print, works)
            if not works:
                raise RuntimeError("Command failed with return value 1")

        def uninstallTorch(self) -> None:  # noqa: N802
            machine.asked.append("uninstall")

    add_module(monkeypatch, "PyTorchUtils", PyTorchUtilsLogic=Logic)


def test_nothing_is_needed_where_pytorch_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch, "2.13.0+cu126")
    assert dependencies.needed() is None


@pytest.mark.parametrize("version", ["2.4.0", "2.10.1", "3.0.0a1"])
def test_every_newer_version_will_do(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    Machine(monkeypatch, version)
    assert dependencies.needed() is None


def test_an_old_pytorch_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch, "1.13.1")
    assert dependencies.needed() == Need("2.4", "1.13.1")


def test_the_question_says_what_and_how_big(without_torch: Machine) -> None:
    need = dependencies.needed()
    assert need == MISSING
    for word in ("PyTorch 2.4", "MB", "GB", "internet"):
        assert word in need.sentence


def test_looking_imports_nothing_heavy() -> None:
    import subprocess

    from Testing.conftest import ROOT

    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'ProSegSlicer')!r});"
        "from ProSegSlicerLib import dependencies; dependencies.needed();"
        "sys.exit(any(name in sys.modules for name in ('torch', 'SimpleITK', 'numpy', 'slicer')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_pytorch_extension_installs_where_it_is_there(
    monkeypatch: pytest.MonkeyPatch, without_torch: Machine
) -> None:
    pytorch_extension(monkeypatch, without_torch)
    dependencies.install(MISSING)
    assert without_torch.asked == [">=2.4"]


def test_an_old_pytorch_is_taken_away_first(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, "1.13")
    pytorch_extension(monkeypatch, machine)
    dependencies.install(dependencies.needed())
    assert machine.asked == ["uninstall", ">=2.4"]


def test_without_the_extension_the_sentence_says_how_to_get_it_and_pip_is_left_alone(without_torch: Machine) -> None:
    obstacle = dependencies.needed().obstacle
    assert "ProSegSlicer needs PyTorch 2.4 or newer" in obstacle
    assert "Install the extension PyTorch in Slicer's Extensions Manager" in obstacle
    with pytest.raises(InstallationError):
        dependencies.install(MISSING)
    assert without_torch.asked == []


def test_with_the_extension_nothing_is_in_the_way(monkeypatch: pytest.MonkeyPatch, without_torch: Machine) -> None:
    pytorch_extension(monkeypatch, without_torch)
    assert dependencies.needed().obstacle == ""


def test_a_pytorch_that_another_module_uses_is_not_replaced_under_it(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, "1.13")
    pytorch_extension(monkeypatch, machine)
    add_module(monkeypatch, "torch")
    assert "another module is using it. Restart Slicer" in dependencies.needed().obstacle
    monkeypatch.delitem(sys.modules, "torch")
    assert dependencies.needed().obstacle == ""


def test_what_pip_says_is_passed_on_and_still_reaches_the_console(
    monkeypatch: pytest.MonkeyPatch, without_torch: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    pytorch_extension(monkeypatch, without_torch)
    said: list[str] = []
    dependencies.install(MISSING, said.append)
    assert said == ["Collecting torch"]
    assert "Collecting torch" in capsys.readouterr().out


def test_a_pytorch_that_is_there_is_enough_even_if_the_extension_could_not_import_it(
    monkeypatch: pytest.MonkeyPatch, without_torch: Machine
) -> None:
    pytorch_extension(monkeypatch, without_torch)
    install = without_torch.install

    def fail_late(*arguments: Any) -> None:
        install(*arguments)
        raise ImportError("DLL load failed")

    monkeypatch.setattr(without_torch, "install", fail_late)
    dependencies.install(MISSING)


def test_no_package_that_is_there_can_be_replaced(monkeypatch: pytest.MonkeyPatch, without_torch: Machine) -> None:
    pytorch_extension(monkeypatch, without_torch)
    dependencies.install(MISSING)
    pins = without_torch.pins.splitlines()
    for package in ("numpy", "SimpleITK"):
        assert f"{package.lower()}=={metadata.version(package)}" in [pin.lower() for pin in pins]
    assert not [pin for pin in pins if pin.startswith("torch==")]


@pytest.mark.parametrize("before", [None, "https://example.org/constraints.txt"])
def test_pips_environment_is_as_it_was_afterwards(
    monkeypatch: pytest.MonkeyPatch, without_torch: Machine, before: str | None
) -> None:
    if before is None:
        monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    else:
        monkeypatch.setenv("PIP_CONSTRAINT", before)
    pytorch_extension(monkeypatch, without_torch)
    dependencies.install(MISSING)
    assert os.environ.get("PIP_CONSTRAINT") == before


def test_a_failure_shows_the_logs_real_tail(monkeypatch: pytest.MonkeyPatch, without_torch: Machine) -> None:
    pytorch_extension(monkeypatch, without_torch, works=False)
    with pytest.raises(InstallationError, match="could not be installed") as failure:
        dependencies.install(MISSING)
    assert "No space left on device" in failure.value.log
    assert failure.value.remedy


def test_an_installer_that_only_claims_success_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, without_torch: Machine
) -> None:
    pytorch_extension(monkeypatch, without_torch)
    monkeypatch.setattr(without_torch, "install", lambda *_: None)
    with pytest.raises(InstallationError):
        dependencies.install(MISSING)


def test_the_requirements_can_be_read_by_slicers_own_reader() -> None:
    """``slicer.packaging.load_requirements`` skips lines that begin with # and takes each other for a requirement."""
    from packaging.requirements import Requirement

    lines = map(str.strip, dependencies.REQUIREMENTS.read_text(encoding="utf-8").splitlines())
    assert [Requirement(line).name for line in lines if line and not line.startswith("#")] == ["torch"]


def test_the_requirements_are_those_of_the_package() -> None:
    from Testing.conftest import ROOT

    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for package, least in (dependencies.requirement(), PYDICOM, HIGHDICOM):
        assert f'"{package}>={least}"' in project
