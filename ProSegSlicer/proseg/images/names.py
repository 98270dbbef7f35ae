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
    r"[dm]?segs?|probsegs?|segmentations?|labels?(tr|ts|val)?|lbls?|labelmaps?|masks?|zones?|gland|truth|gt|groundtruth|annotations?|rois?|"
    r"contours?|anatomy|lesions?|tumou?rs?|pred|predictions?|prob|probs|binary|wholegland|uncertainty|pz|cg|tz|wg"
)
_READERS = r"(reader|rater|expert|observer|annotator)[0-9a-z]?"  # whose label map it is
_OTHERS = (
    r"adc|e?dwi|hbv|hbval|b[\W_]?vals?|high[\W_]?b|diff[a-z]*|b[0-9]{2,4}|dce|dyn[a-z]*|t1[a-z]*|sag|sagittal|cor|coronal|"
    r"ktrans|pd|pdw|perf[a-z]*|flair|swi|t2[\W_]?maps?|t2[\W_]?mapping|t2[\W_]?star[a-z]*"
)
_T2 = r"t2|t2w|t2_?tse\w*|t2_?weighted"

# Of label maps, somewhere above them.
_LABEL_FOLDERS = rf"{_LABELS}|delineations?|derivatives|readers?|infer(ence|s|tr|ts)?|nnunet_results"
_MADE_FOLDERS = r"derivatives|labels?(tr|ts|val)?|masks?|segs?|segmentations?"
_CHANNEL_FOLDERS = r"images(tr|ts|val|va)"  # as nnU-Net wants them
_CHANNEL = re.compile(r"(.+)_(\d{4})")
_BIDS_OTHERS = ("dwi", "fmap", "func", "perf")  # folders beside "anat"
MOST_CHANNELS = 9
MOST_COMPARED = 1000  # images of one name, with a label map

Path_ = TypeVar("Path_", bound=PurePath)


def image_ending(name: str) -> str:
    """The ending of an image file's name as ``IMAGE_ENDINGS`` has it, empty if it is none."""
    return next((ending for ending in IMAGE_ENDINGS if name.lower().endswith(ending)), "")


