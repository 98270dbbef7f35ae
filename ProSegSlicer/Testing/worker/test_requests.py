"""What a worker makes of a request to refine: what was given stays, and networks run only where they have to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_results import make_result

from proseg.labels import CG
from proseg.segmentation.segmenter import Segmenter
from proseg.worker.server import Worker

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[sitk.Image]:
    """The images that networks were run on; in their place a result is made without any."""
    images: list[sitk.Image] = []

    def segment(_: Segmenter, t2w: Any, *_more: Any) -> Any:
        images.append(t2w.image)
        return replace(make_result(), image=t2w.image)

    monkeypatch.setattr(Segmenter, "segment", segment)
    return images


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Asks one worker, in this process, about one image; its answer."""
    said: list[dict[str, Any]] = []
    worker = Worker(lambda **reply: said.append(json.loads(json.dumps(reply))))
    made = make_result()
    labels = sitk.GetArrayFromImage(made.labelmap)
    labels[6, 2:4, 2:4] = CG  # as only a reader would draw it
    drawn = sitk.GetImageFromArray(labels)
    drawn.CopyInformation(made.labelmap)
    sitk.WriteImage(made.image, str(tmp_path / "t2w.nrrd"))
    sitk.WriteImage(drawn, str(tmp_path / "drawn.nrrd"))
    (tmp_path / "out").mkdir()

    def asked(do: str, **fields: Any) -> dict[str, Any]:
        files = {"image": str(tmp_path / "t2w.nrrd"), "folder": str(tmp_path / "out")}
        given = {"labelmap": str(tmp_path / "drawn.nrrd")} if do == "refine" else {}
        worker.handle(json.dumps({"id": 1, "do": do, "device": "cpu"} | files | given | fields).encode())
        return said[-1]

    return asked


def labels_in(answer: dict[str, Any]) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(answer["labelmap"]))


def test_given_slices_stay_and_the_others_are_drawn_again(ask: Ask, runs: list[sitk.Image]) -> None:
    answer = ask("refine", slices=[6], first=4)
    assert answer["event"] == "done", answer
    labels, ai = labels_in(answer), sitk.GetArrayFromImage(make_result().labelmap)
    assert (labels[6, 2:4, 2:4] == CG).all()
    assert not labels[:4].any()
    assert labels[4].any()
    np.testing.assert_array_equal(labels[7:], ai[7:])
    assert answer["report"]["slice_origins"]["6"] == "reader"


def test_the_networks_run_once_for_an_image_however_often_it_is_refined(ask: Ask, runs: list[sitk.Image]) -> None:
    assert ask("segment")["event"] == "done"
    for first in (4, 5, 3):
        assert ask("refine", first=first)["event"] == "done"
    assert len(runs) == 1


def test_of_another_image_nothing_is_known(ask: Ask, runs: list[sitk.Image], tmp_path: Path) -> None:
    ask("segment")
    other = make_result().image + 1
    sitk.WriteImage(other, str(tmp_path / "other.nrrd"))
    ask("refine", first=4, image=str(tmp_path / "other.nrrd"))
    assert len(runs) == 2


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"slices": [99]}, "input", "There is no slice 99"),
        ({"labelmap": "nowhere.nrrd", "first": 4}, "input", "nowhere.nrrd"),
        ({"slices": ["6"]}, "request", "'slices'"),
        ({"slices": 6}, "request", "'slices'"),
        ({"first": 1.5}, "request", "'first'"),
        ({"last": True}, "request", "'last'"),
        ({"labelmap": None}, "request", "'labelmap'"),
    ],
)
def test_what_cannot_be_refined_is_one_sentence_and_a_next_step(
    ask: Ask, runs: list[sitk.Image], tmp_path: Path, fields: dict[str, Any], kind: str, words: str
) -> None:
    failed = ask("refine", **fields)
    assert (failed["event"], failed["kind"]) == ("failed", kind)
    assert words in failed["sentence"]
    assert "--" not in failed["remedy"]
    assert list((tmp_path / "out").iterdir()) == []
