"""What GitHub reads: workflows that run the Makefile's targets, and forms that ask for what a maintainer needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
TARGETS = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
PREPARATIONS = ("choco install make --yes --no-progress",)


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_there_is_a_workflow_for_tests_style_and_wheel() -> None:
    made = {match[1] for path in WORKFLOWS if (match := re.search(r"run: make (\w+)", path.read_text()))}
    assert made == {"test", "lint", "wheel"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_what_a_developer_runs(path: Path) -> None:
    workflow = loaded(path)
    assert workflow[True] == {"push": {"branches": ["main"]}, "pull_request": None}  # YAML 1.1 reads "on" as a truth
    assert workflow["permissions"] == {"contents": "read"}
    commands = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    targets = [re.fullmatch(r"(?:sudo )?make (\w+)(?: PYTHON=python)?", line) for line in commands]
    assert [line for line, found in zip(commands, targets, strict=True) if not found and line not in PREPARATIONS] == []
    assert [found[1] for found in targets if found and found[1] not in TARGETS] == []


def test_the_tests_run_on_each_system_with_each_python_that_is_supported() -> None:
    matrix = loaded(GITHUB / "workflows" / "tests.yml")["jobs"]["tests"]["strategy"]["matrix"]
    assert [system.partition("-")[0] for system in matrix["os"]] == ["ubuntu", "macos", "windows"]
    supported = re.search(r"\(3, (\d+)\) <= .* <= \(3, (\d+)\)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert supported
    assert matrix["python"] == [f"3.{minor}" for minor in range(int(supported[1]), int(supported[2]) + 1)]


@pytest.mark.parametrize("name", ["bug", "question"])
def test_a_form_has_what_github_wants_and_asks_for_no_patients_data(name: str) -> None:
    form = loaded(GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml")
    assert form["name"]
    assert form["description"]
    texts = [part["attributes"]["value"] for part in form["body"] if part["type"] == "markdown"]
    assert "No data of patients" in " ".join(texts)
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert all(part["type"] in ("textarea", "input") and part["attributes"]["label"] for part in fields)
    assert len({part["id"] for part in fields}) == len(fields)


def test_a_bug_comes_with_what_proseg_info_says() -> None:
    fields = {part.get("id"): part for part in loaded(GITHUB / "ISSUE_TEMPLATE" / "bug.yml")["body"]}
    assert "proseg info" in fields["info"]["attributes"]["label"]
    assert fields["info"]["validations"] == {"required": True}


def test_a_pull_request_is_asked_for_tests_and_for_labelmaps_that_stay() -> None:
    template = (GITHUB / "pull_request_template.md").read_text(encoding="utf-8")
    assert "`make test`" in template
    assert "unchanged" in template
