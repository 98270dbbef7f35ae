"""Operations are counted as the arithmetic says."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.speed.limit import best, describe, operations, peak, reached

FOUND = {
    "peaks": {
        "float32": {"matrix products": 100.0, "convolutions": 120.0},
        "bfloat16": {"matrix products": 400.0, "convolutions": 300.0},
    },
    "networks": {
        "locator": {"gflop": 2.0, "seconds": 0.1, "gflops": 20.0, "shapes": [[1, 1, 20, 64, 64]]},
        "segmenter": {"gflop": 38.0, "seconds": 0.3, "gflops": 126.7, "shapes": [[1, 1, 20, 160, 160]]},
    },
    "dtype": "bfloat16",
    "threads": 2,
    "profile": [{"name": "aten::mkldnn_convolution", "share": 0.6, "calls": 130}],
}


def test_the_operations_of_a_convolution_are_counted() -> None:
    from torch import nn

    network = nn.Conv2d(4, 8, 3, padding=1)
    assert operations(network, (2, 4, 10, 12)) == 2 * (2 * 8 * 10 * 12) * (4 * 9)


def test_the_networks_operations_grow_with_the_slices() -> None:
    from proseg.model.network import NetworkConfig, ProSeg

    network = ProSeg(NetworkConfig(widths=(8, 8, 16, 16), depths=(1, 1, 1, 1))).eval()
    few, many = (operations(network, (1, 1, slices, 32, 32), (3.0,)) for slices in (4, 8))
    assert 1.9 * few < many < 2.3 * few


def test_the_share_reached_is_of_the_highest_peak_of_the_arithmetic_that_ships() -> None:
    assert peak(FOUND) == 400
    assert peak(FOUND, "float32") == 120
    assert reached(FOUND) == pytest.approx(40 / 0.4 / 400)


def test_the_tables_tell_what_was_reached() -> None:
    text = describe(FOUND)
    assert "reach 25 % of its peak" in text
    assert "| segmenter | 38.0 | 0.30 | 0.095 | 106 % | 32 % |" in text


def test_the_best_time_is_the_shortest(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.speed import limit

    ticks: Any = iter([0, 0, 3, 3, 10, 10, 11, 11])
    monkeypatch.setattr(limit.time, "perf_counter", lambda: next(ticks))
    assert best(lambda: None, patience_s=9) == 1
