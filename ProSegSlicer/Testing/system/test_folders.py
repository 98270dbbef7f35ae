"""Walking: order, hidden names, links, circles."""

from __future__ import annotations

from pathlib import Path

from proseg.system.folders import walk


def seen(root: Path, **options) -> list[str]:
    return [(place / name).relative_to(root).as_posix() for place, names in walk(root, **options) for name in names]


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def link(path: Path, to: Path) -> None:
    path.symlink_to(to, target_is_directory=True)


def test_files_come_sorted_and_hidden_ones_not(tmp_path):
    make(tmp_path, "b", "a", ".hidden", ".git/x", "d/2", "d/1", "c/1")
    assert seen(tmp_path) == ["a", "b", "c/1", "d/1", "d/2"]


def test_a_linked_folder_outside_is_walked(tmp_path):
    make(tmp_path / "store", "ann/1", "bob/1")
    (tmp_path / "in").mkdir()
    for name in ("ann", "bob"):
        link(tmp_path / "in" / name, tmp_path / "store" / name)
    assert seen(tmp_path / "in") == ["ann/1", "bob/1"]


def test_a_folder_linked_twice_comes_once_and_under_its_own_place(tmp_path):
    make(tmp_path / "in", "real/1")
    make(tmp_path / "store", "ann/1")
    link(tmp_path / "in" / "a link", tmp_path / "in" / "real")
    for name in ("x", "y"):
        link(tmp_path / "in" / name, tmp_path / "store" / "ann")
    assert seen(tmp_path / "in") == ["real/1", "x/1"]


def test_links_in_a_circle_end(tmp_path):
    make(tmp_path / "in", "a/1")
    make(tmp_path / "other", "1")
    link(tmp_path / "in" / "a" / "up", tmp_path / "in")
    link(tmp_path / "in" / "self", tmp_path / "in" / "self")
    link(tmp_path / "in" / "there", tmp_path / "other")
    link(tmp_path / "other" / "back", tmp_path / "in")
    link(tmp_path / "in" / "above", tmp_path)  # leads to the root and to what is linked already
    assert seen(tmp_path / "in") == ["self", "a/1", "there/1"]  # a link to itself is no folder


def test_a_root_that_is_a_link_is_walked(tmp_path):
    make(tmp_path / "store", "a/1")
    link(tmp_path / "in", tmp_path / "store")
    assert seen(tmp_path / "in") == ["a/1"]


def test_folders_that_cannot_be_listed_are_handed_over(tmp_path, closed_folders):
    make(tmp_path, "open/1", "closed/1")
    closed: list[Path] = []
    assert seen(tmp_path, closed=closed) == ["open/1"]
    assert closed == [tmp_path / "closed"]


def test_the_folder_to_leave_out_is_left_out_by_any_name(tmp_path):
    make(tmp_path, "a/1", "out/1")
    link(tmp_path / "name", tmp_path / "out")
    assert seen(tmp_path, leave_out=tmp_path / "name") == ["a/1"]
