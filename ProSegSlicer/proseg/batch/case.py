"""One case of a batch, from its files to its files and its row; the same in every kind of worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proseg.errors import InputError, ProSegError
from proseg.reading.cases import Found

if TYPE_CHECKING:
    from proseg.batch.table import Row
    from proseg.images.checks import T2WImage
    from proseg.segmentation.result import SegmentationResult
    from proseg.segmentation.segmenter import Segmenter
    from proseg.system.atomic import OutputSet

PREVIEWS, REPORTS, THUMBNAILS = "previews", "reports", "previews/small"  # in the output folder
THUMBNAIL_COLUMNS, THUMBNAIL_SLICES, THUMBNAIL_WIDTH = 3, 6, 480  # the last in pixels


@dataclass(frozen=True)
class Case(Found):
    """A case of a batch.

    Attributes:
        psa_ng_ml: serum PSA in ng/mL, if it is known.
        named: whether its id was given by hand, and so shall stand for the file's name wherever one is shown.
        note: what of its row in a manifest could not be used, in sentences for its row in the table.
        fault: why there is nothing to segment, in a sentence.
    """

    psa_ng_ml: float | None = None
    named: bool = False
    note: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Layout:
    """Which files a case gets.

    Attributes:
        formats: endings of the segmentation, such as ``.seg.nrrd``.
        reports: endings of the report, ``.json`` or ``.html``.
        previews: whether it gets a picture, and a small one for the summary.
    """

    formats: tuple[str, ...]
    reports: tuple[str, ...] = ()
    previews: bool = False

    @property
    def rooms(self) -> tuple[str, ...]:
        """The folders within the output folder that files go to."""
        return ((REPORTS,) if self.reports else ()) + ((PREVIEWS, THUMBNAILS) if self.previews else ())

    def targets(self, folder: Path, name: str) -> list[Path]:
        """The files of the case of this name in an output folder."""
        files = [folder / f"{name}{ending}" for ending in self.formats]
        files += [folder / REPORTS / f"{name}{ending}" for ending in self.reports]
        if self.previews:
            files += [folder / PREVIEWS / f"{name}.png", folder / THUMBNAILS / f"{name}.jpg"]
        return files


@dataclass(frozen=True)
class Job:
    """What a worker is asked to do; of plain values, so that it can be sent.

    Attributes:
        id: the case's.
        path: what to read.
        targets: what to write.
        output: the output folder, for sentences that shall not name it.
        psa_ng_ml: serum PSA in ng/mL.
        named: whether ``id`` shall stand for the file's name.
        fault: why there is nothing to segment; the job is then to say so.
        device: as ``choose_device`` takes it.
        weights: a weights file; None for the shipped one.
    """

    id: str
    path: str
    targets: list[str]
    output: str
    psa_ng_ml: float | None = None
    named: bool = False
    fault: str = ""
    device: str = "auto"
    weights: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """By the names of the fields, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Answer:
    """What became of a job.

    Attributes:
        job: which.
        row: the case's row for the table; None where the worker did not live to tell.
        died: why there is no row, in a sentence.
        again: whether another try may do better.
    """

    job: Job
    row: dict[str, Any] | None = None
    died: str = ""
    again: bool = False


