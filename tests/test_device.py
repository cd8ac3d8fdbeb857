"""A missing device is refused, and the automatic precision is the one that the device is fast in."""

import pytest
import torch

from promise_cli.errors import CheckpointError
from promise_cli.network import device as device_module
from promise_cli.network.device import autocast, choose_device, choose_precision

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
    with pytest.raises(CheckpointError, match="--precision fp16: unknown; use auto, fp32 or bf16"):
        choose_precision("fp16", CPU, "tiny")


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_matrix_products_have_the_chosen_precision(precision: str, dtype: torch.dtype) -> None:
    ones = torch.ones(4, 4)
    with autocast(CPU, precision):
        assert (ones @ ones).dtype == dtype
