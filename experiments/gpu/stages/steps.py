"""Milliseconds and memory of a training step of ProMISe, in every form that may be faster, the most valuable first.

    python -m experiments.gpu.stages.steps first|second

The first half belongs to the first call of a lease, the second half to the second call.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import mock

import torch

from experiments.gpu.rig import (
    DEVICE,
    IS_TOY,
    OUT,
    SIZES,
    build,
    layout,
    recipe_of,
    report,
    reported,
    sample_of,
    stepper,
    timed,
)
from promise_cli.network.device import Precision, set_up_device
from promise_cli.network.promise.config import EncoderName
from promise_cli.train.compiled import compile_network
from promise_cli.train.deepest_error import deepest_error
from promise_cli.train.losses import total_loss
from tests.test_model.plain_network import plain_logits


def main() -> None:
    """Report one half of the measurements."""
    first = sys.argv[1] == "first"
    for measure in FIRST if first else SECOND:
        with reported(step=measure.__name__.strip("_")):
            measure()


def _recommended() -> None:
    _measure("recommended, bf16", "recommended", "bf16")


def _paper() -> None:
    _measure("paper, bf16", "paper", "bf16")


def _plain_form() -> None:
    """The same network from its formulas, every intermediate result a tensor, in fp32."""
    set_up_device(DEVICE, "fp32")
    model = build("paper", SIZES.encoder, SIZES.edge)
    recipe = recipe_of("paper", "fp32")
    sample = sample_of(SIZES.edge, recipe).to(DEVICE)

    def step() -> None:
        model.zero_grad(set_to_none=True)
        logits = plain_logits(model, sample.image, sample.clicks, sample.signs)
        total_loss(logits, sample.target, recipe.loss)[0].backward()  # type: ignore[no-untyped-call]

    report(step="paper, plain form, fp32, without optimizer", **timed(step, 3, 1))


def _checkpointed() -> None:
    _measure("paper, bf16, checkpointed", "paper", "bf16", checkpoint_activations=True)


def _small_encoder() -> None:
    _measure("recommended, small encoder, bf16", "recommended", "bf16", SIZES.small_encoder)


def _fp32() -> None:
    _measure("paper, fp32", "paper", "fp32")


def _fp16() -> None:
    if DEVICE.type == "cuda":
        _measure("paper, fp16", "paper", "fp16")


def _corrections() -> None:
    """What corrections cost: steps without them, and one search for the deepest error."""
    _measure("recommended, bf16, no corrections", "recommended", "bf16", corrections=0,
             first_answer_weight=0.0)  # fmt: skip
    edge = SIZES.edge
    torch.manual_seed(2)
    noise = torch.rand(2, edge, edge, edge, device=DEVICE)
    scattered, smooth = noise > 0.5, noise.cumsum(1) % 9 > 4
    for name, masks in (("scattered", scattered), ("coarse", smooth)):
        found = timed(partial(deepest_error, masks[0], masks[1], 0.5))
        report(step=f"search for the deepest error, {name} masks", **found)


def _dense_channels_last() -> None:
    with layout("dense", "channels_last"):
        _measure("paper, bf16, dense convolutions channels last", "paper", "bf16")


def _depthwise_contiguous() -> None:
    with layout("depthwise", "contiguous"):
        _measure("paper, bf16, depth-wise convolutions contiguous", "paper", "bf16")


def _compiled() -> None:
    """The halves of the network fused by torch.compile; the first call compiles."""
    model = build("paper", SIZES.encoder, SIZES.edge)
    recipe = recipe_of("paper", "bf16")
    began = time.monotonic()
    step = stepper(model, recipe, prepare=_compile)
    report(step="compile", seconds=round(time.monotonic() - began, 1))
    report(step="paper, bf16, compiled", **timed(step))


def _compile(training: Any) -> None:
    said: list[str] = []
    fused = {"backend": "eager"} if IS_TOY else {}  # on the CPU the real one takes minutes
    with mock.patch.object(torch, "compile", partial(torch.compile, **fused)):
        compile_network(training.network, training.run, said.append)
    if said:
        report(step="compile", warning=said[0])


def _batch_of_two() -> None:
    _measure("paper, bf16, batch of two", "paper", "bf16", batch=2)


def _profile() -> None:
    """Shares of a step by kernel, in profile.txt."""
    step = stepper(
        build("recommended", SIZES.encoder, SIZES.edge), recipe_of("recommended", "bf16")
    )
    step()
    activities = [torch.profiler.ProfilerActivity.CPU]
    if DEVICE.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profile:
        step()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
    by = "self_cuda_time_total" if DEVICE.type == "cuda" else "self_cpu_time_total"
    table = profile.key_averages().table(sort_by=by, row_limit=40, max_name_column_width=90)
    (OUT / "profile.txt").write_text(table)
    report(step="profile", file="profile.txt")


def _measure(
    name: str,
    preset: str,
    precision: Precision,
    encoder: EncoderName = SIZES.encoder,
    batch: int = 1,
    **changes: Any,
) -> None:
    model = build(preset, encoder, SIZES.edge)
    step = stepper(model, recipe_of(preset, precision, **changes), batch)
    report(step=name, **timed(step))


FIRST: tuple[Callable[[], None], ...] = (
    _recommended,
    _depthwise_contiguous,
    _paper,
    _corrections,
    _small_encoder,
    _checkpointed,
    _fp32,
    _dense_channels_last,
    _plain_form,
)
SECOND: tuple[Callable[[], None], ...] = (_profile, _batch_of_two, _fp16, _compiled)

if __name__ == "__main__":
    main()
