"""What the names of image files say: which are images to segment, and which only go with one.

Collections keep label maps and other contrasts beside the T2W image. Only names are looked at, so it costs nothing, and
a name alone never passes a file over: the image that it goes with must be there, or the file is taken for a case.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePath
from typing import TypeVar

# What `read_t2w` reads; those written as two files are named by their headers.
IMAGE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr")
RESULT_ENDINGS = (".seg.nrrd", ".seg.nhdr")  # segmentations, ours and Slicer's, are results and no cases

# Words, matched whole; "labelsTr" is one as data sets write it.
_LABELS = (
    r"seg|segs|segmentations?|labels?(tr|ts|val)?|labelmaps?|masks?|zones?|gland|truth|gt|groundtruth|annotations?|rois?|"
    r"contours?|anatomy|lesions?|tumou?rs?|pred|predictions?|uncertainty|pz|cg|tz|wg"
)
_READERS = r"(reader|rater|expert|observer|annotator)[0-9a-z]?"  # whose label map it is
_OTHERS = r"adc|dwi|hbv|hbval|diff\w*|b[0-9]{2,4}|dce|t1w?|sag|sagittal|cor|coronal|ktrans|pd|pdw|perf\w*"
_T2 = r"t2|t2w|t2_?tse\w*|t2_?weighted"

Path_ = TypeVar("Path_", bound=PurePath)


def image_ending(name: str) -> str:
    """The ending of an image file's name as ``IMAGE_ENDINGS`` has it, empty if it is none."""
    return next((ending for ending in IMAGE_ENDINGS if name.lower().endswith(ending)), "")


def companions(files: Iterable[Path_]) -> set[Path_]:
    """The image files that go with others and are no cases: label maps beside an image, other contrasts beside a T2W.

    A label map by its name (``t2_seg``, ``Case00_segmentation``) goes with an image in its folder whose name begins
    alike; one by its folder's name (``labelsTr``) goes with the image of the same name in a folder beside that. Another
    contrast by its name (``ann_adc``) goes with an image in its folder whose name says T2.

    Args:
        files: image files, all those there are.
    """
    folders: dict[PurePath, list[Path_]] = defaultdict(list)
    for file in files:
        folders[file.parent].append(file)
    beside: dict[PurePath, set[str]] = defaultdict(set)  # names of the images, by the folder above theirs
    for folder, members in folders.items():
        if not _says(folder.name, _LABELS):
            beside[folder.parent] |= {_stem(file) for file in members}
    found: set[Path_] = set()
    for folder, members in folders.items():
        labels = [file for file in members if _says(_stem(file), _LABELS)]
        images = [file for file in members if file not in labels]
        t2 = [file for file in images if _says(_stem(file), _T2) and not _says(_stem(file), _OTHERS)]
        found |= {file for file in labels if any(_alike(file, image) for image in images)}
        found |= {file for file in images if t2 and file not in t2 and _says(_stem(file), _OTHERS)}
        if _says(folder.name, _LABELS):
            others = beside[folder.parent]  # nnU-Net adds the number of the channel to the image's name
            found |= {file for file in members if _stem(file) in others or f"{_stem(file)}_0000" in others}
    return found


def _alike(labels: PurePath, image: PurePath) -> bool:
    """Whether a label map's name is that of an image with words of labels added, or without, in common folders."""
    words, own = (re.split(r"[^a-z0-9]+", _stem(file).lower()) for file in (image, labels))
    rest = [word for word in own if not re.fullmatch(f"{_LABELS}|{_READERS}", word)]
    # "truth" beside "t2"; "Case00_segmentation" beside "Case00"; "ann_mask" beside "ann_t2w"
    return not rest or rest[0] == words[0]


def _stem(file: PurePath) -> str:
    return file.name[: len(file.name) - len(image_ending(file.name))]


def _says(text: str, words: str) -> bool:
    """Whether a name has a whole word that matches the pattern."""
    return re.search(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])", text.lower()) is not None
