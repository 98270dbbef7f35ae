"""Nothing that is written or said tells who the patient is: identifiers are planted and looked for in every byte.

docs/privacy.md has the rule. A DICOM Segmentation alone names the patient, as the standard has it.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
from PIL import Image, ImageDraw, PngImagePlugin
from Testing.made_dicom import write_series
from Testing.planted import (
    BIRTH_DATE,
    FOLDER,
    ID,
    NAME,
    PERSON,
    WORDS,
    planted_below,
    planted_in,
    write_images,
    write_study,
)
from Testing.read_dicom import gland_in

from proseg.cli import main as cli
from proseg.errors import ProSegError
from proseg.images.checks import T2WImage
from proseg.outputs.writing import IMAGE_ENDINGS, SEGMENTATION_ENDING
from proseg.phantom import make_phantom
from proseg.reading.t2w import read_t2w
from proseg.worker.server import Worker

pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed: pip install 'proseg[dicom]'")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DICOM folder that tells who the patient is in its tags, in its name and in those of its files."""
    folder = tmp_path_factory.mktemp("in") / FOLDER / NAME
    write_study(folder)
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_images(tmp_path_factory.mktemp("in") / FOLDER)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """All texts that were drawn into pictures, where no search would find them."""
    texts: list[str] = []
    draw = ImageDraw.ImageDraw.text

    def noted(self: Any, xy: Any, text: Any, *rest: Any, **more: Any) -> Any:
        texts.append(str(text))
        return draw(self, xy, text, *rest, **more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", noted)
    yield texts
    assert planted_in("\n".join(texts).encode()) == set()


class MadeSegmenter:
    """Segments without networks."""

    def segment(self, t2w: T2WImage, *_: Any) -> Any:
        return replace(gland_in(t2w.image), notes=t2w.notes, flags=t2w.flags)


def said(capsys: pytest.CaptureFixture, *typed: Path) -> str:
    """What was printed, less the paths that the user typed."""
    captured = capsys.readouterr()
    text = captured.out + captured.err
    for path in typed:
        text = text.replace(str(path), "…")
    return text


def all_outputs(folder: Path, segmentation: str, report: str) -> list[str]:
    return [
        *("-o", str(folder / f"zones{segmentation}"), "--report", str(folder / f"report{report}")),
        *("--preview", str(folder / "look.png"), "--uncertainty", str(folder / "uncertainty.nii.gz"), "--psa", "6.5"),
    ]


def test_a_real_run_on_a_dicom_folder_tells_nothing(study: Path, tmp_path: Path, capsys, drawn: list[str]) -> None:
    assert cli.main(["segment", str(study), *all_outputs(tmp_path, ".seg.nrrd", ".html")]) == 0
    assert planted_below(tmp_path) == {}
    assert len(list(tmp_path.iterdir())) == 4
    assert planted_in(said(capsys, study).encode()) == set()
    assert drawn


@pytest.mark.parametrize("ending", [*IMAGE_ENDINGS, SEGMENTATION_ENDING])
def test_no_format_tells_anything(
    study: Path, images: list[Path], tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(cli, "_segmenter", lambda options: MadeSegmenter())
    for number, source in enumerate([study, *images, next(study.iterdir())]):
        out = tmp_path / str(number)
        outputs = ["-o", str(out / f"zones{ending}"), "--report", str(out / "report.json")]
        assert cli.main(["segment", str(source), *outputs]) == 0
        assert len(list(out.iterdir())) == 2
        assert planted_in(said(capsys, source).encode()) == set()
    assert planted_below(tmp_path) == {}


def test_a_report_calls_a_file_by_its_own_name_a_dicom_series_by_none_and_anything_as_it_is_told(
    study: Path, images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_segmenter", lambda options: MadeSegmenter())

    def name(source: Path, *more: str) -> str:
        outputs = ["-o", str(tmp_path / "zones.nrrd"), "--report", str(tmp_path / "report.json")]
        assert cli.main(["segment", str(source), *outputs, *more]) == 0
        return json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["input"]["name"]

    assert name(images[0]) == "case7.nii.gz"
    assert name(study) == "DICOM series"
    assert name(study, "--name", "Study 12/A") == "Study 12_A"


def test_pictures_and_pages_of_images_tell_nothing(
    images: list[Path], tmp_path: Path, capsys, monkeypatch, drawn
) -> None:
    monkeypatch.setattr(cli, "_segmenter", lambda options: MadeSegmenter())
    assert cli.main(["segment", str(images[0]), *all_outputs(tmp_path, ".nii.gz", ".html")]) == 0
    assert len(list(tmp_path.iterdir())) == 4
    assert planted_below(tmp_path) == {}
    assert planted_in(said(capsys, images[0]).encode()) == set()


def test_a_zip_of_a_study_tells_nothing(study: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_segmenter", lambda options: MadeSegmenter())
    packed = tmp_path / f"{FOLDER}.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in study.iterdir():
            archive.write(file, f"{FOLDER}/{file.name}")
    out = tmp_path / "out"
    assert cli.main(["segment", str(packed), *all_outputs(out, ".seg.nrrd", ".json")]) == 0
    assert planted_below(out) == {}
    assert planted_in(said(capsys, packed).encode()) == set()


def test_errors_say_no_more_than_the_path_that_was_typed(study: Path, tmp_path: Path, capsys) -> None:
    """A folder of folders, in which something is wrong: copies, gaps, damage, other patients, no T2W."""

    def broken(change: Any) -> Path:
        folder = tmp_path / f"{change.__name__}"
        files = write_study(folder / FOLDER)
        change(files)
        return folder

    def gap(files: list[Path]) -> None:
        files[4].unlink()

    def damage(files: list[Path]) -> None:
        files[4].write_bytes(files[4].read_bytes()[:3000])

    def another_patient(files: list[Path]) -> None:
        image = read_t2w(study).image
        write_series(image, files[0].parent / "other", PatientName="Zweitname^Other", PatientID="9")

    def sagittal(files: list[Path]) -> None:
        for file in files:
            header = pydicom.dcmread(file)
            header.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
            header.save_as(file)

    for change in (gap, damage, another_patient, sagittal):
        folder = broken(change)
        assert cli.main(["segment", str(folder), "-o", str(tmp_path / "zones.nii.gz")]) == 2
        text = said(capsys, folder)
        assert planted_in(text.encode()) == set(), text


def test_the_workers_messages_hold_no_more_than_the_paths_they_answer(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    told: list[dict[str, Any]] = []
    worker = Worker(lambda **reply: told.append(reply))
    monkeypatch.setattr(worker, "ready", lambda *_: FakeReady())
    lonely = tmp_path / FOLDER / "lonely"
    lonely.mkdir(parents=True)
    (tmp_path / "out").mkdir()
    for source in (study, lonely):
        request = {"id": 1, "do": "segment", "image": str(source), "folder": str(tmp_path / "out"), "keep_image": True}
        worker.handle(json.dumps(request).encode())
    assert [reply["event"] for reply in told if reply["event"] in ("done", "failed")] == ["done", "failed"]
    text = json.dumps(told, ensure_ascii=False).replace(str(lonely), "…")
    assert planted_in(text.encode()) == set()
    assert planted_below(tmp_path / "out") == {}
    assert planted_in("".join(capfd.readouterr()).encode()) == set()


class FakeReady(MadeSegmenter):
    """A segmenter as the worker wants one."""

    def __init__(self) -> None:
        from types import SimpleNamespace

        self.pipeline = SimpleNamespace(device=SimpleNamespace(name="cpu", reason="Made."))


def test_a_batch_calls_cases_as_they_lie_in_the_input_folder_and_tells_no_more(study: Path, tmp_path, capsys) -> None:
    source = tmp_path / FOLDER
    write_study(source / "case1" / "images")
    write_images(source / "case2")[1].rename(source / "case2.nrrd")
    for file in (source / "case2").iterdir():
        file.unlink()
    damaged = write_study(source / "case3")
    damaged[3].unlink()
    out = tmp_path / "out"
    command = ["batch", str(source), "-o", str(out), "--preview", "--report", "json", "--report", "html"]
    assert cli.main([*command, "--format", "nii.gz", "--format", "seg.nrrd", "--workers", "1"]) == 1
    text = said(capsys, source)
    rows = (out / "results.csv").read_text(encoding="utf-8")
    assert rows.count("done") >= 2
    assert "failed" in rows
    assert planted_below(out) == {}
    assert planted_in(text.encode()) == set()


def test_a_dicom_segmentation_repeats_the_patient_and_nothing_of_its_files(study: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(cli, "_segmenter", lambda options: MadeSegmenter())
    target = tmp_path / "zones.dcm"
    assert cli.main(["segment", str(study), "-o", str(target)]) == 0
    written = pydicom.dcmread(target)
    assert (written.PatientName.family_name, written.PatientID, written.PatientBirthDate) == (NAME, ID, BIRTH_DATE)
    assert NAME not in written.SeriesDescription
    assert not any(element.tag.is_private for element in written.iterall())
    assert b".dcm" not in target.read_bytes()


def test_a_segmentation_of_a_study_without_a_patient_names_none(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(cli, "_segmenter", lambda options: MadeSegmenter())
    folder = tmp_path / FOLDER
    for file in write_study(folder):
        header = pydicom.dcmread(file)
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "OtherPatientNames", "PatientAddress"):
            setattr(header, keyword, "")
        del header.OtherPatientIDs, header.PatientComments, header.StudyDescription
        header.save_as(file)
    assert cli.main(["segment", str(folder), "-o", str(tmp_path / "zones.dcm")]) == 0
    assert planted_in((tmp_path / "zones.dcm").read_bytes()) == set()


def png(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key, text, zip=True)
    content = io.BytesIO()
    Image.new("L", (4, 4)).save(content, format="PNG", pnginfo=info)
    return content.getvalue()


def compressed_nrrd(folder: Path) -> bytes:
    image = sitk.GetImageFromArray([[list(ID.encode())]])
    sitk.WriteImage(sitk.Cast(image, sitk.sitkUInt8), str(folder / "x.nrrd"), useCompression=True)
    return (folder / "x.nrrd").read_bytes()


@pytest.mark.parametrize("word", WORDS)
def test_the_search_would_find_a_word_wherever_it_hides(word: str, tmp_path: Path) -> None:
    plain = f"before {word} after".encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("inside.txt", plain)
    for hidden in (
        plain,
        plain.upper(),
        word.encode("utf-16-le"),
        gzip.compress(plain),
        png(Comment=f"it is {word}"),
        b'<img src="data:image/png;base64,' + base64.b64encode(png(Comment=word)) + b'">',
        archive.getvalue(),
    ):
        assert planted_in(hidden) == {word}
    assert planted_in(compressed_nrrd(tmp_path)) == {ID}
    (tmp_path / word).mkdir()
    assert list(planted_below(tmp_path)[word]) == [word]
    assert planted_in(b"nobody") == set()


@pytest.mark.parametrize("typed", [NAME.lower(), ID, BIRTH_DATE, "1947-08-11", "11.08.1947", "110847"])
def test_a_description_with_an_identifier_typed_into_it_is_not_told(tmp_path: Path, typed: str) -> None:
    image = make_phantom(size=(96, 96, 12), spacing=(1.4, 1.4, 4.5)).image
    write_series(image, tmp_path / "a", **PERSON | {"SeriesDescription": f"t2_tra {typed}"})
    told = " ".join(read_t2w(tmp_path / "a").notes)
    assert "t2_tra" not in told
    write_series(image, tmp_path / "b", **PERSON | {"SeriesDescription": "t2_tra 1947"})
    assert "t2_tra 1947" in " ".join(read_t2w(tmp_path / "b").notes)


def test_errors_are_not_so_careful_that_they_name_nothing(tmp_path: Path) -> None:
    with pytest.raises(ProSegError, match="nowhere"):
        read_t2w(tmp_path / "nowhere")