def attempt(
    job: Job, ready: Callable[[], Segmenter], turn: AbstractContextManager[Any] | None = None
) -> dict[str, Any]:
    """Do a job. Whatever goes wrong becomes a row that says so; its files appear all or none.

    Args:
        job: what to do.
        ready: gives the networks.
        turn: held while they compute, where several threads share them.

    Returns:
        The row, as ``proseg.batch.table`` has them: its ``status`` is ``DONE`` or ``FAILED``.
    """
    from proseg.batch.folder import without_folders
    from proseg.batch.table import DONE, FAILED, STAMP
    from proseg.outputs.report import report, report_row, source_name
    from proseg.worker.failures import failure

    case = Found(job.id, Path(job.path))
    began, stamp = time.perf_counter(), case.stamp()
    try:
        from proseg.dicom.slices import check_source
        from proseg.outputs.writing import DICOM_ENDING
        from proseg.reading.t2w import read_t2w
        from proseg.system.atomic import ending_of

        if job.fault:
            raise InputError(job.fault)
        with read_t2w(case.path) as t2w:
            if any(ending_of(target) == DICOM_ENDING for target in job.targets):
                check_source(t2w.files)  # before the work is done
            with turn or nullcontext():
                segmenter = ready()
                result = segmenter.segment(t2w, job.psa_ng_ml)
            reason = segmenter.pipeline.device.reason
            name = job.id if job.named else source_name(t2w)
            write(result, t2w, name, [Path(target) for target in job.targets])
        row: Row = {"status": DONE, "sentence": reason if reason.startswith("The GPU failed") else ""}
        row |= report_row(report(result, name))
    except Exception as error:
        said = failure(error)
        sentence = str(error) if isinstance(error, ProSegError) else f"{said['sentence']} {said['remedy']}"
        row = {"status": FAILED, "sentence": without_folders(sentence, case, Path(job.output))}
    return {**row, "seconds": round(time.perf_counter() - began, 3), STAMP: stamp}


def write(result: SegmentationResult, t2w: T2WImage, name: str, targets: Sequence[Path]) -> None:
    """Write files of a result, each by its ending; all appear or none.

    Args:
        result: the segmentation.
        t2w: what it was made from.
        name: what reports call it; of a path only the file's own name is kept.
        targets: ``.png`` a preview, ``.jpg`` a small one, ``.json`` and ``.html`` reports; others are segmentations.

    Raises:
        OutputError: one of them cannot be written.
    """
    from proseg.outputs.writing import write_result
    from proseg.system.atomic import OutputSet

    with OutputSet() as outputs:
        for target in targets:
            special = _WRITERS.get(target.suffix)
            if special:
                special(result, name, target, outputs)
            else:
                write_result(result, target, outputs, t2w.files)


def write_thumbnail(result: SegmentationResult, _: str, path: Path, outputs: OutputSet | None = None) -> None:
    """Write six slices with their contours, from base to apex, as a small JPEG for a summary of many cases."""
    from PIL import Image

    from proseg.outputs.preview import tiles
    from proseg.system.atomic import atomic

    inside = [tile for tile in tiles(result) if tile.level in ("base", "mid", "apex")] or tiles(result)
    chosen = sorted({round(k * (len(inside) - 1) / (THUMBNAIL_SLICES - 1)) for k in range(THUMBNAIL_SLICES)})
    pictures = [inside[place].picture for place in chosen]
    wide = THUMBNAIL_WIDTH // THUMBNAIL_COLUMNS
    high = max(1, round(pictures[0].height * wide / pictures[0].width))
    sheet = Image.new("RGB", (wide * THUMBNAIL_COLUMNS, high * (THUMBNAIL_SLICES // THUMBNAIL_COLUMNS)))
    for place, picture in enumerate(pictures):
        corner = (place % THUMBNAIL_COLUMNS * wide, place // THUMBNAIL_COLUMNS * high)
        sheet.paste(picture.resize((wide, high), Image.Resampling.LANCZOS), corner)
    with atomic(path, outputs) as temporary:
        sheet.save(temporary, format="JPEG", quality=82)


def _write_preview(result: SegmentationResult, _: str, path: Path, outputs: OutputSet) -> None:
    from proseg.outputs.preview import write_preview

    write_preview(result, path, outputs)


def _write_json(result: SegmentationResult, name: str, path: Path, outputs: OutputSet) -> None:
    from proseg.outputs.report import report, to_json
    from proseg.system.atomic import write_text

    write_text(to_json(report(result, name)), path, outputs)


def _write_page(result: SegmentationResult, name: str, path: Path, outputs: OutputSet) -> None:
    from proseg.outputs.page import write_page

    write_page(result, name, path, outputs)


_WRITERS: dict[str, Callable[[SegmentationResult, str, Path, OutputSet], None]] = {
    ".png": _write_preview,
    ".jpg": write_thumbnail,
    ".json": _write_json,
    ".html": _write_page,
}
