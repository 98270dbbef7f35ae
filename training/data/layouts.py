"""Where the known data sets keep their images and labels, and what the label values mean.

- ``manifest``: this project's development data, from its README: ``manifest.csv``; ``zonal/<case>/`` with
  ``t2.nii.gz``, ``zones.nii.gz`` (1 = PZ, 2 = CG) and at times ``zones_reader2.nii.gz``; ``gland/<case>/`` with
  ``t2.nii.gz`` and ``gland.nii.gz``.
- ``promise12``: ``CaseNN.mhd`` and ``CaseNN_segmentation.mhd`` (1 = prostate), in ``TrainingData_Part1`` to ``3`` or
  one folder. From several public loaders. The challenge's test cases have no public labels and are not listed.
- ``prostate158``: ``prostate158_train/train/NNN/t2.nii.gz``, ``t2_anatomy_reader1.nii.gz`` and at times ``_reader2``
  with 1 = central gland, 2 = PZ, the *reverse* of this project's values. Names from its authors' configuration, values
  from the MONAI bundle ``prostate_mri_anatomy`` ("1 central gland, 2 peripheral zone"). ``train.csv`` and ``valid.csv``
  list these folders and are not needed. Numbers are taken to be unique over its training, validation and test parts.
- ``msd``: Medical Segmentation Decathlon ``Task05_Prostate``: ``imagesTr/prostate_NN.nii.gz`` (4D: channel 0 = T2,
  1 = ADC) and ``labelsTr`` with 1 = PZ, 2 = TZ, all from its ``dataset.json``.
- ``prostatex_cuocolo``: Cuocolo et al. 2021, github.com/rcuocolo/PROSTATEx_masks, folder ``Files/prostate``:
  ``Images/ProstateX-NNNN_t2_tse_tra_*.nii.gz``, binary ``mask_pz/*_pz.nii.gz``, ``mask_tz/*_tz.nii.gz`` and
  ``mask_prostate/*.nii.gz``. Names from its file list; they vary (``ProstateX-081_pz``, ``VOLUME-0202_pz``), so masks
  are matched by number. From users of it, unverified: the TZ masks hold the rest of the gland (transition and central
  zone, anterior stroma), and one file has a stray value 2, so any non-zero voxel counts.
- ``prostatex_meyer``: Meyer et al. 2019 (TCIA PROSTATEx-Seg-Zones): 1 = PZ, 2 = TZ, 3 = urethra, 4 = anterior stroma
  in the authors' published code; 2 to 4 make the CG, in whichever order. TCIA has labels as DICOM SEG and images as
  DICOM: convert both to NRRD or NIfTI first, the image as ``ProstateX-NNNN/<number> t2_tse_tra.nrrd`` (the authors'
  naming), the labels as one merged file in a folder of the same name. The authors' own archive (``Train`` and ``Test``
  folders of ``ProstateX-NNNN/*.nrrd``, by a user's script) should fit; that could not be verified.

Patients are told apart within one data set only. PROMISE12, MSD and PROSTATE-3T share patients: cases pooled from
several of them are not safely split by :mod:`training.data.folds`.
"""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from proseg.errors import InputError
from proseg.labels import CG, PZ

