from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from Testing.made_results import make_result

from proseg.outputs.material import Material
from proseg.worker.server import Worker


def ask(**request: Any) -> dict[str, Any]:
    told: list[dict[str, Any]] = []
    Worker(lambda **reply: told.append(reply)).handle(json.dumps({"id": 7, "do": "export", **request}).encode())
    (reply,) = told
    assert reply["id"] == 7
    return reply


def test_files_are_made_in_the_folder_that_was_handed_over(tmp_path: Path) -> None:
    made = make_result()
    Material(labelmap=made.labelmap, source="T2W", image=made.image).save(tmp_path)
    reply = ask(folder=str(tmp_path), endings=[".json", ".html"])
    assert (reply["event"], list(reply["files"])) == ("done", [".json", ".html"])
    assert all(Path(path).parent == tmp_path and Path(path).stat().st_size for path in reply["files"].values())


def test_what_cannot_be_exported_is_a_sentence_and_leaves_no_file(tmp_path: Path) -> None:
    made = make_result()
    Material(labelmap=made.labelmap, source="T2W").save(tmp_path)
    before = sorted(tmp_path.iterdir())
    for endings in ([".json", ".docx"], [".json", ".seg.nrrd"]):
        reply = ask(folder=str(tmp_path), endings=endings)
        assert (reply["event"], reply["kind"]) == ("failed", "input")
        assert sorted(tmp_path.iterdir()) == before
    assert ask(folder=str(tmp_path / "nowhere"), endings=[".json"])["kind"] == "input"
    assert ask(folder=str(tmp_path), endings=".json")["kind"] == "request"
