"""Multi-frame (enhanced) MR: every frame at its place, with its scale, and in the volume that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, JPEGLSLossless, RLELossless
from Testing.made_packages import has
from Testing.made_studies import AXIAL, MR, SAGITTAL, Made, first_pixels

from proseg.errors import InputError
from proseg.reading.t2w import read_t2w

ENHANCED = f"{MR}.1"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"


@dataclass
class Frame:
    """A frame of a multi-frame file, at ``k`` times 3 mm, whose first pixel is ``value``."""

    k: float
    value: int = 0
    echo: float | None = None
    b: float | None = None
    time: int | None = None
    stack: str = "1"
    slope: float | None = None
    orientation: list = field(default_factory=lambda: AXIAL)

    def groups(self) -> Dataset:
        """The frame's own functional groups."""
        groups = Dataset()
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        groups.PlanePositionSequence = [item(ImagePositionPatient=[float(mm) for mm in 3 * self.k * normal - 30])]
        groups.PlaneOrientationSequence = [item(ImageOrientationPatient=self.orientation)]
        content = item(StackID=self.stack)
        if self.time is not None:
            content.TemporalPositionIndex = self.time
        groups.FrameContentSequence = [content]
        if self.echo is not None:
            groups.MREchoSequence = [item(EffectiveEchoTime=self.echo)]
        if self.b is not None:
            groups.MRDiffusionSequence = [item(DiffusionBValue=self.b)]
        if self.slope is not None:
            groups.PixelValueTransformationSequence = [
                item(RescaleSlope=self.slope, RescaleIntercept=7, RescaleType="US")
            ]
        return groups


def item(**tags) -> Dataset:
    data = Dataset()
    for name, value in tags.items():
        setattr(data, name, value)
    return data


def volume(count: int = 12, **tags) -> list[Frame]:
    return [Frame(k, 1000 + k, **tags) for k in range(count)]


def write(file: Path, frames: list[Frame], **tags) -> Path:
    """Write an Enhanced MR file of 96 × 96 pixels a frame; tags are set at its top level."""
    file.parent.mkdir(parents=True, exist_ok=True)
    (source,) = Made(count=1, tags={"SOPClassUID": ENHANCED}).write(file.parent / "source")
    data = pydicom.dcmread(source)
    source.unlink()
    for name in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "SliceThickness",
        "ScanningSequence",
    ):
        delattr(data, name)
    del data.EchoTime
    data.EchoPulseSequence = "SPIN"
    shared = item(PixelMeasuresSequence=[item(PixelSpacing=[1, 1], SliceThickness=3)])
    shared.MRTimingAndRelatedParametersSequence = [item(RepetitionTime=5000.0)]
    shared.MREchoSequence = [item(EffectiveEchoTime=104.0)]
    data.SharedFunctionalGroupsSequence = [shared]
    data.PerFrameFunctionalGroupsSequence = [frame.groups() for frame in frames]
    data.NumberOfFrames = len(frames)
    values = np.random.default_rng(0).integers(10, 900, (len(frames), 96, 96), dtype=np.uint16)
    values[:, 0, 0] = [frame.value for frame in frames]
    data.PixelData = values.tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    data.save_as(file)
    return file


@pytest.mark.parametrize("order", ["upwards", "downwards", "interleaved"])
def test_frames_are_put_in_their_places_whatever_their_order(tmp_path, order):
    frames = {"upwards": volume(), "downwards": volume()[::-1], "interleaved": volume()[::2] + volume()[1::2]}[order]
    file = write(tmp_path / "t2.dcm", frames)
    read = read_t2w(tmp_path)
    assert read.image.GetSpacing() == pytest.approx((1, 1, 3))
    assert first_pixels(read.image) == [1000 + k for k in range(12)]
    for k in range(12):
        assert read.image.TransformIndexToPhysicalPoint((0, 0, k)) == pytest.approx((-30, -30, 3 * k - 30))
    assert read.notes == ("Read series 4 “t2_tse_tra”: axial T2W, 12 slices, echo time 104 ms.",)
    assert read.flags == ()
    assert read.files == (file,)
    assert [frames[number - 1].k for number in read.frames] == list(range(12))


def test_each_frame_has_the_scale_that_its_own_groups_give_it(tmp_path):
    write(tmp_path / "t2.dcm", [Frame(k, 1000, slope=0.5 + k / 4) for k in range(12)])
    np.testing.assert_allclose(first_pixels(read_t2w(tmp_path).image), [1000 * (0.5 + k / 4) + 7 for k in range(12)])


