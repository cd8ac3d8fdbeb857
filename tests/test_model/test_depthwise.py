"""Training a depth-wise convolution under autocast gives the gradients of fp32, whatever the memory held before."""

import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from promise_cli.network.promise.convolution import DepthwiseConv3d

GRADIENT_WHERE_MEMORY_IS_NOT_ZERO = """
import torch
from promise_cli.network.promise.convolution import DepthwiseConv3d
conv = DepthwiseConv3d(8, 7)
for _ in range(5):
    volume = torch.randn(2, 8, 2, 2, 2).to(memory_format=torch.channels_last_3d).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        conv(volume).square().sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().max() < 1e6 for p in conv.parameters()), conv.weight.grad
"""


def _gradients(conv: nn.Conv3d, volume: Tensor) -> list[Tensor]:
    volume = volume.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    conv.zero_grad()
    conv(volume).float().square().sum().backward()
    return [one.grad for one in (volume, *conv.parameters()) if one.grad is not None]


@pytest.mark.parametrize("edge", [2, 6, 9])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_gradients_under_autocast_are_those_of_a_plain_convolution_in_fp32(
    edge: int, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    conv, plain = DepthwiseConv3d(8, 7), nn.Conv3d(8, 8, 7, padding=3, groups=8)
    plain.load_state_dict(conv.state_dict())
    volume = torch.randn(2, 8, edge, edge, edge).to(memory_format=layout)
    wanted = _gradients(plain, volume)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = _gradients(conv, volume)
    assert len(found) == len(wanted) == 3
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-4)


def test_gradients_do_not_depend_on_earlier_contents_of_the_memory() -> None:
    environment = {
        **os.environ,
        "MALLOC_PERTURB_": "128",
    }  # glibc fills allocated memory with a byte other than zero
    command = [sys.executable, "-c", GRADIENT_WHERE_MEMORY_IS_NOT_ZERO]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_gradients_the_convolution_runs_in_the_precision_of_autocast() -> None:
    conv = DepthwiseConv3d(4, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv(torch.zeros(1, 4, 3, 3, 3)).dtype == torch.float32
        with torch.no_grad():
            assert conv(torch.zeros(1, 4, 3, 3, 3)).dtype == torch.bfloat16