_NATIVE = {1: PZ, 2: CG}
_CENTRAL_GLAND_FIRST = {1: CG, 2: PZ}
_FOUR_ZONES = {1: PZ, 2: CG, 3: CG, 4: CG}
_VOLUMES = (".nrrd", ".nii", ".nii.gz", ".mha", ".mhd")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Case:
    """One annotated T2W image.

    Attributes:
        id: unique within its data set.
        source: where it comes from, the group to report by.
        image: the T2W image; of a 4D file channel 0.
        zones: label map of the zones, or None.
        zones_reader2: the same by a second reader, or None.
        gland: whole-gland mask (non-zero = gland), used where there are no zones, or None.
        zone_map: what the values in ``zones`` mean: value -> PZ or CG of :mod:`proseg.labels`; 0 is background.
        patient: cases with the same key are of the same patient.
        masks: one binary file per zone instead of ``zones``: PZ or CG -> file. Where they overlap PZ wins.
        licence: of its image, in words; empty where the layout does not say.
    """

    id: str
    source: str
    image: Path
    patient: str
    zones: Path | None = None
    zones_reader2: Path | None = None
    gland: Path | None = None
    zone_map: Mapping[int, int] = field(default_factory=lambda: _NATIVE, hash=False)
    masks: Mapping[int, Path] = field(default_factory=dict, hash=False)
    licence: str = ""

    @property
    def has_zones(self) -> bool:
        """Whether PZ and CG are annotated, not only the gland."""
        return self.zones is not None or bool(self.masks)


def _files(root: Path, pattern: str) -> list[Path]:
    """Matching files below a folder, sorted, without hidden ones such as macOS's ``._`` files."""
    return sorted(path for path in root.rglob(pattern) if path.is_file() and not path.name.startswith("."))


def _number(path: Path) -> int | None:
    match = re.search(r"\d+", path.name)
    return int(match.group()) if match else None


def _by_number(paths: Iterable[Path]) -> dict[int, Path]:
    return {number: path for path in paths if (number := _number(path)) is not None}


def _manifest_origin(case_id: str, group: str) -> tuple[str, str]:
    """Source and patient key of a manifest case. PROSTATE-3T's patients appear under two kinds of id."""
    if match := re.search(r"(?:_isbi3t|^prostate3t-01-)(\d{4})$", case_id):
        return "PROSTATE-3T (NCI-ISBI)", f"prostate3t-{match[1]}"
    if match := re.search(r"^promise12_.*_msd(\d\d)$", case_id):
        return "PROMISE12 + MSD zones", f"msd-{match[1]}"
    if case_id.startswith("prostatedx-"):
        return "PROSTATE-DIAGNOSIS (NCI-ISBI)", case_id
    if match := re.search(r"^prostate158_.*?(\d{3})$", case_id):
        return "Prostate158", f"prostate158-{match[1]}"
    if match := re.search(r"^prostatex_(\d{4})$", case_id):
        return "PROSTATEx", f"prostatex-{match[1]}"
    if case_id.startswith("promise12_") and group == "gland":
        return "PROMISE12 gland", case_id
    return "other", case_id


def _manifest(root: Path) -> list[Case]:
    manifest = root / "manifest.csv"
    if not manifest.is_file():
        return []
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cases = []
    for row in rows:
        if not {"case", "group"} <= row.keys():
            raise InputError(f"{manifest} lacks the columns 'case' and 'group'.", "Use the project's own data.")
        folder = root / row["group"] / row["case"]
        source, patient = _manifest_origin(row["case"], row["group"])
        labels = "gland" if row["group"] == "gland" else "zones"
        for path in (folder / "t2.nii.gz", folder / f"{labels}.nii.gz"):
            if not path.is_file():
                raise InputError(f"{path} is in the manifest but not on disk.", "Copy the data set again.")
        second = folder / "zones_reader2.nii.gz"
        case = Case(
            row["case"],
            source,
            folder / "t2.nii.gz",
            patient,
            zones=folder / "zones.nii.gz" if labels == "zones" else None,
            zones_reader2=second if second.is_file() else None,
            gland=folder / "gland.nii.gz" if labels == "gland" else None,
            licence=row.get("licence", ""),
        )
        cases.append(case)
    return cases


def _promise12(root: Path) -> list[Case]:
    cases = []
    for gland in _files(root, "Case[0-9][0-9]_segmentation.mhd"):
        name = gland.name[:6]
        if image := _beside(gland, f"{name}.mhd"):
            case_id = f"promise12_{name.lower()}"
            cases.append(Case(case_id, "PROMISE12 gland", image, case_id, gland=gland))
    return cases


