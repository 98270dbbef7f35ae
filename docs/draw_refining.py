"""Draw the tutorial's pictures of refinement: a real case before and after a reader's word on it.

``python -m docs.draw_refining ../shared/data/zonal/prostate158_valid_021``

The reader is played by the expert's labels that came with the case: they name the first and the last slice, and correct
the slice that was most wrong. The case is the tutorial's, which the shipped weights have learned from.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from docs.draw_tutorial import ROOT, SliceView, side_by_side
from proseg import Segmenter, read_t2w
from proseg.outputs.report import report
from ProSegSlicerLib import overlay, refining, review
from ProSegSlicerLib.origins import note_refined
from ProSegSlicerLib.segments import create_segmentation, set_zones, zones
from ProSegSlicerLib.volumes import add_volume, by_slice, from_slices


def main() -> None:
    """Segment the case, play the reader, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", type=Path, help="folder with t2.nii.gz and the expert's zones.nii.gz")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "tutorial")
    options = parser.parse_args()
    t2w = read_t2w(options.case / "t2.nii.gz")
    expert = by_slice(read_t2w_labels(options.case / "zones.nii.gz"))
    segmenter = Segmenter()
    result = segmenter.segment(t2w)
    volume = add_volume(result.image, "T2W")
    volume.GetDisplayNode().AutoWindowLevelOn()
    segmentation = create_segmentation(volume)
    review.keep_ai_result(segmentation, result.labelmap, report(result, "t2.nii.gz"))
    display = segmentation.GetDisplayNode()
    display.SetVisibility2DFill(False)
    display.SetSliceIntersectionThickness(2)
    axial, sagittal = SliceView("Red", "Axial"), SliceView("Yellow", "Sagittal")
    slices = refining.look(segmentation)
    for view in (axial, sagittal):
        view.show(volume, slices.centres[sum(slices.ends) // 2])

    before = sagittal.picture()
    drawn = np.flatnonzero(expert.any(axis=(1, 2)))
    ends = {"first": int(drawn[0]), "last": int(drawn[-1])}
    set_zones(segmentation, refined_to_ends(segmenter, t2w, result, segmentation, ends))
    refining.note_ends(segmentation, **ends)
    side_by_side(before, sagittal.picture()).save(options.out / "ends.png", optimize=True)

    current = by_slice(zones(segmentation))
    worst = int(np.count_nonzero(current != expert, axis=(1, 2)).argmax())
    before = picture_of(axial, segmentation, worst)
    current[worst] = expert[worst]
    given = from_slices(current, result.labelmap)
    set_zones(segmentation, given)
    side_by_side(before, picture_of(axial, segmentation, worst)).save(options.out / "corrected.png", optimize=True)

    word = refining.look(segmentation).word
    refined = segmenter.refine(t2w, given, word.first, word.last, slices=word.given, known=result).labelmap
    changed = np.count_nonzero(by_slice(refined) != current, axis=(1, 2))
    other = int(changed.argmax())
    before = picture_of(axial, segmentation, other)
    note_refined(segmentation, given, refined)
    set_zones(segmentation, refined)
    side_by_side(before, picture_of(axial, segmentation, other)).save(options.out / "refined.png", optimize=True)
    print(f"Ends {ends['first']} and {ends['last']}, slice {worst} corrected, slice {other} shown refined.")
    print(f"Voxels changed by slice: {changed.tolist()}. {review.comparison(segmentation).sentence()}")


def refined_to_ends(segmenter: Segmenter, t2w: Any, result: Any, segmentation: Any, ends: dict[str, int]) -> sitk.Image:
    """The contours with a gland between two ends, as the panel makes it: without a run where that is enough."""
    labels, reached = refining.between(segmentation, **ends)
    return labels if reached else segmenter.refine(t2w, labels, **ends, known=result).labelmap


def picture_of(view: SliceView, segmentation: Any, index: int) -> Any:
    """What a view shows of a slice."""
    overlay.jump_to_slice(segmentation, index)
    return view.picture()


def read_t2w_labels(path: Path) -> sitk.Image:
    """An expert's labels (0, 1 PZ, 2 CG)."""
    return sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkUInt8)


if __name__ == "__main__":
    main()
