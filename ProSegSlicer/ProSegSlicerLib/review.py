"""What a radiologist does to a result, kept with the segmentation node and so with the scene.

The AI's own contours and report stay with the node as attributes, compressed, whatever is edited later: contours can be
restored and compared. A sign-off holds the fingerprint of the labels signed; whoever asks compares it with the labels
as they are, so that an edit withdraws the sign-off even when nobody watched it happen.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import vtk

from proseg.errors import InputError
from proseg.flags import QualityFlag
from proseg.labels import ZONES
from proseg.outputs import material
from proseg.outputs import review as core
from proseg.outputs.review import Comparison, Review, ReviewStatus
from proseg.outputs.segnrrd import origin
from proseg.segmentation.measurements import Measurements, measure
from proseg.segmentation.result import Provenance, SliceOrigin
from ProSegSlicerLib.origins import GIVEN, REFINED, origins, slices_of
from ProSegSlicerLib.segments import (
    OverlapError,
    fits,
    input_volume,
    mark_of_all,
    on_grid,
    read_once,
    set_zones,
    take_back_grid,
    zones,
)

AI_LABELS, AI_REPORT, REVIEW = "ProSegSlicer.AILabels", "ProSegSlicer.AIReport", "ProSegSlicer.Review"
PSA = "ProSegSlicer.PSA"  # of a volume: it belongs to the patient
ALL_SEGMENTS = "ProSegSlicer.ReviewedSegments"  # what told all segments apart when they were signed
STATUS_TAG, REVIEWER_TAG, TIME_TAG = "ProSegSlicer.Review", "ProSegSlicer.ReviewedBy", "ProSegSlicer.ReviewedAt"
PACKED = 1  # zlib's fastest: labels are runs, on which the others save little
LABELS_TAG, ALL_TAG = "ProSegSlicer.ReviewedLabels", ALL_SEGMENTS


def keep_ai_result(segmentation: Any, labelmap: sitk.Image, report: dict[str, Any]) -> None:
    """Put the AI's contours and report into the segmentation; an earlier sign-off goes with the contours it was for.

    Args:
        segmentation: prepared for the labelmap's volume.
        labelmap: what the AI drew, on the grid of the volume.
        report: as ``proseg.outputs.report.report`` gives it.
    """
    provenance = Provenance(**report["provenance"])
    set_zones(segmentation, labelmap, provenance)
    segmentation.SetAttribute(AI_LABELS, _packed(sitk.GetArrayViewFromImage(labelmap)))
    segmentation.SetAttribute(AI_REPORT, json.dumps(report, ensure_ascii=False))
    for name in (REVIEW, ALL_SEGMENTS, REFINED, GIVEN):
        segmentation.SetAttribute(name, None)
    for key, value in origin(provenance).items():
        segmentation.SetAttribute(key, value)
    _write_tags(segmentation, ReviewStatus.UNREVIEWED, None, "")


def ai_report(segmentation: Any) -> dict[str, Any] | None:
    """The AI's report, or None if the contours are not the AI's."""
    text = segmentation.GetAttribute(AI_REPORT)
    return json.loads(text) if text else None


def ai_labelmap(segmentation: Any) -> sitk.Image | None:
    """What the AI drew, on the grid the segmentation has now; None if it drew nothing here or on another grid."""
    packed = segmentation.GetAttribute(AI_LABELS)
    labels = _unpacked(packed) if packed else None
    return None if labels is None else on_grid(segmentation, labels)


def edited(segmentation: Any) -> bool:
    """Whether anything would be lost if the AI's result took the place of the contours as they are."""
    try:
        ai, current = ai_labelmap(segmentation), zones(segmentation)
    except OverlapError:  # no AI draws that
        return True
    if ai is None:
        return bool(np.any(sitk.GetArrayViewFromImage(current)))
    return not np.array_equal(sitk.GetArrayViewFromImage(ai), sitk.GetArrayViewFromImage(current))


def comparison(segmentation: Any) -> Comparison | None:
    """How far the contours are from what the AI drew; None if it drew nothing here."""
    ai, current = ai_labelmap(segmentation), zones(segmentation)
    return (
        None if ai is None else core.compare(ai, current, slices_of(slice_origins(segmentation), SliceOrigin.REFINED))
    )


def slice_origins(segmentation: Any) -> dict[int, SliceOrigin]:
    """Whose word each slice with gland is, by index along the input's slice axis; empty if no AI drew here."""
    ai = ai_labelmap(segmentation)
    return {} if ai is None else origins(segmentation, ai, zones(segmentation))


