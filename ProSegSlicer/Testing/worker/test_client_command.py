"""The command that starts the worker."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from proseg.worker import client as worker_client
from proseg.worker.client import worker_command


@pytest.mark.parametrize("name", ["Jörg Müller", "it's", 'a "quoted" name', "{braces}"])
def test_the_command_is_ascii_and_finds_the_modules_in_any_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    package = tmp_path / name / "made"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "worker.py").write_text("print('found')", encoding="utf-8")
    monkeypatch.setattr(worker_client, "__file__", str(tmp_path / name / "proseg" / "worker" / "client.py"))
    command = worker_command("made.worker")
    assert "".join(command[1:]).isascii()
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "found\n"
