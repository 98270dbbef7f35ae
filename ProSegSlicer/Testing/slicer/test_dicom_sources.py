"""The DICOM files of a volume, by Slicer's database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import slicer

from proseg.errors import InputError
from ProSegSlicerLib.dicom_sources import INSTANCES, put_into_database, source_files

pytest.importorskip("pydicom", reason="pydicom is not installed: pip install 'proseg[dicom]'")


def test_files_come_in_the_order_of_the_volumes_instances_each_once(dicom_volume: Any, tmp_path: Path) -> None:
    names = [file.name for file in source_files(dicom_volume)]
    assert names == sorted((file.name for file in (tmp_path / "study").iterdir()), reverse=True)
    dicom_volume.SetAttribute(INSTANCES, " ".join([dicom_volume.GetAttribute(INSTANCES)] * 2))  # frames of one file
    assert [file.name for file in source_files(dicom_volume)] == names


def test_files_gone_from_the_database_or_the_disk_are_missed(dicom_volume: Any, tmp_path: Path) -> None:
    assert len(source_files(dicom_volume)) == 12
    (tmp_path / "study" / "003.dcm").unlink()
    with pytest.raises(InputError, match="no longer in Slicer's DICOM database"):
        source_files(dicom_volume)
    dicom_volume.SetAttribute(INSTANCES, "1.2.3")
    with pytest.raises(InputError, match="no longer in Slicer's DICOM database"):
        source_files(dicom_volume)


def test_without_a_database_nothing_is_found(dicom_volume: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slicer, "dicomDatabase", None)
    with pytest.raises(InputError, match="no longer in Slicer's DICOM database"):
        source_files(dicom_volume)


def test_a_volume_of_another_kind_or_none_is_refused_with_the_way_out(volume: Any) -> None:
    with pytest.raises(InputError, match=r"T2W was not loaded from DICOM.*load it from there"):
        source_files(volume)
    with pytest.raises(InputError, match="no longer in the scene"):
        source_files(None)


def test_outside_slicer_there_is_no_database_to_put_a_file_into(
    dicom_volume: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_into_database(tmp_path / "zones.dcm")
    assert slicer.dicomDatabase.inserted == [str(tmp_path / "zones.dcm")]
    monkeypatch.delattr(slicer, "dicomDatabase")
    put_into_database(tmp_path / "zones.dcm")
