"""Move samples to the device. While a GPU works on one sample, the next one is copied."""

from collections.abc import Iterator

import torch

from promise_cli.train.samples import Sample


def prefetch(samples: Iterator[Sample], device: torch.device) -> Iterator[Sample]:
    """Move samples to a device.

    On a GPU, the next sample is copied while the current one is used. The copies run in a CUDA stream of their own.

    Args:
        samples: Samples on the CPU, in page-locked memory if the device is a GPU.
        device: Device of the network.

    Yields:
        The samples on the device, in the same order.
    """
    if device.type != "cuda":
        for sample in samples:
            yield sample.to(device)
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def fetch() -> Sample | None:
        sample = next(samples, None)
        with torch.cuda.stream(stream):
            return None if sample is None else sample.to(device)

    ahead = fetch()
    while ahead is not None:
        current, working = ahead, torch.cuda.current_stream(device)
        working.wait_stream(stream)
        for tensor in current.tensors:  # the copying stream must not reuse their memory too early
            tensor.record_stream(working)
        ahead = fetch()
        yield current
