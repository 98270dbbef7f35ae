"""Without a GPU the table says so; a pass that fails costs its own row only."""

from __future__ import annotations

import pytest

from benchmarks.speed import gpu


@pytest.fixture
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("_no_gpu")
def test_without_a_gpu_the_table_says_so() -> None:
    found = gpu.look("no file is read")
    assert found["device"] is None
    assert "| no GPU here | – | – | – | – |" in gpu.describe(found)


def test_passes_are_timed_alone_and_together(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch import nn

    monkeypatch.setattr(gpu, "RUNS", 2)
    found = gpu.passes(nn.Conv3d(1, 2, 3), (1, 1, 4, 8, 8), (), "bfloat16", "as it is", "cpu")
    assert found["ms"] > 0
    assert found["per_minute"] > 0


def test_a_way_that_fails_says_why_in_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch import nn

    def broken(*_: object) -> None:
        raise RuntimeError("no compiler\nand a long story")

    monkeypatch.setitem(gpu.WAYS, "torch.compile", broken)
    found = gpu.passes(nn.Identity(), (1, 1, 4, 8, 8), (), "float16", "torch.compile", "cpu")
    text = gpu.describe({"device": "A GPU", "case_s": 0.02, "peak_mb": 300.0, "passes": [found]})
    assert "| torch.compile: RuntimeError: no compiler | float16 | – | – | – |" in text
