"""Code that the stages share: sizes, a training that needs no files, and timing on the CPU or a GPU."""

import dataclasses
import gc
import json
import os
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import torch
from torch import Tensor

from experiments.command import run, run_in_a_copy
from promise_cli.network.device import Precision, set_up_device
from promise_cli.network.promise import ProMISe, model_config
from promise_cli.network.promise.config import EncoderName
from promise_cli.network.promise.convolution import CUDA_LAYOUT, Layout
from promise_cli.network.recipe import TrainConfig, preset
from promise_cli.train.corrections import Answering
from promise_cli.train.group import Group
from promise_cli.train.samples import Sample
from promise_cli.train.schedule import Batch
from promise_cli.train.start import make_optimizer, make_scaler
from promise_cli.train.step import take_step


@dataclass(frozen=True)
class Sizes:
    """How large the measurements are."""

    device: str
    encoder: EncoderName
    small_encoder: EncoderName
    edge: int
    """Edge of the patch in voxels."""
    agreement_edge: int
    warm_up: int
    repeats: int
    product: int
    """Edge of the matrices whose product is timed."""


FULL = Sizes("cuda", "sam_vit_b", "dinov2_s", 128, 64, 3, 10, 8192)
TOY = Sizes("cpu", "tiny", "tiny", 24, 24, 0, 1, 128)
TOY_WIDTHS = {"adapter_width": 8, "feature_width": 32, "decoder_width": 8, "prompt_mlp_width": 32}
TOY_TRAINING = ("--preset", "tiny", "--set", f"patch_size={TOY.edge}")
"""Options of promise-train in a rehearsal."""
IS_TOY = os.environ.get("PROMISE_GPU_TOY") == "1"
SIZES = TOY if IS_TOY else FULL
DEVICE = torch.device(SIZES.device)
run_command = run_in_a_copy if IS_TOY else run
"""Runs `promise-<name>` in a folder; see `experiments.command.run`."""
OUT = Path(os.environ.get("PROMISE_GPU_OUT", "."))
CARRIED = Path(os.environ.get("PROMISE_GPU_CARRIED", Path(__file__).resolve().parents[2] / ".gpu"))
"""Folder of the files that were copied to this machine: `wheels`, `weights`, `data` and `phantom`."""


def report(**found: object) -> None:
    """Print one result as a line of JSON."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


@contextmanager
def reported(**what: object) -> Iterator[None]:
    """Report an error inside the block instead of raising it, so that the next measurement runs."""
    try:
        yield
    except Exception as error:  # no error of any kind may prevent the next measurement
        report(**what, error=f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")
        traceback.print_exc()
    gc.collect()  # here the traceback no longer holds any tensors
    if DEVICE.type == "cuda":
        torch.cuda.empty_cache()


def timed(
    call: Callable[[], object],
    repeats: int = SIZES.repeats,
    warm_up: int = SIZES.warm_up,
    at_once: int = 1,
) -> dict[str, float]:
    """Time a call on the device.

    Args:
        call: Function to time.
        repeats: Number of measurements.
        warm_up: Number of calls before the first measurement.
        at_once: Number of calls in one measurement. Kernels that are shorter than their launch need several.

    Returns:
        Milliseconds of a call (median, mean and least), and the peak memory in GiB on a GPU.
    """
    for _ in range(warm_up):
        call()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        for _ in range(at_once):
            call()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        taken.append(1000 * (time.perf_counter() - began) / at_once)
    found = {
        "median_ms": round(statistics.median(taken), 3),
        "mean_ms": round(statistics.fmean(taken), 3),
        "least_ms": round(min(taken), 3),
    }
    if DEVICE.type == "cuda":
        found["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    return found


@contextmanager
def layout(kind: Literal["dense", "depthwise"], chosen: Layout) -> Iterator[None]:
    """Give convolutions their input in another memory layout inside the block."""
    before = CUDA_LAYOUT[kind]
    CUDA_LAYOUT[kind] = chosen
    try:
        yield
    finally:
        CUDA_LAYOUT[kind] = before


def build(name: str, encoder: EncoderName, edge: int) -> ProMISe:
    """Build ProMISe with random weights on the device, its encoder frozen as if pretrained."""
    torch.manual_seed(0)
    config = dataclasses.replace(model_config(name), encoder=encoder, patch_size=edge)
    if IS_TOY:
        config = dataclasses.replace(config, **TOY_WIDTHS)  # type: ignore[arg-type]
    with DEVICE:
        model = ProMISe(config)
    model.freeze_encoder()
    return model


def recipe_of(name: str, precision: Precision, **changes: Any) -> TrainConfig:
    """Return the recipe of a preset in one precision."""
    return dataclasses.replace(preset(name)[1], precision=precision, **changes)


def sample_of(edge: int, recipe: TrainConfig, batch: int = 1) -> Sample:
    """Make a batch on the CPU: noise with a bright ball as the target, clicked in its middle."""
    torch.manual_seed(1)
    axis = torch.arange(edge) - edge / 2
    ball = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).sqrt() < edge / 5
    target = ball.float().expand(batch, 1, edge, edge, edge).contiguous()
    count = recipe.num_foreground_clicks + recipe.num_background_clicks
    return Sample(
        torch.randn(batch, 1, edge, edge, edge) + target,
        target,
        torch.full((batch, count, 3), edge / 2),
        torch.ones(batch, count, dtype=torch.long),
        tuple(f"case_{number}" for number in range(batch)),
    )


def training_of(model: Any, recipe: TrainConfig, device: torch.device = DEVICE) -> Any:
    """Make a training without files, as `take_step` and `validate` need it."""
    run = SimpleNamespace(
        model=model,
        optimizer=make_optimizer(model, recipe),
        scaler=make_scaler(device, "fp16" if recipe.precision == "fp16" else "fp32"),
        can_lower_scale=recipe.precision == "fp16",
        device=device,
        config=recipe,
        plan=SimpleNamespace(objects=()),
        precision=recipe.precision,
        seed=5,
        epoch=1,
        step=0,
        folder=Path("rig"),
        is_saved=False,
    )
    return SimpleNamespace(
        run=run,
        group=Group(),
        network=Answering(model, learns_from_first=recipe.first_answer_weight > 0),
        stop=SimpleNamespace(reason=None),
        waiting_seconds=0.0,
    )


def stepper(
    model: ProMISe,
    recipe: TrainConfig,
    batch: int = 1,
    prepare: Callable[[Any], None] = lambda _: None,
) -> Callable[[], dict[str, float]]:
    """Return a function that takes one step of the optimizer; the number of corrections differs from call to call.

    Args:
        model: The network on the device.
        recipe: Its recipe.
        batch: Samples of a step.
        prepare: Function that is called once with the training, for example to compile its network.
    """
    set_up_device(DEVICE, "fp32" if recipe.precision == "auto" else recipe.precision)
    model.train()
    model.checkpoint_activations(recipe.checkpoint_activations)
    training = training_of(model, recipe)
    prepare(training)
    sample = sample_of(model.config.patch_size, recipe, batch).to(DEVICE)

    def step() -> dict[str, float]:
        training.run.epoch += 1
        return take_step(training, [Batch((0,), 1.0, True)], iter([sample]))

    return step


def relative(ours: Tensor, theirs: Tensor) -> float:
    """Return the L2 norm of the difference, as a share of the norm of `theirs`."""
    ours, theirs = ours.detach().double().cpu(), theirs.detach().double().cpu()
    return float((ours - theirs).norm() / theirs.norm())