def test_an_oblique_stack_lies_where_its_frames_say(tmp_path):
    cosine, sine = np.cos(np.radians(20)), np.sin(np.radians(20))
    file = write(tmp_path / "t2.dcm", volume(orientation=[1, 0, 0, 0, round(cosine, 6), round(sine, 6)]))
    read = read_t2w(tmp_path)
    groups = pydicom.dcmread(file).PerFrameFunctionalGroupsSequence
    for k, number in enumerate(read.frames):
        position = groups[number - 1].PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(read.image.TransformIndexToPhysicalPoint((0, 0, k)), position, atol=1e-3)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_frames_are_unpacked_one_by_one(tmp_path, syntax):
    file = write(tmp_path / "t2.dcm", volume()[::-1])
    data = pydicom.dcmread(file)
    data.compress(syntax)
    data.save_as(file)
    assert first_pixels(read_t2w(tmp_path).image) == [1000 + k for k in range(12)]


@pytest.mark.parametrize("syntax", [DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_deflated_and_big_endian_files_are_read(tmp_path, syntax):
    file = write(tmp_path / "t2.dcm", volume())
    data = pydicom.dcmread(file)
    if syntax == ExplicitVRBigEndian:
        data.PixelData = data.pixel_array.astype(">u2").tobytes()
    data.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(file, data, implicit_vr=False, little_endian=syntax != ExplicitVRBigEndian)
    assert first_pixels(read_t2w(tmp_path).image) == [1000 + k for k in range(12)]


@pytest.mark.parametrize(
    ("attribute", "wanted", "others", "name"),
    [
        ("echo", 104.0, [13.0, 20.0], "echo time 104"),
        ("b", 0.0, [50.0, 800.0], "b-value 0"),
    ],
)
def test_the_t2w_volume_of_a_file_with_several_is_taken(tmp_path, attribute, wanted, others, name):
    frames = [Frame(k, 10, **{attribute: other}) for k in range(12) for other in others]
    frames += volume(**{attribute: wanted})
    write(tmp_path / "t2.dcm", frames)
    read = read_t2w(tmp_path)
    assert first_pixels(read.image) == [1000 + k for k in range(12)]
    assert read.notes[0].startswith(f"Read series 4 “t2_tse_tra” ({name}): axial T2W, 12 slices")
    assert "Set aside: 4 “t2_tse_tra”" in read.notes[2]
    assert read.frames == tuple(range(25, 37))


def test_the_axial_one_of_several_stacks_is_taken(tmp_path):
    frames = [Frame(k, 10, stack="1", orientation=SAGITTAL) for k in range(12)]
    write(tmp_path / "t2.dcm", frames + volume(stack="2"))
    read = read_t2w(tmp_path)
    assert first_pixels(read.image) == [1000 + k for k in range(12)]
    assert "(stack 2)" in read.notes[0]
    assert "(stack 1) (sagittal)" in read.notes[2]


def test_repetitions_in_time_are_told_as_ambiguous(tmp_path):
    write(tmp_path / "t2.dcm", [Frame(k, 100 * time + k, time=time) for time in (1, 2) for k in range(12)])
    read = read_t2w(tmp_path)
    assert [flag.code for flag in read.flags] == ["series_ambiguous"]
    assert "time 1" in read.flags[0].sentence
    assert "time 2" in read.flags[0].sentence


def test_the_many_volumes_of_a_dynamic_series_are_set_aside_as_one(tmp_path):
    write(tmp_path / "a" / "t2.dcm", volume())
    frames = [Frame(k, k, time=time) for time in range(10) for k in range(5)]
    write(tmp_path / "b" / "dce.dcm", frames, SeriesDescription="dyn_post", SeriesInstanceUID="1.2.3", SeriesNumber=9)
    assert read_t2w(tmp_path).notes[-1] == "Set aside: 9 “dyn_post” (dynamic contrast-enhanced)."


@pytest.mark.parametrize(
    ("ks", "sentence"),
    [
        ([0, 1, 2, 3, 8, 9], "lacks slices: a gap of 15 mm"),
        ([0, 1, 2, 2.5, 4, 5], "unevenly spaced"),
        ([0, 0, 1, 1, 2, 2], "several images at one position (6 images at 3 positions)"),
    ],
)
def test_frames_that_make_no_volume_are_refused_in_one_sentence(tmp_path, ks, sentence):
    write(tmp_path / "t2.dcm", [Frame(k) for k in ks])
    with pytest.raises(InputError) as refusal:
        read_t2w(tmp_path)
    assert sentence in refusal.value.sentence
    assert refusal.value.remedy


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"AcquisitionContrast": "DIFFUSION"}, "diffusion-weighted"),
        ({"AcquisitionContrast": "T1"}, "T1-weighted"),
        ({"SeriesDescription": "ax", "EchoPulseSequence": "GRADIENT"}, "a gradient-echo series"),
        ({"EchoPlanarPulseSequence": "YES"}, "diffusion-weighted"),
        ({"SOPClassUID": SEG, "Modality": "SEG"}, "a segmentation"),
        ({"PerFrameFunctionalGroupsSequence": [Frame(0).groups()]}, "multi-frame without a place for each frame"),
        ({"SOPClassUID": MR}, "multi-frame without a place for each frame"),
    ],
)
def test_a_multi_frame_file_of_another_kind_is_refused_and_named(tmp_path, tags, reason):
    write(tmp_path / "x.dcm", volume(), **tags)
    with pytest.raises(InputError, match=f"is {reason}"):
        read_t2w(tmp_path)


