"""Measure with which memory layout and number of channels cuDNN's 3D convolutions are fastest, forward and backward."""

import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from experiments.gpu.rig import DEVICE, IS_TOY, report, reported, timed

SHARE = 8 if IS_TOY else 1
EDGE, HALF = 32 // SHARE, 64 // SHARE
"""Edge of the token grid, and of half the patch's resolution, at a patch of 128^3."""
SHAPES = (
    # what it is, channels in, channels out, groups, edge
    ("adapter, depth-wise", 384, 384, 384, EDGE),
    ("neck", 256, 256, 1, EDGE),
    ("branch", 256, 128, 1, EDGE),
    ("head and CNN", 128, 128, 1, HALF),
    ("head with the image's channel", 129, 128, 1, HALF),
    ("head, padded to a multiple of 8", 136, 128, 1, HALF),
)
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last_3d}


def main() -> None:
    """Report milliseconds of each convolution in each order and precision."""
    torch.backends.cudnn.allow_tf32 = False
    for benchmark in (True, False):
        torch.backends.cudnn.benchmark = benchmark
        for shape, precision, layout in itertools.product(SHAPES, ("bf16", "fp32"), LAYOUTS):
            if not benchmark and precision == "fp32":
                continue
            what = {
                "convolution": shape[0],
                "precision": precision,
                "layout": layout,
                "benchmark": benchmark,
            }
            with reported(**what):
                call = _forward_and_backward(*shape[1:], precision, layout)
                report(**what, **timed(call, at_once=1 if IS_TOY else 10))


def _forward_and_backward(
    channels: int, out: int, groups: int, edge: int, precision: str, layout: str
) -> Callable[[], None]:
    if IS_TOY:
        channels, out, groups = channels // 8 or 1, out // 8, groups // 8 or 1
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    made = {"device": DEVICE, "dtype": dtype}
    features = torch.randn(1, channels, edge, edge, edge, **made)  # type: ignore[call-overload]
    features = features.contiguous(memory_format=LAYOUTS[layout]).requires_grad_()
    weight: Tensor = torch.randn(out, channels // groups, 3, 3, 3, **made)  # type: ignore[call-overload]
    weight.requires_grad_()

    def run() -> None:
        features.grad = weight.grad = None
        F.conv3d(features, weight, padding=1, groups=groups).sum().backward()  # type: ignore[no-untyped-call]

    return run


if __name__ == "__main__":
    main()
