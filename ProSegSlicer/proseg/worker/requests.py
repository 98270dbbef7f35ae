"""What a caller asks of a worker: lines of JSON, and the fields in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proseg.errors import InputError, OutputError
from proseg.worker.failures import RequestError


def parse(line: bytes) -> dict[str, Any]:
    """The request in a line.

    Raises:
        RequestError: there is none.
    """
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        raise RequestError("A request was not understood.", "A request is a line with one JSON object.")
    return request


def field(request: dict[str, Any], name: str, kind: type | tuple[type, ...], *default: Any) -> Any:
    """A request's field, if it is of this kind.

    Raises:
        RequestError: it is not, or is missing where there is no default.
    """
    value = request.get(name, *default)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise RequestError(f"The request's field {name!r} cannot be {value!r}.", "See the description of the protocol.")
    return value


@dataclass(frozen=True)
class Wanted:
    """What every run wants: an image, and a folder for what is found.

    Attributes:
        image: what ``read_t2w`` takes.
        folder: where the results go; it exists.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        psa_ng_ml: serum PSA in ng/mL, or None.
        keep_image: whether the image is written too.
    """

    image: Path
    folder: Path
    device: str
    psa_ng_ml: float | None
    keep_image: bool

    @classmethod
    def of(cls, request: dict[str, Any]) -> Wanted:
        """What a request wants.

        Raises:
            RequestError: a field is missing or of the wrong kind.
            InputError: the PSA is impossible.
            OutputError: the folder does not exist.
        """
        image, folder = (Path(field(request, name, str)) for name in ("image", "folder"))
        device = field(request, "device", str, "auto")
        psa = field(request, "psa_ng_ml", (int, float, type(None)), None)
        keep_image = field(request, "keep_image", bool, False)
        if psa is not None and not 0 <= psa < float("inf"):
            raise InputError(f"A PSA of {psa:g} ng/mL is impossible.", "Give a number of ng/mL, 0 or more.")
        if not folder.is_dir():
            raise OutputError(f"The folder {folder} for the results does not exist.", "Try again.")
        return cls(image, folder, device, psa, keep_image)


@dataclass(frozen=True)
class Given:
    """What a reader gives to ``refine``, in indices along the input's slice axis; see ``Segmenter.refine``."""

    slices: tuple[int, ...]
    first: int | None
    last: int | None

    @classmethod
    def of(cls, request: dict[str, Any]) -> Given:
        """What a request gives.

        Raises:
            RequestError: a field is of the wrong kind.
        """
        first, last = (field(request, name, (int, type(None)), None) for name in ("first", "last"))
        slices = field(request, "slices", list, [])
        return cls(tuple(field({"slices": index}, "slices", int) for index in slices), first, last)
