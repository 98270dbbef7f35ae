from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.made_results import make_result

import proseg
from proseg.errors import OutputError
from proseg.outputs.writing import IMAGE_ENDINGS, SEGMENTATION_ENDING, check_target, write_image, write_result
from proseg.system.atomic import OutputSet, write_text

posix_only = pytest.mark.skipif(os.name != "posix", reason="permissions, devices and links of POSIX systems")


def geometry(image: sitk.Image) -> np.ndarray:
    return np.concatenate([image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()])


@pytest.mark.parametrize("ending", [*IMAGE_ENDINGS, SEGMENTATION_ENDING, ".NII.GZ", ".Seg.Nrrd"])
def test_every_format_brings_labels_and_geometry_back(tmp_path: Path, ending: str) -> None:
    result, out = make_result("RAI"), tmp_path / f"Müller – zwölf{ending}"
    write_result(result, out)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    plain = out.rename(tmp_path / f"out{ending.lower()}")
    back = sitk.ReadImage(str(plain))
    assert back.GetPixelID() == sitk.sitkUInt8
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(result.labelmap))
    np.testing.assert_allclose(
        geometry(back), geometry(result.labelmap), atol=1e-5 if "nii" in ending.lower() else 1e-12
    )


def test_an_unknown_ending_is_refused_and_the_known_ones_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"case\.gz .*\.nii\.gz, \.nii, \.nrrd, \.mha, \.seg\.nrrd"):
        write_result(make_result(), tmp_path / "case.gz")
    assert not list(tmp_path.iterdir())


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_text("café\n", tmp_path / "new one" / "deeper" / "report.json")
    assert (tmp_path / "new one" / "deeper" / "report.json").read_bytes() == "café\n".encode()


def test_the_patient_named_in_the_metadata_is_not_written(tmp_path: Path) -> None:
    image = sitk.Image(4, 4, 4, sitk.sitkUInt8)
    image.SetMetaData("0010|0010", "Doe^John")
    write_image(image, tmp_path / "x.nrrd")
    assert b"Doe" not in (tmp_path / "x.nrrd").read_bytes()
    assert image.GetMetaData("0010|0010") == "Doe^John"  # the caller's image is left as it was


@posix_only
@pytest.mark.parametrize("ending", [*IMAGE_ENDINGS, SEGMENTATION_ENDING])
def test_an_image_cut_short_never_appears(tmp_path: Path, ending: str) -> None:
    script = """
import resource, signal, sys
import numpy as np, SimpleITK as sitk
from proseg.errors import OutputError
from proseg.outputs.writing import write_image
image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 255, (20, 60, 60)).astype(np.uint8))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    write_image(image, sys.argv[1])
except OutputError as error:
    sys.exit(f"refused: {error}")
"""
    environment = os.environ | {"PYTHONPATH": str(Path(proseg.__file__).parents[1])}
    arguments = [sys.executable, "-c", script, str(tmp_path / f"x{ending}")]
    run = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60)
    assert "refused: " in run.stderr
    assert not list(tmp_path.iterdir())


def test_outputs_of_one_run_appear_together(tmp_path: Path) -> None:
    result = make_result()
    with OutputSet() as outputs:
        write_result(result, tmp_path / "a.seg.nrrd", outputs)
        write_image(result.uncertainty_image(), tmp_path / "b.nii.gz", outputs)
        write_text("{}", tmp_path / "c.json", outputs)
        assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.seg.nrrd", "b.nii.gz", "c.json"]


def test_a_good_target_is_accepted_and_nothing_is_made(tmp_path: Path) -> None:
    check_target(tmp_path / "new" / "ünder score.nii.gz", inputs=[tmp_path / "in.nii.gz", tmp_path])
    assert not list(tmp_path.iterdir())


def test_a_target_that_cannot_work_is_refused_before_any_work(tmp_path: Path) -> None:
    source = tmp_path / "in.nii.gz"
    source.write_bytes(b"x")
    (tmp_path / "folder.nrrd").mkdir()
    for path, words in (
        (source, "is the input itself"),
        (tmp_path / "folder.nrrd" / ".." / "in.nii.gz", "is the input itself"),
        (tmp_path / "folder.nrrd", "is a folder"),
        (source / "out.nrrd", "not a folder"),
        (tmp_path / f"{'x' * 300}.nrrd", "name is too long"),
        (f"{tmp_path}/a\0b.nrrd", "not a file name"),
        ("", "ending"),
    ):
        with pytest.raises(OutputError, match=words):
            check_target(path, inputs=[source])
    with pytest.raises(OutputError, match="twice"):
        check_target(tmp_path / "a.nrrd", others=[tmp_path / "b.nrrd", tmp_path / "." / "a.nrrd"])
    with pytest.raises(OutputError, match=r"Use one of: \.json"):
        check_target(tmp_path / "a.nrrd", endings=(".json",))


@posix_only
def test_a_link_to_the_input_counts_as_the_input(tmp_path: Path) -> None:
    source, link = tmp_path / "in.nii.gz", tmp_path / "out.nii.gz"
    source.write_bytes(b"x")
    os.link(source, link)
    with pytest.raises(OutputError, match="is the input itself"):
        check_target(link, inputs=[source])


@posix_only
def test_a_device_is_never_replaced() -> None:
    with pytest.raises(OutputError, match="is a device"):
        check_target("/dev/null", endings=("",))


@posix_only
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="permission is denied"):
            check_target(tmp_path / "x.nrrd")
    finally:
        tmp_path.chmod(0o700)
