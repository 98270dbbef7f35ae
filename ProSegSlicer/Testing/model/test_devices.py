"""Which device is taken, with GPUs that are absent, broken or fine."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from proseg.errors import DeviceError
from proseg.model.devices import DEVICES, Device, _vendor, choose_device, cpu_after


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine has."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "12.6")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretend there is a GPU, whose first tensor is made by ``probe``."""

    def pretend(name: str, probe: Callable[[], torch.Tensor]) -> None:
        monkeypatch.setattr(torch.cuda if name == "cuda" else torch.backends.mps, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Test 9000")
        monkeypatch.setattr(torch, "ones", lambda *shape, device: probe())

    return pretend


def works() -> torch.Tensor:
    return torch.full((8, 8), 1.0)


def computes_wrongly() -> torch.Tensor:
    return torch.full((8, 8), 0.5)


def raises() -> torch.Tensor:
    raise RuntimeError("no kernel image is available\nCUDA kernel errors might be reported later")


def is_sentences(text: str) -> bool:
    return text[0].isupper() and text.endswith(".") and "\n" not in text and ".." not in text


def test_the_cpu_is_taken_when_asked_for() -> None:
    device = choose_device("cpu")
    assert device.name == "cpu"
    assert "asked for" in device.reason
    assert is_sentences(device.reason)


@pytest.mark.parametrize("name", ["gpu", "", "CUDA", "cuda:1"])
def test_an_unknown_device_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(DeviceError) as caught:
        choose_device(name)
    assert f"'{name}'" in caught.value.sentence
    assert all(known in caught.value.remedy for known in DEVICES)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "build", "words"),
    [("cuda", "12.6", "no CUDA GPU"), ("cuda", None, "built without CUDA"), ("mps", "12.6", "no Apple GPU")],
)
def test_an_absent_gpu_is_explained(monkeypatch: pytest.MonkeyPatch, name: str, build: str | None, words: str) -> None:
    monkeypatch.setattr(torch.version, "cuda", build)
    with pytest.raises(DeviceError, match=words) as caught:
        choose_device(name)
    assert is_sentences(caught.value.sentence)
    assert "cpu" in caught.value.remedy


def test_without_a_gpu_auto_takes_the_cpu_and_says_why() -> None:
    device = choose_device()
    assert device.name == "cpu"
    assert "no CUDA GPU" in device.reason
    assert is_sentences(device.reason)


def test_a_working_cuda_gpu_is_taken(gpu: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    gpu("cuda", works)
    assert choose_device() == Device("cuda", "The GPU (Test 9000) works.", torch.float32)
    assert "asked for" in choose_device("cuda").reason
    assert choose_device("cpu").name == "cpu"


def test_a_working_apple_gpu_is_taken_in_full_precision(gpu: Callable[..., None]) -> None:
    gpu("mps", works)
    for request in ("auto", "mps"):
        device = choose_device(request)
        assert (device.name, device.dtype) == ("mps", torch.float32)
        assert is_sentences(device.reason)


@pytest.mark.parametrize("name", ["cuda", "mps"])
@pytest.mark.parametrize(("probe", "words"), [(raises, "no kernel image"), (computes_wrongly, "computes wrongly")])
def test_a_broken_gpu_is_not_taken(
    gpu: Callable[..., None], name: str, probe: Callable[[], torch.Tensor], words: str
) -> None:
    gpu(name, probe)
    device = choose_device("auto")
    assert device.name == "cpu"
    assert words in device.reason
    assert is_sentences(device.reason)
    with pytest.raises(DeviceError, match=words) as caught:
        choose_device(name)
    assert is_sentences(caught.value.sentence)
    assert caught.value.remedy


def test_a_gpu_too_broken_to_tell_its_name_is_not_taken(
    gpu: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking its name starts CUDA as any other call does, and fails with it."""
    gpu("cuda", raises)
    monkeypatch.setattr(torch.cuda, "get_device_name", raises)
    assert choose_device("auto").name == "cpu"
    with pytest.raises(DeviceError, match="no kernel image"):
        choose_device("cuda")


@pytest.mark.parametrize(
    ("vendor", "vectors", "tiles", "dtype"),
    [
        ("vendor_id : AuthenticAMD", True, False, torch.bfloat16),
        ("vendor_id : AuthenticAMD", False, False, torch.float32),
        ("vendor_id : GenuineIntel", True, True, torch.bfloat16),
        ("vendor_id : GenuineIntel", True, False, torch.float32),
    ],
)
def test_the_cpu_computes_in_bfloat16_only_where_it_is_fast(
    monkeypatch: pytest.MonkeyPatch, vendor: str, vectors: bool, tiles: bool, dtype: torch.dtype
) -> None:
    """Intel's AVX-512 has bfloat16 instructions, but only its tiles are faster with them."""
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: vectors)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles, raising=False)
    monkeypatch.setattr("proseg.model.devices._vendor", lambda: vendor)
    assert choose_device("cpu").dtype is dtype


def test_the_processors_maker_is_known_or_asked_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows and macOS have no /proc/cpuinfo."""
    monkeypatch.setattr("proseg.model.devices.Path.read_text", lambda _: "processor: 0\nvendor_id : GenuineIntel\n")
    assert "GenuineIntel" in _vendor()
    monkeypatch.setattr("proseg.model.devices.Path.read_text", raises_missing)
    monkeypatch.setattr("proseg.model.devices.platform.processor", lambda: "Intel64 Family 6")
    assert _vendor() == "Intel64 Family 6"


def raises_missing(_: object) -> str:
    raise FileNotFoundError


def test_a_torch_that_cannot_tell_computes_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """The private functions are not in torch 2.4, which pyproject.toml admits."""
    for name in ("avx512_bf16", "amx_tile"):
        monkeypatch.delattr(torch.cpu, f"_is_{name}_supported", raising=False)
    assert choose_device("cpu").dtype is torch.float32


@pytest.mark.parametrize(
    ("message", "words"),
    [("CUDA out of memory. Tried to allocate 2 GiB\nSee documentation", "CUDA out of memory"), ("x" * 500, "x" * 100)],
)
def test_after_a_failure_of_the_gpu_comes_the_cpu_with_the_reason(message: str, words: str) -> None:
    device = cpu_after(RuntimeError(message))
    assert device.name == "cpu"
    assert words in device.reason
    assert "documentation" not in device.reason
    assert len(device.reason) < 200
    assert is_sentences(device.reason)


def test_a_failure_without_a_message_is_no_obstacle(gpu: Callable[..., None]) -> None:
    def raises_silently() -> torch.Tensor:
        raise RuntimeError

    assert cpu_after(RuntimeError()).name == "cpu"
    gpu("cuda", raises_silently)
    assert choose_device("auto").name == "cpu"
