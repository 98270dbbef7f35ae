"""Hypothesis strategies that draw damage by the thousand, most of it where readers look: in headers."""

from __future__ import annotations

import struct

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from benchmarks.reliability import sources
from benchmarks.reliability.damage import NIFTI_FIELDS, Edit, Recipe

BYTES, HEADER = "bytes", "header"
LEVELS = (BYTES, HEADER)

# Numbers at which programs break: ends of types, just beyond them, no numbers, tiny, huge.
NUMBERS = (
    *(0, -1, 1, 2, 3, 4, 5, 6, 7, 8, 16, 64, 79, 81, 127, 128, 255, 256, 512, 1000, 32767, 32768, 65535, 65536),
    *(2**31 - 1, -(2**31), 2**31, 2**32 - 1, 2**32, 2**63 - 1, -(2**63), 2**64),
    *(0.5, 1.5, -5.0, 0.001, 19.9, 1e-9, 1e-38, 1e-45, 1e9, 1e38, 1e300, float("nan"), float("inf"), float("-inf")),
)
DATA_FILES = ("LOCAL", "LIST", "t2.raw", "..", ".", "/dev/zero", "/dev/stdin", "../../etc/passwd", "t2_%03d.raw 1 6 1")
WORDS = (
    *("", " ", "none", "True", "False", "raw", "gzip", "bzip2", "hex", "ascii", "little", "big", "(", ")", "()"),
    *("short", "ushort", "float", "double", "int64", "uint8", "block", "MET_SHORT", "MET_FLOAT", "MET_UCHAR"),
    *("MET_SHORT_ARRAY", "MET_NONE", "left-posterior-superior", "scanner-xyz", "RAI", "???", "domain domain domain"),
    *("MONOCHROME2", "RGB", "PALETTE COLOR", "DERIVED\\SECONDARY", "ISO_IR 192", "ISO 2022 IR 87", "MR", "CT"),
    *DATA_FILES,
)
TRANSFER_SYNTAXES = (
    *("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", "1.2.3"),
    *("1.2.840.10008.1.2.5", *(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91, 201))),
)
NRRD_KEYS = (
    *("type", "dimension", "space", "sizes", "space directions", "kinds", "endian", "encoding", "space origin"),
    *("data file", "byte skip", "line skip", "spacings", "thicknesses", "space dimension", "measurement frame"),
    *("content", "units", "labels", "axis mins", "block size", "space units", "old min"),
)
META_KEYS = (
    *("ObjectType", "NDims", "BinaryData", "BinaryDataByteOrderMSB", "CompressedData", "CompressedDataSize"),
    *("TransformMatrix", "Offset", "CenterOfRotation", "AnatomicalOrientation", "ElementSpacing", "DimSize"),
    *("ElementType", "ElementDataFile", "HeaderSize", "ElementNumberOfChannels", "ElementSize", "Modality"),
)
# Tags as they lie in a little-endian file: those a reader acts upon, whether the source has them or not.
DICOM_TAGS = tuple(
    struct.pack("<2H", int(tag[:4], 16), int(tag[4:], 16)).hex()
    for tag in (
        *("00020000", "00020010", "00080005", "00080008", "00080016", "00080018", "00080060", "0008103e"),
        *("00100010", "00100020", "00180020", "00180050", "00180080", "00180081", "00180088", "00189087"),
        *("0020000d", "0020000e", "00200011", "00200013", "00200032", "00200037", "00280002", "00280004", "00280006"),
        *("00280008", "00280010", "00280011", "00280030", "00280100", "00280101", "00280102", "00280103"),
        *("00281050", "00281051", "00281052", "00281053", "52009230", "7fe00010"),
    )
)

_numbers = st.sampled_from(NUMBERS) | st.floats() | st.integers(-(2**16), 2**16)
_number_words = st.sampled_from([repr(n) for n in NUMBERS]) | st.integers(-300, 300).map(str)
_vectors = st.lists(_number_words, min_size=1, max_size=13).flatmap(
    lambda words: st.sampled_from([" ".join(words), "\\".join(words), ",".join(words), f"({','.join(words)})"])
)
_triples = st.lists(st.lists(_number_words, min_size=3, max_size=3), min_size=1, max_size=4).map(
    lambda rows: " ".join(f"({','.join(row)})" for row in rows)
)
_texts = st.one_of(
    *(_number_words, _vectors, _triples, st.sampled_from(WORDS), st.text(max_size=20)),
    st.integers(1, 5000).map(lambda count: "9" * count),
)


