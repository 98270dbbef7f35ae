"""One image file through SimpleITK: its names, its silence, whether it holds its voxels itself."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.images.files import image_format, is_whole, load, nameable, quiet, read_image_file


def write(path: Path) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4)), str(path))
    return path


def test_stderr_speaks_again_after_quiet_and_only_after_the_last(capfd):
    barrier = threading.Barrier(2)

    def one(delay):
        with quiet():
            barrier.wait(5)
            time.sleep(delay)
            os.write(2, b"hidden")

    threads = [threading.Thread(target=one, args=(delay,)) for delay in (0, 0.05)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


@pytest.mark.parametrize(
    ("name", "kind"), [("a.nii.gz", "NIfTI"), ("a.nii", "NIfTI"), ("a.nrrd", "NRRD"), ("a.mha", "MetaImage")]
)
def test_a_file_is_known_by_its_content(name: str, kind: str, tmp_path: Path) -> None:
    assert image_format(write(tmp_path / name)) == kind


def test_what_is_no_image_has_no_format_and_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.nii.gz"
    path.write_text("not an image")
    assert image_format(path) is None
    with pytest.raises(InputError, match=r"notes\.nii\.gz is not an image"):
        read_image_file(path)


@pytest.mark.parametrize(
    ("name", "whole"), [("a.mha", True), ("a.mhd", False), ("a.nrrd", True), ("a.nhdr", False), ("a.nii", True)]
)
def test_a_header_that_points_to_another_file_is_not_whole(name: str, whole: bool, tmp_path: Path) -> None:
    assert is_whole(write(tmp_path / name)) is whole


def test_a_file_cut_short_is_named_and_never_half_read(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.mha")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"the case is damaged or incomplete"):
        load([path], "the case")


@pytest.mark.skipif(os.name != "posix", reason="names of bytes that are not Unicode")
def test_a_name_that_is_not_unicode_is_read_through_a_link_which_goes_away(tmp_path: Path) -> None:
    good = write(tmp_path / "good.mha")
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mha"))
    good.rename(path)
    assert sitk.GetArrayFromImage(load([path], "the case")).sum() == 276
    with nameable([path]) as (name,):
        assert Path(name).samefile(path)
        assert name.encode()
    assert not Path(name).is_symlink()
