"""What every test shares: the development data, a phantom, a thread or two, no network."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before numpy, torch or ITK are imported, which read these once; the programs that tests start inherit them. Processes
# that test side by side (pytest-xdist) have a thread each.
for variable in ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ.setdefault(variable, "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait starve whatever else runs

import pytest  # noqa: E402

if TYPE_CHECKING:
    from proseg.phantom import Phantom

ROOT = Path(__file__).resolve().parents[2]
# What tests need beyond the core's own packages; Slicer's Python has none of it.
DEVELOPMENT = ("PySide6", "cmake", "dcmqi", "distributed", "einops", "hypothesis", "monai", "scipy", "slicerio")
LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Skip a file of tests whose package for development is not installed, rather than fail."""
    report = yield
    error = report.call.excinfo.value if report.failed and report.call.excinfo else None
    package = (getattr(getattr(error, "__cause__", None), "name", None) or "").partition(".")[0]
    if package in DEVELOPMENT and importlib.util.find_spec(package) is None:
        report.outcome, report.longrepr = "skipped", (str(collector.path), 0, f"Skipped: {package} is not installed")
    return report


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of development data, which lies beside the repository and not in it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no development data: there is no shared/data beside the repository")
    return folder


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    """A small generated T2W image with its true zones."""
    from proseg.phantom import make_phantom

    return make_phantom(size=(144, 144, 20), spacing=(0.9, 0.9, 3.6))


@pytest.fixture(autouse=True)
def _own_threads() -> Iterator[None]:
    """Give torch its threads back: a training sets their number for good, and a few voxels differ with it."""
    before = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else int(os.environ["OMP_NUM_THREADS"])
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(before)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail, rather than reach out: nothing here may need more than this machine."""
    connect, getaddrinfo = socket.socket.connect, socket.getaddrinfo

    def is_local(host: Any) -> bool:
        return (host.decode() if isinstance(host, bytes) else host) in LOCAL_HOSTS

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_local(address[0]):
            pytest.fail(f"network access to {address}")
        connect(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None and not is_local(host):
            pytest.fail(f"network access: look-up of {host!r}")
        return getaddrinfo(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)


@pytest.fixture
def closed_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders named ``closed`` may not be listed, not even by the superuser, as whom tests may run."""
    scandir = os.scandir

    def refuse(path: str | os.PathLike[str] = ".") -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
