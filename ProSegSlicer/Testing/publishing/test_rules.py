"""Every rule of the Extensions Index is kept here, and would be seen to be broken."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from Testing.made_repository import make_repository

from publishing import rules
from publishing.metadata import read

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path)


def broken(root: Path) -> list[str]:
    return [finding.rule for finding in rules.check_metadata(root) if finding.faults]


def test_the_repository_keeps_every_rule_of_what_is_written_and_drawn() -> None:
    findings = rules.check_metadata(ROOT)
    assert [str(finding) for finding in findings if finding.faults] == []
    assert len(findings) == 8


def test_the_copy_of_these_tests_keeps_them_too(repository: Path) -> None:
    assert broken(repository) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "rule"),
    [
        ("CMakeLists.txt", "project(ProSeg)", "project(Prostate)", "names"),
        ("ProSegSlicer/CMakeLists.txt", "MODULE_NAME ProSegSlicer)", "MODULE_NAME SlicerProSeg)", "names"),
        ("CITATION.cff", "repository-code: https://github.com/", "repository-code: https://gitlab.com/", "names"),
        ("CITATION.cff", "  - 3D Slicer extension\n", "", "topic"),
        ("CITATION.cff", "developers", "authors", "contributors"),
        ("CITATION.cff", "license: Apache-2.0", "license: MIT", "licence"),
        ("LICENSE.txt", "Version 2.0", "Version 1.1", "licence"),
        ("CMakeLists.txt", "/main/ProSegSlicer.png", "/master/ProSegSlicer.png", "icon"),
        ("CMakeLists.txt", "/main/docs/demo.png", "/main/docs/gone.png", "screenshots"),
        ("README.md", "LICENSE.txt", "the licence", "README"),
    ],
)
def test_a_broken_rule_is_seen(repository: Path, name: str, old: str, new: str, rule: str) -> None:
    text = (repository / name).read_text(encoding="utf-8")
    assert old in text
    (repository / name).write_text(text.replace(old, new), encoding="utf-8")
    assert rule in broken(repository)


@pytest.mark.parametrize(
    "change",
    [
        {"tier": 2},
        {"tier": True},
        {"tier": "1"},
        {"category": "Prostates"},
        {"category": ["Segmentation"]},
        {"scm_url": "https://github.com/ProSegSlicer/ProSeg.git"},
        {"scm_url": None},
        {"build_dependencies": []},
        {"build_dependencies": ["PyTorch", 1]},
        {"$schema": "https://example.org/slicer-extension-catalog-entry-schema-v1.0.0.json#"},
        {"scm_type": "svn"},
        {"status": ""},
    ],
)
def test_a_catalog_entry_that_does_not_fit_the_schema_is_seen(repository: Path, change: dict[str, Any]) -> None:
    path = repository / "docs" / "catalog" / "ProSeg.json"
    entry = json.loads(path.read_text(encoding="utf-8")) | change
    path.write_text(json.dumps({name: value for name, value in entry.items() if value is not None}), encoding="utf-8")
    assert broken(repository) == ["catalog entry"]


def test_a_catalog_entry_is_named_as_the_extension(repository: Path) -> None:
    path = repository / "docs" / "catalog" / "ProSeg.json"
    path.rename(path.with_name("ProSegSlicer.json"))
    assert broken(repository) == ["catalog entry"]


@pytest.mark.parametrize(("size", "kind"), [((64, 64), "PNG"), ((128, 128), "JPEG"), ((128, 128), None)])
def test_an_icon_of_another_size_or_kind_is_seen(repository: Path, size: tuple[int, int], kind: str | None) -> None:
    icon = repository / "ProSegSlicer.png"
    if kind:
        Image.new("RGB", size).save(icon, kind)
    else:
        icon.write_text("no picture")
    assert broken(repository) == ["icon"]


def test_a_truncated_screenshot_is_seen(repository: Path) -> None:
    screenshot = repository / "docs" / "demo.png"
    screenshot.write_bytes(screenshot.read_bytes()[:2000])
    assert broken(repository) == ["screenshots"]


def test_what_is_too_large_is_seen_and_by_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "CLONE_MB", 4)
    monkeypatch.setattr(rules, "TREE_MB", 2)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / ".git" / "pack").write_bytes(bytes(1_500_000))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "weights").write_bytes(bytes(2_250_000))
    faults = {finding.rule: finding.faults for finding in rules.check_clone(tmp_path)}
    assert faults["size of the clone"] == ()
    assert faults["size of the tree"] == ("2.2 of 2 MB: 0.2 MB too much.",)
    assert faults["history"] == ("There are 0 commits instead of one.",)


def test_the_page_tells_every_rule_limit_and_topic(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    page = (ROOT / "docs" / "publishing.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+) \| (?:Index|Slicer|this project) \| (.+) \|$", page, re.MULTILINE))
    assert list(rows) == [finding.rule for finding in (*rules.check_metadata(ROOT), *rules.check_clone(tmp_path))]
    assert f"at most {rules.CLONE_MB} MB" in rows["size of the clone"]
    assert f"at most {rules.TREE_MB} MB" in rows["size of the tree"]
    assert f"--add-topic \\\n    {','.join(read(ROOT).topics)}\n" in page
