from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from proseg.errors import InputError
from publishing.metadata import Metadata, read

ROOT = Path(__file__).resolve().parents[3]


def cited(**citation: Any) -> Metadata:
    return Metadata("", {}, (), {}, citation)


def test_the_extension_is_described_in_lines_that_slicers_tools_can_read() -> None:
    fields = ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS")
    assert tuple(read(ROOT).extension) == fields


def test_the_authors_are_the_same_wherever_they_are_named() -> None:
    metadata = read(ROOT)
    assert metadata.contributors
    module = (ROOT / "ProSegSlicer" / "ProSegSlicer.py").read_text(encoding="utf-8")
    assert f"parent.contributors = {metadata.contributors}".replace("'", '"') in module
    assert metadata.extension["CONTRIBUTORS"] == ", ".join(metadata.contributors)
    package = re.search(r"^authors = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert package
    names = re.findall(r'name = "([^"]+)"', package[1])
    assert names == [contributor.partition(" (")[0] for contributor in metadata.contributors]


@pytest.mark.parametrize(
    ("author", "contributor"),
    [
        ({"given-names": "Ann", "family-names": "Ray", "affiliation": "A Hospital"}, "Ann Ray (A Hospital)"),
        (
            {"given-names": "Jan", "name-particle": "van", "family-names": "Eyck", "affiliation": "B"},
            "Jan van Eyck (B)",
        ),
        ({"name": "The developers"}, "The developers (Owner)"),
    ],
)
def test_a_person_belongs_to_the_affiliation_and_a_group_to_the_repositorys_owner(
    author: dict[str, str], contributor: str
) -> None:
    metadata = cited(authors=[author], **{"repository-code": "https://github.com/Owner/SlicerX"})
    assert metadata.contributors == [contributor]


def test_keywords_become_topics_as_github_writes_them() -> None:
    assert cited(keywords=["3D Slicer extension", "MRI"]).topics == ["3d-slicer-extension", "mri"]


@pytest.mark.parametrize(
    ("name", "text"), [("CITATION.cff", "a: [b"), ("docs/catalog/X.json", "{"), ("CMakeLists.txt", None)]
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, text: str | None) -> None:
    (tmp_path / "docs" / "catalog").mkdir(parents=True)
    (tmp_path / "CMakeLists.txt").touch()
    (tmp_path / "CITATION.cff").touch()
    if text is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=re.escape(name)):
        read(tmp_path)
