"""One way in: a file, a DICOM series, a DICOM study or a ZIP of one becomes an image fit for segmentation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from proseg.dicom.meta import is_dicom
from proseg.dicom.series import read_dicom
from proseg.errors import InputError
from proseg.flags import QualityFlag, Severity
from proseg.images.checks import T2WImage, check_t2w
from proseg.images.files import image_format, is_whole, placing, read_image_file
from proseg.images.foreign import is_absent, is_packed_slice, refuse, what_is
from proseg.images.names import RESULT_ENDINGS, companions
from proseg.reading.archives import Archive, is_zip, unpacked, within_zip
from proseg.system.folders import walk

__all__ = ["T2WImage", "check_t2w", "read_t2w"]

LISTED = 5  # images named in one sentence


def read_t2w(path: str | Path) -> T2WImage:
    """Read an axial T2W image.

    Args:
        path: a NIfTI, NRRD or MetaImage file; one file of a DICOM series (its folder's other slices are read too); the
            folder of a DICOM series; the folder of a DICOM study, or its DICOMDIR, in which the axial T2W series is
            looked for; a ZIP of any of these, or a path that leads into one, as in ``export.zip/ann``.

    Returns:
        The image, 3D float32 on its native grid (LPS, mm), with notes on how it was chosen and flags. What was unpacked
        from a ZIP stays until the image is closed (see ``T2WImage``), for outputs that refer to the DICOM files.

    Raises:
        InputError: there is no such path, or nothing there that can be segmented.
    """
    path = Path(path).expanduser()
    try:
        if path.is_dir():
            return _read_folder(path)
        if path.is_symlink() and not path.exists():
            refuse(path, str(path))
        if path.is_file():
            if is_zip(path):  # and a file that may not be read is not "no image"
                return _read_zip(path, PurePosixPath(), path)
            if is_dicom(path) or image_format(path) == "DICOM":
                return read_dicom(path)
            return _read_file(path, str(path), path)
        if within := within_zip(path):
            return _read_zip(*within, path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", "Check that you may read it.") from None
    raise InputError(f"{path} does not exist.", "Check the path.")


def _read_folder(folder: Path) -> T2WImage:
    """The DICOM study of a folder; what stands in it for files that are not here is told."""
    files = (place / name for place, names in walk(folder) for name in names)
    absent = [file for file in files if is_packed_slice(file.name) or is_absent(file)]
    if not absent:
        return read_dicom(folder)
    said = what_is(absent[0]) or ("not here", "Copy or fetch it again.")
    names = ", ".join(path.name for path in absent[:LISTED]) + (" …" if len(absent) > LISTED else "")
    packed = all(is_packed_slice(file.name) for file in absent)
    how = "compressed each by itself" if packed else "not here, only links or pointers to them"
    many = f"{len(absent)} files in {folder} are {how}" if len(absent) > 1 else ""
    sentence = f"{many or f'The file {absent[0].name} in {folder} is {said[0]}'}"
    try:
        image = read_dicom(folder)
    except InputError as error:
        raise InputError(f"{sentence}{f': {names}' if many else ''}. {error.sentence}", said[1]) from None
    flag = QualityFlag(
        "files_not_here",
        Severity.WARNING,
        f"{len(absent)} file{'s' if len(absent) > 1 else ''} of the folder could not be read, as "
        f"{'compressed each by itself' if packed else 'they are only links or pointers'}: "
        "slices may be missing at either end.",
    )
    return replace(image, flags=(flag, *image.flags))


def _read_file(file: Path, shown: str, source: Path) -> T2WImage:
    """A NIfTI, NRRD or MetaImage file; ``shown`` is what errors call it."""
    image = check_t2w(read_image_file(file, shown), shown)
    header, flags = placing(file)
    told = {flag.code for flag in flags}
    return replace(
        image, source=source, nifti=header, flags=(*flags, *(flag for flag in image.flags if flag.code not in told))
    )


def _read_zip(file: Path, inside: PurePosixPath, path: Path) -> T2WImage:
    """What a folder or file in a ZIP holds; ``path`` is the two together, as it was given."""
    with Archive(file, inside) as archive:
        first = next(archive.entries(), None)
        if first is None:
            raise archive.why_empty()
        one_slice = first.is_dicom and first.path == inside  # of a series, which lies around it
    with Archive(file, inside.parent if one_slice else inside) as archive, unpacked(archive) as (folder, entries):
        if any(entry.is_dicom for entry in entries.values()):
            place = next((made for made, entry in entries.items() if one_slice and entry.path == inside), folder.path)
            return replace(read_dicom(place, str(path)), source=path, kept=folder)
        images = {entry.path: made for made, entry in entries.items() if not _is_result(entry.path)}
        for companion in companions(images):
            del images[companion]
        if not images:
            raise InputError(f"{path} holds no image, only segmentations.", "Give the axial T2W image.")
        if len(images) > 1:
            names = ", ".join(map(str, list(images)[:LISTED])) + (" …" if len(images) > LISTED else "")
            raise InputError(
                f"{path} holds {len(images)} images: {names}.",
                f"Give one of them, as {file / next(iter(images))}, or all of them to: proseg batch.",
            )
        ((name, made),) = images.items()
        shown = str(file / name)
        if not is_whole(made):
            raise InputError(f"{shown} has its voxels in another file.", "Unpack the ZIP and give the image itself.")
        image = _read_file(made, shown, path)
        folder.remove()
        return image


def _is_result(path: PurePosixPath) -> bool:
    return path.name.lower().endswith(RESULT_ENDINGS)