def _places(size: int) -> st.SearchStrategy[int]:
    """Offsets, most of them near the beginning or the end, where the formats keep what matters."""
    return st.one_of(st.integers(0, 360), st.integers(0, 360), st.integers(-400, -1), st.integers(0, size))


def _hex(most: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=1, max_size=most).map(bytes.hex)


def _byte_edits(size: int = 70_000) -> st.SearchStrategy[Edit]:
    place, count = _places(size), st.sampled_from([1, 2, 3, 4, 8, 64, 512, 4096, 65536])
    return st.one_of(
        *(st.tuples(st.just("set"), place, _hex(8)), st.tuples(st.just("flip"), place, st.integers(0, 7))),
        *(st.tuples(st.just("insert"), place, _hex(40)), st.tuples(st.just("cut"), place)),
        *(st.tuples(st.just("drop"), place, count), st.tuples(st.just("fill"), place, count, st.integers(0, 255))),
        st.tuples(st.just("repeat"), place, count, st.integers(2, 20)),
    ).map(list)


def _nifti_edits() -> st.SearchStrategy[Edit]:
    return st.tuples(st.just("field"), st.sampled_from(sorted(NIFTI_FIELDS)), _numbers.map(float)).map(list)


def _line_edits(keys: tuple[str, ...]) -> st.SearchStrategy[Edit]:
    key = st.sampled_from(keys)
    change = st.tuples(st.just("line"), key, _texts)
    return st.one_of(
        *(change, change, change, st.tuples(st.just("no line"), key), st.tuples(st.just("extra line"), key, _texts))
    ).map(list)


def _dicom_edits() -> st.SearchStrategy[Edit]:
    which, tag = st.one_of(st.just("all"), st.integers(0, 5)), st.sampled_from(DICOM_TAGS)
    whole = st.sampled_from([n for n in NUMBERS if isinstance(n, int)]).map(
        lambda n: struct.pack("<H", n % 2**16).hex()
    )
    text = (_texts | st.sampled_from(TRANSFER_SYNTAXES)).map(lambda words: words.encode("utf-8", "replace").hex())
    value = st.one_of(whole, text, text, _hex(12))
    length = st.sampled_from([0, 1, 2, 7, 255, 65535, 2**31, 2**32 - 1])
    change = st.tuples(st.just("element"), which, tag, value)
    syntax = st.sampled_from(TRANSFER_SYNTAXES).map(lambda uid: uid.encode().hex())
    return st.one_of(
        *(change, change, change, st.tuples(st.just("element"), which, tag, value, length)),
        *(st.tuples(st.just("no element"), which, tag), st.tuples(st.just("again"), which, tag)),
        st.tuples(st.just("element"), st.just("all"), st.just("02001000"), syntax),
        st.tuples(st.sampled_from(["no file", "copy file"]), st.integers(0, 5)),
    ).map(list)


HEADER_EDITS = {
    **dict.fromkeys(("nii", "nii.gz", "hdr"), _nifti_edits()),
    **dict.fromkeys(("nrrd", "raw.nrrd", "nhdr"), _line_edits(NRRD_KEYS)),
    **dict.fromkeys(("mha", "zip.mha", "mhd"), _line_edits(META_KEYS)),
    **dict.fromkeys((sources.DICOM, sources.ARCHIVE), _dicom_edits()),
}


def recipes(kind: str, level: str) -> st.SearchStrategy[Recipe]:
    """Damaged inputs of a kind, with edits of its bytes or of its header's meaning."""
    edits = _byte_edits() if level == BYTES else HEADER_EDITS[kind]
    return st.lists(edits, min_size=1, max_size=3).map(lambda chosen: Recipe(kind, tuple(chosen)))


def draw(kind: str, level: str, count: int, start: int) -> list[Recipe]:
    """So many different recipes; the same for the same ``start`` as long as the code is the same.

    Hypothesis draws constants of the source code too, so after a change the same seed may draw others; a recipe's line
    makes the same file for ever. The first that is drawn is left out: it is the simplest one, whatever the seed.
    """
    drawn: dict[str, Recipe] = {}

    @seed(f"{start} {kind} {level}")
    @settings(
        max_examples=2 * count + 1,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=HealthCheck,
    )
    @given(recipes(kind, level))
    def collect(recipe: Recipe) -> None:
        drawn.setdefault(recipe.to_json(), recipe)

    collect()
    return list(drawn.values())[1 : count + 1]
