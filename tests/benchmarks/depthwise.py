"""Measure what it gains on the CPU that our depth-wise convolution leaves autocast during training.

    python -m tests.benchmarks.depthwise

Prints one line of JSON for each size: the seconds of a forward and backward pass of torch's convolution and of ours,
and their ratio. Both run under autocast in bf16, which ours leaves for fp32. Passes of the two alternate, and each time
is the median of five passes.
"""

import json
import statistics
import time
from dataclasses import dataclass

PAIRS = 5


@dataclass(frozen=True)
class Size:
    """Size of one depth-wise convolution: batch, channels, edge of the volume in tokens and edge of the kernel."""

    where: str
    batch: int
    channels: int
    edge: int
    kernel: int


SIZES = (
    Size("adapter of the sarcoma matrix, 48^3", batch=2, channels=96, edge=12, kernel=3),
    Size("adapter of ViT-B, 64^3", batch=1, channels=384, edge=16, kernel=3),
    Size("adapter of ViT-B, 128^3", batch=1, channels=384, edge=32, kernel=3),
    Size("ux_net, first stage, 48^3", batch=2, channels=48, edge=24, kernel=7),
)


def measure(size: Size) -> dict[str, object]:
    import torch
    from torch import nn

    from promise_cli.network.promise.convolution import DepthwiseConv3d

    ours = DepthwiseConv3d(size.channels, size.kernel)
    torchs = nn.Conv3d(
        size.channels, size.channels, size.kernel, padding=size.kernel // 2, groups=size.channels
    )
    torchs.load_state_dict(ours.state_dict())
    tokens = torch.randn(size.batch, size.edge, size.edge, size.edge, size.channels)

    def train(conv: nn.Module) -> float:
        volume = tokens.bfloat16().permute(0, 4, 1, 2, 3).requires_grad_()
        began = time.monotonic()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = conv(volume).bfloat16()
        out.backward(torch.ones_like(out))
        return time.monotonic() - began

    train(torchs), train(ours)  # a warm-up: torch chooses its kernels at the first call
    taken = [(train(torchs), train(ours)) for _ in range(PAIRS)]
    bf16, fp32 = (statistics.median(one) for one in zip(*taken, strict=True))
    return {
        "where": size.where,
        "threads": torch.get_num_threads(),
        "torch_bf16_seconds": round(bf16, 4),
        "ours_fp32_seconds": round(fp32, 4),
        "ratio": round(bf16 / fp32, 2),
    }


if __name__ == "__main__":
    for one in SIZES:
        print(json.dumps(measure(one)), flush=True)  # noqa: T201
