"""Where no temporary folder can be written to: what needs none goes on, and what does is not blamed for it."""

from __future__ import annotations

import gc
import shutil
import signal
import tempfile
import zipfile
from pathlib import Path

import pytest
import SimpleITK as sitk

from proseg.errors import InputError
from proseg.reading.cases import find_cases
from proseg.reading.t2w import read_t2w
from proseg.system.stopping import Stopped, stoppable
from proseg.system.temporary import private_folder


@pytest.fixture
def _no_temporary_folder(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert images.is_dir()  # made before, in a temporary folder
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/of/no/such/folder"])
    with pytest.raises(FileNotFoundError):
        tempfile.gettempdir()


@pytest.fixture
def images(tmp_path: Path, phantom) -> Path:
    """A folder with a plain image, one in a ZIP, a ZIP of something else, and one whose name is no Unicode."""
    folder = tmp_path / "in"
    folder.mkdir()
    sitk.WriteImage(phantom.image, str(folder / "plain.nii.gz"))
    with zipfile.ZipFile(folder / "packed.zip", "w") as made:
        made.write(folder / "plain.nii.gz", "t2.nii.gz")
    with zipfile.ZipFile(folder / "slices.zip", "w") as made:
        made.writestr("1.dcm", b"\0" * 128 + b"DICM")
    return folder


@pytest.mark.usefixtures("_no_temporary_folder")
@pytest.mark.parametrize("name", ["packed.zip", "packed.zip/t2.nii.gz"])
def test_an_archive_is_not_blamed_for_it(images, name):
    with pytest.raises(InputError, match=r"no temporary folder can be written to.*TMPDIR"):
        read_t2w(images / name)


@pytest.mark.usefixtures("_no_temporary_folder")
def test_a_name_that_is_no_unicode_is_not_blamed_for_it(images):
    odd = images / "odd\udcff.nii.gz"
    try:
        (images / "plain.nii.gz").rename(odd)
    except OSError:
        pytest.skip("a file system of Unicode names")
    with pytest.raises(InputError, match=r"no temporary folder can be written to.*TMPDIR"):
        read_t2w(odd)


@pytest.mark.usefixtures("_no_temporary_folder")
def test_a_folder_gives_all_its_cases_and_the_plain_image_is_read(images):
    assert [case.id for case in find_cases(images)] == ["packed", "plain", "slices"]
    assert read_t2w(images / "plain.nii.gz").image.GetDimension() == 3


@pytest.mark.parametrize("step", ["mkdtemp", "rmtree"])
def test_a_signal_as_a_folder_is_made_or_removed_leaves_none(tmp_path, monkeypatch, step):
    """It comes right after the folder is there, or right before the first file goes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    module = tempfile if step == "mkdtemp" else shutil
    real = getattr(module, step)

    def signalled(*args, **named):
        made = real(*args, **named) if step == "mkdtemp" else None
        signal.raise_signal(signal.SIGINT)
        return made if step == "mkdtemp" else real(*args, **named)

    monkeypatch.setattr(module, step, signalled)
    with pytest.raises(Stopped), stoppable(), private_folder("t2.zip"):
        pass
    gc.collect()
    assert not list(tmp_path.iterdir())
