"""What the documents promise a reader: links and pictures that are there, messages that the program gives, brevity."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from Testing.test_repository import ROOT, python_files, repository_files

MODEL_CARD = ROOT / "ProSegSlicer" / "Resources" / "Models" / "MODEL_CARD.md"
TROUBLES = {"README.md": "When something is wrong", "docs/troubleshooting.md": "What it says when something is wrong"}
# [text](target), ![text](target), <img src="target">, and [text]: target at the start of a line.
LINK = re.compile(
    r"""\]\(\s*<?([^\s)>]+)>?[^)]*\)|<(?:img|a)\b[^>]*?\b(?:src|href)="([^"]+)"|^\[[^\]]+\]:\s*(\S+)""", re.M
)
CODE = re.compile(r"^(```|~~~).*?^\1|`(?:[^`\n]|\n(?!\n))+`", re.DOTALL | re.MULTILINE)


def documents() -> list[Path]:
    return [path for path in repository_files() if path.suffix == ".md"]


def links_of(text: str) -> list[str]:
    """The targets of all links and pictures in a Markdown text, those inside code left out."""
    return ["".join(groups) for groups in LINK.findall(CODE.sub("", text))]


def anchors_of(text: str) -> set[str]:
    """The anchors that GitHub makes of a document's headings: lower case, hyphens for blanks, no punctuation."""
    headings = re.findall(r"^#+ +(.*?)\s*$", CODE.sub(lambda code: code[0].replace("#", ""), text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(document: Path, files: set[Path]) -> list[str]:
    """The relative links of a document that lead to no file of the repository, or to no heading of a document."""
    dead = []
    for link in links_of(document.read_text(encoding="utf-8")):
        name, _, anchor = unquote(link).partition("#")
        target = (document.parent / name).resolve() if name else document
        if re.match(r"[a-z][a-z+.\-]*:", link):
            continue
        if target not in files or (anchor and anchor not in anchors_of(target.read_text(encoding="utf-8"))):
            dead.append(link)
    return dead


def section(path: Path, heading: str) -> str:
    """The text under a heading of the second level."""
    text = path.read_text(encoding="utf-8")
    assert f"\n## {heading}\n" in text
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def texts_of(path: Path) -> str:
    """All that a Python file can say: its string constants, the parts of f-strings apart."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return "\n".join(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def test_every_relative_link_leads_to_a_file_and_a_heading() -> None:
    files = {path.resolve() for path in repository_files()}
    found = {path.relative_to(ROOT).as_posix(): dead_links(path, files) for path in documents()}
    assert {name: links for name, links in found.items() if links} == {}


@pytest.mark.parametrize(
    "text",
    [
        "[a](gone.md)",
        "![a](gone.png)",
        '<img src="gone.png">',
        "[a]: gone.md",
        "[a](here.md#gone)",
        "`a\nb` [a](#gone)",
    ],
)
def test_a_dead_link_would_be_seen(tmp_path: Path, text: str) -> None:
    here, document = tmp_path / "here.md", tmp_path / "document.md"
    here.write_text("# There\n")
    document.write_text(text)
    assert len(dead_links(document, {here.resolve(), document.resolve()})) == 1


@pytest.mark.parametrize(
    "text", ["[a](here.md)", "[a](here.md#it-is-there)", "[a](https://example.org/gone)", "`[a](gone.md)`", "[a](#)"]
)
def test_a_link_that_leads_somewhere_is_no_dead_one(tmp_path: Path, text: str) -> None:
    here, document = tmp_path / "here.md", tmp_path / "document.md"
    here.write_text("## It is: there\n")
    document.write_text(text)
    assert dead_links(document, {here.resolve(), document.resolve()}) == []


def test_every_document_is_reached_from_the_index() -> None:
    """Through links, however many: a page that none names is found by nobody."""
    reached, waiting = set(), [ROOT / "docs" / "index.md"]
    while waiting:
        document = waiting.pop().resolve()
        if document in reached or document.suffix != ".md":
            continue
        reached.add(document)
        links = (link.partition("#")[0] for link in links_of(document.read_text(encoding="utf-8")) if ":" not in link)
        waiting += [document.parent / link for link in links if link]
    pages = [path for path in documents() if path.is_relative_to(ROOT / "docs")]
    assert [path.name for path in pages if path.resolve() not in reached] == []


@pytest.mark.parametrize(("path", "most"), [(ROOT / "README.md", 150), (MODEL_CARD, 120)])
def test_what_everybody_opens_first_stays_short(path: Path, most: int) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= most


def test_the_model_card_has_the_usual_sections() -> None:
    assert re.findall(r"^## (.*)$", MODEL_CARD.read_text(encoding="utf-8"), re.MULTILINE) == [
        *("Intended use", "Out of scope", "Data and licences", "Training", "Metrics", "Per source"),
        *("Limits", "Ethical notes", "Versions"),
    ]


@pytest.mark.parametrize("reader", ["radiologist", "researcher", "developer"])
def test_the_index_leads_each_reader_by_three_links(reader: str) -> None:
    assert len(re.findall(r"^\d\. \[", section(ROOT / "docs" / "index.md", f"I am a {reader}"), re.MULTILINE)) == 3


@pytest.mark.parametrize("name", TROUBLES)
def test_the_table_of_troubles_has_messages_that_the_program_gives(name: str) -> None:
    said = "\n".join(texts_of(path) for path in python_files() if "Testing" not in path.parts)
    said += " sagittal "  # the plane is filled in
    table = [line for line in section(ROOT / name, TROUBLES[name]).splitlines() if line.startswith("|")]
    messages = re.findall(r"\*([^*]+)\*", "".join(line.split("|")[1] for line in table))
    assert len(messages) > 5
    fragments = [part.strip() for message in messages for part in re.split("…|sagittal", message)]
    assert [fragment for fragment in fragments if fragment not in said] == []


def commands_of(document: Path) -> list[list[str]]:
    """The words of every command in a document's blocks of code and in its lines, comments left out."""
    codes = [code[0].strip("`~") for code in CODE.finditer(document.read_text(encoding="utf-8"))]
    return [line.partition(" #")[0].split() for code in codes for line in code.splitlines() if line.strip()]


def modules_of(command: list[str]) -> list[str]:
    """What follows ``python -m``, where it lies in one of the repository's own packages."""
    modules = [command[place + 1] for place, word in enumerate(command[:-1]) if word == "-m"]
    return [name for name in modules if (ROOT / name.partition(".")[0]).is_dir()]


def test_the_modules_that_documents_name_can_be_run() -> None:
    named = {name for document in documents() for command in commands_of(document) for name in modules_of(command)}
    assert len(named) > 10
    places = {name: ROOT.joinpath(*name.split(".")) for name in named}
    runnable = {
        name for name, path in places.items() if (path / "__main__.py").is_file() or path.with_suffix(".py").is_file()
    }
    assert named - runnable == set()


def test_the_options_of_proseg_that_documents_name_are_known() -> None:
    files = (ROOT / "ProSegSlicer" / "proseg" / "cli").glob("*.py")
    known = {"--help"} | {word for path in files for word in texts_of(path).split()}
    commands = [command for document in documents() for command in commands_of(document)]
    words = [word for command in commands if command[0].rpartition("/")[2] == "proseg" for word in command]
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert len(options) > 5
    assert options - known == set()