def companions(files: Iterable[Path_]) -> set[Path_]:
    """The image files that go with others and are no cases: label maps beside an image, other contrasts beside a T2W.

    A label map by its name (``t2_seg``, ``Case00_segmentation``) goes with an image in its folder whose name begins
    alike; one by its folder's name (``labelsTr``) goes with the image of the same name in a folder beside that. Another
    contrast by its name (``ann_adc``) goes with an image in its folder whose name says T2. In a tree of its own
    (``labels/gland/ann.nii``, ``masks/ann/pz.nii``) a label map goes with the image whose name or folder names the same
    patient. Of the channels that nnU-Net numbers, ``_0001`` and on go with ``_0000``.

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
        if folder.name in _BIDS_OTHERS and any(_says(_stem(f), _T2) for f in folders.get(folder.parent / "anat", ())):
            found |= set(members)
        if _says(folder.name, _LABELS):
            others = beside[folder.parent]  # nnU-Net adds the number of the channel to the image's name
            found |= {file for file in members if _stem(file) in others or f"{_stem(file)}_0000" in others}
    return found | _channels(folders) | _in_trees(folders, found)


def _channels(folders: dict[PurePath, list[Path_]]) -> set[Path_]:
    """The channels but the first: in a folder that nnU-Net names so, or where several images have the same ones.

    Numbers of four digits may be those of patients as well. They are where a label map has them too, and where they
    run higher than channels do.
    """
    found: set[Path_] = set()
    for folder, members in folders.items():
        numbered: dict[str, dict[str, Path_]] = defaultdict(dict)
        for file in members:
            if parts := _CHANNEL.fullmatch(_stem(file)):
                numbered[parts[1]][parts[2]] = file
        labelled = {
            _stem(file)
            for other, files in folders.items()
            if other.parent == folder.parent and _says(other.name, _LABELS)
            for file in files
        }
        sets = {base: channels for base, channels in numbered.items() if "0000" in channels and len(channels) > 1}
        same = len(sets) > 1 and len({tuple(sorted(channels)) for channels in sets.values()}) == 1
        for base, channels in sets.items():
            few = max(map(int, channels)) <= MOST_CHANNELS
            own = any(f"{base}_{number}" in labelled for number in channels)
            if few and not own and (same or _says(folder.name, _CHANNEL_FOLDERS)):
                found |= {file for number, file in channels.items() if number != "0000"}
    return found


def _in_trees(folders: dict[PurePath, list[Path_]], known: set[Path_]) -> set[Path_]:
    """The label maps in trees of their own: below where their way parts from that of an image of the same patient."""
    of_patient: dict[tuple[str, ...], list[Path_]] = defaultdict(list)
    files = [file for members in folders.values() for file in members]
    for file in files:
        if file not in known and not _says(_stem(file), _LABELS):
            of_patient[_patient(file) or _words(file.parent.name)].append(file)  # "t2.nii" in the patient's folder
    found: set[Path_] = set()
    for file in files:
        # "lesion/ann/t2.nii" is a patient with a lesion; what lies in "derivatives" was made from an image in any case
        told = _LABEL_FOLDERS if _says(_stem(file), _LABELS) or not _says(_stem(file), _T2) else _MADE_FOLDERS
        if not any(_says(part, told) for part in file.parent.parts):
            continue
        words = _words(_stem(file))
        named = {*(words[:n] for n in range(1, len(words) + 1)), *map(_words, file.parent.parts)}
        images = [image for patient in sorted(named - {()}) for image in of_patient.get(patient, ())]
        if any(image != file and _is_labels_of(file, image, told) for image in images[:MOST_COMPARED]):
            found.add(file)
    return found


def _patient(image: PurePath) -> tuple[str, ...]:
    """The words of an image's name before the first that names a contrast, or the number of its first channel."""
    words: list[str] = []
    for word in _words(_stem(image)):
        if re.fullmatch(f"{_T2}|{_OTHERS}|0000", word):
            break
        words.append(word)
    return tuple(words)


def _is_labels_of(labels: PurePath, image: PurePath, told: str) -> bool:
    """Whether a file lies in a folder of label maps, and an image not, below where their ways part."""
    own, others = labels.parent.parts, image.parent.parts
    shared = next((n for n, (a, b) in enumerate(zip(own, others, strict=False)) if a != b), min(len(own), len(others)))
    return any(_says(part, told) for part in own[shared:]) and not any(
        _says(part, _LABEL_FOLDERS) for part in others[shared:]
    )


def _alike(labels: PurePath, image: PurePath) -> bool:
    """Whether a label map's name is that of an image with words of labels added, or without, in common folders."""
    words, own = (_words(_stem(file)) or ("",) for file in (image, labels))
    rest = [word for word in own if not re.fullmatch(f"{_LABELS}|{_READERS}", word)]
    # "truth" beside "t2"; "Case00_segmentation" beside "Case00"; "ann_mask" beside "ann_t2w"
    return not rest or rest[0] == words[0]


def _stem(file: PurePath) -> str:
    return file.name[: len(file.name) - len(image_ending(file.name))]


def _words(text: str) -> tuple[str, ...]:
    """The words of a name in lower case."""
    return tuple(re.findall(r"[a-z0-9]+", _parted(text)))


def _parted(text: str) -> str:
    """A name in lower case, words in ``CamelCase`` parted as others are."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[0-9])(?=[A-Z][a-z])", "_", text).lower()


def _says(text: str, words: str) -> bool:
    """Whether a name has a whole word that matches the pattern."""
    whole = rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])"
    return any(re.search(whole, name) for name in (text.lower(), _parted(text)))