def _prostate158(root: Path) -> list[Case]:
    cases = []
    for zones in _files(root, "t2_anatomy_reader1.nii.gz"):
        if image := _beside(zones, "t2.nii.gz"):
            number = zones.parent.name
            second = zones.with_name("t2_anatomy_reader2.nii.gz")
            case = Case(
                f"prostate158_{number}",
                "Prostate158",
                image,
                f"prostate158-{number}",
                zones=zones,
                zones_reader2=second if second.is_file() else None,
                zone_map=_CENTRAL_GLAND_FIRST,
            )
            cases.append(case)
    return cases


def _msd(root: Path) -> list[Case]:
    cases = []
    for zones in _files(root, "labelsTr/prostate_*.nii.gz"):
        if image := _beside(zones, f"../imagesTr/{zones.name}"):
            number = zones.name.removesuffix(".nii.gz").removeprefix("prostate_")
            cases.append(Case(f"msd_{number}", "MSD Task05", image, f"msd-{number}", zones=zones))
    return cases


def _prostatex_cuocolo(root: Path) -> list[Case]:
    folder = next((path.parent for path in sorted(root.rglob("mask_pz")) if path.is_dir()), None)
    if folder is None:
        return []
    images = _by_number(_files(folder / "Images", "*_t2*.nii.gz"))
    pz = _by_number(_files(folder / "mask_pz", "*_pz.nii.gz"))
    cg = _by_number(_files(folder / "mask_tz", "*_tz.nii.gz"))
    gland = _by_number(_files(folder / "mask_prostate", "*.nii.gz"))
    cases = []
    for number in sorted((pz.keys() & cg.keys()) | gland.keys()):
        if number not in images:
            _log.warning("PROSTATEx %04d is skipped: it has masks but no T2W image in %s.", number, folder / "Images")
            continue
        zonal = number in pz and number in cg
        case = Case(
            f"prostatex_{number:04d}",
            "PROSTATEx",
            images[number],
            f"prostatex-{number:04d}",
            gland=gland.get(number),
            masks={PZ: pz[number], CG: cg[number]} if zonal else {},
        )
        cases.append(case)
    return cases


def _prostatex_meyer(root: Path) -> list[Case]:
    folders = [path for path in sorted(root.rglob("ProstateX-[0-9][0-9][0-9][0-9]")) if path.is_dir()]
    images: dict[str, Path] = {}
    zones: dict[str, Path] = {}
    for folder in folders:
        for path in _files(folder, "*"):
            if not path.name.lower().endswith(_VOLUMES):
                continue
            if "t2_tse_tra" in path.name:
                images[folder.name] = path
            elif "t2_tse" not in path.name:
                if folder.name in zones:
                    raise InputError(f"{folder.name} has more than one label file.", "Merge its zones into one file.")
                zones[folder.name] = path
    cases = []
    for name, path in zones.items():
        if name not in images:
            _log.warning("%s is skipped: it has zones but no t2_tse_tra image.", name)
            continue
        number = name[-4:]
        patient = f"prostatex-{number}"
        case = Case(f"prostatex_{number}", "PROSTATEx", images[name], patient, zones=path, zone_map=_FOUR_ZONES)
        cases.append(case)
    return cases


def _beside(labels: Path, name: str) -> Path | None:
    """The image that belongs to a label file; None, with a warning, where it is missing."""
    image = labels.parent / name
    if image.is_file():
        return image
    _log.warning("%s is skipped: its image %s is missing.", labels, name)
    return None


LAYOUTS: Mapping[str, Callable[[Path], list[Case]]] = {
    "manifest": _manifest,
    "promise12": _promise12,
    "prostate158": _prostate158,
    "msd": _msd,
    "prostatex_cuocolo": _prostatex_cuocolo,
    "prostatex_meyer": _prostatex_meyer,
}