def restore_ai(segmentation: Any) -> None:
    """Bring the AI's contours back.

    Raises:
        InputError: there are none.
    """
    ai, report = ai_labelmap(segmentation), ai_report(segmentation)
    if ai is None or report is None:
        raise InputError(f"{segmentation.GetName()} holds no AI result for its grid.", "Segment its volume again.")
    take_back_grid(segmentation)
    set_zones(segmentation, ai, Provenance(**report["provenance"]))
    refresh_tags(segmentation)


def unfit(segmentation: Any) -> str:
    """Why nobody can sign the contours as they are, a sentence with what to do; empty if they can be signed."""
    nothing = "Neither zone is drawn, so there is nothing to sign: segment the volume or draw the zones first."
    if not segmentation.GetSegmentation().GetNumberOfSegments():
        return nothing
    volume = input_volume(segmentation)
    if volume is None:
        name = segmentation.GetName()
        return f"Nobody can see on which image {name} is drawn: load it and choose it as input volume."
    if moved := apart(segmentation):
        return moved
    try:
        current = zones(segmentation)
    except InputError as error:
        return str(error)
    labels = sitk.GetArrayViewFromImage(current)
    missing = [zone.short for zone in ZONES if not (labels == zone.label).any()]
    if len(missing) == len(ZONES):
        return nothing
    if missing:
        return f"{missing[0]} is not drawn: draw it or restore the AI's result, then sign."
    return ""


def apart(segmentation: Any) -> str:
    """Why the contours do not lie on their image any more, a sentence with what to do; empty if they do."""
    volume, drawn = input_volume(segmentation), segmentation.GetName()
    if volume is None:
        return ""
    if volume.GetTransformNodeID() != segmentation.GetTransformNodeID():
        return (
            f"{drawn} and {volume.GetName()} are not under one transform, so the contours are shown elsewhere than the "
            "gland: put both under the same one, or neither."
        )
    if not fits(segmentation, volume):
        return (
            f"{volume.GetName()} has another place or other voxels than when {drawn} was drawn on it, so the contours "
            "may be shown elsewhere than the gland: put it back as it was, or segment it again."
        )
    return ""


def _hidden(segmentation: Any) -> str:
    """Why nobody sees the contours, a sentence with what to do; empty if they are seen, or there is no display."""
    display = segmentation.GetDisplayNode()
    if display is None:
        return ""
    if not display.GetVisibility() or not display.GetVisibility2D():
        return f"{segmentation.GetName()} is hidden: show it and look at every slice, then sign."
    for zone in ZONES:
        if not display.GetSegmentVisibility(zone.short):
            return f"{zone.short} is hidden: show it and look at every slice, then sign."
    return ""


def sign_off(segmentation: Any, reviewer: str) -> Review:
    """Mark the contours as they are now as reviewed.

    Raises:
        InputError: no reviewer is named, or the contours are empty, lack a zone, overlap, are hidden or lie elsewhere.
    """
    with read_once():
        if reviewer.strip() and (reason := unfit(segmentation) or _hidden(segmentation)):
            raise InputError(reason)
        refined = slices_of(slice_origins(segmentation), SliceOrigin.REFINED)
        now = datetime.now().astimezone()
        review = core.sign(reviewer, ai_labelmap(segmentation), zones(segmentation), now, refined)
    segmentation.SetAttribute(REVIEW, json.dumps(review.to_dict(), ensure_ascii=False))
    segmentation.SetAttribute(ALL_SEGMENTS, mark_of_all(segmentation))
    _write_tags(segmentation, ReviewStatus.REVIEWED, review, _signed(segmentation)[1])
    return review


def review(segmentation: Any) -> tuple[ReviewStatus, Review | None]:
    """Whether the contours as they are now are signed off, and the sign-off, valid or withdrawn.

    A sign-off covers every segment; where only the reader's own were changed since, the one returned holds for no
    labels, so that no report takes it for valid. One that came with a ``.seg.nrrd`` file is read from its tags.
    """
    signed, all_segments = _signed(segmentation)
    if signed is None:
        return ReviewStatus.UNREVIEWED, None
    try:
        status = core.status(signed, core.fingerprint(zones(segmentation)))
    except OverlapError:
        return ReviewStatus.WITHDRAWN, signed
    if status is ReviewStatus.REVIEWED and all_segments and all_segments != mark_of_all(segmentation):
        return ReviewStatus.WITHDRAWN, replace(signed, fingerprint="")
    return status, signed


def refresh_tags(segmentation: Any) -> None:
    """Write the review status into the segments' tags and Slicer's segment status, which Slicer's own files keep.

    Tags of a file that say more than is known here stay as they are.
    """
    status, signed = review(segmentation)
    if signed is None and any(_tag(segment, REVIEWER_TAG) for segment in _segments(segmentation)):
        return
    _write_tags(segmentation, status, signed, _signed(segmentation)[1])