def test_a_series_of_enhanced_files_of_one_frame_each_is_read(tmp_path):
    files = [write(tmp_path / f"{k}.dcm", [Frame(k, 1000 + k)], SOPInstanceUID=f"1.2.{k + 1}") for k in range(12)]
    uid = pydicom.dcmread(files[0]).SeriesInstanceUID
    for file in files:
        data = pydicom.dcmread(file)
        data.SeriesInstanceUID = uid
        data.save_as(file)
    read = read_t2w(tmp_path)
    assert first_pixels(read.image) == [1000 + k for k in range(12)]
    assert read.files == tuple(files)
    assert read.frames == ()


def test_pixels_cut_short_are_told(tmp_path):
    file = write(tmp_path / "t2.dcm", volume())
    file.write_bytes(file.read_bytes()[:-30000])
    with pytest.raises(InputError) as refusal:
        read_t2w(tmp_path)
    assert "\n" not in str(refusal.value)


def test_a_whole_file_that_gdcm_cannot_open_is_told_for_its_header(tmp_path):
    write(tmp_path / "t2.dcm", volume(), PerFrameFunctionalGroupsSequence=[])
    with pytest.raises(InputError, match="holds only 1 MR image whose header is not written as the standard has it"):
        read_t2w(tmp_path)


@pytest.mark.parametrize("version", [None, "2.4.4"])  # the latter is what Slicer 5.10 ships
def test_without_a_pydicom_that_can_take_frames_apart_the_sentence_says_what_is_needed(tmp_path, monkeypatch, version):
    write(tmp_path / "t2.dcm", volume())
    has(monkeypatch, "pydicom", version)
    with pytest.raises(InputError, match=r"takes the package pydicom 3\.0\.1 or newer to read \(Slicer 5\.12 has it\)"):
        read_t2w(tmp_path)


def test_no_temporary_file_stays(tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    write(tmp_path / "in" / "t2.dcm", volume())
    read_t2w(tmp_path / "in")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_real_series_as_one_enhanced_file_gives_the_same_image(shared_data, tmp_path):
    folder = shared_data / "dicom" / "ProstateX-0000_t2w"
    slices = [pydicom.dcmread(file) for file in sorted(folder.glob("*.dcm"))]
    data = pydicom.dcmread(write(tmp_path / "t2.dcm", [Frame(0) for _ in slices]))
    for name in ("Rows", "Columns", "BitsStored", "HighBit"):
        setattr(data, name, slices[0][name].value)
    data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = slices[0].PixelSpacing
    for groups, one in zip(data.PerFrameFunctionalGroupsSequence, slices, strict=True):
        groups.PlanePositionSequence[0].ImagePositionPatient = one.ImagePositionPatient
        groups.PlaneOrientationSequence[0].ImageOrientationPatient = one.ImageOrientationPatient
    data.PixelData = b"".join(one.PixelData for one in slices)
    data.save_as(tmp_path / "t2.dcm")
    enhanced, classic = read_t2w(tmp_path).image, read_t2w(folder).image
    assert enhanced.IsSameImageGeometryAs(classic)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(enhanced), sitk.GetArrayViewFromImage(classic))
