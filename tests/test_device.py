"""A missing device is refused, and the automatic precision is the one that the device is fast in."""

from collections.abc import Iterator

import pytest
import torch

from promise_cli.errors import CheckpointError
from promise_cli.network import device as device_module
from promise_cli.network.device import (
    autocast,
    choose_device,
    choose_precision,
    move_to_device,
    set_up_device,
)

CPU = torch.device("cpu")


def test_a_missing_device_is_refused() -> None:
    assert choose_device("cpu").type == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(
            CheckpointError, match="--device cuda: not available on this machine; use --device cpu"
        ):
            choose_device("cuda")


@pytest.mark.parametrize("name", ["tpu", "", "cuda:one", "gpu0"])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(
        CheckpointError, match=f"--device {name}: unknown; use auto, cpu, cuda or mps"
    ):
        choose_device(name)


@pytest.mark.parametrize("amx", [True, False])
def test_auto_is_bf16_on_a_cpu_with_matrix_units_except_for_the_tiny_network(
    amx: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_module, "_has_amx", lambda: amx)
    assert choose_precision("auto", CPU, "sam_vit_b") == ("bf16" if amx else "fp32")
    assert choose_precision("auto", CPU, None) == ("bf16" if amx else "fp32")
    assert choose_precision("auto", CPU, "tiny") == "fp32"
    assert choose_precision("bf16", CPU, "tiny") == "bf16"
    assert choose_precision("fp32", CPU, "sam_vit_b") == "fp32"


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(
        CheckpointError, match="--precision fp8: unknown; use auto, fp32, bf16 or fp16"
    ):
        choose_precision("fp8", CPU, "tiny")


def test_fp16_is_for_cuda_gpus() -> None:
    with pytest.raises(
        CheckpointError,
        match="--precision fp16: only for CUDA GPUs, the device is cpu; use fp32 or bf16",
    ):
        choose_precision("fp16", CPU, "tiny")


@pytest.mark.parametrize(
    ("capability", "precision"),
    [((6, 1), "fp32"), ((7, 0), "fp16"), ((7, 5), "fp16"), ((8, 0), "bf16"), ((12, 0), "bf16")],
)
def test_auto_is_the_16_bit_format_that_a_gpu_multiplies_fast(
    capability: tuple[int, int], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert choose_precision("auto", torch.device("cuda:0"), "tiny") == precision


@pytest.fixture
def _restore_backends() -> Iterator[None]:
    backends = torch.backends
    before = (
        backends.cudnn.benchmark,
        backends.cudnn.allow_tf32,
        backends.cuda.matmul.allow_tf32,
    )
    yield
    (
        backends.cudnn.benchmark,
        backends.cudnn.allow_tf32,
        backends.cuda.matmul.allow_tf32,
    ) = before


@pytest.mark.usefixtures("_restore_backends")
@pytest.mark.parametrize(("precision", "tf32"), [("fp32", False), ("bf16", True), ("fp16", True)])
def test_a_gpu_multiplies_fp32_exactly_and_uses_tf32_next_to_16_bits(
    precision: str, tf32: bool
) -> None:
    set_up_device(torch.device("cuda:0"), precision)
    assert torch.backends.cuda.matmul.allow_tf32 is tf32
    assert torch.backends.cudnn.allow_tf32 is tf32
    assert torch.backends.cudnn.benchmark


@pytest.mark.usefixtures("_restore_backends")
@pytest.mark.parametrize(
    ("version", "warned"), [(90701, False), (90800, True), (91002, True), (91500, False)]
)
def test_a_cudnn_with_wrong_convolutions_is_named(
    version: int, warned: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: version)
    set_up_device(torch.device("cuda:0"), "bf16")
    shown = " ".join(capsys.readouterr().err.split())
    assert ("computes some 3D convolutions in bf16 and TF32 wrongly" in shown) is warned
    assert ("cuDNN 9.8" in shown or "cuDNN 9.10" in shown) is warned


def test_a_network_that_does_not_fit_on_the_device_is_refused_in_one_line() -> None:
    class Large(torch.nn.Linear):
        def to(self, *_: object) -> "Large":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with pytest.raises(CheckpointError) as caught:
        move_to_device(Large(2, 2), torch.device("cuda:0"))
    assert str(caught.value) == (
        "--device cuda:0: not enough free memory for the network (0.0 GiB); end what else runs there, or choose another"
        " device"
    )


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_matrix_products_have_the_chosen_precision(precision: str, dtype: torch.dtype) -> None:
    ones = torch.ones(4, 4)
    with autocast(CPU, precision):
        assert (ones @ ones).dtype == dtype
