"""Cases a minute, with and without the start of the program."""

from __future__ import annotations

import pytest

from benchmarks.speed import batch


def test_the_start_is_told_from_the_work_by_two_folders() -> None:
    found = batch.rates({4: 4.0, 40: 22.0}, peak_mb=900.0)
    assert found["per_minute"] == pytest.approx(60 * 40 / 22)
    assert found["running_per_minute"] == pytest.approx(120)
    assert found["start_s"] == pytest.approx(2)


def test_a_noisy_pair_of_folders_claims_no_rate() -> None:
    assert batch.rates({4: 5.0, 40: 4.0}, peak_mb=None)["running_per_minute"] is None


def test_a_version_without_batch_is_told() -> None:
    assert batch.describe({"missing": "this version has no `proseg batch`"}) == (
        "Not measured: this version has no `proseg batch`.\n"
    )