def correct_tags(segmentation: Any, status: ReviewStatus) -> None:
    """Write the review status into the tags only where they are wrong about a valid sign-off.

    For those who only look: a tag is a change that the Segment Editor notices, which loses it what it could redo. What
    its Undo brings back has the tags of its time, and they are right.
    """
    wrong = (status is ReviewStatus.REVIEWED) != (ReviewStatus.REVIEWED.value in _claims(segmentation))
    if wrong:
        refresh_tags(segmentation)


def _claims(segmentation: Any) -> set[str | None]:
    """What the segments' tags say of the review."""
    return {_tag(segment, STATUS_TAG) for segment in _segments(segmentation)}


def _write_tags(segmentation: Any, status: ReviewStatus, signed: Review | None, all_segments: str) -> None:
    original = _signed(segmentation)[0] if signed else None
    tags = {
        STATUS_TAG: status.value,
        REVIEWER_TAG: signed.reviewer if signed else "",
        TIME_TAG: signed.reviewed_at if signed else "",
        LABELS_TAG: original.fingerprint if original else "",
        ALL_TAG: all_segments if signed else "",
    }
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    stands = {
        ReviewStatus.UNREVIEWED: logic.InProgress,
        ReviewStatus.REVIEWED: logic.Completed,
        ReviewStatus.WITHDRAWN: logic.Flagged,
    }
    for segment in _segments(segmentation):
        for key, value in tags.items():
            if _tag(segment, key) != (value := value.replace("|", "/").replace("\n", " ")):
                segment.SetTag(key, value)
        if logic.GetSegmentStatus(segment) != stands[status]:
            logic.SetSegmentStatus(segment, stands[status])


def _segments(segmentation: Any) -> list[Any]:
    """The zones' segments, as far as they are there."""
    found = (segmentation.GetSegmentation().GetSegment(zone.short) for zone in ZONES)
    return [segment for segment in found if segment]


def _signed(segmentation: Any) -> tuple[Review | None, str]:
    """The sign-off, and what told all segments apart then: from the node, else from the tags that a file brought."""
    text = segmentation.GetAttribute(REVIEW)
    if text:
        return Review.from_dict(json.loads(text)), segmentation.GetAttribute(ALL_SEGMENTS) or ""
    keys = (REVIEWER_TAG, TIME_TAG, LABELS_TAG, ALL_TAG)
    told = {tuple(_tag(segment, key) or "" for key in keys) for segment in _segments(segmentation)}
    reviewer, moment, labels, all_segments = told.pop() if len(told) == 1 else ("",) * 4
    if not (reviewer and labels and all_segments):
        return None, ""
    content = {"reviewer": reviewer, "reviewed_at": moment, "fingerprint": labels, "comparison": None}
    try:
        return Review.from_dict(content), all_segments
    except InputError:
        return None, ""


def psa(volume: Any) -> float | None:
    """Serum PSA of a volume's patient in ng/mL, if it was entered."""
    text = volume.GetAttribute(PSA)
    return float(text) if text else None


def set_psa(volume: Any, value: float | None) -> None:
    """Note the serum PSA of a volume's patient, ng/mL; None takes it back."""
    volume.SetAttribute(PSA, None if value is None else repr(float(value)))


def measurements(segmentation: Any) -> Measurements:
    """Measurements of the contours as they are now, mL and mm of the volume's own frame, with its patient's PSA."""
    volume = input_volume(segmentation)
    return measure(zones(segmentation), psa(volume) if volume else None)


def flags(segmentation: Any) -> tuple[QualityFlag, ...]:
    """What the AI asked a reviewer to look at; none if the contours are not the AI's."""
    return material.flags(ai_report(segmentation))


def _tag(segment: Any, key: str) -> str | None:
    value = vtk.reference("")
    return str(value) if segment.GetTag(key, value) else None


def _packed(labels: np.ndarray) -> str:
    """Labels (K, J, I) as text: size, then compressed voxels; an XML attribute can hold it."""
    size = "x".join(str(count) for count in labels.shape)
    return f"{size}:{base64.b64encode(zlib.compress(labels.astype(np.uint8).tobytes(), PACKED)).decode()}"


@lru_cache(maxsize=1)  # asked for at each look, and of a large image it takes a while
def _unpacked(text: str) -> np.ndarray | None:
    """The inverse of ``_packed``, not to be written to; None for text that somebody else wrote."""
    try:
        size, _, content = text.partition(":")
        values = zlib.decompress(base64.b64decode(content, validate=True))
        return np.frombuffer(values, np.uint8).reshape([int(count) for count in size.split("x")])
    except (ValueError, binascii.Error, zlib.error):
        return None
