from __future__ import annotations

import os
import subprocess
import sys

import pytest

from proseg.system.threads import is_forked, share_processor


def test_threads_sleep_while_they_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    share_processor()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_whoever_set_it_before_knows_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    share_processor()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


@pytest.mark.parametrize("program", ["proseg.cli.main", "proseg.worker.server"])
def test_it_is_asked_for_before_torch_is_loaded(program: str) -> None:
    code = (
        f"import sys; import {program} as program; program.share_processor = lambda: print('torch' in sys.modules);"
        "sys.argv = ['proseg', 'info', '--weights', 'missing']; program.main()"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, input="", check=False)
    assert "False" in ran.stdout + ran.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system that does not fork")
def test_a_fork_is_known_and_its_origin_is_not_one() -> None:
    assert not is_forked()
    child = os.fork()
    if child == 0:
        os._exit(int(is_forked()))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
