"""Processes are measured from outside, and a failure tells its last words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.processes import Ran, RunError, TreeMemory, call, median, own_peak_mb, run


def test_a_process_is_measured_from_outside() -> None:
    ran = Ran(*call("Testing.benchmarks.test_processes:measured_from_a_small_process"))
    assert 0.2 < ran.wall_s < 60
    assert 80 < ran.peak_mb < 300


def measured_from_a_small_process() -> tuple[float, ...]:
    """On Linux a process has its parent's largest memory in its books, and pytest's may be large."""
    ran = run([sys.executable, "-c", "import time; block = bytearray(80_000_000); time.sleep(0.2)"])
    return ran.wall_s, ran.cpu_s, ran.peak_mb


def test_a_process_that_fails_tells_its_last_words() -> None:
    with pytest.raises(RunError, match=r"ended with 3.*the reason"):
        run([sys.executable, "-c", "import sys; print('the reason'); sys.exit(3)"])


def test_a_function_that_fails_is_named() -> None:
    with pytest.raises(RunError, match=r"^benchmarks.speed.fits:line ended with 1: .*StatisticsError"):
        call("benchmarks.speed.fits:line", [1.0], [1.0])


def test_a_function_runs_in_an_interpreter_of_its_own() -> None:
    assert call("benchmarks.tables:times", 48.2) == "48 ×"


def test_a_function_finds_libraries_where_its_caller_found_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "borrowed.py").write_text("def what() -> str:\n    return 'borrowed'\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert call("borrowed:what") == "borrowed"


def test_the_measuring_process_stays_small() -> None:
    """It must import neither numpy nor torch: its own size would count as its children's."""
    program = "import sys, benchmarks.speed.__main__; print(sorted({'numpy', 'torch', 'SimpleITK'} & set(sys.modules)))"
    found = call("subprocess:getoutput", f'{sys.executable} -c "{program}"')
    assert found.splitlines()[-1] == "[]"


def test_the_memory_of_a_tree_of_processes_is_added_up() -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells the memory of other processes")
    block = "block = bytearray(60_000_000); import time; time.sleep(1)"
    memory = TreeMemory()
    run([sys.executable, "-c", f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {block!r}]); "
         f"{block}; p.wait()"], memory)  # fmt: skip
    assert memory.peak_mb is not None
    assert 120 < memory.peak_mb < 300


def test_medians_are_of_seconds_and_the_largest_of_memory() -> None:
    runs = [Ran(1.0, 2.0, 100.0), Ran(9.0, 4.0, 300.0), Ran(2.0, 3.0, 200.0)]
    assert median(runs) == Ran(2.0, 3.0, 300.0)


def test_this_processs_own_memory_is_known() -> None:
    assert own_peak_mb() > 10
