"""Manifests as spreadsheets, R and pandas write them: what is read, what is left out, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from proseg.batch.case import Job, attempt
from proseg.batch.manifest import read_manifest
from proseg.errors import InputError


def only(folder: Path, content: str | bytes):
    """The case of the first row of a manifest."""
    path = folder / "list.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_manifest(path)[0]


@pytest.mark.parametrize(
    "content",
    [
        "path,id,psa\nann.nii,P1,6.5\n",
        "path;id;psa\r\nann.nii;P1;6,5\r\n",
        "path\tid\tpsa\nann.nii\tP1\t6,5\n",
        "sep=;\r\npath;id;psa\r\nann.nii;P1;6,5\r\n",
        '"sep=,"\npath,id,psa\nann.nii,P1,"6,5"\n',
        "sep=\t\npath\tid\tpsa\nann.nii\tP1\t6.5\n",
        "\ufeffpath;id;psa\nann.nii;P1;6.50\n",
        "\ufeffsep=;\npath;id;psa\nann.nii;P1;6.5\n",
        "path,id,psa,,,\nann.nii,P1,6.5,,,\n,,,,,\n",
        "path;id;psa\nann.nii;P1;6.5;;;\n",
        '"","path","id","psa"\n"1","ann.nii","P1",6.5\n"2","bob.nii","P2",NA\n',
        "Unnamed: 0,path,id,psa,PSA_date,psad\n0,ann.nii,P1,6.5,2024-01-01,0.2\n",
        "Path , ID ,PSA (ng/mL)\nann.nii,P1,6.5\n",
        'path;id;"PSA, ng/ml"\nann.nii;P1;6,5\n',
        "path,id,PSA [\u00b5g/L]\nann.nii,P1,6.5\n",
        "path,id,psa_ng_ml\nann.nii,P1,6.5\n",
        "path,id,psa\nann.nii,P1,6.5 ng/ml\n",
        "path;id;psa\nann.nii;P1;6,5\u00a0\u00b5g/l\n",
        "path,id,psa\nann.nii,P1,6.5E+00\n",
        'path,id,psa\n"""ann.nii""",P1,6.5\n',
        "path,id,psa\rann.nii,P1,6.5\r",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_however_a_program_writes_a_manifest_its_cases_are_read(tmp_path, content, encoding):
    if encoding == "utf-16":
        content = content.removeprefix("\ufeff").encode("utf-16")
    case = only(tmp_path, content)
    assert (case.path, case.id, case.psa_ng_ml, case.note, case.fault) == (tmp_path / "ann.nii", "P1", 6.5, "", "")


@pytest.mark.parametrize("cell", ["", "NA", "N/A", "#N/A", "NaN", "<NA>", "null", "None", "-", "?", "."])
def test_ways_to_write_nothing_are_nothing_in_every_column(tmp_path, cell):
    case = only(tmp_path, f"path;psa;id\nann.nii;{cell};{cell}\n")
    assert (case.id, case.named, case.psa_ng_ml, case.note) == ("ann", False, None, "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,psa\nann.nii,<0.1\n", "PSA of <0.1 is a limit"),
        ("path;psa\nann.nii;> 100\n", "PSA of > 100 is a limit"),
        ("path;psa\nann.nii;\u2264 0,1\n", "is a limit"),
        ("path,psa\nann.nii,unknown\n", "PSA of unknown is no number"),
        ("path,psa\nann.nii,-1\n", "PSA of -1 is no number"),
        ("path,psa\nann.nii,0\n", "PSA of 0 is impossible"),
        ("path,psa\nann.nii,65000\n", "PSA of 65000 is impossible"),
        ("path,psa\nann.nii,inf\n", "PSA of inf is no number"),
        ("path,psa\nann.nii,1e999\n", "PSA of 1e999 is no number"),
        ("path,psa\nann.nii,1_0\n", "PSA of 1_0 is no number"),
        ("path,psa\nann.nii,6.5 ng/dL\n", "PSA of 6.5 ng/dL is no number"),
        ("path,psa\nann.nii,#DIV/0!\n", "is no number"),
        ("path;psa\nann.nii;1.234,5\n", "is no number"),
        ('path,psa\nann.nii,"1,234"\n', "may be a thousand times another"),
        ("path,psa\nann.nii,6,5\n", "more cells than the heading"),
        ("path,PSA (ng/dL)\nann.nii,650\n", "PSA is in ng/dl, not in ng/mL"),
        ("path,psa\nann.nii,2024-06-05\n", "is no number"),
    ],
)
def test_a_psa_that_cannot_be_used_is_left_out_and_the_row_says_so(tmp_path, text, words):
    case = only(tmp_path, text)
    assert case.psa_ng_ml is None
    assert words in case.note
    assert case.path == tmp_path / "ann.nii"


def test_a_bad_row_leaves_the_others_as_they_are(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("path;id;psa\nann.nii;P1;<0,1\nbob.nii;P2;4,2\n;P3;3\ncy.nii;P4;\n", encoding="utf-8")
    cases = read_manifest(path)
    assert [(case.id, case.psa_ng_ml) for case in cases] == [("P1", None), ("P2", 4.2), ("P3", 3.0), ("P4", None)]
    assert [bool(case.note) for case in cases] == [True, False, False, False]
    assert [bool(case.fault) for case in cases] == [False, False, True, False]


@pytest.mark.parametrize("above", ["\n\n", ";;\r\n", "# of spring\n", "# two\n\n"])
def test_empty_lines_and_comments_above_the_heading_are_passed_over_and_counted(tmp_path, above):
    case = only(tmp_path, f"{above}path;psa\nann.nii;<1\n")
    assert case.path == tmp_path / "ann.nii"
    assert only(tmp_path, f"{above}path;psa\n;3\n").id == f"Row {2 + above.count(chr(10))} of list.csv"


@pytest.mark.parametrize("start", [b"PK\x03\x04\x14\0", b"\xd0\xcf\x11\xe0\xa1\xb1"])
def test_a_workbook_is_named_with_the_remedy(tmp_path, start):
    (tmp_path / "list.csv").write_bytes(start + bytes(100))
    with pytest.raises(InputError, match=r"is a workbook.*Save it from the spreadsheet as CSV"):
        read_manifest(tmp_path / "list.csv")


def test_a_row_that_is_there_twice_fails_alone(tmp_path):
    (tmp_path / "list.csv").write_text("path,id\nann.nii,A\nbob.nii,B\nann.nii,A\nann.nii,C\n", encoding="utf-8")
    cases = read_manifest(tmp_path / "list.csv")
    assert [case.id for case in cases] == ["A", "B", "Row 4 of list.csv", "C"]
    assert [bool(case.fault) for case in cases] == [False, False, True, False]


@pytest.mark.parametrize("path", ["", "NA", "\u2013"])
def test_a_row_without_a_file_is_a_case_that_fails_with_the_reason(tmp_path, path):
    case = only(tmp_path, f"id,path,psa\n,{path},4\n")
    assert case.id == "Row 2 of list.csv"
    row = attempt(Job(case.id, str(case.path), [], str(tmp_path), fault=case.fault), lambda: None)
    assert row["status"] == "failed"
    assert "Row 2 of list.csv names no file" in row["sentence"]


@pytest.mark.parametrize("cell", ["1.23E+15", "1,23E+15", "4E+11"])
def test_an_id_that_a_spreadsheet_has_rounded_is_told(tmp_path, cell):
    assert "rounded" in only(tmp_path, f"path;id\nann.nii;{cell}\n").note


def test_an_id_that_is_too_long_gives_way_to_one_made_from_the_path(tmp_path):
    case = only(tmp_path, "path,id\nann.nii," + 90 * "\u00e9")
    assert (case.id, case.named) == ("ann", False)
    assert "more than 160 bytes" in case.note


def test_backslashes_part_folders_where_no_file_has_them(tmp_path):
    assert only(tmp_path, "path\nann\\t2.nii\n").path == tmp_path / "ann" / "t2.nii"


def test_a_manifest_in_windows_letters_is_read_and_the_row_with_such_letters_says_so(tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes("path;id\r\nM\u00fcller.nii;M\u00fcller\r\nann.nii;A\r\n".encode("cp1252"))
    umlaut, plain = read_manifest(path)
    assert (umlaut.path.name, umlaut.id) == ("M\u00fcller.nii", "M\u00fcller")
    assert "Windows-1252" in umlaut.note
    assert not plain.note


def test_a_name_of_nobody_is_a_file_name(tmp_path):
    assert only(tmp_path, "path\n~nobody-of-this-name/t2.nii\n").path == tmp_path / "~nobody-of-this-name" / "t2.nii"
